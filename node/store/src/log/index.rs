//! What the log holds, in memory: for each group its entries and marks, and where each stands.
//!
//! Changes take effect here when they are asked for, so that they can be read at once; where they stand is told when
//! they are synced. It counts how much of each segment is still needed. It must not know files: it is values alone.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use storgo_protocol::GroupId;
use storgo_protocol::log::{LogBody, LogRecord, SEALED_RECORD_HEAD_BYTES};

/// Where a sealed record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u64,
    /// Its first byte in the segment's file.
    pub(super) first: u32,
    /// Its bytes, sealed.
    pub(super) bytes: u32,
}

impl Location {
    /// Bytes that it takes in the file.
    pub(super) const fn occupied(self) -> u64 {
        self.bytes as u64 + SEALED_RECORD_HEAD_BYTES as u64
    }
}

/// Something kept: where, once it is written, and which change put it here.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) value: T,
    serial: u64,
    at: Option<Location>,
}

/// An entry: its payload as long as it is not written, or recent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) term: u64,
    pub(super) payload: Option<Bytes>,
}

/// What is kept of one group.
#[derive(Debug, Default)]
pub(super) struct Group {
    entries: BTreeMap<u64, Kept<Entry>>,
    vote: Option<Kept<Bytes>>,
    committed: Option<Kept<Bytes>>,
    purged: Option<Kept<(u64, Bytes)>>,
    /// How often it was left: all that outlives it.
    left: Option<Kept<u64>>,
}

/// Bytes of one segment's file, and how many of them are still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Use {
    pub(super) bytes: u64,
    pub(super) live: u64,
}

/// All groups.
#[derive(Debug)]
pub(super) struct Index {
    groups: BTreeMap<GroupId, Group>,
    segments: BTreeMap<u64, Use>,
    next_serial: u64,
    /// Written entries whose payload is in memory, oldest first; some were voided since, and count until they leave.
    cached: VecDeque<(GroupId, u64, u64, usize)>,
    cached_bytes: usize,
    cache_bytes_max: usize,
}

/// What one cached entry costs besides its payload.
const CACHED_ENTRY_BYTES: usize = 128;

impl Group {
    /// The first and last entry, by index and term.
    pub(super) fn ends(&self) -> Option<((u64, u64), (u64, u64))> {
        let end = |(index, kept): (&u64, &Kept<Entry>)| (*index, kept.value.term);
        Some((end(self.entries.first_key_value()?), end(self.entries.last_key_value()?)))
    }

    pub(super) fn vote(&self) -> Option<&Bytes> {
        self.vote.as_ref().map(|kept| &kept.value)
    }

    pub(super) fn committed(&self) -> Option<&Bytes> {
        self.committed.as_ref().map(|kept| &kept.value)
    }

    pub(super) fn purged(&self) -> Option<&(u64, Bytes)> {
        self.purged.as_ref().map(|kept| &kept.value)
    }

    /// How often this node has left it.
    pub(super) fn times_left(&self) -> u64 {
        self.left.as_ref().map_or(0, |kept| kept.value)
    }

    /// Whether anything of it is kept but that it was left.
    pub(super) fn is_here(&self) -> bool {
        let Self { entries, vote, committed, purged, left: _ } = self;
        !entries.is_empty() || vote.is_some() || committed.is_some() || purged.is_some()
    }

    /// The index that the next entry must have; `None` where any may begin.
    pub(super) fn next(&self) -> Option<u64> {
        let last = self.entries.last_key_value().map(|(index, _)| *index);
        last.or(self.purged().map(|(index, _)| *index)).map(|last| last.saturating_add(1))
    }

    /// The entries of a range, each with where it stands.
    pub(super) fn entries(&self, range: std::ops::Range<u64>) -> impl Iterator<Item = (u64, &Entry, Option<Location>)> {
        let range = range.start..range.end.max(range.start);
        self.entries.range(range).map(|(index, kept)| (*index, &kept.value, kept.at))
    }

    fn is_whole(&self) -> bool {
        let Some(((first, _), (last, _))) = self.ends() else { return true };
        let follows = self.purged().is_none_or(|(purged, _)| purged.checked_add(1) == Some(first));
        follows && last - first == self.entries.len() as u64 - 1
    }

    /// The place and serial of what a record of this body put here, if it is still here.
    fn kept(&self, body: &LogBody) -> Option<(u64, Option<Location>)> {
        match body {
            LogBody::Entry { index, .. } => self.entries.get(index).map(|kept| (kept.serial, kept.at)),
            LogBody::Vote(_) => self.vote.as_ref().map(|kept| (kept.serial, kept.at)),
            LogBody::Committed(_) => self.committed.as_ref().map(|kept| (kept.serial, kept.at)),
            LogBody::Purge { .. } => self.purged.as_ref().map(|kept| (kept.serial, kept.at)),
            LogBody::Gone(_) | LogBody::Left(_) => self.left.as_ref().map(|kept| (kept.serial, kept.at)),
            LogBody::Truncate { .. } => None,
        }
    }

    fn at(&mut self, body: &LogBody) -> Option<&mut Option<Location>> {
        match body {
            LogBody::Entry { index, .. } => self.entries.get_mut(index).map(|kept| &mut kept.at),
            LogBody::Vote(_) => self.vote.as_mut().map(|kept| &mut kept.at),
            LogBody::Committed(_) => self.committed.as_mut().map(|kept| &mut kept.at),
            LogBody::Purge { .. } => self.purged.as_mut().map(|kept| &mut kept.at),
            LogBody::Gone(_) | LogBody::Left(_) => self.left.as_mut().map(|kept| &mut kept.at),
            LogBody::Truncate { .. } => None,
        }
    }
}

impl Index {
    pub(super) fn new(cache_bytes_max: usize) -> Self {
        Self {
            groups: BTreeMap::new(),
            segments: BTreeMap::new(),
            next_serial: 0,
            cached: VecDeque::new(),
            cached_bytes: 0,
            cache_bytes_max,
        }
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = GroupId> {
        self.groups.iter().filter(|(_, group)| group.is_here()).map(|(id, _)| *id)
    }

    pub(super) fn left(&self) -> impl Iterator<Item = (GroupId, u64)> {
        let left = |(id, group): (&GroupId, &Group)| group.left.as_ref().map(|times| (*id, times.value));
        self.groups.iter().filter_map(left)
    }

    /// Lets a record take effect; `at` says where it stands if it was read back. Gives the serial of the change.
    pub(super) fn apply(&mut self, record: &LogRecord, at: Option<Location>) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        let mut freed = Vec::new();
        let group = self.groups.entry(record.group).or_default();
        match &record.body {
            LogBody::Entry { term, index, payload } => {
                let payload = at.is_none().then(|| payload.clone());
                let kept = Kept { value: Entry { term: *term, payload }, serial, at };
                freed.extend(group.entries.insert(*index, kept).map(|kept| kept.at));
            }
            LogBody::Vote(bytes) => {
                freed.extend(group.vote.replace(Kept { value: bytes.clone(), serial, at }).map(|kept| kept.at));
            }
            LogBody::Committed(bytes) => {
                let kept = Kept { value: bytes.clone(), serial, at };
                freed.extend(group.committed.replace(kept).map(|kept| kept.at));
            }
            LogBody::Truncate { index } => {
                freed.extend(group.entries.split_off(index).into_values().map(|kept| kept.at));
            }
            LogBody::Purge { index, marker } => {
                let kept = Kept { value: (*index, marker.clone()), serial, at };
                freed.extend(group.purged.replace(kept).map(|kept| kept.at));
                let rest = index.checked_add(1).map(|next| group.entries.split_off(&next)).unwrap_or_default();
                freed.extend(std::mem::replace(&mut group.entries, rest).into_values().map(|kept| kept.at));
            }
            LogBody::Gone(times) => {
                let left = Some(Kept { value: *times, serial, at });
                let gone = std::mem::replace(group, Group { left, ..Group::default() });
                freed.extend(gone.entries.into_values().map(|kept| kept.at));
                freed.extend([gone.vote, gone.committed].into_iter().flatten().map(|kept| kept.at));
                freed.extend(gone.purged.map(|kept| kept.at));
                freed.extend(gone.left.map(|kept| kept.at));
            }
            LogBody::Left(times) => {
                let kept = Kept { value: *times, serial, at };
                freed.extend(group.left.replace(kept).map(|kept| kept.at));
            }
        }
        freed.into_iter().flatten().for_each(|at| self.free(at));
        if let Some(at) = at.filter(|_| self.serial(record) == Some(serial)) {
            self.occupy(at);
        }
        serial
    }

    /// Says where the record of a change stands now that it is durable.
    pub(super) fn place(&mut self, record: &LogRecord, serial: u64, at: Location) {
        if self.serial(record) != Some(serial) {
            return;
        }
        let Some(place) = self.groups.get_mut(&record.group).and_then(|group| group.at(&record.body)) else { return };
        match place.replace(at) {
            Some(before) => self.free(before),
            None => self.cache(record, serial),
        }
        self.occupy(at);
    }

    fn serial(&self, record: &LogRecord) -> Option<u64> {
        Some(self.groups.get(&record.group)?.kept(&record.body)?.0)
    }

    /// The serial of the change that a record at this place made, if the place is still needed for it.
    pub(super) fn live_serial(&self, record: &LogRecord, at: Location) -> Option<u64> {
        let (serial, place) = self.groups.get(&record.group)?.kept(&record.body)?;
        (place == Some(at)).then_some(serial)
    }

    /// Counts bytes of a segment's file that hold records, needed or not.
    pub(super) fn wrote(&mut self, segment: u64, bytes: u64) {
        self.segments.entry(segment).or_default().bytes += bytes;
    }

    /// What is known of a segment.
    pub(super) fn usage(&self, segment: u64) -> Use {
        self.segments.get(&segment).copied().unwrap_or_default()
    }

    /// All segments together, and how many they are.
    pub(super) fn total(&self) -> (Use, u64) {
        let add = |sum: Use, one: &Use| Use { bytes: sum.bytes + one.bytes, live: sum.live + one.live };
        (self.segments.values().fold(Use::default(), add), self.segments.len() as u64)
    }

    pub(super) fn forget_segment(&mut self, segment: u64) {
        self.segments.remove(&segment);
    }

    /// A group whose entries do not follow one another, as no sound log leaves them.
    pub(super) fn group_with_hole(&self) -> Option<GroupId> {
        self.groups.iter().find(|(_, group)| !group.is_whole()).map(|(id, _)| *id)
    }

    fn occupy(&mut self, at: Location) {
        self.segments.entry(at.segment).or_default().live += at.occupied();
    }

    fn free(&mut self, at: Location) {
        if let Some(segment) = self.segments.get_mut(&at.segment) {
            segment.live = segment.live.saturating_sub(at.occupied());
        }
    }

    /// Keeps the payload of an entry that was written, and lets the oldest go for it.
    fn cache(&mut self, record: &LogRecord, serial: u64) {
        let LogBody::Entry { index, payload, .. } = &record.body else { return };
        let bytes = payload.len() + CACHED_ENTRY_BYTES;
        self.cached.push_back((record.group, *index, serial, bytes));
        self.cached_bytes += bytes;
        while self.cached_bytes > self.cache_bytes_max
            && let Some((group, index, serial, bytes)) = self.cached.pop_front()
        {
            self.cached_bytes -= bytes;
            let entry = self.groups.get_mut(&group).and_then(|group| group.entries.get_mut(&index));
            if let Some(kept) = entry.filter(|kept| kept.serial == serial) {
                kept.value.payload = None;
            }
        }
    }

    /// Payload bytes in memory for entries that were written, with their overhead.
    pub(super) const fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }
}
