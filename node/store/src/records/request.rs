//! What the writer is asked, and the answers that wait for its transaction.

use storgo_protocol::{GroupId, SnapshotRow};
use tokio::sync::oneshot;

use super::batch::Applied;
use super::error::RecordsError;

/// Who is told.
pub(super) type Done<T> = oneshot::Sender<Result<T, RecordsError>>;

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// Write some of what was committed, for there is much of it.
    Write,
    /// Write all that was committed, for nobody asks for anything any more.
    WriteAll,
    /// Make all before durable.
    Flush(Done<()>),
    /// Make durable what was committed before to one group.
    FlushGroup(GroupId, Done<()>),
    /// Forget a group.
    Remove(GroupId, Done<()>),
    /// Make a new section.
    Begin(Done<u64>),
    /// Put rows into a section that no group has yet.
    Fill(GroupId, u64, Vec<SnapshotRow>, Done<()>),
    /// Give a group a section in place of the one it has, durably.
    Replace(GroupId, u64, Applied, Done<()>),
    /// Forget a section that no group has.
    Discard(u64),
}

/// An answer that holds once a transaction does.
#[derive(Debug)]
pub(super) enum Answer {
    Unit(Done<()>, Result<(), RecordsError>),
    Section(Done<u64>, u64),
}

// Who no longer waits needs no answer.
impl Answer {
    pub(super) fn give(self) {
        match self {
            Self::Unit(done, outcome) => drop(done.send(outcome)),
            Self::Section(done, section) => drop(done.send(Ok(section))),
        }
    }

    pub(super) fn refuse(self, error: &RecordsError) {
        match self {
            Self::Unit(done, _) => drop(done.send(Err(error.clone()))),
            Self::Section(done, _) => drop(done.send(Err(error.clone()))),
        }
    }
}

impl Request {
    pub(super) fn refuse(self, error: &RecordsError) {
        match self {
            Self::Flush(done)
            | Self::FlushGroup(_, done)
            | Self::Remove(_, done)
            | Self::Fill(.., done)
            | Self::Replace(.., done) => {
                drop(done.send(Err(error.clone())));
            }
            Self::Begin(done) => drop(done.send(Err(error.clone()))),
            Self::Write | Self::WriteAll | Self::Discard(_) => {}
        }
    }
}
