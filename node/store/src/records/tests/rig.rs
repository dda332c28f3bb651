//! Records on a simulated disk, the history of what they were asked, and the comparison of both.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use storgo_protocol::GroupId;

use crate::NodeKey;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::records::{Applied, Records, RecordsConfig, RecordsError, RecordsOpening, WriteBatch};
use crate::tests::rig::random;

pub(super) const FILE: &str = "/records";

/// What the records were asked.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Commit(GroupId, WriteBatch, Applied),
    Flush,
    FlushGroup(GroupId),
    /// The first group takes the state of the second.
    Import(GroupId, GroupId),
    Remove(GroupId),
}

/// The groups that operations are asked for.
const GROUPS: [GroupId; 3] = [GroupId::new(0), GroupId::new(1), GroupId::new(2)];

impl Op {
    /// The group that it changes.
    const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Commit(group, ..) | Self::Import(group, _) | Self::Remove(group) => Some(*group),
            Self::Flush | Self::FlushGroup(_) => None,
        }
    }
}

/// What one group should hold.
pub(super) type Held = (BTreeMap<Bytes, Bytes>, Applied);

/// What the records should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Model(pub(super) BTreeMap<GroupId, Held>);

impl Model {
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Commit(group, batch, applied) => {
                let held = self.0.entry(*group).or_insert_with(|| (BTreeMap::new(), applied.clone()));
                for (key, value) in batch.changes() {
                    match value {
                        Some(value) => held.0.insert(key.clone(), value.clone()),
                        None => held.0.remove(key),
                    };
                }
                held.1 = applied.clone();
            }
            Op::Flush | Op::FlushGroup(_) => {}
            Op::Import(to, from) => {
                let state = self.0[from].clone();
                self.0.insert(*to, state);
            }
            Op::Remove(group) => drop(self.0.remove(group)),
        }
    }

    pub(super) fn after(history: &[Op], count: usize) -> Self {
        let mut model = Self::default();
        history[..count].iter().for_each(|op| model.apply(op));
        model
    }
}

/// An operation that a caller could ask for now.
pub(super) fn any_op(model: &Model, rng: &mut StdRng) -> Op {
    let group = GROUPS[rng.random_range(0..GROUPS.len())];
    let bytes = |rng: &mut StdRng, max: usize| {
        let mut bytes = vec![0; rng.random_range(0..max)];
        rng.fill_bytes(&mut bytes);
        Bytes::from(bytes)
    };
    let at = |group| model.0.get(&group).map(|(_, applied)| applied.index);
    let from = GROUPS[rng.random_range(0..GROUPS.len())];
    match rng.random_range(0..20) {
        0 => Op::Flush,
        1..3 => Op::FlushGroup(group),
        3 if at(group).is_some() => Op::Remove(group),
        4..6 if at(from).is_some() && at(from) >= at(group) && from != group => Op::Import(group, from),
        _ => {
            let mut batch = WriteBatch::default();
            for _ in 0..rng.random_range(0..6) {
                let key = format!("key {}", rng.random_range(0..30));
                if rng.random_bool(0.8) {
                    batch.put(key, bytes(rng, 300));
                } else {
                    batch.delete(key);
                }
            }
            let index = at(group).map_or(0, |index| index + 1) + rng.random_range(0..2);
            Op::Commit(group, batch, Applied { index, term: index / 4, blob: bytes(rng, 40) })
        }
    }
}

/// Has one group's state taken over by another, which has the same number on the way.
pub(super) async fn import(records: &Records, to: GroupId, from: GroupId) -> Result<(), RecordsError> {
    let mut export = records.group(from).export()?.expect("a state");
    let mut import = records.group(to).import().await?;
    while let Some(number) = import.next_page() {
        let page = export.page(number)?.expect("a page");
        import.push(super::states::readdressed(&page, to, import.previous_page())).await?;
    }
    assert_eq!(import.finish().await?, *export.applied());
    Ok(())
}

pub(super) async fn ask(records: &Records, op: Op) -> Result<(), RecordsError> {
    match op {
        Op::Commit(group, batch, applied) => records.group(group).commit(batch, applied).await,
        Op::Flush => records.flush().await,
        Op::FlushGroup(group) => records.group(group).flush().await,
        Op::Import(to, from) => import(records, to, from).await,
        Op::Remove(group) => records.group(group).remove().await,
    }
}

/// What the records say that they hold.
pub(super) fn told(records: &Records) -> Result<Model, RecordsError> {
    let mut model = Model::default();
    for id in records.groups() {
        let view = records.group(id).view()?;
        let mut rows = BTreeMap::new();
        let mut after: Option<Bytes> = None;
        loop {
            let first = after.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let found = view.scan((first, std::ops::Bound::Unbounded), 7)?;
            assert!(found.rows.is_sorted_by(|a, b| a.0 < b.0));
            after = found.rows.last().map(|(key, _)| key.clone());
            for (key, value) in found.rows {
                assert_eq!(view.get(&key)?.as_ref(), Some(&value));
                rows.insert(key, value);
            }
            if !found.has_more {
                break;
            }
        }
        assert_eq!(records.group(id).applied().as_ref(), view.applied());
        model.0.insert(id, (rows, view.applied().expect("a place").clone()));
    }
    Ok(model)
}

/// A disk with records on it, and all that was asked of them.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) disk: SimDisk,
    pub(super) history: Vec<Op>,
    /// How many of them are certainly kept, as far as they concern a group.
    durable: BTreeMap<GroupId, usize>,
    pub(super) seed: u64,
    opened: u64,
}

impl Rig {
    pub(super) fn new(seed: u64) -> Self {
        Self { disk: SimDisk::new(), history: Vec::new(), durable: BTreeMap::new(), seed, opened: 0 }
    }

    pub(super) fn fork(&self) -> Self {
        let Self { seed, opened, .. } = *self;
        Self { disk: self.disk.fork(), history: self.history.clone(), durable: self.durable.clone(), seed, opened }
    }

    pub(super) fn config() -> RecordsConfig {
        RecordsConfig { cache_bytes: 1 << 20, fresh_bytes: 2 << 10, ..RecordsConfig::new(NodeKey::from_bytes([5; 32])) }
    }

    pub(super) fn open(&mut self) -> Result<(Records, RecordsOpening), RecordsError> {
        self.open_with(Self::config())
    }

    pub(super) fn open_with(&mut self, config: RecordsConfig) -> Result<(Records, RecordsOpening), RecordsError> {
        self.opened += 1;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Records::open_simulated(&disk, Path::new(FILE), config, random(self.seed ^ self.opened << 32))
    }

    /// Asks for some operations, one after the other; ends early when the records fail.
    pub(super) async fn play(&mut self, records: &Records, count: usize, rng: &mut StdRng) -> Result<(), RecordsError> {
        let mut model = Model::after(&self.history, self.history.len());
        for _ in 0..count {
            let op = any_op(&model, rng);
            model.apply(&op);
            self.history.push(op.clone());
            let makes_durable = match &op {
                Op::Commit(..) => Vec::new(),
                Op::FlushGroup(group) => vec![*group],
                Op::Flush | Op::Import(..) | Op::Remove(_) => GROUPS.to_vec(),
            };
            ask(records, op).await?;
            if rng.random() {
                // The writer may have its turn between any two.
                tokio::task::yield_now().await;
            }
            if rng.random_bool(0.2) {
                assert_eq!(told(records)?, model, "seed {}", self.seed);
            }
            for group in GROUPS {
                let is_durable =
                    records.group(group).durable_applied().as_ref() == model.0.get(&group).map(|held| &held.1);
                assert!(is_durable || !makes_durable.contains(&group), "seed {}", self.seed);
                if is_durable {
                    self.durable.insert(group, self.history.len());
                }
            }
        }
        Ok(())
    }

    /// All that was asked is durable.
    pub(super) fn all_is_durable(&mut self) {
        self.durable = GROUPS.map(|group| (group, self.history.len())).into();
    }

    /// Compares the records with the history: of each group they hold all that was durable, and of the rest a beginning.
    pub(super) fn compare(&mut self, records: &Records) {
        let told = told(records).unwrap();
        let models: Vec<_> = (0..=self.history.len()).map(|count| Model::after(&self.history, count)).collect();
        let kept = GROUPS.map(|group| {
            let durable = self.durable.get(&group).copied().unwrap_or(0);
            let kept = (durable..models.len()).find(|count| models[*count].0.get(&group) == told.0.get(&group));
            let Some(kept) = kept else {
                let (seed, asked) = (self.seed, self.history.len());
                panic!("seed {seed}: {durable} of {asked} were durable of {group}, told {told:#?}");
            };
            (group, kept)
        });
        let kept = BTreeMap::from(kept);
        let mut number = 0;
        self.history.retain(|op| {
            number += 1;
            op.group().is_some_and(|group| number <= kept[&group])
        });
        assert_eq!(Model::after(&self.history, self.history.len()), told, "seed {}", self.seed);
        self.all_is_durable();
    }
}

/// A runtime whose turns do not depend on threads.
pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// How many times a test repeats itself, by default and as asked for.
pub(super) fn rounds(usual: u64) -> u64 {
    std::env::var("STORGO_LOG_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}
