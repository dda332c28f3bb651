//! How many syncs, segments and bytes the log takes, and what it refuses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_object::ports::OsRandom;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{
    LOG_ENTRY_BYTES_MAX, LOG_FRAME_BYTES_MAX, LOG_HINTS_MAX, LOG_MARK_BYTES_MAX, LOG_QUEUE_BYTES_MAX,
    LOG_READ_BYTES_MAX, LOG_SEGMENTS_SPARE,
};

use super::rig::{DIR, Rig, SEGMENT_BYTES, run};
use crate::NodeKey;
use crate::disk::sim::{Fault, SimDisk};
use crate::disk::{Disk, OsDisk};
use crate::log::{Log, LogConfig, LogEntry, LogError, SyncPolicy};
use crate::tests::rig::random;

fn entry(index: u64, bytes: usize) -> LogEntry {
    LogEntry { term: 1, index, payload: Bytes::from(vec![u8::try_from(index % 251).unwrap(); bytes]) }
}

fn config() -> LogConfig {
    LogConfig::new(NodeKey::from_bytes([1; 32]))
}

/// Waits for a condition that others bring about.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn who_waits_shares_one_sync() {
    run(async {
        let mut rig = Rig::new(1);
        let disk: Arc<dyn Disk> = Arc::new(rig.disk.clone());
        let (log, _) = Log::open_simulated(&disk, Path::new(DIR), config(), random(1)).unwrap();
        let (before, mut asked) = (rig.disk.syncs(), tokio::task::JoinSet::new());
        for id in 0..500 {
            let group = log.group(GroupId::new(id));
            asked.spawn(async move { group.append(vec![entry(1, 256)]).await });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap().unwrap();
        }
        let syncs = rig.disk.syncs() - before;
        assert!(syncs <= 3, "{syncs} syncs for 500 appends at once");
        assert_eq!(log.groups().len(), 500);
        rig.acked = 0;
    });
}

#[test]
fn nobody_is_answered_before_the_sync() {
    threads().block_on(async {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (log, _) = Log::open(disk, Path::new(DIR), config(), Arc::new(OsRandom)).await.unwrap();
        let (group, answered) = (log.group(GroupId::new(1)), Arc::new(AtomicUsize::new(0)));
        sim.hold(Path::new(DIR));
        let (before, told) = (sim.syncs(), Arc::clone(&answered));
        let done = move |outcome: Result<(), LogError>| {
            outcome.unwrap();
            told.fetch_add(1, Ordering::SeqCst);
        };
        group.append_then(vec![entry(1, 10)], done).await.unwrap();
        // Readable from now on, and the writer is in the sync.
        assert_eq!(group.read(1..2, 100).await.unwrap(), vec![entry(1, 10)]);
        until("the writer syncs", || sim.syncs() > before).await;
        let voter = group.clone();
        let vote = tokio::spawn(async move { voter.save_vote(Bytes::from_static(b"v")).await });
        until("the vote is asked for", || group.vote().unwrap().is_some()).await;
        assert!(answered.load(Ordering::SeqCst) == 0 && !vote.is_finished());
        sim.release();
        vote.await.unwrap().unwrap();
        assert_eq!(answered.load(Ordering::SeqCst), 1);
        log.close().await.unwrap();
        assert!(matches!(group.append(vec![]).await, Err(LogError::Closed)));
    });
}

#[test]
fn hints_wait_for_others_to_be_written_with_but_not_without_end() {
    run(async {
        let mut rig = Rig::new(10);
        let (log, _) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        let before = rig.disk.syncs();
        for _ in 0..LOG_HINTS_MAX {
            group.save_committed(Bytes::from_static(b"so far")).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.disk.syncs(), before, "a hint was written by itself");
        group.save_committed(Bytes::from_static(b"further")).await.unwrap();
        until("hints are written", || rig.disk.syncs() > before).await;
        assert_eq!(group.committed().unwrap().unwrap(), b"further".as_slice());
        // The last one goes with a vote, and is there at the next start.
        group.save_committed(Bytes::from_static(b"to here")).await.unwrap();
        group.save_vote(Bytes::from_static(b"vote")).await.unwrap();
        rig.disk.plan(1, Fault::PowerLoss);
        drop(log.close().await);
        rig.disk.restart(0);
        let (log, _) = rig.open().unwrap();
        assert_eq!(log.group(GroupId::new(1)).committed().unwrap().unwrap(), b"to here".as_slice());
    });
}

#[test]
fn a_group_that_rests_pins_no_segment() {
    run(async {
        let mut rig = Rig::new(2);
        let (log, _) = rig.open().unwrap();
        let (resting, busy) = (log.group(GroupId::new(1)), log.group(GroupId::new(2)));
        resting.save_vote(Bytes::from_static(b"vote")).await.unwrap();
        resting.append((1..4).map(|index| entry(index, 50)).collect()).await.unwrap();
        resting.purge_upto(1, Bytes::from_static(b"marker")).await.unwrap();
        let first = rig.segments().remove(0);
        for index in 1..400 {
            busy.append(vec![entry(index, 100)]).await.unwrap();
            if index % 10 == 0 {
                busy.purge_upto(index - 5, Bytes::new()).await.unwrap();
            }
            let status = log.status();
            let most = 3 * status.live_bytes + 2 * SEGMENT_BYTES + 1024;
            assert!(status.bytes <= most, "{index}: {status:?}");
        }
        assert!(!rig.segments().contains(&first), "the first segment is still there");
        let on_disk: usize = rig.segments().iter().map(|path| rig.disk.contents(path).unwrap().len()).sum();
        let status = log.status();
        assert!(on_disk as u64 <= status.bytes + status.segments * SEGMENT_BYTES, "{on_disk}: {status:?}");
        log.close().await.unwrap();
        let (log, _) = rig.open().unwrap();
        let resting = log.group(GroupId::new(1));
        assert_eq!(resting.vote().unwrap().unwrap(), b"vote".as_slice());
        assert_eq!(resting.read(0..9, 999).await.unwrap(), vec![entry(2, 50), entry(3, 50)]);
        assert_eq!(resting.state().unwrap().purged.unwrap().marker, b"marker".as_slice());
    });
}

#[test]
fn starts_leave_no_pile_of_segments_and_no_group_is_left_behind() {
    run(async {
        let mut rig = Rig::new(3);
        let (log, _) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        group.append((1..20).map(|index| entry(index, 150)).collect()).await.unwrap();
        log.close().await.unwrap();
        for _ in 0..40 {
            let (log, _) = rig.open().unwrap();
            log.close().await.unwrap();
        }
        let count = rig.segments().len() as u64;
        assert!(count <= LOG_SEGMENTS_SPARE + 8, "{count} segments");
        let (mut log, _) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        assert_eq!(group.read(0..99, usize::MAX).await.unwrap().len(), 19);
        group.leave().await.unwrap();
        assert!(log.groups().is_empty() && group.vote().unwrap().is_none());
        group.leave().await.unwrap();
        assert_eq!(group.times_left().unwrap(), 1, "it was left once");
        for _ in 0..12 {
            log.close().await.unwrap();
            log = rig.open().unwrap().0;
            assert!(log.groups().is_empty());
        }
        let group = log.group(GroupId::new(1));
        assert_eq!(group.times_left().unwrap(), 1, "that it was left is forgotten");
        assert!(log.status().live_bytes < 100 && log.status().segments <= 2, "{:?}", log.status());
        // What comes after is not void, wherever the mark is repeated.
        group.append(vec![entry(1, 50)]).await.unwrap();
        for _ in 0..12 {
            log.close().await.unwrap();
            log = rig.open().unwrap().0;
        }
        assert_eq!(log.group(GroupId::new(1)).read(0..9, 999).await.unwrap(), vec![entry(1, 50)]);
    });
}

#[test]
fn memory_for_recent_entries_is_bounded_and_the_rest_is_read_back() {
    run(async {
        let mut rig = Rig::new(4);
        let (log, _) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        for index in 1..100 {
            group.append(vec![entry(index, 80)]).await.unwrap();
            assert!(log.status().cached_bytes <= Rig::config().cache_bytes, "{:?}", log.status());
        }
        let calls = rig.disk.calls();
        assert_eq!(group.read(98..100, 999).await.unwrap(), vec![entry(98, 80), entry(99, 80)]);
        assert_eq!(rig.disk.calls(), calls, "recent entries were read from the disk");
        let all: Vec<_> = (1..100).map(|index| entry(index, 80)).collect();
        assert_eq!(group.read(0..u64::MAX, usize::MAX).await.unwrap(), all);
        assert_eq!(group.read(5..9, 1).await.unwrap(), vec![entry(5, 80)], "at least one");
        assert_eq!(group.read(std::ops::Range { start: 9, end: 5 }, 99).await.unwrap(), vec![]);
    });
}

#[test]
fn what_does_not_follow_or_fit_is_refused() {
    run(async {
        let mut rig = Rig::new(5);
        let (log, _) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        let too_large = |error: &LogError| matches!(error, LogError::TooLarge { .. });
        group.append(vec![entry(5, 1), entry(6, 1)]).await.unwrap();
        for wrong in [vec![entry(5, 1)], vec![entry(8, 1)], vec![entry(7, 1), entry(9, 1)]] {
            let error = group.append(wrong).await.unwrap_err();
            assert!(matches!(error, LogError::Hole { .. }), "{error}");
        }
        let error = group.append(vec![entry(7, LOG_ENTRY_BYTES_MAX + 1)]).await.unwrap_err();
        assert!(too_large(&error), "{error}");
        let too_long = || Bytes::from(vec![0; LOG_MARK_BYTES_MAX + 1]);
        assert!(too_large(&group.save_vote(too_long()).await.unwrap_err()));
        assert!(too_large(&group.save_committed(too_long()).await.unwrap_err()));
        assert!(too_large(&group.purge_upto(9, too_long()).await.unwrap_err()));
        // Beyond the last entry: all go, and the next one follows.
        group.purge_upto(9, Bytes::new()).await.unwrap();
        assert!(group.append(vec![entry(7, 1)]).await.is_err());
        group.append(vec![entry(10, 1)]).await.unwrap();
        group.purge_upto(3, Bytes::new()).await.unwrap();
        let state = group.state().unwrap();
        assert_eq!((state.first.unwrap().index, state.purged.unwrap().index), (10, 9));
    });
}

#[test]
fn what_waits_and_what_is_written_or_read_at_once_is_bounded() {
    threads().block_on(async {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (log, _) = Log::open(disk, Path::new(DIR), config(), Arc::new(OsRandom)).await.unwrap();
        let group = log.group(GroupId::new(1));
        sim.hold(Path::new(DIR));
        let before = sim.syncs();
        group.append_then(vec![entry(1, 1)], |done| done.unwrap()).await.unwrap();
        until("the writer syncs", || sim.syncs() > before).await;
        let large = LOG_ENTRY_BYTES_MAX;
        let fit = u64::try_from((LOG_QUEUE_BYTES_MAX - 1000) / (large + 100)).unwrap();
        for index in 2..2 + fit {
            group.append_then(vec![entry(index, large)], |done| done.unwrap()).await.unwrap();
        }
        let more = group.clone();
        let next = 2 + fit;
        let waits = tokio::spawn(async move { more.append(vec![entry(next, large)]).await });
        // Whatever else is done meanwhile, it finds no room.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(!waits.is_finished() && group.state().unwrap().last.unwrap().index == 1 + fit);
        sim.release();
        waits.await.unwrap().unwrap();
        // No frame held more than its bound, so that many bytes took some frames, each with its sync.
        let frames = usize::try_from(sim.syncs() - before).unwrap();
        assert!(frames > LOG_QUEUE_BYTES_MAX / LOG_FRAME_BYTES_MAX, "{frames}");
        let read: usize = group.read(0..99, usize::MAX).await.unwrap().iter().map(|entry| entry.payload.len()).sum();
        assert!(read <= LOG_READ_BYTES_MAX && read > LOG_READ_BYTES_MAX / 2, "{read}");
        log.close().await.unwrap();
    });
}

#[test]
fn weaker_policies_answer_before_the_sync_and_sync_later() {
    threads().block_on(async {
        for sync in [SyncPolicy::Interval(Duration::from_millis(20)), SyncPolicy::Never] {
            let sim = SimDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            let config = LogConfig { sync, ..config() };
            let (log, _) = Log::open(disk, Path::new(DIR), config.clone(), Arc::new(OsRandom)).await.unwrap();
            let group = log.group(GroupId::new(1));
            sim.hold(Path::new(DIR));
            let before = sim.syncs();
            group.append(vec![entry(1, 10)]).await.unwrap();
            if sync != SyncPolicy::Never {
                until("it syncs later", || sim.syncs() > before).await;
            }
            sim.release();
            log.close().await.unwrap();
            assert!(sim.syncs() > before);
            sim.restart(0);
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            let (log, opening) = Log::open(disk, Path::new(DIR), config, Arc::new(OsRandom)).await.unwrap();
            assert_eq!((opening.created, opening.set_aside), (false, None));
            assert_eq!(log.group(GroupId::new(1)).read(0..9, 99).await.unwrap(), vec![entry(1, 10)]);
            log.close().await.unwrap();
        }
    });
}

#[test]
fn on_a_real_disk_one_process_has_it_and_the_next_finds_all() {
    threads().block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
        let config = LogConfig { segment_bytes: 1 << 14, ..config() };
        let open = || Log::open(Arc::clone(&disk), &path, config.clone(), Arc::new(OsRandom));
        let (log, first) = open().await.unwrap();
        assert!(matches!(open().await.unwrap_err(), LogError::InUse { .. }));
        let mut asked = tokio::task::JoinSet::new();
        for id in 0..8 {
            let group = log.group(GroupId::new(id));
            asked.spawn(async move {
                for index in 1..60 {
                    group.append(vec![entry(index, 200)]).await.unwrap();
                }
                group.purge_upto(30, Bytes::new()).await.unwrap();
            });
        }
        while let Some(done) = asked.join_next().await {
            done.unwrap();
        }
        log.close().await.unwrap();
        let (log, second) = open().await.unwrap();
        assert_eq!((second.incarnation, second.created, second.cut), (first.incarnation, false, None));
        for id in 0..8 {
            let expected: Vec<_> = (31..60).map(|index| entry(index, 200)).collect();
            assert_eq!(log.group(GroupId::new(id)).read(0..99, usize::MAX).await.unwrap(), expected);
        }
        log.close().await.unwrap();
    });
}

/// Seeds that differ only in what they draw give logs that differ only in their keys.
#[test]
fn no_two_segments_share_a_key_and_nothing_stands_in_the_clear() {
    run(async {
        let mut rig = Rig::new(6);
        let (log, _) = rig.open().unwrap();
        rig.play(&log, 20, &mut StdRng::seed_from_u64(6)).await.unwrap();
        let group = log.group(GroupId::new(77));
        group.append(vec![entry(1, 0)]).await.unwrap();
        let secret = b"a secret that nobody should find on the disk";
        let payload = Bytes::from_static(secret);
        group.append(vec![LogEntry { term: 1, index: 2, payload: payload.clone() }]).await.unwrap();
        group.save_vote(payload).await.unwrap();
        log.close().await.unwrap();
        let (log, _) = rig.open().unwrap();
        log.close().await.unwrap();
        let mut salts = std::collections::BTreeSet::new();
        for path in rig.segments() {
            let content = rig.disk.contents(&path).unwrap();
            assert!(!content.windows(12).any(|part| part == &secret[..12]), "{}", path.display());
            assert!(salts.insert(content[32..112].to_vec()), "two segments have one key");
        }
        assert!(salts.len() > 2);
    });
}
