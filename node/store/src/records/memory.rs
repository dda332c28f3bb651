//! What was committed and is not in the database yet: seen at once, and written later in one transaction of many.
//!
//! ```text
//!   commit ─► fresh ── freeze ──► writing ── transaction ──► database
//!   view    = fresh     over      writing        over        database as the last transaction left it
//! ```
//!
//! All three change under one lock, so what is frozen is a state that its group was in at one moment, and a view misses
//! nothing between two of them. Groups are frozen in turn, a few at a time, so that a row which is written again and again
//! reaches the database once, and the writer's work comes in many short pieces. It must not know what a transaction is.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::GroupId;

use super::base::Base;
use super::batch::{Applied, WriteBatch};
use super::error::RecordsError;
use super::tables::Standing;

/// Rows with their new values, or none for those that were taken away.
pub(super) type Changes = BTreeMap<Bytes, Option<Bytes>>;

/// Bytes that a change takes beside those of its key and value, about.
const CHANGE_BYTES: usize = 96;

/// All groups.
#[derive(Debug)]
pub(super) struct Memory {
    groups: BTreeMap<GroupId, GroupMemory>,
    durable: BTreeMap<GroupId, Applied>,
    /// The database as the last transaction left it; none once the records are closed.
    base: Option<Arc<Base>>,
    failed: Option<RecordsError>,
    next_section: u64,
    /// Of all groups.
    fresh_bytes: usize,
    /// The group that was frozen last when its turn came.
    last_frozen: GroupId,
}

/// One group. Its maps are shared with views, and copied if one still looks when they change.
#[derive(Debug, Clone)]
struct GroupMemory {
    standing: Standing,
    /// Whether the section is in the database.
    is_written: bool,
    fresh: Arc<Changes>,
    /// Bytes of them, about.
    fresh_bytes: usize,
    writing: Arc<Changes>,
}

/// What a view is made of.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) standing: Standing,
    pub(super) fresh: Arc<Changes>,
    pub(super) writing: Arc<Changes>,
    /// None before the section is there.
    pub(super) base: Option<Arc<Base>>,
}

/// What a transaction is to write for one group.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) group: GroupId,
    pub(super) standing: Standing,
    pub(super) changes: Arc<Changes>,
}

impl GroupMemory {
    fn at(standing: Standing, is_written: bool) -> Self {
        Self { standing, is_written, fresh: Arc::default(), fresh_bytes: 0, writing: Arc::default() }
    }
}

impl Memory {
    /// Of groups that stand in the database.
    pub(super) fn new(standings: BTreeMap<GroupId, Standing>, next_section: u64, base: Base) -> Self {
        let durable = standings.iter().map(|(group, standing)| (*group, standing.applied.clone())).collect();
        let groups = standings.into_iter().map(|(group, standing)| (group, GroupMemory::at(standing, true))).collect();
        Self {
            groups,
            durable,
            base: Some(Arc::new(base)),
            failed: None,
            next_section,
            fresh_bytes: 0,
            last_frozen: GroupId::new(0),
        }
    }

    /// Refuses once the records have stopped or were closed.
    pub(super) fn check(&self) -> Result<(), RecordsError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.base.is_none() => Err(RecordsError::Closed),
            None => Ok(()),
        }
    }

    /// Stops the records for good; the first reason stays.
    pub(super) fn fail(&mut self, error: &RecordsError) {
        if self.failed.is_none() {
            tracing::error!(error = error as &dyn std::error::Error, "the records have stopped");
            self.failed = Some(error.clone());
        }
    }

    /// Ends all; gives the database, to be let go of, and why the records had stopped, if they had.
    pub(super) fn close(&mut self) -> (Option<Arc<Base>>, Option<RecordsError>) {
        (self.base.take(), self.failed.clone())
    }

    /// The database as the last transaction left it, until the records are closed.
    pub(super) fn base(&self) -> Option<Arc<Base>> {
        self.base.clone()
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = GroupId> {
        self.groups.keys().copied()
    }

    pub(super) fn applied(&self, group: GroupId) -> Option<&Applied> {
        self.groups.get(&group).map(|memory| &memory.standing.applied)
    }

    pub(super) fn durable(&self, group: GroupId) -> Option<&Applied> {
        self.durable.get(&group)
    }

    /// Bytes of what was committed and not frozen yet, about.
    pub(super) const fn fresh_bytes(&self) -> usize {
        self.fresh_bytes
    }

    /// A group as it is now; `None` if nothing was applied yet.
    pub(super) fn see(&self, group: GroupId) -> Option<Seen> {
        let GroupMemory { standing, is_written, fresh, writing, .. } = self.groups.get(&group)?;
        let base = self.base.as_ref().filter(|_| *is_written).map(Arc::clone);
        Some(Seen { standing: standing.clone(), fresh: Arc::clone(fresh), writing: Arc::clone(writing), base })
    }

    /// Makes changes, and with them the group's place.
    pub(super) fn commit(&mut self, group: GroupId, batch: WriteBatch, applied: Applied) -> Result<(), RecordsError> {
        let known = match self.groups.entry(group) {
            Entry::Occupied(known) => {
                let last = known.get().standing.applied.index;
                if last >= applied.index {
                    return Err(RecordsError::Order { group, applied: last, found: applied.index });
                }
                known.into_mut()
            }
            Entry::Vacant(new) => {
                let standing = Standing { section: self.next_section, applied: applied.clone() };
                self.next_section += 1;
                new.insert(GroupMemory::at(standing, false))
            }
        };
        known.standing.applied = applied;
        let (fresh, before) = (Arc::make_mut(&mut known.fresh), known.fresh_bytes);
        for (key, value) in batch.changes {
            let length = key.len();
            known.fresh_bytes += bytes_of(length, value.as_ref());
            if let Some(old) = fresh.insert(key, value) {
                known.fresh_bytes -= bytes_of(length, old.as_ref());
            }
        }
        self.fresh_bytes = self.fresh_bytes - before + known.fresh_bytes;
        Ok(())
    }

    /// Numbers a section that was never there before.
    pub(super) const fn number_section(&mut self) -> u64 {
        let number = self.next_section;
        self.next_section += 1;
        number
    }

    /// Whether the group is there.
    pub(super) fn has(&self, group: GroupId) -> bool {
        self.groups.contains_key(&group)
    }

    pub(super) const fn next_section(&self) -> u64 {
        self.next_section
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, group: GroupId) {
        if let Some(removed) = self.groups.remove(&group) {
            self.fresh_bytes -= removed.fresh_bytes;
        }
    }

    /// Gives a group a section that is in the database in place of what it has, unless it is further by now.
    pub(super) fn replace(&mut self, group: GroupId, section: u64, applied: Applied) -> Result<(), RecordsError> {
        if let Some(known) = self.applied(group).filter(|known| known.index > applied.index) {
            return Err(RecordsError::Order { group, applied: known.index, found: applied.index });
        }
        let replaced = self.groups.insert(group, GroupMemory::at(Standing { section, applied }, true));
        if let Some(replaced) = replaced {
            self.fresh_bytes -= replaced.fresh_bytes;
        }
        Ok(())
    }

    /// Sets aside what was committed to groups that differ from `written`, to be written: to those that are `wanted`, and to
    /// those whose turn it is, until they have `share` bytes of changes.
    pub(super) fn freeze(
        &mut self,
        wanted: &BTreeSet<GroupId>,
        share: usize,
        written: &BTreeMap<GroupId, Standing>,
    ) -> Vec<Frozen> {
        let turns = self.groups.range((Bound::Excluded(self.last_frozen), Bound::Unbounded));
        let turns = turns.chain(self.groups.range(..=self.last_frozen));
        let turns = turns.filter(|(group, memory)| written.get(*group) != Some(&memory.standing));
        let (mut bytes, mut last, mut chosen) = (0, self.last_frozen, Vec::new());
        for (group, memory) in turns {
            if bytes < share {
                (bytes, last) = (bytes + memory.fresh_bytes, *group);
            } else if !wanted.contains(group) {
                continue;
            }
            chosen.push(*group);
        }
        self.last_frozen = last;
        chosen.into_iter().filter_map(|group| self.freeze_one(group)).collect()
    }

    fn freeze_one(&mut self, group: GroupId) -> Option<Frozen> {
        let memory = self.groups.get_mut(&group)?;
        self.fresh_bytes -= std::mem::take(&mut memory.fresh_bytes);
        memory.writing = std::mem::take(&mut memory.fresh);
        Some(Frozen { group, standing: memory.standing.clone(), changes: Arc::clone(&memory.writing) })
    }

    /// What was frozen is durable, and `base` shows it.
    pub(super) fn written(&mut self, standings: &BTreeMap<GroupId, Standing>, base: Base) {
        // After the last view of it is gone, or closed meanwhile.
        if self.base.is_some() {
            self.base = Some(Arc::new(base));
        }
        for (group, memory) in &mut self.groups {
            memory.writing = Arc::default();
            memory.is_written |= standings.get(group).is_some_and(|known| known.section == memory.standing.section);
        }
        self.durable = standings.iter().map(|(group, standing)| (*group, standing.applied.clone())).collect();
    }
}

/// Bytes that a change takes, about, by the length of its key.
fn bytes_of(key: usize, value: Option<&Bytes>) -> usize {
    CHANGE_BYTES + key + value.map_or(0, Bytes::len)
}
