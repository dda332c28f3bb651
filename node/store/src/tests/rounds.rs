//! Rounds of many files, whose file system is synced at once, and what happens to a round that nobody finishes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rig::{Stripe, config, lease, random};
use crate::answer::{self, Outcome};
use crate::catalog::Catalog;
use crate::commit::{Commit, Committer, Request};
use crate::core::{Core, Prepared};
use crate::desk::Desk;
use crate::disk::Disk;
use crate::disk::sim::{self, SimDisk};
use crate::index::{Change, Index, IndexError};
use crate::item::Item;
use crate::leases::LeaseRecord;
use crate::open::{IndexKind, open};
use crate::read::{self, Fault};
use storgo_object::ports::StoreError;
use storgo_protocol::ShardFileHead;
use storgo_protocol::limits::COMMIT_QUEUE_MAX;

fn started(disk: &SimDisk) -> (Core, Committer) {
    let port: Arc<dyn Disk> = Arc::new(disk.clone());
    let (core, mut committers) = open(&config(Path::new("/"), 1), &port, &*random(1), IndexKind::Memory).unwrap();
    (core, committers.remove(0))
}

fn stripe() -> Stripe {
    Stripe::new(1, "erasure:3+1", 20_000)
}

fn staged(core: &Core, index: usize) -> Result<Prepared, StoreError> {
    let head = ShardFileHead::new(stripe().header, stripe().address(index).index).unwrap();
    core.stage_shard(&head, &stripe().shards[index])
}

fn asked(core: &Core, index: usize, prepared: Prepared) -> (Request, Outcome) {
    let lease = LeaseRecord::new(Item::Shard(stripe().address(index)), prepared.bytes, &lease(1));
    let quota = core.quotas.hold(lease.owner, lease.bytes).unwrap();
    let (answer, outcome) = answer::owed();
    (Request::Commit(Commit { files: prepared.files, lease, quota, place: prepared.place, answer }), outcome)
}

/// Has the committer do all of it in one round; gives the shards that it acknowledged.
fn round(core: &Core, committer: Committer, files: Vec<(usize, Prepared)>) -> Vec<usize> {
    let counter = Desk::new(committer);
    let ask = |(index, prepared)| {
        let (request, outcome) = asked(core, index, prepared);
        counter.leave(request).unwrap();
        (index, outcome)
    };
    let outcomes: Vec<_> = files.into_iter().map(ask).collect();
    counter.work();
    outcomes.into_iter().filter_map(|(index, outcome)| outcome.now().ok().map(|()| index)).collect()
}

fn check(disk: &SimDisk, acknowledged: &[usize]) {
    let (core, _committer) = started(disk);
    for index in 0..4 {
        let address = stripe().address(index);
        let given = read::shard(disk, Path::new("/disk0"), address).map(|(_, payload)| payload);
        let held = core.holders(Item::Shard(address)).unwrap().len();
        match given {
            Ok(payload) => assert_eq!((payload, held), (stripe().shards[index].clone(), 1)),
            Err(Fault::Missing) => assert!(!acknowledged.contains(&index), "shard {index} was acknowledged"),
            // What has its name is whole: it was synced before.
            Err(fault) => panic!("shard {index}: {fault:?}"),
        }
    }
    assert!(tmp(disk).is_empty());
    assert!(disk.list(Path::new("/disk0/quarantine")).unwrap().is_empty());
}

fn tmp(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new("/disk0/tmp")).unwrap();
    names.into_iter().map(|name| Path::new("/disk0/tmp").join(name)).collect()
}

#[test]
fn a_round_of_many_is_there_as_far_as_it_was_acknowledged() {
    let base = SimDisk::new();
    drop(started(&base));
    base.restart(0);
    let (mut reached, mut whole) = (0, 0);
    'calls: for call in 1.. {
        for seed in 0..8 {
            let disk = base.fork();
            let (core, committer) = started(&disk);
            disk.plan(call, sim::Fault::PowerLoss);
            let files = (0..4).filter_map(|index| Some((index, staged(&core, index).ok()?))).collect();
            let acknowledged = round(&core, committer, files);
            println!("power lost at call {call} {:?}, seed {seed}", disk.faulted());
            let met = disk.faulted().is_some();
            disk.restart(seed);
            check(&disk, &acknowledged);
            whole += usize::from(acknowledged.len() == 4);
            if !met && seed == 7 {
                break 'calls;
            }
        }
        reached = call;
    }
    assert!(reached > 20 && whole >= 8, "{reached} calls, {whole} whole rounds");
}

/// Whoever opens a file after the failure is not told of it.
#[test]
fn a_failure_before_the_first_file_of_a_round_is_told() {
    let disk = SimDisk::new();
    let (core, committer) = started(&disk);
    let first = staged(&core, 0).unwrap();
    disk.lose_writes(&tmp(&disk)[0]).unwrap();
    let mut files: Vec<_> = (1..4).map(|index| (index, staged(&core, index).unwrap())).collect();
    files.push((0, first));
    let volume = Arc::clone(&committer.volume);
    assert!(round(&core, committer, files).is_empty());
    assert!(!volume.is_good());
    disk.restart(0);
    check(&disk, &[]);
}

#[test]
fn a_push_that_is_given_up_leaves_no_file() {
    let disk = SimDisk::new();
    let (core, _committer) = started(&disk);
    let prepared = staged(&core, 0).unwrap();
    assert_eq!(tmp(&disk).len(), 1);
    drop(prepared);
    assert!(tmp(&disk).is_empty());
}

#[derive(Debug)]
struct Panicking;

impl Index for Panicking {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        panic!("a damaged page")
    }

    fn apply(&self, _: Vec<Change>) -> Result<(), IndexError> {
        panic!("a damaged page")
    }

    fn scan(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: &mut (dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + '_),
    ) -> Result<(), IndexError> {
        panic!("a damaged page")
    }

    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[test]
fn an_index_that_panics_costs_its_disk_and_acknowledges_nothing() {
    let disk = SimDisk::new();
    let (core, mut committer) = started(&disk);
    let volume = Arc::clone(&committer.volume);
    let (request, outcome) = asked(&core, 0, staged(&core, 0).unwrap());
    committer.catalog = Catalog::new(Arc::new(Panicking));
    let counter = Desk::new(committer);
    counter.leave(request).unwrap();
    counter.work();
    assert!(outcome.now().is_err());
    assert!(!volume.is_good());
}

/// Work that is left while somebody is at the desk is done by whoever that is, and after the end nothing is.
#[test]
fn nothing_that_is_left_at_a_desk_is_forgotten() {
    let disk = SimDisk::new();
    let (core, committer) = started(&disk);
    let counter = Desk::new(committer);
    disk.hold(Path::new("/disk0"));
    let (first, one) = asked(&core, 0, staged(&core, 0).unwrap());
    let (second, other) = asked(&core, 1, staged(&core, 1).unwrap());
    std::thread::scope(|scope| {
        counter.leave(first).unwrap();
        let at_it = scope.spawn(|| counter.work());
        while counter.waiting() > 0 {
            std::thread::yield_now();
        }
        counter.leave(second).unwrap();
        // It does not wait for the disk: somebody else does.
        counter.work();
        assert!(!at_it.is_finished() && counter.waiting() == 1);
        disk.release();
    });
    one.now().unwrap();
    other.now().unwrap();
    check(&disk, &[0, 1]);

    counter.close();
    let (late, outcome) = asked(&core, 2, staged(&core, 2).unwrap());
    counter.leave(late).unwrap();
    counter.work();
    assert!(outcome.now().is_err());
}

/// A disk that hangs holds no more files open than its bound, however many are brought and given up.
#[test]
fn no_more_waits_at_a_desk_than_its_bound() {
    let disk = SimDisk::new();
    let (core, committer) = started(&disk);
    let counter = Desk::new(committer);
    let lease_alone = || {
        let prepared = Prepared { files: Vec::new(), ..staged(&core, 0).unwrap() };
        asked(&core, 0, prepared)
    };
    for _ in 0..COMMIT_QUEUE_MAX {
        counter.leave(lease_alone().0).unwrap();
    }
    let (request, outcome) = lease_alone();
    assert!(counter.leave(request).is_err());
    assert!(outcome.now().is_err());
    counter.work();
    counter.leave(lease_alone().0).unwrap();
}
