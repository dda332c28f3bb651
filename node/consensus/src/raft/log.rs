//! openraft's log on the part of the node's log that is a group's.
//!
//! Votes and entries are answered when they are durable, entries in the order in which they came. How far the group
//! committed is kept along and not waited for: after a loss of power it may be behind, never ahead.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use storgo_protocol::DecodeError;
use storgo_protocol::limits::{LOG_READ_BYTES_MAX, RAFT_APPEND_BYTES_MAX};
use storgo_store::log::{GroupLog, LogEntry, LogError};

use super::own_disk::OwnDisk;
use super::types::{Entry, LogId, Types, Vote};
use super::wire;
#[cfg(storgo_planted)]
use crate::planted::{Planted, is_planted};

/// A group's log. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    log: GroupLog,
    own_disk: OwnDisk,
    /// A vote that was not kept, where that fault is planted.
    #[cfg(storgo_planted)]
    unkept: std::sync::Arc<parking_lot::Mutex<Option<Bytes>>>,
}

impl LogStore {
    /// `own_disk` is told what came to be on the disk.
    pub(super) fn new(log: GroupLog, own_disk: OwnDisk) -> Self {
        Self {
            log,
            own_disk,
            #[cfg(storgo_planted)]
            unkept: std::sync::Arc::default(),
        }
    }

    async fn entries(&self, first: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let read = self.log.read(first..end, bytes_max).await.map_err(failed)?;
        let entry = |LogEntry { term, index, payload }| wire::read_entry(LogId::new_term_index(term, index), payload);
        read.into_iter().map(entry).collect::<Result<_, _>>().map_err(damaged)
    }
}

fn failed(error: LogError) -> io::Error {
    io::Error::other(error)
}

fn damaged(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn decoded<T>(bytes: Option<Bytes>, decode: impl FnOnce(Bytes) -> Result<T, DecodeError>) -> io::Result<Option<T>> {
    bytes.map(decode).transpose().map_err(damaged)
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let mut entries = Vec::new();
        let mut next = first;
        // All of them, whatever one read gives.
        while next < end {
            let read = self.entries(next, end, LOG_READ_BYTES_MAX).await?;
            let Some(last) = read.last() else { break };
            next = last.log_id.index.saturating_add(1);
            entries.extend(read);
        }
        Ok(entries)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.entries(start, end, RAFT_APPEND_BYTES_MAX).await
    }

    fn read_vote(&mut self) -> impl Future<Output = io::Result<Option<Vote>>> {
        let kept = self.log.vote().map_err(failed);
        #[cfg(storgo_planted)]
        let kept = kept.map(|kept| self.unkept.lock().clone().or(kept));
        ready(kept.and_then(|vote| decoded(vote, wire::read_vote_bytes)))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    fn get_log_state(&mut self) -> impl Future<Output = io::Result<LogState<Types>>> {
        ready(self.log.state().map_err(failed).and_then(|state| {
            let purged = decoded(state.purged.map(|purged| purged.marker), wire::read_log_id_bytes)?;
            let last = state.last.map(|last| LogId::new_term_index(last.term, last.index));
            Ok(LogState { last_log_id: last.or(purged), last_purged_log_id: purged })
        }))
    }

    fn get_log_reader(&mut self) -> impl Future<Output = Self> {
        ready(self.clone())
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        #[cfg(storgo_planted)]
        if is_planted(Planted::VoteNotPersisted) {
            *self.unkept.lock() = Some(wire::vote_bytes(vote));
            return Ok(());
        }
        self.log.save_vote(wire::vote_bytes(vote)).await.map_err(failed)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = committed else { return Ok(()) };
        self.log.save_committed(wire::log_id_bytes(&committed)).await.map_err(failed)
    }

    fn read_committed(&mut self) -> impl Future<Output = io::Result<Option<LogId>>> {
        ready(self.log.committed().map_err(failed).and_then(|committed| decoded(committed, wire::read_log_id_bytes)))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let record = |entry: Entry| LogEntry {
            term: entry.log_id.committed_leader_id().term,
            index: entry.log_id.index,
            payload: wire::payload(&entry),
        };
        let entries: Vec<Entry> = entries.into_iter().collect();
        let waiting = self.own_disk.waiting_for(&entries);
        let records = entries.into_iter().map(record).collect();
        let done = move |written: Result<(), LogError>| {
            if written.is_ok() {
                for tell in waiting {
                    // Who no longer waits need not be told.
                    let _gone = tell.send(());
                }
            }
            callback.io_completed(written.map_err(failed));
        };
        self.log.append_then(records, done).await.map_err(failed)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let first = last.map_or(0, |last| last.index.saturating_add(1));
        self.log.truncate_from(first).await.map_err(failed)
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.log.purge_upto(upto.index, wire::log_id_bytes(&upto)).await.map_err(failed)
    }
}
