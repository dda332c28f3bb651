//! What was put comes back byte for byte: past dead and hanging peers, and in parts.

use serde_json::json;

use crate::harness::{Lab, MIB, Signal, assert_same};

const CODE: &[&str] = &["--redundancy", "erasure:4+2"];

#[test]
fn two_of_six_may_hang_or_die_and_a_third_is_missed_by_name() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(6 * MIB + 123);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, CODE);
    assert_eq!(put.report["width"], json!({ "shards": 6, "domain": "peer", "domains": 6, "survives": 2 }));
    let victims = put.data_holders(4);

    // A peer that takes connections and never answers.
    let via = lab.nodes.iter().find(|node| node.peer() != victims[0]).unwrap().address().to_owned();
    let hung = lab.nodes.iter().find(|node| node.peer() == victims[0]).unwrap();
    hung.signal(Signal::STOP);
    let got = lab.home("patient").run(&["get", &put.ticket, "--json", "-o", "-", "--via", &via]).ok();
    hung.signal(Signal::CONT);
    assert_same(&got.stdout, &bytes);

    lab.kill(&victims[0]);
    lab.kill(&victims[1]);
    let got = lab.get(&lab.home("stranger"), &put.ticket, &[]).ok();
    assert_same(&got.stdout, &bytes);
    assert!(got.remark()["chunks_decoded"].as_u64() >= Some(1), "{}", got.stderr);

    let left = lab.stat(&lab.home("stranger"), &put.ticket);
    assert_eq!((&left["width"]["shards"], &left["width"]["survives"]), (&json!(4), &json!(0)), "{left}");

    lab.kill(&victims[2]);
    let failed = lab.get(&lab.home("stranger"), &put.ticket, &[]).ended(4);
    // Three copies of the root may by chance have been with the three dead.
    let names_it = failed.stderr.contains("3 of the 4 that are needed") || failed.stderr.contains("0 copies");
    assert!(names_it, "{}", failed.stderr);
    assert!(failed.stdout.len() < bytes.len(), "nothing is made up");
}

#[test]
fn ranges_are_the_bytes_of_the_whole() {
    let mut lab = Lab::new(3);
    let bytes = lab.bytes.take(3 * MIB + 77);
    let file = lab.file("file", &bytes);
    // Fixed chunks of 1 MiB, so that the borders are known.
    let put = lab.put(&lab.home("alice"), &file, &["--private", "--redundancy", "erasure:2+1"]);
    assert_eq!(put.report["chunks"], 4);
    let reader = lab.home("reader");
    let get = |from: usize, to: usize, chunks: u64| {
        let got = lab.get(&reader, &put.ticket, &["--range", &format!("{from}..{to}")]).ok();
        assert_same(&got.stdout, &bytes[from..to]);
        assert_eq!(got.remark()["chunks"], chunks, "{from}..{to}");
    };
    get(MIB - 5, MIB + 5, 2);
    get(MIB - 300_000, 3 * MIB + 1, 4);
    get(0, 1, 1);
    get(bytes.len() - 1, bytes.len(), 1);
    get(100, 100, 0);

    let beyond = format!("5..{}", bytes.len() + 1);
    lab.get(&reader, &put.ticket, &["--range", &beyond]).ended(2).says("outside");
    let open_end = lab.get(&reader, &put.ticket, &["--range", &format!("{}..", 3 * MIB)]).ok();
    assert_same(&open_end.stdout, &bytes[3 * MIB..]);
}
