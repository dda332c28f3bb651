//! What comes next in the move of a slot, given how the slot is at the two groups.
//!
//! ```text
//!   look at the target, look at the source ──► next ──► a command for one of the two, and look again … or over
//! ```
//!
//! Pure, and without a memory: whoever conducts a move may die at any point, and another one goes on from what the groups
//! say. Each look must be linearizable, the target first, and the next one begins when the command was answered or given
//! up. One conductor at a time is enough for speed; for safety none need know of another: a command that comes late meets
//! a state in which it is refused, or does what would have been done anyway (see [`crate::machine`]).

use bytes::Bytes;
use storgo_protocol::GroupId;
use storgo_protocol::limits::SLOTS;
use storgo_protocol::meta::{Action, Ship, Slot, SlotState, SlotTo, Stamp};

use crate::machine::{self, MachineError, Pair, SlotSide, View};
use crate::planted::{Planted, is_planted};

/// A slot on its way from one group to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// The slot.
    pub slot: Slot,
    /// Whence.
    pub source: GroupId,
    /// Where to.
    pub target: GroupId,
}

/// What is wanted of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// That the slot arrives; it begins if it has not.
    Arrive,
    /// That what was begun is brought to its end, and nothing is begun.
    Finish,
    /// That the slot stays, if there is a way back still; else that it arrives.
    Stay,
}

/// How the slot is at its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Whose it is, and what is there.
    pub side: SlotSide,
    /// The records that come next, behind the last one that the target has; none if it has all.
    pub rest: Vec<Pair>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Have this group apply this, and look again, whatever came of it.
    Tell(GroupId, Action),
    /// Nothing: it is over.
    Done,
    /// Nothing can be done: the slot is not where the move begins.
    Elsewhere(Option<SlotState>),
}

/// Looks at the target.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn look_at_target(view: &dyn View, slot: Slot) -> Result<SlotSide, MachineError> {
    machine::slot_side(view, slot)
}

/// Looks at the source, after the target said which record came last there. What is read for the next page is at most
/// `bytes_max`, for which [`SHIPPED_BYTES_MAX`](storgo_protocol::limits::SHIPPED_BYTES_MAX) is enough for anything.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn look_at_source(
    view: &dyn View,
    slot: Slot,
    last: Option<&Bytes>,
    bytes_max: usize,
) -> Result<Source, MachineError> {
    let side = machine::slot_side(view, slot)?;
    let rest = match side.state {
        Some(SlotState::Frozen { .. } | SlotState::Forwarded { .. }) => machine::page(view, slot, last, bytes_max)?,
        _ => Vec::new(),
    };
    Ok(Source { side, rest })
}

/// The moves that this group has a part in and that are not known to be over, among these slots: [`all_slots`] for whoever
/// begins to conduct. [`Aim::Finish`] ends them.
///
/// # Errors
/// [`MachineError`] if the records cannot be read.
pub fn begun(view: &dyn View, me: GroupId, slots: impl IntoIterator<Item = Slot>) -> Result<Vec<Move>, MachineError> {
    let mut begun = Vec::new();
    for slot in slots {
        let (source, target) = match machine::slot_state(view, slot)? {
            Some(SlotState::Frozen { to, .. }) => (me, to),
            Some(SlotState::Forwarded { to, .. }) if machine::slot_side(view, slot)?.holds => (me, to),
            // Also where its source has forwarded it and holds nothing.
            Some(SlotState::Receiving { from, .. }) => (from, me),
            _ => continue,
        };
        begun.push(Move { slot, source, target });
    }
    Ok(begun)
}

/// Every slot there is.
pub fn all_slots() -> impl Iterator<Item = Slot> {
    (0..SLOTS).filter_map(Slot::new)
}

/// The next step.
#[must_use]
pub fn next(of: Move, aim: Aim, source: &Source, target: &SlotSide) -> Next {
    match source.side.state {
        Some(SlotState::Owned) => of.at_home(aim, target),
        Some(SlotState::Frozen { to, since }) if to == of.target => of.frozen(aim, since, source, target),
        Some(SlotState::Forwarded { to, since }) if to == of.target => of.forwarded(since, source, target),
        // It goes elsewhere; what came here before that is nobody's.
        Some(SlotState::Frozen { since: later, .. } | SlotState::Forwarded { since: later, .. }) => {
            match target.state {
                Some(SlotState::Receiving { from, since, .. })
                    if from == of.source && since < later && target.holds =>
                {
                    of.drop_at_target(from, since)
                }
                _ => Next::Elsewhere(source.side.state),
            }
        }
        state => Next::Elsewhere(state),
    }
}

impl Move {
    /// The slot is its source's.
    fn at_home(self, aim: Aim, target: &SlotSide) -> Next {
        match target.state {
            // What is left there of an attempt that was given up goes before the slot is frozen.
            Some(SlotState::Receiving { from, since, .. }) if target.holds => self.drop_at_target(from, since),
            Some(SlotState::Forwarded { to, since }) if target.holds => self.drop_at_target(to, since),
            Some(SlotState::Owned | SlotState::Frozen { .. }) => Next::Elsewhere(target.state),
            _ if aim == Aim::Arrive => Next::Tell(self.source, Action::Freeze(self.to())),
            _ => Next::Done,
        }
    }

    /// Nothing is written any more at the source, and there is a way back still.
    fn frozen(self, aim: Aim, since: Stamp, source: &Source, target: &SlotSide) -> Next {
        if aim == Aim::Stay {
            return Next::Tell(self.source, Action::Thaw(self.to()));
        }
        match self.ship(since, source, target) {
            Some(step) => step,
            None if is_planted(Planted::SlotAnsweredTwice) => self.switch(since, target),
            None => Next::Tell(self.source, Action::Forward(self.to())),
        }
    }

    /// Nobody answers, or the target does.
    fn forwarded(self, since: Stamp, source: &Source, target: &SlotSide) -> Next {
        let arrived = match target.state {
            Some(SlotState::Owned) => true,
            // It arrived, and has gone on.
            Some(
                SlotState::Frozen { since: later, .. }
                | SlotState::Forwarded { since: later, .. }
                | SlotState::Receiving { since: later, .. },
            ) => later > since,
            None => false,
        };
        if arrived {
            let drop = Action::Drop { other: self.to(), since };
            return if source.side.holds { Next::Tell(self.source, drop) } else { Next::Done };
        }
        self.ship(since, source, target).unwrap_or_else(|| self.switch(since, target))
    }

    /// All of it came.
    const fn switch(self, since: Stamp, target: &SlotSide) -> Next {
        match target.state {
            Some(SlotState::Receiving { page, .. }) => {
                Next::Tell(self.target, Action::Switch { from: self.from(), pages: page, since })
            }
            state => Next::Elsewhere(state),
        }
    }

    /// What to send, unless all of it came.
    fn ship(self, since: Stamp, source: &Source, target: &SlotSide) -> Option<Next> {
        let page = match target.state {
            Some(SlotState::Receiving { from, page, since: of }) if from == self.source && of == since && page > 0 => {
                if source.rest.is_empty() {
                    return None;
                }
                page
            }
            Some(SlotState::Receiving { from, since, .. }) if target.holds => {
                return Some(self.drop_at_target(from, since));
            }
            Some(SlotState::Forwarded { to, since }) if target.holds => return Some(self.drop_at_target(to, since)),
            Some(SlotState::Owned | SlotState::Frozen { .. }) => return Some(Next::Elsewhere(target.state)),
            // The first page goes even if it is empty: it is what makes the target wait for the slot.
            _ => 0,
        };
        let ship = Ship { from: self.from(), page, since, pairs: source.rest.clone() };
        Some(Next::Tell(self.target, Action::Ship(ship)))
    }

    const fn drop_at_target(self, other: GroupId, since: Stamp) -> Next {
        Next::Tell(self.target, Action::Drop { other: SlotTo { slot: self.slot, group: other }, since })
    }

    const fn to(self) -> SlotTo {
        SlotTo { slot: self.slot, group: self.target }
    }

    const fn from(self) -> SlotTo {
        SlotTo { slot: self.slot, group: self.source }
    }
}

#[cfg(test)]
mod tests;
