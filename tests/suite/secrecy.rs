//! Nothing that a peer keeps or logs tells what was put, nor how to read it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{KIB, Lab, MIB, NodeOptions, assert_same, files_below, shard_files};

const CANARY: &[u8] = b"the-canary-sings-7f3a9c51e0";

#[test]
fn a_canary_is_on_no_disk_and_in_no_log() {
    let mut lab = Lab::empty();
    for _ in 0..3 {
        lab.add(NodeOptions { log: Some("trace"), ..NodeOptions::default() });
    }
    lab.meet();
    // Text that packs well, bytes that do not, and a file that is nothing but the canary: replicated, not coded.
    let packs = CANARY.repeat(MIB / CANARY.len());
    let does_not: Vec<u8> = (0..64).flat_map(|_| [CANARY.to_vec(), lab.bytes.take(16 * KIB)].concat()).collect();
    let alice = lab.home("alice").logging("trace");
    let mut client_logs = String::new();
    let mut secrets = vec![CANARY.to_vec()];
    for (bytes, flags) in [
        (packs.clone(), ["--redundancy", "erasure:2+1"]),
        (does_not, ["--redundancy", "erasure:2+1"]),
        (CANARY.to_vec(), ["--redundancy", "replicate:2"]),
    ] {
        let file = lab.file("plain", &bytes).display().to_string();
        let put = alice.run(&[&["put", &file, "--via", &lab.via()], &flags[..]].concat()).ok();
        let got = lab.get(&lab.home("reader").logging("trace"), &put.text(), &[]).ok();
        assert_same(&got.stdout, &bytes);
        client_logs += &got.stderr;
        // Whoever reads a log must not be able to read the file: the ticket is as secret as its bytes.
        secrets.push(put.text().into_bytes());
    }
    fs::remove_file(lab.path().join("plain")).unwrap();
    client_logs += "\n";
    let logs = lab.file("client.log", client_logs.as_bytes());

    let mut searched: Vec<PathBuf> = lab.nodes.iter().map(|node| node.log.clone()).collect();
    searched.extend(lab.nodes.iter().flat_map(|node| files_below(&node.data)));
    searched.push(logs);
    assert!(lab.nodes.iter().map(|node| shard_files(node).len()).sum::<usize>() >= 6, "there is something to search");
    assert!(lab.nodes.iter().all(|node| node.log.metadata().unwrap().len() > 0), "the nodes log");
    for secret in &secrets {
        let found: Vec<_> = searched.iter().filter(|path| holds(path, secret)).collect();
        assert!(found.is_empty(), "{} is in {found:?}", String::from_utf8_lossy(secret));
    }

    // The search itself finds what is there.
    assert!(holds(&lab.file("planted", &packs), CANARY));
}

fn holds(path: &Path, secret: &[u8]) -> bool {
    fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret)
}
