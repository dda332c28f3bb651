//! Random nodes are killed at random moments while somebody writes: what was acknowledged is there, on every node that
//! had it.
//!
//! `STORGO_KILLS` says how many; `just kills` has 200.

use std::env;

use crate::harness::{Lab, MIB, Put, assert_same, files_below, until};

const PEERS: usize = 6;
const KILLS_USUAL: usize = 16;
/// Kills after which what came since is read back; at the end all is.
const READ_AFTER: usize = 25;
/// Bytes of the shortest and the longest file: long enough that a put is still under way when a node is killed.
const FILE_BYTES: std::ops::Range<usize> = 6 * MIB..14 * MIB;

/// Files on all disks, in place or not.
fn files(lab: &Lab) -> usize {
    lab.nodes.iter().flat_map(|node| &node.disks).map(|disk| files_below(disk).len()).sum()
}

#[test]
fn whatever_was_acknowledged_outlives_kill_9() {
    let kills = env::var("STORGO_KILLS").map_or(KILLS_USUAL, |text| text.parse().expect("a number"));
    let mut lab = Lab::new(PEERS);
    let (writer, reader) = (lab.home("writer"), lab.home("reader"));
    let mut ledger: Vec<(Put, Vec<u8>)> = Vec::new();
    let (mut under_load, mut read) = (0, 0);
    for kill in 0..kills {
        let count = FILE_BYTES.start + lab.bytes.below(FILE_BYTES.len());
        let bytes = lab.bytes.take(count);
        let file = lab.file("file", &bytes).display().to_string();
        // After so many more files somewhere it happens; a put of this size makes some thirty to eighty.
        let (victim, after) = (lab.bytes.below(PEERS), lab.bytes.below(20));
        let (before, via) = (files(&lab), lab.nodes[(victim + 1) % PEERS].address().to_owned());
        let put = ["put", &file, "--json", "--via", &via, "--redundancy", "erasure:4+2"];
        let mut put = writer.start(&put);
        until("the put has got so far", || (put.has_ended() || files(&lab) >= before + after).then_some(()));
        under_load += usize::from(!put.has_ended());
        lab.nodes[victim].kill();
        let output = put.finish();
        if output.code == Some(0) {
            ledger.push((Put::of(&output), bytes));
        }
        lab.restart(victim);
        lab.meet();
        if (kill + 1) % READ_AFTER == 0 || kill + 1 == kills {
            let from = if kill + 1 == kills { 0 } else { read };
            for (put, bytes) in ledger.iter().skip(from) {
                assert_same(&lab.get(&reader, &put.ticket, &[]).ok().stdout, bytes);
            }
            read = ledger.len();
        }
    }
    println!("{kills} kills, {under_load} of them under load, {} puts acknowledged", ledger.len());
    assert!(ledger.len() * 2 >= kills && under_load * 4 >= kills, "too little happened to say anything");
    // Not only readable: as wide as was said. A shard whose acknowledgement died with its node may come on top.
    for (put, _) in &ledger {
        let (now, then) = (&lab.stat(&reader, &put.ticket)["width"], &put.report["width"]);
        for measure in ["shards", "domains", "survives"] {
            assert!(now[measure].as_u64() >= then[measure].as_u64(), "{now} where {then} was acknowledged");
        }
    }
}
