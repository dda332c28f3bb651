//! A user: a home directory of its own, and commands run with it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::STORGO;
use super::net::Space;
use super::process::{Output, Running};

/// A user.
#[derive(Debug, Clone)]
pub struct Home {
    pub path: PathBuf,
    outside: PathBuf,
    log: Option<String>,
    started_by: Vec<String>,
}

impl Home {
    /// A user whose home is `path`, in a world that ends at the directory `outside`.
    pub fn new(path: PathBuf, outside: &Path) -> Self {
        Self { path, outside: outside.to_owned(), log: None, started_by: Vec::new() }
    }

    /// The same user, in a network namespace.
    pub fn inside(&self, space: &Space) -> Self {
        Self { started_by: Space::starter(space.path()), ..self.clone() }
    }

    /// The same user, who logs as `filter` says.
    pub fn logging(&self, filter: &str) -> Self {
        Self { log: Some(filter.to_owned()), ..self.clone() }
    }

    /// Runs `storgo` with these arguments to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.start(args).finish()
    }

    /// Starts `storgo` with these arguments.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = storgo(&self.started_by, &self.outside);
        if let Some(log) = &self.log {
            command.env("STORGO_LOG", log);
        }
        command.arg("--home").arg(&self.path).args(args);
        Running::start(command)
    }
}

/// The program, in an environment that knows nothing of this machine's users. It is started by another where one is
/// named, which is given its path as the last argument.
pub fn storgo(started_by: &[String], outside: &Path) -> Command {
    let mut command = match started_by.split_first() {
        Some((first, args)) => {
            let mut command = Command::new(first);
            command.args(args).arg(STORGO);
            command
        }
        None => Command::new(STORGO),
    };
    command.env_clear().env("HOME", outside).env("TMPDIR", outside.join("tmp")).env("RUST_BACKTRACE", "1");
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
