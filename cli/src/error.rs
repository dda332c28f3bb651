//! What a command that failed tells its user: one line, its causes, what to try, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;

use storgo_node::NodeError;
use storgo_node::object::ports::MetadataError;
use storgo_node::object::{ErrorKind, NameError, ObjectError};
use storgo_rpc::{RpcError, SocketError};

pub(crate) use crate::exit::Exit;

const NO_PEER_HINT: &str = "name a peer that is up with --via, or start one: storgo node run";

const NO_NODE_HINT: &str = "start a node with storgo node run, or name one with --node DIR";

const MULTIADDR_HINT: &str = "addresses are multiaddrs, such as /ip4/127.0.0.1/tcp/4101";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    source: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
    unread: bool,
}

impl CliError {
    pub(crate) fn new(exit: Exit, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, source: source.into(), hints: Vec::new(), unread: false }
    }

    /// A failure of the user's own files or terminal.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::new(io_exit(&source), Attempt { what: what.into(), source })
    }

    /// A failure of standard output.
    pub(crate) fn output(source: io::Error) -> Self {
        let unread = source.kind() == io::ErrorKind::BrokenPipe;
        Self { unread, ..Self::io("writing to standard output", source) }
    }

    /// Whether nobody reads the output any more, such as `head` that has seen enough: there is nothing to tell.
    pub(crate) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Adds what the user may try.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error and what caused it, outermost first, without repetitions.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.source.to_string()];
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let line = error.to_string();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
            cause = error.source();
        }
        lines
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// Something that was attempted, and what the system said.
#[derive(Debug)]
struct Attempt {
    what: String,
    source: io::Error,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Attempt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

fn io_exit(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::NoSpace,
        io::ErrorKind::AlreadyExists => Exit::Conflict,
        _ => Exit::Failed,
    }
}

fn object_exit(error: &ObjectError) -> Exit {
    match error.kind() {
        ErrorKind::Unavailable => Exit::Unavailable,
        ErrorKind::NotEnough => Exit::NotEnough,
        ErrorKind::Corrupt => Exit::Corrupt,
        ErrorKind::NoSpace => Exit::NoSpace,
        ErrorKind::Denied => Exit::Denied,
        ErrorKind::Invalid => Exit::Usage,
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::Conflict => Exit::Conflict,
        ErrorKind::Local => match error {
            ObjectError::Local { source, .. } => io_exit(source),
            _ => Exit::Failed,
        },
        ErrorKind::Internal => Exit::Failed,
    }
}

fn object_hint(error: &ObjectError) -> Option<&'static str> {
    if let ObjectError::Name(error) = error {
        return name_hint(error);
    }
    match error.kind() {
        ErrorKind::Unavailable => Some(NO_PEER_HINT),
        ErrorKind::NotEnough => {
            Some("bring more of the peers back, then try again; storgo stat TICKET says who holds what")
        }
        ErrorKind::NoSpace => Some("add peers or disks, or make room; nothing of what was refused counts as stored"),
        ErrorKind::NotFound => Some("storgo ls TICKET -r says what is there"),
        ErrorKind::Conflict
        | ErrorKind::Denied
        | ErrorKind::Corrupt
        | ErrorKind::Invalid
        | ErrorKind::Local
        | ErrorKind::Internal => None,
    }
}

fn name_hint(error: &NameError) -> Option<&'static str> {
    match error {
        NameError::NoBucket { .. } => Some("storgo bucket ls says which there are; storgo bucket create makes one"),
        NameError::NoKey { .. } => Some("storgo ls storgo://BUCKET says what is there, with --versions what was"),
        NameError::NoAccessKey { .. } => Some("storgo key ls BUCKET says which there are"),
        NameError::Condition { .. } => Some("storgo stat storgo://BUCKET/KEY says what is there now"),
        NameError::Metadata(MetadataError::NoNetwork(_)) => Some("begin one that does with storgo network init"),
        NameError::Metadata(MetadataError::Unavailable(_)) => {
            Some("what was to be written may or may not be: look, then try again when more members answer")
        }
        _ => None,
    }
}

impl From<ObjectError> for CliError {
    fn from(error: ObjectError) -> Self {
        let (exit, hint) = (object_exit(&error), object_hint(&error));
        let unread = matches!(&error, ObjectError::Local { source, .. } if source.kind() == io::ErrorKind::BrokenPipe);
        let error = Self { unread, ..Self::new(exit, error) };
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        let exit = match error {
            NodeError::Object(error) => return error.into(),
            NodeError::Io { ref source, .. } => io_exit(source),
            NodeError::Damaged { .. } => Exit::Corrupt,
            NodeError::Busy { .. } | NodeError::Exists { .. } => Exit::Conflict,
            NodeError::Config { .. } => Exit::Usage,
            NodeError::NotJoined(_) | NodeError::NoNode { .. } => Exit::Unavailable,
            _ => Exit::Failed,
        };
        let hint = match error {
            NodeError::Exists { .. } => Some("--force replaces it"),
            NodeError::NotJoined(_) => Some(NO_PEER_HINT),
            NodeError::NoNode { .. } => Some(NO_NODE_HINT),
            NodeError::Config { ref what, .. } if what.parse::<std::net::SocketAddr>().is_ok() => Some(MULTIADDR_HINT),
            _ => None,
        };
        let error = Self::new(exit, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<SocketError> for CliError {
    fn from(error: SocketError) -> Self {
        let exit = match &error {
            SocketError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::Unavailable,
            SocketError::Io { source, .. } => io_exit(source),
            _ => Exit::Failed,
        };
        Self::new(exit, error).hint(NO_NODE_HINT)
    }
}

impl From<RpcError> for CliError {
    fn from(error: RpcError) -> Self {
        let exit = match &error {
            RpcError::NoNode { .. } | RpcError::Unavailable { .. } => Exit::Unavailable,
            RpcError::Invalid { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        let no_node = matches!(error, RpcError::NoNode { .. });
        let error = Self::new(exit, error);
        if no_node { error.hint(NO_NODE_HINT) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_engine_reach_their_codes_and_keep_their_causes() {
        let not_enough = ObjectError::NotEnough { what: "chunk 3".into(), have: 3, need: 4 };
        assert_eq!(CliError::from(not_enough).exit, Exit::NotEnough);
        assert_eq!(CliError::from(ObjectError::NoPeers).exit, Exit::Unavailable);
        assert_eq!(CliError::from(ObjectError::WrongKey).exit, Exit::Denied);
        assert_eq!(CliError::from(ObjectError::Range { from: 1, to: 2, size: 0 }).exit, Exit::Usage);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = CliError::from(NodeError::from(ObjectError::Local { what: "writing the target", source: full }));
        assert_eq!(error.exit, Exit::NoSpace);
        assert_eq!(error.lines().len(), 2, "{:?}", error.lines());
    }

    #[test]
    fn output_that_nobody_reads_is_told_from_output_that_fails() {
        assert!(CliError::output(io::ErrorKind::BrokenPipe.into()).is_unread());
        assert!(!CliError::output(io::ErrorKind::StorageFull.into()).is_unread());
        let source = io::ErrorKind::BrokenPipe.into();
        assert!(CliError::from(ObjectError::Local { what: "writing the target", source }).is_unread());
        assert!(!CliError::io("telling a peer", io::ErrorKind::BrokenPipe.into()).is_unread());
    }
}
