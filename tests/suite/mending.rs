//! Repair: after deaths by whoever may care and not read, and after damage on a disk.

use serde_json::json;

use crate::harness::{Lab, MIB, assert_same, shard_files, until};

#[test]
fn a_carer_restores_what_two_dead_peers_held_and_cannot_read_it() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(6 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:4+2", "--care-ticket"]);
    let care = put.report["care_ticket"].as_str().unwrap().to_owned();
    let victims = put.data_holders(4);
    lab.kill(&victims[0]);
    lab.kill(&victims[1]);

    let carer = lab.home("carer");
    assert_eq!(lab.stat(&carer, &care)["width"]["shards"], 4);
    let repaired = lab.repair(&carer, &care);
    let stripes = put.report["places"].as_array().unwrap().len();
    assert_eq!(repaired["before"]["shards"], 4, "{repaired}");
    assert_eq!(repaired["after"], json!({ "shards": 6, "domain": "peer", "domains": 4, "survives": 1 }), "{repaired}");
    assert_eq!(repaired["shards_written"], 2 * stripes, "{repaired}");
    assert_eq!(lab.repair(&carer, &care)["shards_written"], 0, "nothing is left to do");
    carer.run(&["get", &care, "-o", "-", "--via", &lab.via()]).ended(2).says("ticket");

    // One more may go, although two went before.
    let third = lab.running().last().unwrap().peer().to_owned();
    lab.kill(&third);
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &bytes);
}

#[test]
fn whoever_can_read_an_object_may_restore_the_copies_of_its_root() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(2 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:4+2"]);
    let holders: Vec<String> = until("all holders of the root are announced", || {
        let rows = lab.ask(lab.running().next()?, &["dht", "providers", put.content()]).json();
        let found = rows.as_array()?.iter().filter_map(|row| Some(row["peer"].as_str()?.to_owned()));
        Some(found.collect::<Vec<_>>()).filter(|found| found.len() == 3)
    });
    lab.kill(&holders[0]);
    lab.kill(&holders[1]);
    let stranger = lab.home("stranger");
    let repaired = lab.repair(&stranger, &put.ticket);
    assert!(repaired["nodes_written"].as_u64() >= Some(2), "{repaired}");
    assert_eq!(lab.stat(&stranger, &put.ticket)["root_copies"], 3);

    // None of those that had it at first is left.
    lab.kill(&holders[2]);
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &bytes);
}

#[test]
fn a_flipped_byte_is_noticed_not_served_and_exactly_that_shard_is_written_anew() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(4 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:4+2"]);
    let shard = lab.nodes.iter().flat_map(shard_files).find(|shard| shard.index < 4).unwrap();
    shard.damage();

    let reader = lab.home("reader");
    let got = lab.get(&reader, &put.ticket, &[]).ok();
    assert_same(&got.stdout, &bytes);
    let report = got.remark();
    assert_eq!(report["chunks_decoded"], 1, "{report}");
    assert_eq!(report["shards_bad"], 1, "{report}");

    let repaired = lab.repair(&reader, &put.ticket);
    assert_eq!((&repaired["shards_written"], &repaired["shards_missing"]), (&json!(1), &json!(1)), "{repaired}");
    let got = lab.get(&reader, &put.ticket, &[]).ok();
    assert_same(&got.stdout, &bytes);
    assert_eq!(got.remark()["chunks_decoded"], 0, "all data shards are there again");
}

#[test]
fn damage_that_nobody_read_is_found_by_repair() {
    let mut lab = Lab::new(3);
    let bytes = lab.bytes.take(2 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:2+1"]);
    let parity = lab.nodes.iter().flat_map(shard_files).find(|shard| shard.index == 2).unwrap();
    parity.damage();
    let carer = lab.home("carer");
    assert_eq!(lab.repair(&carer, &put.ticket)["shards_written"], 1);
    assert_eq!(lab.repair(&carer, &put.ticket)["shards_written"], 0);
    let quarantined =
        |node| lab.ask(node, &["node", "status"]).ok().json()["disks"][0]["quarantined"].as_u64().unwrap();
    assert_eq!(lab.running().map(quarantined).sum::<u64>(), 1, "the damaged file is kept for whoever asks why");
}
