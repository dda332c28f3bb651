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
    space: Option<PathBuf>,
}

impl Home {
    /// A user whose home is `path`, in a world that ends at the directory `outside`.
    pub fn new(path: PathBuf, outside: &Path) -> Self {
        Self { path, outside: outside.to_owned(), log: None, space: None }
    }

    /// The same user, in a network namespace.
    pub fn inside(&self, space: &Space) -> Self {
        Self { space: Some(space.path().to_owned()), ..self.clone() }
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
        let mut command = storgo(&self.outside, self.space.as_deref());
        if let Some(log) = &self.log {
            command.env("STORGO_LOG", log);
        }
        command.arg("--home").arg(&self.path).args(args);
        Running::start(command)
    }
}

/// The program, in an environment that knows nothing of this machine's users, and in a network namespace if one is
/// named.
pub fn storgo(outside: &Path, space: Option<&Path>) -> Command {
    let mut command = space.map_or_else(|| Command::new(STORGO), |space| Space::command(space, STORGO));
    command.env_clear().env("HOME", outside).env("TMPDIR", outside.join("tmp")).env("RUST_BACKTRACE", "1");
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
