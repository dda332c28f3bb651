//! Seeded rounds of puts, deaths and damage: whatever was acknowledged comes back, and heals to its full width.
//!
//! Two phases, as long as nothing is lost that may not be: in each round at most two shards of a stripe are out of
//! reach, by peers killed or bytes flipped; then repair, after which all must stand as before.

use crate::harness::{Home, Lab, MIB, Put, assert_same, shard_files};

const PEERS: usize = 6;
const ROUNDS: usize = 3;

/// What was acknowledged, and must be kept.
struct Promise {
    put: Put,
    bytes: Vec<u8>,
}

#[test]
fn whatever_was_acknowledged_survives_and_heals() {
    let mut lab = Lab::new(PEERS);
    let (writer, reader) = (lab.home("writer"), lab.home("reader"));
    let mut promises = Vec::new();
    for round in 0..ROUNDS {
        let count = lab.bytes.below(3 * MIB);
        let bytes = lab.bytes.take(count);
        let file = lab.file(&format!("file{round}"), &bytes);
        promises.push(Promise { put: lab.put(&writer, &file, &["--redundancy", "erasure:4+2"]), bytes });

        // Two peers die at once, and come back with what they had.
        let first = lab.bytes.below(PEERS);
        let second = (first + 1 + lab.bytes.below(PEERS - 1)) % PEERS;
        lab.nodes[first].kill();
        lab.nodes[second].kill();
        all_come_back(&lab, &reader, &promises);
        lab.restart(first);
        lab.restart(second);
        lab.meet();

        // One disk is wholly damaged and one peer is dead.
        for shard in shard_files(&lab.nodes[first]) {
            shard.damage();
        }
        lab.nodes[second].kill();
        all_come_back(&lab, &reader, &promises);
        lab.restart(second);
        lab.meet();
        all_heal(&lab, &reader, &promises);
    }
}

fn all_come_back(lab: &Lab, reader: &Home, promises: &[Promise]) {
    for promise in promises {
        assert_same(&lab.get(reader, &promise.put.ticket, &[]).ok().stdout, &promise.bytes);
    }
}

fn all_heal(lab: &Lab, reader: &Home, promises: &[Promise]) {
    for promise in promises {
        lab.repair(reader, &promise.put.ticket);
        let stat = lab.stat(reader, &promise.put.ticket);
        assert_eq!(stat["width"], promise.put.report["width"], "{stat}");
        assert_eq!((stat["stripes_degraded"].as_u64(), stat["stripes_lost"].as_u64()), (Some(0), Some(0)), "{stat}");
    }
}
