//! The exit codes that scripts rely on, each met on the way that leads there.

use std::fs;
use std::net::TcpListener;

use storgo_protocol::{ContentId, ContentKey, Ticket};

use crate::harness::{Lab, MIB, NodeOptions};

#[test]
fn each_way_to_fail_has_its_code() {
    let mut lab = Lab::empty();
    lab.add(NodeOptions { capacity: Some("8MiB"), ..NodeOptions::default() });
    let (alice, via) = (lab.home("alice"), lab.via());
    let (small, large) = (lab.bytes.take(1000), lab.bytes.take(16 * MIB));
    let file = |name: &str, bytes: &[u8]| lab.file(name, bytes).display().to_string();
    let (small, large) = (file("small", &small), file("large", &large));
    let put = alice.run(&["put", &small, "--via", &via]).ended(0).text();
    let ticket: Ticket = put.parse().unwrap();
    let get = |ticket: &str, to: &str| alice.run(&["get", ticket, "-o", to, "--via", &via]);

    alice.run(&["put"]).ended(2);
    alice.run(&["put", &small, "--redundancy", "lots"]).ended(2);
    alice.run(&["put", &lab.path().join("no-such-file").display().to_string(), "--via", &via]).ended(3);
    get(&Ticket { content: ContentId::from_bytes([1; 32]), ..ticket.clone() }.to_string(), "-").ended(4);
    alice.run(&["put", &large, "--via", &via]).ended(6);
    get(&Ticket { key: ContentKey::from_bytes([1; 32]), ..ticket }.to_string(), "-").ended(7);
    alice.run(&["put", &small, "--via", &deserted()]).ended(8);
    get(&put, &small).ended(9);

    fs::create_dir_all(lab.path().join("homes/torn")).unwrap();
    lab.file("homes/torn/identity", b"storgo user-identity 1 00 00000000\n");
    lab.home("torn").run(&["put", &small, "--via", &via]).ended(5);

    // In JSON the code stands beside the words.
    let failed = alice.run(&["put", &large, "--json", "--via", &via]).ended(6).remark();
    assert_eq!((failed["exit"].as_u64(), failed["kind"].as_str()), (Some(6), Some("no-space")), "{failed}");
}

/// An address at which nobody listens any more.
fn deserted() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("/ip4/127.0.0.1/tcp/{port}")
}
