//! What a running node says of itself, its peers and the hash table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Lab, MIB, Node, until};

#[test]
fn a_node_tells_how_it_is_whom_it_knows_and_where_things_are() {
    let mut lab = Lab::new(4);
    let bytes = lab.bytes.take(MIB + 1);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:2+1"]);
    status(&lab);
    peers(&lab);
    routing(&lab);
    providers(&lab, put.content());
    providers(&lab, &put.ticket);
}

fn status(lab: &Lab) {
    let node = &lab.nodes[0];
    let status = lab.ask(node, &["node", "status"]).ok().json();
    assert_eq!(status["peer"], node.ready["peer"]);
    assert_eq!(status["network"], node.ready["network"]);
    assert_eq!(status["addresses"], node.ready["addresses"]);
    assert_eq!(status["process"], node.ready["process"]);
    assert_eq!(status["peers_connected"], 3, "{status}");
    let disk = &status["disks"][0];
    assert_eq!((disk["fenced"].clone(), disk["path"].as_str()), (Value::Null, node.disks[0].to_str()));
    assert!(disk["capacity_bytes"].as_u64() >= disk["used_bytes"].as_u64(), "{disk}");
    // By its socket, too.
    let socket = node.socket().display().to_string();
    let again = lab.home("operator").run(&["node", "status", "--json", "--node", &socket]).ok().json();
    assert_eq!(again["peer"], status["peer"]);
}

fn peers(lab: &Lab) {
    let rows = lab.ask(&lab.nodes[1], &["peer", "ls"]).ok().json();
    let others: BTreeSet<_> = [0, 2, 3].map(|n: usize| lab.nodes[n].peer()).into();
    let storing = rows.as_array().unwrap().iter().filter(|row| row["stores"] == true);
    assert_eq!(storing.clone().filter_map(|row| row["peer"].as_str()).collect::<BTreeSet<_>>(), others);
    for row in storing {
        assert_eq!(row["state"], "answering", "{row}");
        assert!(row["capacity_bytes"].as_u64() > Some(0) && row["addresses"][0].is_string(), "{row}");
    }
}

fn routing(lab: &Lab) {
    let others: BTreeSet<_> = [1, 2, 3].map(|n: usize| lab.nodes[n].peer()).into();
    until("the routing table has all others", || {
        let rows = lab.ask(&lab.nodes[0], &["dht", "routing-table"]).ok().json();
        let known: BTreeSet<_> = rows.as_array()?.iter().filter_map(|row| row["peer"].as_str()).collect();
        (known == others && rows[0]["distance_bits"].as_u64() > Some(0)).then_some(())
    });
    let wanted = &lab.nodes[3];
    let found = lab.ask(&lab.nodes[0], &["dht", "find", wanted.peer()]).ok().json();
    let row = found.as_array().unwrap().iter().find(|row| row["peer"] == wanted.ready["peer"]).unwrap();
    assert!(row["addresses"].as_array().unwrap().contains(&wanted.ready["addresses"][0]), "{row}");
}

/// The holders of the root announce themselves once it is pushed; any node finds them.
fn providers(lab: &Lab, content: &str) {
    let all: BTreeSet<_> = lab.running().map(Node::peer).collect();
    until("two holders are found", || {
        let asked = lab.ask(&lab.nodes[2], &["dht", "providers", content]);
        let rows = asked.json();
        let found: BTreeSet<_> = rows.as_array()?.iter().filter_map(|row| row["peer"].as_str()).collect();
        assert_eq!(asked.code, Some(if found.is_empty() { 3 } else { 0 }));
        (found.len() >= 2 && found.iter().all(|peer| all.contains(peer))).then_some(())
    });
}
