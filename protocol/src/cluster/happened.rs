//! What happened to the keys of a bucket, as a group tells those who follow it.

use super::wire;
use crate::DecodeError;
use crate::meta::{Stamp, StorageEvent};

/// A place in the order of a group's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct EventPlace {
    /// The index of a log entry.
    pub index: u64,
    /// Which of the entry's events, from 0.
    pub number: u32,
}

/// From where on a group's events are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Since {
    /// From the oldest that is kept.
    #[default]
    Oldest,
    /// From this place on.
    Place(EventPlace),
    /// Only what happens from now on.
    Now,
}

/// Some of a group's events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    /// In the order of the group's log.
    pub events: Vec<(EventPlace, StorageEvent)>,
    /// From where on to ask for the next.
    pub next: EventPlace,
    /// If there may be more now: the time up to which these are all.
    pub more_behind: Option<Stamp>,
    /// Whether some that were asked for are not kept any more.
    pub missed: bool,
}

impl EventPlace {
    /// The first place of an entry.
    #[must_use]
    pub const fn at(index: u64) -> Self {
        Self { index, number: 0 }
    }

    fn to_wire(self) -> wire::EventPlace {
        wire::EventPlace { index: self.index, number: self.number }
    }

    fn from_wire(place: wire::EventPlace) -> Self {
        Self { index: place.index, number: place.number }
    }
}

impl Since {
    pub(super) fn to_wire(self) -> wire::Since {
        use wire::since::Since as Wire;
        let since = match self {
            Self::Oldest => None,
            Self::Place(place) => Some(Wire::Place(place.to_wire())),
            Self::Now => Some(Wire::Now(wire::Now {})),
        };
        wire::Since { since }
    }

    pub(super) fn from_wire(since: Option<wire::Since>) -> Self {
        use wire::since::Since as Wire;
        match since.and_then(|since| since.since) {
            None => Self::Oldest,
            Some(Wire::Place(place)) => Self::Place(EventPlace::from_wire(place)),
            Some(Wire::Now(wire::Now {})) => Self::Now,
        }
    }
}

impl Happened {
    pub(super) fn to_wire(&self) -> wire::Happened {
        let event = |(place, event): &(EventPlace, StorageEvent)| wire::PlacedEvent {
            place: Some(place.to_wire()),
            event: event.encode(),
        };
        wire::Happened {
            events: self.events.iter().map(event).collect(),
            next: Some(self.next.to_wire()),
            more_behind: self.more_behind.map(Stamp::as_u64),
            missed: self.missed,
        }
    }

    pub(super) fn from_wire(happened: wire::Happened) -> Result<Self, DecodeError> {
        let place = |place: Option<wire::EventPlace>| EventPlace::from_wire(place.unwrap_or_default());
        let read = |event: wire::PlacedEvent| Ok((place(event.place), StorageEvent::decode(event.event)?));
        let events = happened.events.into_iter().map(read).collect::<Result<Vec<_>, DecodeError>>()?;
        let next = place(happened.next);
        // Who goes on at `next` is to get none twice, and to get on.
        let places = events.iter().map(|(place, _)| *place).chain([next]);
        if !places.is_sorted_by(|one, other| one < other) {
            return Err(DecodeError::field("event"));
        }
        let more_behind = happened.more_behind.map(Stamp::from_u64);
        Ok(Self { events, next, more_behind, missed: happened.missed })
    }
}
