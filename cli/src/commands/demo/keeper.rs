//! The keeper: a process that outlives the demo by a moment, to remove its directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use storgo_node::LOCK_NAME;

use super::stage::MARK;
use crate::error::{CliError, Exit};

/// How long the peers may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What the keeper keeps.
#[derive(Debug, Args)]
pub(crate) struct KeeperArgs {
    /// The demo's directory
    directory: PathBuf,
}

/// Waits until standard input ends, then until the peers have, and removes the directory; leaves it if a byte came.
pub(crate) async fn keep(args: KeeperArgs) -> Result<(), CliError> {
    let directory = args.directory;
    // A blocking read on a thread of its own: nothing else happens in this process.
    let stays = tokio::task::spawn_blocking(told_to_leave).await.map_err(|error| CliError::new(Exit::Failed, error))?;
    if stays {
        return Ok(());
    }
    let failed = |error| CliError::io(format!("removing {}", directory.display()), error);
    if !directory.join(MARK).try_exists().map_err(failed)? {
        return Err(CliError::new(Exit::Usage, format!("{} is no demo's directory", directory.display())));
    }
    let deadline = Instant::now() + PATIENCE;
    while is_in_use(&directory).map_err(failed)? && Instant::now() < deadline {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    // Whatever still ends may write once more.
    loop {
        match fs::remove_dir_all(&directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(failed(error)),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Whether a byte came before the end.
fn told_to_leave() -> bool {
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Ok(read) => return read > 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Whether a node still holds the lock of its data directory.
fn is_in_use(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let lock = entry?.path().join(LOCK_NAME);
        match File::open(&lock) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
            Ok(file) => match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(error),
            },
        }
    }
    Ok(false)
}
