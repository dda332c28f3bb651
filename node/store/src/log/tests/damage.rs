//! Bytes that change behind the log's back, files that go, and files of others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_protocol::GroupId;
use storgo_protocol::limits::LOG_SET_ASIDE_MAX;
use storgo_protocol::log::{LogFrameHead, LogSegmentHead};

use super::rig::{DIR, Model, Op, Rig, ask, run, told};
use crate::NodeKey;
use crate::disk::Disk;
use crate::log::{Log, LogConfig, LogEntry, LogError};
use crate::tests::rig::random;

const MANIFEST: &str = "/log/manifest";

/// A log of some segments that was closed.
async fn closed(seed: u64) -> Rig {
    let mut rig = Rig::new(seed);
    let (log, _) = rig.open().unwrap();
    rig.play(&log, 30, &mut StdRng::seed_from_u64(seed)).await.unwrap();
    log.close().await.unwrap();
    rig.acked = rig.history.len();
    assert!(rig.segments().len() > 2, "{:?}", rig.segments());
    rig
}

/// Opens a log that was damaged: it must be set aside as it is, and another begin.
async fn expect_set_aside(rig: &mut Rig, what: &str) {
    let names = rig.disk.list(Path::new(DIR)).unwrap();
    let contents = |dir: &Path| names.iter().map(|name| rig.disk.contents(&dir.join(name))).collect::<Vec<_>>();
    let before = contents(Path::new(DIR));
    let (log, opening) = rig.fork(77).open().unwrap();
    drop((log, opening));
    let mut fork = rig.fork(78);
    let (log, opening) = fork.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    let aside = opening.set_aside.unwrap_or_else(|| panic!("{what}: the log was used"));
    assert_eq!((opening.created, opening.cut), (true, None), "{what}");
    assert_eq!(told(&log).await.unwrap(), Model::default(), "{what}");
    let after: Vec<_> = names.iter().map(|name| fork.disk.contents(&aside.to.join(name))).collect();
    assert!(before == after, "{what}: what was set aside was changed");
}

/// Where the frames of a segment end.
fn written(content: &[u8]) -> usize {
    let mut at = LogSegmentHead::BYTES;
    while let Some(Ok(head)) = content.get(at..at + LogFrameHead::BYTES).map(LogFrameHead::decode) {
        at += usize::try_from(head.frame_bytes()).unwrap();
    }
    at
}

/// Where what counts ends in each segment's file.
fn ends(rig: &Rig) -> Vec<(PathBuf, usize)> {
    let files = rig.segments();
    let content = |path: &PathBuf| rig.disk.contents(path).unwrap();
    let head = |path: &PathBuf| LogSegmentHead::decode(&content(path)[..LogSegmentHead::BYTES]).unwrap();
    let next: Vec<_> = files.iter().skip(1).map(|path| usize::try_from(head(path).previous_bytes).unwrap()).collect();
    let last = written(&content(files.last().unwrap()));
    files.into_iter().zip(next.into_iter().chain([last])).collect()
}

#[test]
fn no_flipped_byte_is_cut_or_believed() {
    run(async {
        let mut rig = closed(3).await;
        // A start before, so that a segment has an end that no longer counts.
        let (log, _) = rig.open().unwrap();
        log.close().await.unwrap();
        let mut files = ends(&rig);
        let all = usize::MAX;
        files.push((PathBuf::from(MANIFEST), all));
        let (mut refused, mut dead) = (0, 0);
        for (path, end) in files {
            let bytes = rig.disk.contents(&path).unwrap().len();
            for at in 0..bytes {
                let mut fork = rig.fork(at as u64);
                fork.disk.tamper(&path, |content| content[at] ^= 1 << (at % 8)).unwrap();
                let what = format!("{} byte {at}", path.display());
                match fork.open() {
                    Err(LogError::Newer { .. }) => assert_eq!(at, 4, "{what}"),
                    Err(error) => panic!("{what}: {error}"),
                    Ok((_, opening)) if opening.set_aside.is_some() => {
                        assert_ne!(opening.incarnation.as_u64(), 0);
                        refused += 1;
                    }
                    Ok((log, _)) => {
                        // Behind the end, what is no zero is taken for a frame that was not finished, if anything.
                        assert!(at >= end, "{what} was believed");
                        assert_eq!(told(&log).await.unwrap(), Model::after(&rig.history, rig.acked), "{what}");
                        dead += 1;
                    }
                }
            }
        }
        println!("{refused} flips set the log aside, {dead} were of what no longer counts");
        assert!(refused > 2000 && dead > 0, "{refused} {dead}");
        let path = rig.segments().remove(0);
        rig.disk.tamper(&path, |content| content[200] ^= 4).unwrap();
        expect_set_aside(&mut rig, "a flipped byte").await;
    });
}

#[test]
fn only_an_end_that_is_torn_is_cut() {
    run(async {
        let mut rig = Rig::new(4);
        rig.segment_bytes = 1 << 14;
        // The last frame spans sectors, the one before too.
        let (log, _) = rig.open().unwrap();
        let group = GroupId::new(9);
        for index in 1..3 {
            let op = Op::Append(group, vec![LogEntry { term: 1, index, payload: Bytes::from(vec![7; 1300]) }]);
            rig.history.push(op.clone());
            ask(&log, op).await.unwrap();
        }
        log.close().await.unwrap();
        rig.acked = rig.history.len();
        let path = rig.segments().pop().unwrap();
        let end = written(&rig.disk.contents(&path).unwrap());
        assert!(end > 2700, "both frames stand in one segment");
        let last = end - 1408;
        let mut cuts = 0;
        for bytes in 0..end {
            let mut fork = rig.fork(bytes as u64);
            fork.disk.tamper(&path, |content| content.truncate(bytes)).unwrap();
            let (log, opening) = fork.open().unwrap();
            if bytes < LogSegmentHead::BYTES {
                assert!(opening.set_aside.is_some(), "cut at {bytes}");
                continue;
            }
            assert_eq!(opening.set_aside, None, "cut at {bytes}");
            cuts += u64::from(opening.cut.is_some());
            fork.acked = 0;
            fork.compare(&log).await;
        }
        assert!(cuts > 1000, "{cuts}");
        let zeroed = |from: usize, to: usize| {
            let fork = rig.fork(5);
            fork.disk.tamper(&path, |content| content[from..to].fill(0)).unwrap();
            fork
        };
        // Any of the last frame's sectors never reached the disk.
        let sectors: Vec<usize> = (last / 512..end.div_ceil(512)).collect();
        for lost in 1..1_u64 << sectors.len() {
            let mut fork = rig.fork(lost);
            for sector in sectors.iter().enumerate().filter(|(n, _)| lost >> n & 1 == 1).map(|(_, sector)| sector) {
                let (from, to) = ((sector * 512).max(last), ((sector + 1) * 512).min(end));
                fork.disk.tamper(&path, |content| content[from..to].fill(0)).unwrap();
            }
            let (log, opening) = fork.open().unwrap();
            let all = lost.count_ones() as usize == sectors.len();
            assert!(opening.set_aside.is_none() && opening.cut.is_some() != all, "sectors {lost:b}: {opening:?}");
            fork.acked -= 1;
            fork.compare(&log).await;
            assert_eq!(fork.history.len(), rig.history.len() - 1);
        }
        // Less than a sector is no torn write, and neither is a hole in front of a whole frame.
        expect_set_aside(&mut zeroed(last + 40, last + 60), "part of a sector").await;
        expect_set_aside(&mut zeroed(end - 100, end - 60), "part of the last sector").await;
        for sector in LogSegmentHead::BYTES.div_ceil(512)..last / 512 {
            expect_set_aside(&mut zeroed(sector * 512, (sector + 1) * 512), "a hole before the last frame").await;
        }
        expect_set_aside(&mut zeroed(LogSegmentHead::BYTES, 512), "no head, and a whole frame behind it").await;
        let mut grown = rig.fork(6);
        grown.disk.tamper(&path, |content| content.resize(content.len() + 5000, 0)).unwrap();
        assert_eq!(grown.open().unwrap().1.cut, None, "zeros behind the end are nothing");
    });
}

#[test]
fn a_log_of_other_files_is_set_aside() {
    run(async {
        let mut rig = closed(5).await;
        let files = rig.segments();
        for path in files.iter().chain([&PathBuf::from(MANIFEST)]) {
            let mut fork = rig.fork(1);
            fork.disk.remove(path).unwrap();
            expect_set_aside(&mut fork, &format!("without {}", path.display())).await;
        }
        let content = |path: &Path| rig.disk.contents(path).unwrap();
        let swapped = rig.fork(2);
        let (first, second) = (content(&files[0]), content(&files[1]));
        swapped.disk.tamper(&files[0], |bytes| bytes.clone_from(&second)).unwrap();
        swapped.disk.tamper(&files[1], |bytes| bytes.clone_from(&first)).unwrap();
        expect_set_aside(&mut { swapped }, "swapped segments").await;
        // The same key, another life.
        let other = closed(6).await;
        for path in files.iter().filter(|path| other.disk.contents(path).is_some()) {
            let fork = rig.fork(3);
            let foreign = other.disk.contents(path).unwrap();
            fork.disk.tamper(path, |bytes| bytes.clone_from(&foreign)).unwrap();
            expect_set_aside(&mut { fork }, "another log's segment").await;
        }
        // A copy of an earlier day: the manifest of then knows nothing of what was written since.
        let before = content(Path::new(MANIFEST));
        let (log, _) = rig.open().unwrap();
        rig.play(&log, 30, &mut StdRng::seed_from_u64(9)).await.unwrap();
        log.close().await.unwrap();
        rig.disk.tamper(Path::new(MANIFEST), |bytes| bytes.clone_from(&before)).unwrap();
        expect_set_aside(&mut rig, "the manifest of an earlier day").await;
    });
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    run(async {
        let mut rig = closed(7).await;
        let disk: Arc<dyn Disk> = Arc::new(rig.disk.clone());
        let config = LogConfig { key: NodeKey::from_bytes([4; 32]), ..Rig::config() };
        let error = Log::open_simulated(&disk, Path::new(DIR), config, random(1)).unwrap_err();
        assert!(matches!(error, LogError::WrongKey { .. }), "{error}");
        let (log, opening) = rig.open().unwrap();
        assert_eq!((opening.set_aside, opening.cut), (None, None));
        rig.compare(&log).await;
    });
}

#[test]
fn what_rots_while_the_log_is_open_stops_it() {
    run(async {
        let mut rig = Rig::new(8);
        let (log, opening) = rig.open().unwrap();
        let group = log.group(GroupId::new(1));
        // More than is kept in memory.
        for index in 1..9 {
            let payload = Bytes::from(vec![u8::try_from(index).unwrap(); 300]);
            group.append(vec![LogEntry { term: 1, index, payload }]).await.unwrap();
        }
        assert_eq!(group.read(1..9, usize::MAX).await.unwrap().len(), 8);
        let path = rig.segments().remove(0);
        rig.disk.tamper(&path, |content| content[300] ^= 1).unwrap();
        let error = group.read(1..9, usize::MAX).await.unwrap_err();
        assert!(matches!(error, LogError::Stopped { .. }), "{error}");
        assert!(group.append(vec![]).await.is_err() && group.vote().is_err() && group.state().is_err());
        assert!(log.close().await.is_err());
        let (log, found) = rig.open().unwrap();
        assert!(found.set_aside.is_some() && found.incarnation != opening.incarnation);
        assert_eq!(told(&log).await.unwrap(), Model::default());
    });
}

#[test]
fn a_disk_that_damages_every_log_gets_no_more() {
    run(async {
        let mut rig = Rig::new(9);
        for _ in 0..LOG_SET_ASIDE_MAX {
            let (log, _) = rig.open().unwrap();
            log.close().await.unwrap();
            rig.disk.tamper(Path::new(MANIFEST), |content| content[9] ^= 1).unwrap();
        }
        let (log, opening) = rig.open().unwrap();
        assert!(opening.set_aside.is_some());
        log.close().await.unwrap();
        rig.disk.tamper(Path::new(MANIFEST), |content| content[9] ^= 1).unwrap();
        let error = rig.open().unwrap_err();
        assert!(matches!(error, LogError::SetAsideTooOften { count: LOG_SET_ASIDE_MAX, .. }), "{error}");
    });
}
