//! The demo's directory, and the keeper that removes it when nobody uses it any more.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::error::{CliError, Exit};

/// The file that marks a directory as a demo's: the keeper removes no other.
pub(super) const MARK: &str = "storgo-demo";

/// A directory of its own with its keeper.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    keeper: Child,
    /// Its end is the keeper's sign to tidy up.
    line: Option<ChildStdin>,
}

impl Stage {
    /// Makes the directory and starts the keeper.
    pub(super) fn open() -> Result<Self, CliError> {
        let path = env::temp_dir().join(format!("storgo-demo-{:016x}", rand::random::<u64>()));
        let failed = |error| CliError::io(format!("making {}", path.display()), error);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        fs::File::create_new(path.join(MARK)).map_err(failed)?;
        // In a process group of its own, so that Ctrl-C does not reach it.
        let mut keeper = Command::new(executable()?)
            .arg("demo-keeper")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| CliError::io("starting the keeper", error))?;
        let line = keeper.stdin.take();
        Ok(Self { path, keeper, line })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the keeper that the directory stays.
    pub(super) async fn leave(&mut self) -> Result<(), CliError> {
        match &mut self.line {
            Some(line) => line.write_all(b"keep\n").await.map_err(|error| CliError::io("telling the keeper", error)),
            None => Ok(()),
        }
    }

    /// Waits until the keeper has tidied up. All peers must have been let go.
    pub(super) async fn close(mut self) -> Result<(), CliError> {
        drop(self.line.take());
        let ended = self.keeper.wait().await.map_err(|error| CliError::io("waiting for the keeper", error))?;
        if ended.success() {
            return Ok(());
        }
        Err(CliError::new(Exit::Failed, format!("{} could not be removed", self.path.display())))
    }
}

/// This program's own file.
pub(super) fn executable() -> Result<PathBuf, CliError> {
    env::current_exe().map_err(|error| CliError::io("finding this program", error))
}
