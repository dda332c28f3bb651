//! The part of the log that belongs to one group.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{LOG_ENTRY_BYTES_MAX, LOG_MARK_BYTES_MAX, LOG_READ_BYTES_MAX};
use storgo_protocol::log::{LogBody, LogRecord};
use tokio::sync::oneshot;

use super::error::{Failure, LogError};
use super::handle::Handle;
use super::index::{Group, Location};
use super::queue::{Done, State};
use super::segment::{Segment, framed_bytes};

/// The log of one group. Clones are the same one.
///
/// Calls take effect in the order in which they are made, for readers at once, on the disk in that order too. Whoever
/// drops the future of a call may find that it was made.
#[derive(Debug, Clone)]
pub struct GroupLog {
    handle: Arc<Handle>,
    id: GroupId,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The term in which it was proposed.
    pub term: u64,
    /// Where it stands.
    pub index: u64,
    /// What it holds, at most [`LOG_ENTRY_BYTES_MAX`] bytes.
    pub payload: Bytes,
}

/// An entry's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// The term in which it was proposed.
    pub term: u64,
    /// Where it stands.
    pub index: u64,
}

/// What was purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// The last index that went.
    pub index: u64,
    /// What the group wanted to know of it.
    pub marker: Bytes,
}

/// What a group's log holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogState {
    /// The first entry.
    pub first: Option<LogPosition>,
    /// The last entry.
    pub last: Option<LogPosition>,
    /// What was purged before the first.
    pub purged: Option<Purged>,
}

impl GroupLog {
    pub(super) const fn new(handle: Arc<Handle>, id: GroupId) -> Self {
        Self { handle, id }
    }

    /// The group.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// Appends entries; answers when they are durable.
    ///
    /// # Errors
    /// As [`GroupLog::append_then`]; [`LogError::Stopped`] also if they did not become durable.
    pub async fn append(&self, entries: Vec<LogEntry>) -> Result<(), LogError> {
        let (tell, told) = oneshot::channel();
        // Who no longer waits needs no answer.
        self.append_then(entries, move |done| drop(tell.send(done))).await?;
        told.await.map_err(|_| LogError::Closed)?
    }

    /// Appends entries, which can be read from then on, and has `done` called once they are durable or never will be.
    /// It must not block: it runs where all others' writes wait. It is not called if this fails.
    ///
    /// # Errors
    /// [`LogError::Hole`] or [`LogError::TooLarge`] for entries that cannot follow; [`LogError::Stopped`],
    /// [`LogError::Closed`].
    pub async fn append_then(
        &self,
        entries: Vec<LogEntry>,
        done: impl FnOnce(Result<(), LogError>) + Send + 'static,
    ) -> Result<(), LogError> {
        let group = self.id;
        for pair in entries.windows(2) {
            if let [before, after] = pair {
                check_follows(group, before.index.checked_add(1), after.index)?;
            }
        }
        let first = entries.first().map(|entry| entry.index);
        let mut records = Vec::with_capacity(entries.len());
        for LogEntry { term, index, payload } in entries {
            check_bytes(payload.len(), LOG_ENTRY_BYTES_MAX)?;
            records.push(LogRecord { group, body: LogBody::Entry { term, index, payload } });
        }
        let check = move |group: Option<&Group>, id| match (first, group.and_then(Group::next)) {
            (Some(first), Some(next)) => check_follows(id, Some(next), first).map(|()| true),
            _ => Ok(true),
        };
        self.submit(records, Some(Box::new(done)), check).await
    }

    /// Keeps a vote in place of the one before; answers when it is durable.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn save_vote(&self, vote: Bytes) -> Result<(), LogError> {
        check_bytes(vote.len(), LOG_MARK_BYTES_MAX)?;
        self.durably(LogBody::Vote(vote), |_| true).await
    }

    /// The vote that was kept last.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub fn vote(&self) -> Result<Option<Bytes>, LogError> {
        self.look(|group| group.vote().cloned())
    }

    /// Keeps how far the group committed, in place of what was kept before. It is a hint and not waited for: it goes
    /// with what is written next, so a stop of the power may forget the last ones.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn save_committed(&self, committed: Bytes) -> Result<(), LogError> {
        check_bytes(committed.len(), LOG_MARK_BYTES_MAX)?;
        let record = LogRecord { group: self.id, body: LogBody::Committed(committed) };
        self.submit(vec![record], None, |_, _| Ok(true)).await
    }

    /// How far the group committed, as it was kept last.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub fn committed(&self) -> Result<Option<Bytes>, LogError> {
        self.look(|group| group.committed().cloned())
    }

    /// Voids the entries from `index` on; answers when that is durable.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn truncate_from(&self, index: u64) -> Result<(), LogError> {
        let some = move |group: Option<&Group>| group.and_then(Group::ends).is_some_and(|(_, (last, _))| last >= index);
        self.durably(LogBody::Truncate { index }, some).await
    }

    /// Lets the entries up to `index` go, with a marker that tells what the group wants to know of the last of them;
    /// answers when that is durable. An index beyond the last entry lets all go, and the next entry follows the index.
    /// Nothing happens if as much was purged before.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn purge_upto(&self, index: u64, marker: Bytes) -> Result<(), LogError> {
        check_bytes(marker.len(), LOG_MARK_BYTES_MAX)?;
        let further =
            move |group: Option<&Group>| group.and_then(Group::purged).is_none_or(|(purged, _)| *purged < index);
        self.durably(LogBody::Purge { index, marker }, further).await
    }

    /// Forgets the group with all that is kept of it, but for how often that was done; answers when it is durable, with
    /// that number.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn leave(&self) -> Result<u64, LogError> {
        let times = self.times_left()?.saturating_add(1);
        self.durably(LogBody::Gone(times), |group| group.is_some_and(Group::is_here)).await?;
        self.times_left()
    }

    /// How often the group was left here.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub fn times_left(&self) -> Result<u64, LogError> {
        Ok(self.look(|group| Some(group.times_left()))?.unwrap_or_default())
    }

    /// What the log holds, with all that was asked for, durable or not yet.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub fn state(&self) -> Result<LogState, LogError> {
        let position = |(index, term)| LogPosition { term, index };
        let state = self.look(|group| {
            let purged = group.purged().map(|(index, marker)| Purged { index: *index, marker: marker.clone() });
            let ends = group.ends();
            Some(LogState {
                first: ends.map(|(first, _)| position(first)),
                last: ends.map(|(_, last)| position(last)),
                purged,
            })
        })?;
        Ok(state.unwrap_or_default())
    }

    /// The entries whose index is in `range`, from its beginning: as many as `bytes_max` bytes of payload allow, but at
    /// least one if there is one.
    ///
    /// # Errors
    /// [`LogError::Stopped`], [`LogError::Closed`].
    pub async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<LogEntry>, LogError> {
        let found = {
            let state = self.handle.shared.lock();
            state.check()?;
            self.find(&state, range, bytes_max.min(LOG_READ_BYTES_MAX))
        };
        if found.iter().all(|(_, _, found)| matches!(found, Found::Payload(_))) {
            return self.load(found);
        }
        let reader = self.clone();
        self.handle.run(move || reader.load(found)).await
    }

    fn find(&self, state: &State, range: Range<u64>, bytes_max: usize) -> Vec<(u64, u64, Found)> {
        let mut found = Vec::new();
        let Some(group) = state.index.group(self.id) else { return found };
        let mut total = 0;
        for (index, entry, at) in group.entries(range) {
            let segment = at.and_then(|at| state.segments.get(&at.segment));
            let (bytes, place) = match (&entry.payload, at, segment) {
                (Some(payload), _, _) => (payload.len(), Found::Payload(payload.clone())),
                (None, Some(at), Some(segment)) => (at.bytes as usize, Found::Place(Arc::clone(segment), at)),
                (None, ..) => (0, Found::Lost),
            };
            total += bytes;
            if total > bytes_max && !found.is_empty() {
                break;
            }
            found.push((index, entry.term, place));
        }
        found
    }

    /// Gets what was found from where it is. What does not read back stops the log.
    fn load(&self, found: Vec<(u64, u64, Found)>) -> Result<Vec<LogEntry>, LogError> {
        const WHAT: &str = "reading an entry";
        let mut entries = Vec::with_capacity(found.len());
        for (index, term, found) in found {
            let read = match found {
                Found::Payload(payload) => Ok(payload),
                Found::Lost => Err(Failure::damaged(WHAT, "the index does not know where it is")),
                Found::Place(segment, at) => {
                    segment.read(at).map_err(Failure::during(WHAT)).and_then(|record| match record {
                        LogRecord { group, body: LogBody::Entry { term: found, index: place, payload } }
                            if group == self.id && found == term && place == index =>
                        {
                            Ok(payload)
                        }
                        _ => Err(Failure::damaged(WHAT, "another record stands in its place")),
                    })
                }
            };
            let payload = read.map_err(|failure| {
                self.handle.shared.stop(&failure);
                self.handle.shared.wake();
                failure.error()
            })?;
            entries.push(LogEntry { term, index, payload });
        }
        Ok(entries)
    }

    fn look<T>(&self, look: impl FnOnce(&Group) -> Option<T>) -> Result<Option<T>, LogError> {
        let state = self.handle.shared.lock();
        state.check()?;
        Ok(state.index.group(self.id).and_then(look))
    }

    /// Queues one record if `is_new` says that it changes something, and waits until all before it, and it, is durable.
    async fn durably(&self, body: LogBody, is_new: impl FnOnce(Option<&Group>) -> bool) -> Result<(), LogError> {
        let (tell, told) = oneshot::channel();
        let record = LogRecord { group: self.id, body };
        // Who no longer waits needs no answer.
        let done: Done = Box::new(move |done| drop(tell.send(done)));
        let check = |group: Option<&Group>, _| Ok(is_new(group));
        self.submit(vec![record], Some(done), check).await?;
        told.await.map_err(|_| LogError::Closed)?
    }

    /// Queues records once there is room, unless `check` refuses them or says that they change nothing.
    async fn submit(
        &self,
        records: Vec<LogRecord>,
        done: Option<Done>,
        check: impl FnOnce(Option<&Group>, GroupId) -> Result<bool, LogError>,
    ) -> Result<(), LogError> {
        let bytes = records.iter().map(framed_bytes).sum();
        let room = self.handle.shared.room(bytes).await?;
        {
            let mut state = self.handle.shared.lock();
            state.check()?;
            let records = if check(state.index.group(self.id), self.id)? { records } else { Vec::new() };
            state.submit(records, done, Some(room));
        }
        self.handle.shared.wake();
        Ok(())
    }
}

/// Where an entry's payload is.
enum Found {
    Payload(Bytes),
    Place(Arc<Segment>, Location),
    Lost,
}

fn check_follows(group: GroupId, expected: Option<u64>, found: u64) -> Result<(), LogError> {
    match expected {
        Some(expected) if expected != found => Err(LogError::Hole { group, expected, found }),
        None => Err(LogError::Hole { group, expected: u64::MAX, found }),
        Some(_) => Ok(()),
    }
}

fn check_bytes(bytes: usize, max: usize) -> Result<(), LogError> {
    if bytes > max { Err(LogError::TooLarge { bytes, max }) } else { Ok(()) }
}
