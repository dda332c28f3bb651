//! openraft's state machine on the part of the node's records that is a group's.
//!
//! Entries that are ready are applied together, on a view and the changes of those before, and committed as one batch with
//! the place in the log that they lead to. What was committed is seen at once and durable later: the log reaches back to
//! what is durable, because a snapshot, behind which it may be purged, is only given out once it is.

use std::future::ready;
use std::io;

use bytes::Bytes;
use futures::StreamExt as _;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::{EmptyNode, EntryPayload, OptionalSend, RaftSnapshotBuilder};
use prost::Message as _;
use storgo_protocol::limits::APPLIED_AT_ONCE_MAX;
use storgo_protocol::raft as wire;
use storgo_store::records::{Applied, Export, GroupRecords, Import, RecordsError, View as RecordsView, WriteBatch};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::types::{Answered, Entry, LogId, StoredMembership, Types};
use super::wire::{read_state_id, state_id};
use crate::machine::{self, Draft, MachineError, Pair, View};
use crate::planted::{Planted, is_planted};

/// A group's applied state. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct StateStore {
    records: GroupRecords,
    /// Who stops the group waits for all of these.
    _in_use: TaskTrackerToken,
}

/// A snapshot: one that can be read in pages, or one whose pages all came.
#[derive(Debug)]
pub(crate) enum SnapshotPages {
    /// Of a state in which nothing was applied.
    Empty,
    /// To be sent.
    Export(Box<Export>),
    /// To be installed.
    Import(Box<Import>),
}

type Meta = SnapshotMeta<openraft::alias::CommittedLeaderIdOf<Types>, crate::Seat, EmptyNode>;
pub(crate) type Snap = Snapshot<openraft::alias::CommittedLeaderIdOf<Types>, crate::Seat, EmptyNode, SnapshotPages>;

/// A view of the records, as the machine wants it.
pub(crate) struct Looking(RecordsView);

impl Looking {
    pub(crate) fn at(records: &GroupRecords) -> Result<Self, MachineError> {
        records.view().map(Self).map_err(unreadable)
    }
}

fn unreadable(error: RecordsError) -> MachineError {
    MachineError::Records(Box::new(error))
}

impl View for Looking {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, MachineError> {
        self.0.get(key).map_err(unreadable)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, MachineError> {
        let mut found: Vec<Pair> = Vec::new();
        let mut first = Bytes::copy_from_slice(from);
        // One scan gives a page of a bounded size.
        while first.as_ref() < to && found.len() < limit {
            let page = self.0.scan(first.as_ref()..to, limit - found.len()).map_err(unreadable)?;
            let behind = page.rows.last().map(|(key, _)| Bytes::from([key.as_ref(), &[0]].concat()));
            found.extend(page.rows);
            match behind {
                Some(behind) if page.has_more => first = behind,
                _ => break,
            }
        }
        Ok(found)
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}

impl StateStore {
    /// In use, as `uses` counts, until the last clone is gone.
    pub(crate) fn new(records: GroupRecords, uses: &TaskTracker) -> Self {
        Self { records, _in_use: uses.token() }
    }

    fn standing(&self) -> io::Result<(Option<LogId>, StoredMembership)> {
        self.records
            .applied()
            .map_or_else(|| Ok((None, StoredMembership::default())), |applied| read_standing(&applied))
    }

    /// Does what entries say, as one batch; gives the answer to each.
    fn batch(&self, entries: &[Entry]) -> io::Result<(WriteBatch, Vec<Answered>, Option<Applied>)> {
        let (mut last, mut members) = self.standing()?;
        if is_planted(Planted::SnapshotWithoutMembership) {
            members = StoredMembership::default();
        }
        let view = Looking::at(&self.records).map_err(failed)?;
        let draft = Draft::over(&view);
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let reply = match &entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Membership(to) => {
                    members = StoredMembership::new(Some(entry.log_id), to.clone());
                    None
                }
                EntryPayload::Normal(proposed) => {
                    let index = entry.log_id.index;
                    let outcome =
                        machine::apply(&draft, self.records.id(), index, proposed.proposal()).map_err(failed)?;
                    draft.merge(outcome.batch);
                    Some(outcome.reply)
                }
            };
            answers.push(Answered(reply));
            last = Some(entry.log_id);
        }
        let mut batch = WriteBatch::default();
        for (key, change) in draft.into_batch() {
            match change {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let applied = last.map(|last| Applied {
            index: last.index,
            term: last.committed_leader_id().term,
            blob: state_id(Some(&last), &members).encode_to_vec().into(),
        });
        Ok((batch, answers, applied))
    }

    async fn snapshot(&self) -> io::Result<Option<Snap>> {
        let Some(export) = self.records.export().map_err(failed)? else { return Ok(None) };
        // The log may be purged behind what this says.
        self.records.flush().await.map_err(failed)?;
        let (last_log_id, last_membership) = read_standing(export.applied())?;
        Ok(Some(Snapshot {
            meta: SnapshotMeta { last_log_id, last_membership },
            snapshot: SnapshotPages::Export(Box::new(export)),
        }))
    }
}

fn read_standing(applied: &Applied) -> io::Result<(Option<LogId>, StoredMembership)> {
    let state = wire::StateId::read(applied.blob.clone()).map_err(failed)?;
    read_state_id(&state).map_err(failed)
}

impl RaftStateMachine<Types> for StateStore {
    type SnapshotData = SnapshotPages;
    type SnapshotBuilder = Self;

    fn applied_state(&mut self) -> impl Future<Output = io::Result<(Option<LogId>, StoredMembership)>> {
        ready(self.standing())
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: futures::Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut chunks = entries.ready_chunks(APPLIED_AT_ONCE_MAX);
        while let Some(chunk) = chunks.next().await {
            let (entries, responders): (Vec<Entry>, Vec<Option<ApplyResponder<Types>>>) =
                chunk.into_iter().collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
            let (batch, answers, applied) = self.batch(&entries)?;
            if let Some(applied) = applied {
                self.records.commit(batch, applied).await.map_err(failed)?;
            }
            for (answer, responder) in answers.into_iter().zip(responders) {
                if let Some(responder) = responder {
                    responder.send(answer);
                }
            }
        }
        Ok(())
    }

    fn get_snapshot_builder(&mut self) -> impl Future<Output = Self> {
        ready(self.clone())
    }

    async fn install_snapshot(&mut self, meta: &Meta, snapshot: SnapshotPages) -> io::Result<()> {
        let import = match snapshot {
            SnapshotPages::Import(import) => *import,
            SnapshotPages::Empty => return Ok(()),
            SnapshotPages::Export(mut export) => {
                let mut import = self.records.import().await.map_err(failed)?;
                while let Some(number) = import.next_page() {
                    let page = export.page(number).map_err(failed)?.ok_or_else(|| failed("a snapshot without end"))?;
                    import.push(page).await.map_err(failed)?;
                }
                import
            }
        };
        let (last, members) = read_standing(&import.finish().await.map_err(failed)?)?;
        if last != meta.last_log_id || members != meta.last_membership {
            return Err(failed("a snapshot is of another state than was said"));
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snap>> {
        self.snapshot().await
    }
}

impl RaftSnapshotBuilder<Types> for StateStore {
    type SnapshotData = SnapshotPages;

    async fn build_snapshot(&mut self) -> io::Result<Snap> {
        let empty = || Snapshot { meta: SnapshotMeta::default(), snapshot: SnapshotPages::Empty };
        Ok(self.snapshot().await?.unwrap_or_else(empty))
    }
}

#[cfg(test)]
mod tests;
