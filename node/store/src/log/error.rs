//! Why a log did not do what it was asked.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use storgo_protocol::{DecodeError, GroupId};

/// A log's refusal or failure.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The log failed before, and does nothing any more: what its disk holds is not known until it is opened again.
    #[error("the log has stopped: {what} failed")]
    Stopped {
        /// What failed first.
        what: &'static str,
        /// What the system said to it.
        #[source]
        source: Arc<io::Error>,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The log cannot be opened now.
    #[error("{what} failed at {}", path.display())]
    Open {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Another process has the log open.
    #[error("another process uses the log in {}", dir.display())]
    InUse {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The log was sealed with another key. Nothing was changed.
    #[error("the log in {} was sealed with another key", dir.display())]
    WrongKey {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A newer program wrote the log. Nothing was changed.
    #[error("a newer storgo wrote {}", path.display())]
    Newer {
        /// The file that is newer.
        path: PathBuf,
        /// The versions.
        #[source]
        source: DecodeError,
    },
    /// So many logs were found damaged in this place that its disk is not to be trusted with another.
    #[error("{count} damaged logs were set aside beside {}: replace the disk, or remove them", dir.display())]
    SetAsideTooOften {
        /// The log's directory.
        dir: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// An entry does not follow the last one, which would leave a hole. Nothing was appended.
    #[error("entry {found} of group {group} does not follow: {expected} is next")]
    Hole {
        /// The group.
        group: GroupId,
        /// The index that must come next.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A record is larger than its bound. Nothing was appended.
    #[error("{bytes} bytes, where a record holds at most {max}")]
    TooLarge {
        /// Bytes that were given.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

/// What stopped a log.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    what: &'static str,
    source: Arc<io::Error>,
}

impl Failure {
    /// For `map_err` of a call of the disk.
    pub(super) fn during(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { what, source: Arc::new(source) }
    }

    /// What was read, or kept in memory, is not what was written.
    pub(super) fn damaged(what: &'static str, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what, source: Arc::new(io::Error::new(io::ErrorKind::InvalidData, reason)) }
    }

    pub(super) fn error(&self) -> LogError {
        LogError::Stopped { what: self.what, source: Arc::clone(&self.source) }
    }
}
