//! Where the bytes of a get go: a stream, in order, or a file that appears when it is whole.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use storgo_node::object::{Order, Piece, Sink};
use tokio::io::AsyncWriteExt as _;

use crate::error::{CliError, Exit};

/// Where the bytes go.
#[derive(Debug)]
pub(in crate::commands) enum Target {
    /// In order, to what cannot be written elsewhere than at its end: standard output, a pipe, a device.
    Stream(File),
    /// In any order, to a file that appears when it is whole.
    File(PathBuf),
}

impl Target {
    pub(in crate::commands) fn of(path: Option<&Path>) -> Result<Self, CliError> {
        match path {
            None if io::stdout().is_terminal() => {
                Err(CliError::new(Exit::Usage, "bytes are not printed on a terminal").hint("say where with -o PATH"))
            }
            None => Self::stdout(),
            Some(path) if path == Path::new("-") => Self::stdout(),
            Some(path) => match fs::metadata(path) {
                Ok(found) if found.is_dir() => {
                    let error = CliError::new(Exit::Usage, format!("{} is a directory", path.display()));
                    Err(error.hint(format!("say under which name: -o {}", path.join("NAME").display())))
                }
                Ok(found) if !found.is_file() => {
                    let file = File::options().write(true).open(path);
                    file.map(Self::Stream).map_err(|error| CliError::io(format!("opening {}", path.display()), error))
                }
                _ => Ok(Self::File(path.to_owned())),
            },
        }
    }

    fn stdout() -> Result<Self, CliError> {
        io::stdout().as_fd().try_clone_to_owned().map(|fd| Self::Stream(fd.into())).map_err(CliError::output)
    }
}

pub(in crate::commands) fn refuse_existing(path: &Path) -> Result<(), CliError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => {
            let error = CliError::new(Exit::Conflict, format!("{} exists already", path.display()));
            Err(error.hint("--force replaces it"))
        }
        Err(error) => Err(CliError::io(format!("looking at {}", path.display()), error)),
    }
}

/// Bytes in order, to a stream.
#[derive(Debug)]
pub(in crate::commands) struct StreamSink(pub(in crate::commands) tokio::fs::File);

#[async_trait]
impl Sink for StreamSink {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _: &Piece) -> bool {
        false
    }

    async fn put(&mut self, _: &Piece, bytes: Bytes) -> io::Result<()> {
        self.0.write_all(&bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_no_target_and_the_hint_says_what_is() {
        let directory = tempfile::tempdir().unwrap();
        let error = Target::of(Some(directory.path())).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.hints().iter().all(|hint| hint.ends_with("/NAME")), "{:?}", error.hints());
        assert!(matches!(Target::of(Some(&directory.path().join("new"))), Ok(Target::File(_))));
    }
}
