//! A log on a simulated disk, the history of what it was asked, and the comparison of both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use storgo_protocol::GroupId;
use tokio::task::JoinSet;

use crate::NodeKey;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::log::{Log, LogConfig, LogEntry, LogError, LogOpening, LogPosition, LogState, Purged, SyncPolicy};
use crate::tests::rig::random;

pub(super) const DIR: &str = "/log";
/// So small that a few records fill it.
pub(super) const SEGMENT_BYTES: u64 = 2048;

/// Groups that are played with.
const GROUPS: u64 = 4;

/// What a log was asked.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Append(GroupId, Vec<LogEntry>),
    Vote(GroupId, Bytes),
    Committed(GroupId, Bytes),
    Truncate(GroupId, u64),
    Purge(GroupId, u64, Bytes),
    Leave(GroupId),
}

/// What one group should hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    entries: BTreeMap<u64, (u64, Bytes)>,
    vote: Option<Bytes>,
    committed: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    times_left: u64,
}

/// What the log should hold: groups of which nothing is held are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Model(pub(super) BTreeMap<GroupId, Held>);

impl Model {
    pub(super) fn apply(&mut self, op: &Op) {
        let group = match op {
            Op::Append(group, entries) => {
                let held = self.0.entry(*group).or_default();
                held.entries.extend(entries.iter().map(|e| (e.index, (e.term, e.payload.clone()))));
                group
            }
            Op::Vote(group, vote) => {
                self.0.entry(*group).or_default().vote = Some(vote.clone());
                group
            }
            Op::Committed(group, committed) => {
                self.0.entry(*group).or_default().committed = Some(committed.clone());
                group
            }
            Op::Truncate(group, index) => {
                drop(self.0.entry(*group).or_default().entries.split_off(index));
                group
            }
            Op::Purge(group, index, marker) => {
                let held = self.0.entry(*group).or_default();
                if held.purged.as_ref().is_none_or(|(purged, _)| purged < index) {
                    held.purged = Some((*index, marker.clone()));
                    held.entries = held.entries.split_off(&(index + 1));
                }
                group
            }
            Op::Leave(group) => {
                if let Some(held) = self.0.get_mut(group)
                    && (Held { times_left: 0, ..held.clone() }) != Held::default()
                {
                    *held = Held { times_left: held.times_left + 1, ..Held::default() };
                }
                group
            }
        };
        if self.0.get(group) == Some(&Held::default()) {
            self.0.remove(group);
        }
    }

    /// The state after the first `count` operations.
    pub(super) fn after(history: &[Op], count: usize) -> Self {
        let mut model = Self::default();
        history[..count].iter().for_each(|op| model.apply(op));
        model
    }
}

/// An operation that a caller could ask for now.
pub(super) fn any_op(model: &Model, rng: &mut StdRng, groups: u64) -> Op {
    let group = GroupId::new(rng.random_range(0..groups));
    let held = model.0.get(&group).cloned().unwrap_or_default();
    let purged = held.purged.as_ref().map(|(index, _)| *index);
    let next = held.entries.last_key_value().map(|(index, _)| *index).max(purged).map_or(1, |last| last + 1);
    let bytes = |rng: &mut StdRng, max: usize| {
        let mut bytes = vec![0; rng.random_range(0..max)];
        rng.fill_bytes(&mut bytes);
        Bytes::from(bytes)
    };
    match rng.random_range(0..20) {
        0..10 => {
            let count = rng.random_range(1..4);
            let entry = |index| LogEntry { term: index / 3, index, payload: bytes(rng, 200) };
            Op::Append(group, (next..next + count).map(entry).collect())
        }
        10..13 => Op::Vote(group, bytes(rng, 40)),
        13..15 => Op::Committed(group, bytes(rng, 40)),
        15..17 => Op::Truncate(group, rng.random_range(next.saturating_sub(4)..=next)),
        17 => Op::Purge(group, rng.random_range(next.saturating_sub(4)..=next + 1), bytes(rng, 40)),
        18 => Op::Purge(group, next.saturating_sub(1), bytes(rng, 40)),
        _ if rng.random_bool(0.3) => Op::Leave(group),
        _ => Op::Vote(group, bytes(rng, 40)),
    }
}

pub(super) async fn ask(log: &Log, op: Op) -> Result<(), LogError> {
    match op {
        Op::Append(group, entries) => log.group(group).append(entries).await,
        Op::Vote(group, vote) => log.group(group).save_vote(vote).await,
        Op::Committed(group, committed) => log.group(group).save_committed(committed).await,
        Op::Truncate(group, index) => log.group(group).truncate_from(index).await,
        Op::Purge(group, index, marker) => log.group(group).purge_upto(index, marker).await,
        Op::Leave(group) => log.group(group).leave().await.map(drop),
    }
}

/// What the log says that it holds.
pub(super) async fn told(log: &Log) -> Result<Model, LogError> {
    let mut model = Model::default();
    // Of a group that is not here it knows how often it was left.
    let played_with = (0..GROUPS).map(GroupId::new);
    let groups: BTreeSet<GroupId> = log.groups().into_iter().chain(played_with).collect();
    for id in groups {
        let group = log.group(id);
        let (vote, committed, times_left) = (group.vote()?, group.committed()?, group.times_left()?);
        let mut held = Held { vote, committed, times_left, ..Held::default() };
        let LogState { first, last, purged } = group.state()?;
        held.purged = purged.map(|Purged { index, marker }| (index, marker));
        if let (Some(first), Some(last)) = (first, last) {
            let mut next = first.index;
            while next <= last.index {
                let read = group.read(next..last.index + 1, 300).await?;
                assert_eq!(read.first().map(|entry| entry.index), Some(next), "{id}");
                for LogEntry { term, index, payload } in read {
                    assert_eq!(index, next);
                    held.entries.insert(index, (term, payload));
                    next += 1;
                }
            }
            assert_eq!(held.entries[&first.index].0, first.term);
            assert_eq!(LogPosition { term: held.entries[&last.index].0, index: last.index }, last);
        }
        let is_here = (Held { times_left: 0, ..held.clone() }) != Held::default();
        assert_eq!(is_here, log.groups().contains(&id), "{id}");
        if held != Held::default() {
            model.0.insert(id, held);
        }
    }
    Ok(model)
}

/// A disk with a log on it, and all that was asked of the log.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) disk: SimDisk,
    pub(super) history: Vec<Op>,
    /// How many of them are certainly kept.
    pub(super) acked: usize,
    pub(super) segment_bytes: u64,
    seed: u64,
    opened: u64,
}

impl Rig {
    pub(super) fn new(seed: u64) -> Self {
        Self { disk: SimDisk::new(), history: Vec::new(), acked: 0, segment_bytes: SEGMENT_BYTES, seed, opened: 0 }
    }

    /// The same disk and history, going another way.
    pub(super) fn fork(&self, seed: u64) -> Self {
        let Self { acked, segment_bytes, opened, .. } = *self;
        Self { disk: self.disk.fork(), history: self.history.clone(), acked, segment_bytes, seed, opened }
    }

    pub(super) fn config() -> LogConfig {
        LogConfig {
            segment_bytes: SEGMENT_BYTES,
            sync: SyncPolicy::EveryBatch,
            cache_bytes: 1024,
            key: NodeKey::from_bytes([3; 32]),
            metrics: crate::log::LogMetrics::default(),
        }
    }

    pub(super) fn open(&mut self) -> Result<(Log, LogOpening), LogError> {
        self.opened += 1;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let config = LogConfig { segment_bytes: self.segment_bytes, ..Self::config() };
        Log::open_simulated(&disk, Path::new(DIR), config, random(self.seed ^ self.opened << 32))
    }

    /// Asks for `bursts` times some operations at once; ends early when the log fails.
    pub(super) async fn play(&mut self, log: &Log, bursts: usize, rng: &mut StdRng) -> Result<(), LogError> {
        let mut model = Model::after(&self.history, self.history.len());
        for _ in 0..bursts {
            let mut asked = JoinSet::new();
            for _ in 0..rng.random_range(1..5) {
                let op = any_op(&model, rng, GROUPS);
                model.apply(&op);
                let (number, log) = (self.history.len(), log.clone());
                // What is committed is a hint that nobody waits for.
                let is_hint = matches!(op, Op::Committed(..));
                self.history.push(op.clone());
                asked.spawn(async move { (number, is_hint, ask(&log, op).await) });
            }
            let mut outcome = Ok(());
            while let Some(done) = asked.join_next().await {
                match done.unwrap() {
                    (number, false, Ok(())) => self.acked = self.acked.max(number + 1),
                    (_, true, Ok(())) => {}
                    (_, _, Err(error)) => outcome = Err(error),
                }
            }
            outcome?;
        }
        Ok(())
    }

    /// Compares the log with the history: it holds all that was acknowledged, and of the rest a beginning. What it
    /// does not hold never happened.
    pub(super) async fn compare(&mut self, log: &Log) {
        let told = told(log).await.unwrap();
        let kept = (self.acked..=self.history.len()).find(|count| Model::after(&self.history, *count) == told);
        let Some(kept) = kept else {
            panic!(
                "seed {}: {} of {} operations were acknowledged\ntold: {told:#?}\nshould be: {:#?}",
                self.seed,
                self.acked,
                self.history.len(),
                Model::after(&self.history, self.acked)
            );
        };
        self.history.truncate(kept);
        self.acked = kept;
    }

    /// The segments' files, oldest first.
    pub(super) fn segments(&self) -> Vec<PathBuf> {
        let names = self.disk.list(Path::new(DIR)).unwrap();
        let names = names.into_iter().filter(|name| name.to_str().unwrap().ends_with(".segment"));
        names.map(|name| Path::new(DIR).join(name)).collect()
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
