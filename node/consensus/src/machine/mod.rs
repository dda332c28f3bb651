//! What a command does to a group's records: a pure function, the same on every member.
//!
//! ```text
//!   view of the records, proposal ──► apply ──► changes, reply, events
//! ```
//!
//! No clock (time is the proposal's stamp), no randomness, no map whose order is not that of its keys: the same log gives
//! the same bytes everywhere. It knows neither Raft nor disks. A command that cannot be done is refused in its reply;
//! an error means that this member cannot go on, because its records cannot be read or the command is newer than it.

mod absence;
mod events;
mod expiry;
mod keys;
mod read;
mod requests;
mod rows;
mod slots;
mod view;
mod write;

pub use absence::absence;
pub use events::events;
pub use expiry::is_due;
pub use read::{Reading, get, list};
pub use rows::{row, rows};
pub use slots::{SlotSide, page, slot_side};
pub use view::{Batch, Draft, Pair, View};

use std::error::Error;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use storgo_protocol::cluster::EventPlace;
use storgo_protocol::meta::{
    Action, BucketConfig, Command, FEATURE_LEVEL, Proposal, Refused, RefusedKind, Reply, Slot, SlotState, Stamp,
    StorageEvent,
};
use storgo_protocol::{DecodeError, GroupId};

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    /// What to change, all or nothing.
    pub batch: Batch,
    /// What to answer.
    pub reply: Reply,
    /// What happened; it stands in the batch too.
    pub events: Vec<StorageEvent>,
}

/// Why this member cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineError {
    /// The records cannot be read.
    #[error("the records cannot be read")]
    Records(#[source] Box<dyn Error + Send + Sync>),
    /// A record is not what was written.
    #[error("the record of {what} is damaged")]
    Damaged {
        /// What it is of.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: DecodeError,
    },
    /// The group went on to a feature level that this program does not have.
    #[error("the group's feature level is {level}, and this program's {FEATURE_LEVEL}: use a newer storgo")]
    TooOld {
        /// The level that the command needs.
        level: u32,
    },
}

/// Why a step of a command came to nothing.
enum Stop {
    Refused(Refused),
    Failed(MachineError),
}

impl From<MachineError> for Stop {
    fn from(error: MachineError) -> Self {
        Self::Failed(error)
    }
}

fn refuse(kind: RefusedKind, reason: impl Into<String>) -> Stop {
    Stop::Refused(Refused::new(kind, reason))
}

/// One command on its way through.
struct Step<'a> {
    draft: Draft<'a>,
    group: GroupId,
    index: u64,
    stamp: Stamp,
    events: Vec<StorageEvent>,
    /// What stands even if the command is refused.
    settled: (Batch, Vec<StorageEvent>),
}

/// Does what a proposal says to what `view` shows. `index` is the entry's place in the group's log.
///
/// # Errors
/// [`MachineError`] if this member cannot go on; nothing is to be committed then.
pub fn apply(view: &dyn View, group: GroupId, index: u64, proposal: &Proposal) -> Result<Outcome, MachineError> {
    let reached = reached(view)?;
    let stamp = proposal.stamp.max(reached.stamp.next());
    let (draft, events, settled) = (Draft::over(view), Vec::new(), Default::default());
    let mut step = Step { draft, group, index, stamp, events, settled };
    let reply = match step.run(&proposal.command) {
        Ok(reply) => reply,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Refused(refused)) => {
            // What was begun is not done; but what a refusal rests on is.
            let (batch, events) = std::mem::take(&mut step.settled);
            step.draft = Draft::over(view);
            step.draft.merge(batch);
            step.events = events;
            step.remember_refusal(&proposal.command, &refused)?;
            Reply::Refused(refused)
        }
    };
    let (oldest_event, events_kept) = step.keep_events(&reached)?;
    let reached = Reached { stamp: step.stamp, index, oldest_event, events_kept };
    step.draft.put(keys::reached(), reached.record());
    Ok(Outcome { batch: step.draft.into_batch(), reply, events: step.events })
}

/// The last stamp that the group gave; [`Stamp::ZERO`] before the first.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn last_stamp(view: &dyn View) -> Result<Stamp, MachineError> {
    Ok(reached(view)?.stamp)
}

/// How far a group has come with its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reached {
    /// The last stamp that it gave.
    stamp: Stamp,
    /// The index of the entry that it was given to.
    index: u64,
    /// The place before which no event is kept any more.
    oldest_event: EventPlace,
    /// How many events are kept.
    events_kept: u64,
}

fn reached(view: &dyn View) -> Result<Reached, MachineError> {
    let record = view.get(&keys::reached())?;
    let read = |record: Bytes| Reached::read(record).ok_or_else(|| damaged("the last stamp", DecodeError::Truncated));
    Ok(record.map(read).transpose()?.unwrap_or_default())
}

/// The group's feature level.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn feature_level(view: &dyn View) -> Result<u32, MachineError> {
    let Some(record) = view.get(&keys::feature())? else { return Ok(1) };
    let bytes = record.as_ref().try_into().map_err(|_| damaged("the feature level", DecodeError::Truncated))?;
    Ok(u32::from_be_bytes(bytes))
}

/// What the group knows of a bucket.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn bucket(view: &dyn View, id: storgo_protocol::meta::BucketId) -> Result<Option<BucketConfig>, MachineError> {
    let record = view.get(&keys::bucket(id))?;
    record.map(|record| BucketConfig::decode(&record).map_err(|source| damaged("a bucket", source))).transpose()
}

/// Whose a slot is; `None` for one that never was this group's.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn slot_state(view: &dyn View, slot: Slot) -> Result<Option<SlotState>, MachineError> {
    let record = view.get(&keys::slot_state(slot))?;
    record.map(|record| SlotState::decode(record).map_err(|source| damaged("a slot", source))).transpose()
}

fn damaged(what: &'static str, source: DecodeError) -> MachineError {
    MachineError::Damaged { what, source }
}

impl Reached {
    fn record(&self) -> Bytes {
        let mut record = BytesMut::with_capacity(36);
        record.put_u64(self.stamp.as_u64());
        record.put_u64(self.index);
        record.put_u64(self.oldest_event.index);
        record.put_u32(self.oldest_event.number);
        record.put_u64(self.events_kept);
        record.freeze()
    }

    fn read(mut record: Bytes) -> Option<Self> {
        let (stamp, index) = (Stamp::from_u64(record.try_get_u64().ok()?), record.try_get_u64().ok()?);
        let oldest_event = EventPlace { index: record.try_get_u64().ok()?, number: record.try_get_u32().ok()? };
        let events_kept = record.try_get_u64().ok()?;
        record.is_empty().then_some(Self { stamp, index, oldest_event, events_kept })
    }
}

impl Step<'_> {
    fn run(&mut self, bytes: &Bytes) -> Result<Reply, Stop> {
        let invalid = |error: DecodeError| refuse(RefusedKind::Invalid, format!("not a command: {error}"));
        let level = feature_level(&self.draft)?;
        let command = Command::decode(bytes);
        // What is newer may be understood in part, or not at all.
        let needed = command.as_ref().map_or_else(|_| Command::feature_of(bytes), |command| Ok(command.feature));
        let needed = needed.map_err(invalid)?;
        if needed > level {
            return Err(refuse(RefusedKind::Feature(level), format!("the group's feature level is {level}")));
        }
        if needed > FEATURE_LEVEL {
            return Err(MachineError::TooOld { level: needed }.into());
        }
        let command = command.map_err(invalid)?;
        match &command.action {
            Action::Put(put) => self.put(command.request, bytes, put),
            Action::Delete(delete) => self.delete(command.request, bytes, delete),
            Action::Batch(batch) => self.batch(command.request, bytes, batch),
            Action::SetBucket(config) => self.set_bucket(config),
            Action::Assign { first, last } => self.assign(*first, *last),
            Action::Freeze(to) => self.freeze(*to),
            Action::Thaw(to) => self.thaw(*to),
            Action::Ship(ship) => self.ship(ship),
            Action::Forward(to) => self.forward(*to),
            Action::Switch { from, pages, since } => self.switch(*from, *pages, *since),
            Action::Drop { other, since } => self.drop_slot(*other, *since),
            Action::RaiseFeature(to) => {
                self.draft.put(keys::feature(), level.max(*to).to_be_bytes().to_vec());
                Ok(Reply::Done { count: 1 })
            }
            Action::Tick => self.tick(),
            Action::SetRows(changes) => self.set_rows(changes),
        }
    }

    fn set_bucket(&mut self, config: &BucketConfig) -> Result<Reply, Stop> {
        match bucket(&self.draft, config.bucket)? {
            Some(known) if known == *config => return Ok(Reply::Done { count: 0 }),
            Some(known) if known.generation >= config.generation => {
                let reason = format!("generation {} is known already", known.generation);
                return Err(refuse(RefusedKind::Generation(known.generation), reason));
            }
            Some(known) if known.rule != config.rule => {
                return Err(refuse(
                    RefusedKind::Invalid,
                    "a bucket's layout never changes: its keys would be elsewhere",
                ));
            }
            Some(known) if known.versioning && !config.versioning => {
                return Err(refuse(RefusedKind::Invalid, "a bucket that keeps versions goes on to do so"));
            }
            Some(_) | None => {}
        }
        self.draft.put(keys::bucket(config.bucket), config.encode());
        Ok(Reply::Done { count: 1 })
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
