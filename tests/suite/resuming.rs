//! An interrupted put or get, run again, goes on where it was.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use crate::harness::{Lab, MIB, Put, Signal, assert_same, shard_files, until};

/// Longer than a download waits between two syncs of what it has.
const SYNC_PAUSE: Duration = Duration::from_millis(700);

#[test]
fn a_put_that_was_killed_pushes_only_the_rest_when_run_again() {
    let mut lab = Lab::new(3);
    let bytes = lab.bytes.take(12 * MIB);
    let file = lab.file("file", &bytes);
    let (alice, code) = (lab.home("alice"), ["--redundancy", "erasure:2+1"]);
    let mut putting = alice.start(&[&["put", "-", "--via", &lab.via()], &code[..]].concat());
    putting.write(&bytes[..8 * MIB]);
    until("some shards are stored", || (lab.nodes.iter().flat_map(shard_files).count() >= 3).then_some(()));
    let killed = putting.kill();
    assert_eq!((killed.code, killed.text()), (None, String::new()), "it printed no ticket");

    let again = lab.put(&alice, &file, &code);
    let count = |put: &Put, what: &str| put.report[what].as_u64().unwrap();
    assert!(count(&again, "shards_present") >= 3, "{}", again.report);
    assert!(count(&again, "shards_pushed") > 0, "{}", again.report);
    let shards = 3 * again.report["places"].as_array().unwrap().len() as u64;
    assert_eq!(count(&again, "shards_present") + count(&again, "shards_pushed"), shards);
    assert_same(&lab.get(&lab.home("reader"), &again.ticket, &[]).ok().stdout, &bytes);
}

#[test]
fn a_get_that_was_killed_fetches_only_the_rest_when_run_again() {
    let mut lab = Lab::new(1);
    let bytes = lab.bytes.take(48 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &[]);
    let (reader, via) = (lab.home("reader"), lab.via());
    let target = lab.path().join("target");
    let args = ["get", &put.ticket, "--json", "-o", &target.display().to_string(), "--via", &via];
    let beside = |suffix: &str| lab.path().join(format!("target.storgo-{suffix}"));

    let getting = reader.start(&args);
    until("something was written", || (fs::metadata(beside("part")).ok()?.blocks() > 0).then_some(()));
    // The only peer holds its breath, until the download is due to sync what it has when the next piece comes.
    let (empty, since) = (fs::read(beside("pieces")).unwrap(), Instant::now());
    lab.nodes[0].signal(Signal::STOP);
    until("a sync is due", || (since.elapsed() > SYNC_PAUSE).then_some(()));
    lab.nodes[0].signal(Signal::CONT);
    until("the record names a piece", || (fs::read(beside("pieces")).ok()? != empty).then_some(()));
    let killed = getting.kill();
    assert_eq!(killed.code, None, "it was interrupted");
    assert!(!target.try_exists().unwrap(), "the target appears when it is whole");

    let report = reader.run(&args).ok().json();
    assert_same(&fs::read(&target).unwrap(), &bytes);
    assert!(report["chunks_resumed"].as_u64() >= Some(1), "{report}");
    assert!(report["bytes_pulled"].as_u64() < Some(bytes.len() as u64), "{report}");
    assert!(!beside("part").try_exists().unwrap() && !beside("pieces").try_exists().unwrap());

    reader.run(&args).ended(9).says("exists already");
}
