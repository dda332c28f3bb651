//! Why the records did not do what they were asked.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use storgo_protocol::{DecodeError, GroupId};

/// A refusal or failure of the records.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// They failed before, and take no changes any more: what their disk holds is not known until they are opened
    /// again.
    #[error("the records have stopped: {what} failed")]
    Stopped {
        /// What failed first.
        what: &'static str,
        /// What was said to it.
        #[source]
        source: Arc<redb::Error>,
    },
    /// They were closed.
    #[error("the records are closed")]
    Closed,
    /// They cannot be opened now.
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
    /// Another process has them open.
    #[error("another process uses the records in {}", path.display())]
    InUse {
        /// Their file.
        path: PathBuf,
    },
    /// They should be there and are not: the groups have to be filled from their other members.
    #[error("there are no records at {}, and there were", path.display())]
    Missing {
        /// Where they should be.
        path: PathBuf,
    },
    /// What is there is not what was written: the groups have to be filled from their other members.
    #[error("the records are damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// They were sealed with another key. Nothing was changed.
    #[error("the records at {} were sealed with another key", path.display())]
    WrongKey {
        /// Their file.
        path: PathBuf,
    },
    /// A commit or import that does not lead on from what was applied. Nothing was changed.
    #[error("group {group} has applied {applied}, and {found} does not follow")]
    Order {
        /// The group.
        group: GroupId,
        /// What was applied last.
        applied: u64,
        /// What was to be applied.
        found: u64,
    },
    /// Something is larger than its bound. Nothing was changed.
    #[error("{bytes} bytes, where at most {max} are allowed")]
    TooLarge {
        /// Bytes that were given.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A page of an import is not the next one, or no page at all. What was imported before is kept.
    #[error("not page {expected} of the state of group {group}")]
    Page {
        /// The group.
        group: GroupId,
        /// The page that is wanted.
        expected: u64,
        /// What is wrong with the bytes, if it is not the order.
        #[source]
        source: Option<DecodeError>,
    },
}

impl RecordsError {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    /// For `map_err` of a call of redb.
    pub(super) fn during<E: Into<redb::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| match error.into() {
            // The disk, or an earlier failure, or a fault of this program.
            redb::Error::Io(error) if !is_of_content(&error) => {
                Self::Stopped { what, source: Arc::new(redb::Error::Io(error)) }
            }
            error @ (redb::Error::PreviousIo
            | redb::Error::DatabaseClosed
            | redb::Error::LockPoisoned(_)
            | redb::Error::TransactionPoisoned
            | redb::Error::ValueTooLarge(_)) => Self::Stopped { what, source: Arc::new(error) },
            // What is left is that something is not what it should be.
            error => Self::Damaged { what: format!("{what}: {error}") },
        }
    }
}

/// Whether a disk says that it has other bytes, or fewer, than were wanted.
pub(super) fn is_of_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}
