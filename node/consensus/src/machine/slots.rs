//! Slots that begin, and slots that move from one group to another.
//!
//! ```text
//!   source   Owned ─ Freeze ─► Frozen ─────────── Forward ─► Forwarded ─ Drop … ─►
//!                                 │ reads                       │
//!   target   ──────── Ship 0 ─► Receiving ─ Ship … ─────────────┴─ Switch ─► Owned
//! ```
//!
//! The source stops to answer (`Forward`) before the target begins (`Switch`): for that moment nobody does, and at no
//! moment do two. Records are dropped only afterwards. Every step may be told again without harm, and late: what is told
//! to the target, and what removes records, names the stamp of the freeze, so that nothing of an attempt that was given
//! up gets into the next. [`crate::moves`] says which step comes next.

use bytes::Bytes;
use storgo_protocol::limits::{REDIS_KEY_BYTES_MAX, REQUEST_WINDOW_MS, SHIPPED_PAIRS_MAX};
use storgo_protocol::meta::{RefusedKind, Remembered, Reply, RequestId, Ship, Slot, SlotState, SlotTo, Stamp};
use storgo_protocol::{DecodeError, GroupId};

use super::view::{Pair, View};
use super::{MachineError, Step, Stop, damaged, keys, last_stamp, refuse, slot_state, write};

/// What keys of what is shipped begin with, in the order in which it is.
const REQUEST: u8 = b'r';
const VERSION: u8 = b'v';

impl Step<'_> {
    pub(super) fn assign(&mut self, first: Slot, last: Slot) -> Result<Reply, Stop> {
        let mut count = 0;
        for slot in (first.number()..=last.number()).filter_map(Slot::new) {
            if slot_state(&self.draft, slot)?.is_none() {
                self.set(slot, SlotState::Owned);
                count += 1;
            }
        }
        Ok(Reply::Done { count })
    }

    pub(super) fn freeze(&mut self, to: SlotTo) -> Result<Reply, Stop> {
        match slot_state(&self.draft, to.slot)? {
            Some(SlotState::Owned) if to.group != self.group => {
                self.set(to.slot, SlotState::Frozen { to: to.group, since: self.stamp });
                Ok(Reply::Done { count: 1 })
            }
            Some(SlotState::Frozen { to: group, .. }) if group == to.group => Ok(Reply::Done { count: 0 }),
            state => Err(misplaced(to.slot, state)),
        }
    }

    pub(super) fn thaw(&mut self, to: SlotTo) -> Result<Reply, Stop> {
        match slot_state(&self.draft, to.slot)? {
            Some(SlotState::Frozen { to: group, .. }) if group == to.group => {
                self.set(to.slot, SlotState::Owned);
                Ok(Reply::Done { count: 1 })
            }
            Some(SlotState::Owned) => Ok(Reply::Done { count: 0 }),
            state => Err(misplaced(to.slot, state)),
        }
    }

    pub(super) fn forward(&mut self, to: SlotTo) -> Result<Reply, Stop> {
        match slot_state(&self.draft, to.slot)? {
            Some(SlotState::Frozen { to: group, since }) if group == to.group => {
                self.set(to.slot, SlotState::Forwarded { to: to.group, since });
                Ok(Reply::Done { count: 1 })
            }
            Some(SlotState::Forwarded { to: group, .. }) if group == to.group => Ok(Reply::Done { count: 0 }),
            state => Err(misplaced(to.slot, state)),
        }
    }

    pub(super) fn ship(&mut self, ship: &Ship) -> Result<Reply, Stop> {
        let SlotTo { slot, group } = ship.from;
        let expected = self.expected(ship)?;
        if ship.page.checked_add(1) == Some(expected) {
            return Ok(Reply::Done { count: 0 });
        }
        if ship.page != expected {
            return Err(refuse(RefusedKind::Page(expected), format!("page {expected} is to come")));
        }
        let mut last = self.draft.get(&keys::shipped(slot))?;
        for (key, value) in &ship.pairs {
            if last.as_ref().is_some_and(|last| key <= last) {
                return Err(refuse(RefusedKind::Invalid, "records are shipped in ascending order"));
            }
            self.take(slot, key, value)?;
            last = Some(key.clone());
        }
        if let Some(last) = last {
            self.draft.put(keys::shipped(slot), last);
        }
        self.set(slot, SlotState::Receiving { from: group, page: expected + 1, since: ship.since });
        self.stamp = self.stamp.max(ship.since);
        Ok(Reply::Done { count: ship.pairs.len() as u64 })
    }

    /// The page that is to come of what a shipment is part of.
    fn expected(&self, ship: &Ship) -> Result<u64, Stop> {
        let SlotTo { slot, group } = ship.from;
        let state = slot_state(&self.draft, slot)?;
        let begins = match state {
            Some(SlotState::Receiving { from, page, since }) if from == group && since == ship.since => {
                if page > 0 {
                    return Ok(page);
                }
                true
            }
            // Only what is newer than all that is known of the slot.
            Some(SlotState::Receiving { since, .. } | SlotState::Forwarded { since, .. }) => since < ship.since,
            None => true,
            Some(SlotState::Owned | SlotState::Frozen { .. }) => false,
        };
        // Records of another attempt must be gone before the first of this one comes.
        if begins && group != self.group && !holds(&self.draft, slot)? { Ok(0) } else { Err(misplaced(slot, state)) }
    }

    pub(super) fn switch(&mut self, from: SlotTo, pages: u64, since: Stamp) -> Result<Reply, Stop> {
        match slot_state(&self.draft, from.slot)? {
            Some(SlotState::Receiving { from: group, page, since: of }) if group == from.group && of == since => {
                if page != pages {
                    return Err(refuse(RefusedKind::Page(page), format!("{page} of {pages} pages came")));
                }
                self.set(from.slot, SlotState::Owned);
                self.draft.put(keys::arrived(from.slot), self.index.to_be_bytes().to_vec());
                self.draft.remove(keys::shipped(from.slot));
                Ok(Reply::Done { count: 1 })
            }
            Some(SlotState::Owned) => Ok(Reply::Done { count: 0 }),
            state => Err(misplaced(from.slot, state)),
        }
    }

    pub(super) fn drop_slot(&mut self, other: SlotTo, since: Stamp) -> Result<Reply, Stop> {
        let state = slot_state(&self.draft, other.slot)?;
        let receiving = match state {
            Some(SlotState::Forwarded { to, since: of }) if to == other.group && of == since => false,
            Some(SlotState::Receiving { from, since: of, .. }) if from == other.group && of == since => true,
            state => return Err(misplaced(other.slot, state)),
        };
        // What was answered stays until its time is over: it is true wherever the slot is.
        let (first, end) = keys::slot_versions(other.slot);
        let pairs = self.draft.scan(&first, &end, SHIPPED_PAIRS_MAX)?;
        for (key, value) in &pairs {
            let expires_ms = write::decode(value)?.expires_ms;
            if expires_ms > 0 {
                self.draft.remove(keys::expiry(expires_ms, key));
            }
            self.draft.remove(key.clone());
        }
        if receiving {
            // Whatever comes begins anew: a later page must not stand without those before it.
            self.set(other.slot, SlotState::Receiving { from: other.group, page: 0, since });
            self.draft.remove(keys::shipped(other.slot));
        }
        Ok(Reply::Done { count: pairs.len() as u64 })
    }

    /// Takes one shipped record, and what is derived from it.
    fn take(&self, slot: Slot, below: &[u8], value: &Bytes) -> Result<(), Stop> {
        let foreign = || refuse(RefusedKind::Invalid, "what was shipped is no record of a slot");
        match below.split_first().ok_or_else(foreign)? {
            (&REQUEST, id) => {
                let id = RequestId::from_bytes(id.try_into().map_err(|_| foreign())?);
                Remembered::decode(value.clone()).map_err(|_| foreign())?;
                self.draft.put(keys::request(slot, id), value.clone());
            }
            (&VERSION, _) => {
                let key = Bytes::from([&slot.number().to_be_bytes()[..], below].concat());
                keys::read_version(&key).filter(|of| of.name.len() <= REDIS_KEY_BYTES_MAX).ok_or_else(foreign)?;
                let version = storgo_protocol::meta::Version::decode(value).map_err(|_| foreign())?;
                if version.expires_ms > 0 {
                    self.draft.put(keys::expiry(version.expires_ms, &key), Bytes::new());
                }
                self.draft.put(key, value.clone());
            }
            _ => return Err(foreign()),
        }
        Ok(())
    }

    fn set(&self, slot: Slot, state: SlotState) {
        self.draft.put(keys::slot_state(slot), state.encode());
    }
}

/// How a slot is at one group: whose it is, and what is there of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotSide {
    /// Whose it is; `None` where the slot never was.
    pub state: Option<SlotState>,
    /// Whether something of it is there that goes when the slot does: versions, or a part of an attempt to move it here.
    pub holds: bool,
    /// Of one that is coming, the key of the record that came last, below the slot.
    pub last: Option<Bytes>,
}

/// Looks at one side of a move.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn slot_side(view: &dyn View, slot: Slot) -> Result<SlotSide, MachineError> {
    Ok(SlotSide { state: slot_state(view, slot)?, holds: holds(view, slot)?, last: view.get(&keys::shipped(slot))? })
}

/// What goes with a slot behind one of the records, as many as one [`Ship`] takes and at most `bytes_max` but at least one:
/// none behind the last. Keys are a letter, `r` for what was answered or `v` for a version, and what follows the slot in
/// the record's key. They stay the same for as long as the slot is frozen or forwarded, but for answers whose time is over.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn page(view: &dyn View, slot: Slot, behind: Option<&Bytes>, bytes_max: usize) -> Result<Vec<Pair>, MachineError> {
    let mut left = bytes_max;
    let mut page = Vec::new();
    for (key, value) in shipped(view, slot, behind)? {
        let cost = 2 + key.len() + value.len() + 16;
        if cost > left && !page.is_empty() {
            break;
        }
        left = left.saturating_sub(cost);
        page.push((key, value));
    }
    Ok(page)
}

/// What goes with a slot, behind one of the records, as many as one [`Ship`] takes: first what was answered, which whoever
/// retries may still ask for, and then the versions.
fn shipped(view: &dyn View, slot: Slot, behind: Option<&Bytes>) -> Result<Vec<Pair>, MachineError> {
    let mut found = Vec::new();
    let behind = behind.and_then(|below| Some((*below.first()?, below.slice(1..))));
    if behind.as_ref().is_none_or(|(section, _)| *section == REQUEST) {
        let behind = behind.as_ref().and_then(|(_, id)| id.as_ref().try_into().ok()).map(RequestId::from_bytes);
        let now_ms = last_stamp(view)?.ms();
        // Whoever asks says what is behind: no more is looked at than a window on either side.
        let oldest_ms = now_ms.saturating_sub(REQUEST_WINDOW_MS).max(behind.map_or(0, |id| id.formed_ms()));
        for (first, end) in keys::requests(slot, oldest_ms, now_ms.saturating_add(REQUEST_WINDOW_MS)) {
            if found.len() >= SHIPPED_PAIRS_MAX {
                return Ok(found);
            }
            let first = behind.map_or(first.clone(), |id| first.max(after(&keys::request(slot, id))));
            for (key, value) in view.scan(&first, &end, SHIPPED_PAIRS_MAX.saturating_sub(found.len()))? {
                let id = keys::read_request(&key).ok_or_else(|| damaged("a request", DecodeError::Truncated))?;
                found.push((Bytes::from([&[REQUEST], &id.as_bytes()[..]].concat()), value));
            }
        }
    }
    let (first, end) = keys::slot_versions(slot);
    let first = match &behind {
        Some((VERSION, key)) => after(&[&slot.number().to_be_bytes()[..], &[VERSION], key].concat()),
        _ => first,
    };
    let versions = view.scan(&first, &end, SHIPPED_PAIRS_MAX.saturating_sub(found.len()))?;
    found.extend(versions.into_iter().map(|(key, value)| (key.slice(2..), value)));
    Ok(found)
}

/// The first key behind one.
fn after(key: &[u8]) -> Bytes {
    Bytes::from([key, &[0]].concat())
}

/// Whether there is something of a slot that must go before an attempt to move it here begins: versions, or the place that
/// an earlier attempt reached, behind which this one would go on.
fn holds(view: &dyn View, slot: Slot) -> Result<bool, MachineError> {
    let (first, end) = keys::slot_versions(slot);
    Ok(!view.scan(&first, &end, 1)?.is_empty() || view.get(&keys::shipped(slot))?.is_some())
}

fn misplaced(slot: Slot, state: Option<SlotState>) -> Stop {
    let group = match state {
        Some(SlotState::Forwarded { to: group, .. } | SlotState::Receiving { from: group, .. }) => group,
        Some(SlotState::Frozen { to, .. }) => {
            return refuse(RefusedKind::Frozen(to), format!("slot {slot} is on its way to group {to}"));
        }
        Some(SlotState::Owned) => return refuse(RefusedKind::Invalid, format!("slot {slot} is this group's already")),
        None => GroupId::new(0),
    };
    refuse(RefusedKind::NotHere(group), format!("slot {slot} is not in the state for that"))
}
