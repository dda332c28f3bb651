//! Where a walk over all keys is: a window of slots after the other, and in each of them keys in their order.
//!
//! Keys in order over all slots want every slot looked into for each page. So a walk goes by slots, and looks into as many
//! at a time as give about a page: wider windows where keys are few, narrower ones where they are many.

use std::ops::RangeInclusive;

use bytes::Bytes;
use storgo_protocol::limits::SLOTS;
use storgo_protocol::meta::Slot;

/// Slots of the first window.
const FIRST_WIDTH: u16 = 64;

/// Slots of the widest: a quarter of all.
const WIDTH_MAX: u16 = SLOTS / 4;

/// How much wider or narrower the next window is.
const STEP: u16 = 4;

/// Where a walk goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    first: u16,
    width: u16,
    /// Behind this key of the window; none at its beginning.
    pub(super) after: Option<Bytes>,
    /// Whether all keys are in the window.
    is_only: bool,
}

impl Position {
    /// Before all keys that start so.
    pub(super) fn start(prefix: &[u8]) -> Self {
        if has_tag(prefix) {
            return Self::only(Slot::of_redis(prefix));
        }
        Self { first: 0, width: FIRST_WIDTH, after: None, is_only: false }
    }

    /// Before all keys of a slot.
    pub(super) const fn only(slot: Slot) -> Self {
        Self { first: slot.number(), width: 1, after: None, is_only: true }
    }

    /// The window.
    pub(super) fn slots(&self) -> RangeInclusive<Slot> {
        let last = self.first.saturating_add(self.width - 1).min(SLOTS - 1);
        let slot = |number| Slot::new(number).unwrap_or_default();
        slot(self.first)..=slot(last)
    }

    /// Behind a page of at most `limit` keys that had `found`, and after which the window goes on behind `next`; none behind
    /// all keys.
    pub(super) fn behind(self, found: usize, limit: usize, next: Option<Bytes>) -> Option<Self> {
        if next.is_some() {
            return Some(Self { after: next, ..self });
        }
        let first = self.first.saturating_add(self.width);
        if self.is_only || first >= SLOTS {
            return None;
        }
        let width = match self.after {
            // It took more than one page.
            Some(_) => (self.width / STEP).max(1),
            None if found.saturating_mul(usize::from(STEP)) <= limit => (self.width * STEP).min(WIDTH_MAX),
            None => self.width,
        };
        Some(Self { first, width, after: None, is_only: false })
    }
}

/// Whether the tag, by which alone a key's slot is told, is in its beginning.
fn has_tag(prefix: &[u8]) -> bool {
    let Some(open) = prefix.iter().position(|byte| *byte == b'{') else { return false };
    let tag = prefix.get(open + 1..).unwrap_or_default();
    tag.iter().position(|byte| *byte == b'}').is_some_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(position: &Position) -> (u16, u16) {
        let slots = position.slots();
        (slots.start().number(), slots.end().number())
    }

    /// The windows of a walk of which each page has as many keys as `keys` says of its slots, and how many pages it took.
    fn walk(limit: usize, keys: impl Fn((u16, u16)) -> usize) -> (Vec<(u16, u16)>, usize) {
        let (mut windows, mut pages) = (Vec::new(), 0);
        let (mut at, mut given) = (Some(Position::start(b"")), 0);
        while let Some(position) = at {
            let (window, left) = (span(&position), keys(span(&position)) - given);
            let found = left.min(limit);
            let next = (left > limit).then(|| Bytes::from_static(b"key"));
            given = if next.is_some() { given + found } else { 0 };
            if next.is_none() {
                windows.push(window);
            }
            pages += 1;
            at = position.behind(found, limit, next);
        }
        (windows, pages)
    }

    #[test]
    fn every_slot_is_in_one_window_however_many_keys_there_are() {
        let of = |each: usize| move |(first, last): (u16, u16)| usize::from(last - first + 1) * each;
        for each in [0, 1, 3, 61, 1000] {
            let (windows, _) = walk(10, of(each));
            assert_eq!((windows[0].0, windows.last().unwrap().1), (0, SLOTS - 1));
            assert!(windows.windows(2).all(|two| two[0].1 + 1 == two[1].0), "{each}: {windows:?}");
        }
        assert!(walk(10, of(0)).0.len() <= 7);
        // Where keys are many, a page looks into few slots.
        assert!(walk(10, of(61)).0.iter().skip(4).all(|(first, last)| first == last));
        // A few keys in all take a few pages.
        assert!(walk(10, |(first, _)| usize::from(first % 1000 == 0)).1 < 12);
    }

    #[test]
    fn a_tag_names_the_only_slot() {
        let only = Position::start(b"a{tag}b");
        let slot = Slot::of_redis(b"a{tag}bcd").number();
        assert_eq!(span(&only), (slot, slot));
        let behind = only.clone().behind(10, 10, Some("key".into())).unwrap();
        assert_eq!((span(&behind), behind.after.clone()), ((slot, slot), Some("key".into())));
        assert_eq!((behind.behind(3, 10, None), only.behind(0, 10, None)), (None, None));
        for prefix in [&b"a{tag"[..], b"a{}b", b"a}b{", b""] {
            assert_eq!(span(&Position::start(prefix)), (0, FIRST_WIDTH - 1));
        }
    }
}
