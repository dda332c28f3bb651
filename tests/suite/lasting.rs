//! What a node keeps through kill -9, lost disks and a full disk; how it stops; and that it is alone in its place.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Lab, MIB, Node, NodeOptions, assert_same, files_below, shard_files};

#[test]
fn a_node_serves_after_kill_9_what_it_had_before() {
    let mut lab = Lab::new(1);
    let bytes = lab.bytes.take(3 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &[]);
    let shards = shard_files(&lab.nodes[0]);
    let peer = lab.nodes[0].peer().to_owned();
    lab.nodes[0].kill();
    lab.restart(0);
    assert_eq!(lab.nodes[0].peer(), peer, "it is who it was");
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &bytes);
    let status = lab.ask(&lab.nodes[0], &["node", "status"]).ok().json();
    assert_eq!(status["disks"][0]["shards"], shards.len(), "the index was rebuilt: {status}");

    // Again, with the index gone altogether.
    lab.nodes[0].kill();
    fs::remove_dir_all(lab.nodes[0].data.join("index")).unwrap();
    lab.restart(0);
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &bytes);
}

#[test]
fn a_network_that_lost_power_and_moved_is_found_through_any_peer() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(3 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:4+2"]);
    lab.nodes.iter_mut().for_each(Node::kill);
    (0..6).for_each(|number| lab.restart(number));
    lab.meet();
    // The ticket names where they were; all are found through one of them.
    let got = lab.get(&lab.home("reader"), &put.ticket, &[]).ok();
    assert_same(&got.stdout, &bytes);
    assert_eq!(got.remark()["chunks_decoded"], 0, "no shard was out of reach: {}", got.stderr);
}

#[test]
fn any_two_of_six_disks_may_be_deleted() {
    let mut lab = Lab::empty();
    let disks = |node: &str| -> Vec<PathBuf> { (0..6).map(|n| lab.path().join(format!("{node}-disk{n}"))).collect() };
    let (original, node) = (disks("n0"), NodeOptions { disks: disks("n0"), ..NodeOptions::default() });
    let pairs: Vec<(usize, usize)> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
    let copies: Vec<Vec<PathBuf>> = (1..=pairs.len()).map(|n| disks(&format!("n{n}"))).collect();
    lab.add(node);
    let bytes = lab.bytes.take(2 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &[]);
    assert_eq!(put.report["redundancy"], "erasure:4+2", "six disks are six domains");
    assert_eq!(put.report["width"]["survives"], 2);
    assert!(lab.nodes[0].terminate().success());

    for ((first, second), disks) in pairs.into_iter().zip(copies) {
        let data = lab.path().join(format!("n{}", lab.nodes.len()));
        copy(&lab.nodes[0].data, &data);
        original.iter().zip(&disks).for_each(|(from, to)| copy(from, to));
        let node = lab.add(NodeOptions { disks: disks.clone(), data: Some(data), ..NodeOptions::default() });
        for lost in [first, second] {
            fs::remove_dir_all(&disks[lost]).unwrap();
        }
        let got = lab.get(&lab.home("reader"), &put.ticket, &[]).ok();
        assert_same(&got.stdout, &bytes);
        lab.nodes[node].kill();
    }
}

#[test]
fn a_full_node_says_so_and_reads_go_on() {
    let mut lab = Lab::empty();
    lab.add(NodeOptions { capacity: Some("6MiB"), ..NodeOptions::default() });
    let alice = lab.home("alice");
    let small = lab.bytes.take(2 * MIB);
    let file = lab.file("small", &small);
    let put = lab.put(&alice, &file, &[]);
    let large = lab.bytes.take(16 * MIB);
    let file = lab.file("large", &large).display().to_string();
    let full = alice.run(&["put", &file, "--via", &lab.via()]).ended(6).says("no space");
    assert_eq!(full.text(), "", "no ticket");
    assert_same(&lab.get(&lab.home("reader"), &put.ticket, &[]).ok().stdout, &small);
    let status = lab.ask(&lab.nodes[0], &["node", "status"]).ok().json();
    assert!(status["disks"][0]["used_bytes"].as_u64() <= Some(6 * MIB as u64), "{status}");
    let on_disk: u64 = files_below(&lab.nodes[0].disks[0]).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(on_disk <= 6 * MIB as u64, "{on_disk} bytes");
}

#[test]
fn sigterm_stops_a_node_in_order_and_a_second_process_is_refused() {
    let mut lab = Lab::new(1);
    let (socket, data) = (lab.nodes[0].socket(), lab.nodes[0].data.display().to_string());
    assert!(socket.try_exists().unwrap());
    let second = ["node", "run", "--data", &data, "--listen", "/ip4/127.0.0.1/tcp/0", "--no-mdns"];
    lab.home("operator").run(&second).ended(9).says("in use by another process");
    lab.ask(&lab.nodes[0], &["node", "status"]).ok();

    let status = lab.nodes[0].terminate();
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!socket.try_exists().unwrap(), "the socket is gone");
    lab.ask(&lab.nodes[0], &["node", "status"]).ended(8);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}
