//! Put: from anything, twice at once, past peers that die; what cannot be stored as asked is not acknowledged.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Lab, MIB, NodeOptions, Put, assert_same, shard_files, until};

#[test]
fn bytes_of_any_number_come_back_from_files_and_from_standard_input() {
    let mut lab = Lab::new(3);
    let (alice, reader) = (lab.home("alice"), lab.home("reader"));
    // Small files are copied to survive as many losses as larger ones, which are coded.
    for (count, code) in [(0, "replicate:2"), (1, "replicate:2"), (5 * MIB + 1, "erasure:2+1")] {
        let bytes = lab.bytes.take(count);
        let file = lab.file("file", &bytes);
        let from_file = lab.put(&alice, &file, &[]);
        let mut piped = alice.start(&["put", "-", "--json", "--via", &lab.via()]);
        piped.write(&bytes);
        let from_stdin = Put::of(&piped.finish().ok());
        assert_eq!(from_file.report["bytes"], count);
        assert_eq!(from_stdin.report["bytes"], count);
        assert_eq!((&from_file.report["redundancy"], &from_stdin.report["redundancy"]), (&json!(code), &json!(code)));
        assert_eq!(from_file.content(), from_stdin.content(), "equal content has one id under one home");
        assert_same(&lab.get(&reader, &from_stdin.ticket, &[]).ok().stdout, &bytes);
    }
}

#[test]
fn the_ticket_alone_is_on_standard_output() {
    let mut lab = Lab::new(1);
    let bytes = lab.bytes.take(1000);
    let file = lab.file("file", &bytes);
    let put = lab.home("alice").run(&["put", &file.display().to_string(), "--via", &lab.via()]).ok();
    let ticket = put.text();
    assert!(ticket.starts_with("storgo:") && !ticket.contains(char::is_whitespace), "{ticket}");
    assert_same(&lab.get(&lab.home("reader"), &ticket, &[]).ok().stdout, &bytes);
}

#[test]
fn two_clients_may_put_one_file_at_once() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(6 * MIB);
    let file = lab.file("file", &bytes).display().to_string();
    let alice = lab.home("alice");
    let args = ["put", &file, "--json", "--redundancy", "erasure:4+2", "--via", &lab.via()];
    let (first, second) = (alice.start(&args), alice.start(&args));
    let (first, second) = (Put::of(&first.finish().ok()), Put::of(&second.finish().ok()));
    assert_eq!(first.content(), second.content());
    assert_same(&lab.get(&lab.home("reader"), &second.ticket, &[]).ok().stdout, &bytes);

    let files: Vec<_> = lab.nodes.iter().flat_map(shard_files).map(|shard| (shard.stripe, shard.index)).collect();
    let distinct: BTreeSet<_> = files.iter().collect();
    let stripes = first.report["places"].as_array().unwrap().len();
    assert_eq!((files.len(), distinct.len()), (6 * stripes, 6 * stripes), "each shard is stored once");
}

#[test]
fn private_puts_have_nothing_in_common_and_strict_ones_want_distinct_peers() {
    let mut lab = Lab::new(3);
    let bytes = lab.bytes.take(2 * MIB);
    let (file, alice) = (lab.file("file", &bytes), lab.home("alice"));
    let code = ["--redundancy", "erasure:2+1"];
    let (one, two) = (lab.put(&alice, &file, &code), lab.put(&alice, &file, &code));
    assert_eq!(one.content(), two.content());
    assert_eq!(two.report["shards_pushed"], 0, "all of it was there already");

    let private = ["--private", "--redundancy", "erasure:2+1"];
    let (one, two) = (lab.put(&alice, &file, &private), lab.put(&alice, &file, &private));
    assert_ne!(one.content(), two.content());
    assert_eq!(two.report["shards_present"], 0, "nobody can tell that they are equal");
    assert_same(&lab.get(&lab.home("reader"), &two.ticket, &[]).ok().stdout, &bytes);

    let (path, via) = (file.display().to_string(), lab.via());
    let wide = ["put", &path, "--json", "--redundancy", "erasure:4+2", "--via", &via];
    let refused = alice.run(&[&wide[..], &["--strict"]].concat()).ended(8).says("6 distinct storage peers are needed");
    assert_eq!(refused.text(), "", "no ticket");
    let narrow = Put::of(&alice.run(&wide).ok());
    assert_eq!(narrow.report["width"], json!({ "shards": 6, "domain": "peer", "domains": 3, "survives": 1 }));
}

#[test]
fn shards_are_spread_over_zones_before_peers() {
    let mut lab = Lab::empty();
    for zone in ["attic", "attic", "cellar", "cellar", "shed", "shed"] {
        lab.add(NodeOptions { zone: Some(zone), ..NodeOptions::default() });
    }
    lab.meet();
    let bytes = lab.bytes.take(5 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:2+1"]);
    let zone = |peer: &Value| lab.nodes.iter().position(|node| node.peer() == *peer).unwrap() / 2;
    for stripe in put.report["places"].as_array().unwrap() {
        let zones: BTreeSet<_> = stripe["held"].as_array().unwrap().iter().map(|row| zone(&row["peer"])).collect();
        assert_eq!(zones.len(), 3, "{stripe}");
    }
    // Roots and layouts have two copies each, of which one more in the same zone would say nothing.
    let alice = lab.home("alice");
    let others: Vec<(Put, Vec<u8>)> = (0..8)
        .map(|number| {
            let bytes = lab.bytes.take(1000);
            let file = lab.file(&format!("file{number}"), &bytes);
            (lab.put(&alice, &file, &["--redundancy", "erasure:2+1"]), bytes)
        })
        .collect();
    // So a whole zone may go.
    lab.nodes[0].kill();
    lab.nodes[1].kill();
    for (put, bytes) in others.iter().chain([&(put, bytes)]) {
        assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, bytes);
    }
}

#[test]
fn a_peer_that_dies_during_put_is_replaced() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(14 * MIB);
    let args = ["put", "-", "--json", "--redundancy", "erasure:4+2", "--via", lab.nodes[0].address()];
    let mut putting = lab.home("alice").start(&args);
    putting.write(&bytes[..8 * MIB]);
    let victim = lab.nodes[5].peer().to_owned();
    until("the victim holds a shard", || shard_files(&lab.nodes[5]).first().map(drop));
    lab.kill(&victim);
    putting.write(&bytes[8 * MIB..]);
    let put = Put::of(&putting.finish().ok());
    assert_eq!(put.report["lost_peers"], json!([victim]));
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &bytes);
    // What the dead one held is missing, and repair brings it back.
    let carer = lab.home("carer");
    lab.repair(&carer, &put.ticket);
    assert_eq!(lab.stat(&carer, &put.ticket)["stripes_degraded"], 0);
}

#[test]
fn without_peers_a_put_fails_and_acknowledges_nothing() {
    let mut lab = Lab::new(1);
    let bytes = lab.bytes.take(12 * MIB);
    let mut putting = lab.home("alice").start(&["put", "-", "--via", &lab.via()]);
    putting.write(&bytes[..8 * MIB]);
    until("the only peer holds a shard", || shard_files(&lab.nodes[0]).first().map(drop));
    lab.nodes[0].kill();
    let failed = putting.finish().ended(8).says("could not be stored");
    assert_eq!(failed.text(), "", "no ticket");
}
