//! Damaged samples: every bit flipped, every cut, some growth.
//!
//! What is signed or asked for by its hash must be refused, whatever was changed. A form that names itself by its own
//! hash may become another value, and then the bytes are that value's only encoding (the targets check it).

use std::collections::BTreeSet;

use storgo_protocol::{AnyTicket, Invite, LayoutNode, LayoutTop, NodeId, Root, StripeHeader};

use super::golden::{self, Golden};
use super::samples;
use super::targets::{TARGETS, Target};

/// Forms in which every byte is under a signature, a checksum or a hash.
const SEALED: [&str; 11] = [
    "admission",
    "layout_record",
    "grant",
    "repair_grant",
    "authority",
    "shard_file_head",
    "word",
    "log_segment_head",
    "log_frame",
    "log_manifest",
    "snapshot_page",
];

/// Forms whose end is known only to what carries them: Protobuf heads, an address, the head of a shard file, a record.
const OPEN: [&str; 5] = ["hello", "hello_answer", "address", "shard_file_head", "log_record"];

/// Protobuf through and through, as members of groups write it: less of it, or more, may be another honest value.
fn is_of_a_group(target: &str) -> bool {
    ["meta_", "raft_", "cluster_"].iter().any(|family| target.starts_with(family))
}

fn samples() -> impl Iterator<Item = (Golden, Target)> {
    golden::all().into_iter().map(|golden| {
        let run = TARGETS.iter().find(|(name, _)| *name == golden.target).expect("a target").1;
        (golden, run)
    })
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

#[test]
fn no_flipped_bit_is_misread() {
    for (golden, run) in samples() {
        // A slice carries a whole group of 16 KiB, hashed with each flip: a bit of every 61st byte, and all before it.
        let step = if golden.target == "slice" { 61 } else { 1 };
        let flips = flips(&golden.bytes).enumerate().filter(|(i, _)| *i < 256 || i % step == 0);
        for (bit, flipped) in flips.map(|(_, flip)| flip) {
            let accepted = run(&flipped);
            let free = !SEALED.contains(&golden.target);
            assert!(free || !accepted, "{} accepts bit {bit} flipped", golden.file);
        }
    }
}

#[test]
fn no_cut_is_misread() {
    for (golden, run) in samples() {
        for cut in 0..golden.bytes.len() {
            let accepted = run(&golden.bytes[..cut]);
            let honest = match golden.target {
                // Without the repair grant behind it, the grant still is one.
                "authority" => cut == storgo_protocol::Grant::BYTES,
                // A record ends where its seal does, and the content of a page where the page says, checked by its hash.
                "hello" | "hello_answer" | "address" | "log_record" | "snapshot_content" => true,
                target => is_of_a_group(target),
            };
            assert!(honest || !accepted, "{} accepts its first {cut} bytes", golden.file);
        }
    }
}

#[test]
fn nothing_behind_the_end_is_ignored() {
    for (golden, run) in samples() {
        for tail in [&[0][..], &[0xff], &[0; 8], &golden.bytes] {
            let accepted = run(&[&golden.bytes, tail].concat());
            assert!(
                OPEN.contains(&golden.target) || is_of_a_group(golden.target) || !accepted,
                "{} accepts {} bytes too many",
                golden.file,
                tail.len()
            );
        }
    }
}

#[test]
fn what_is_asked_for_by_hash_cannot_be_changed() {
    let root = samples::root().encode();
    let top = samples::layout_entries().encode();
    let node = samples::layout_node().encode();
    for (bit, flipped) in flips(&root) {
        assert!(Root::decode(samples::content(), &flipped).is_err(), "bit {bit} of a root");
    }
    for (bit, flipped) in flips(&top) {
        assert!(LayoutTop::decode(samples::layout(), &flipped).is_err(), "bit {bit} of a layout");
    }
    for (bit, flipped) in flips(&node) {
        assert!(LayoutNode::decode(NodeId::of(&node), &flipped).is_err(), "bit {bit} of a layout node");
    }
}

#[test]
fn every_bit_of_a_stripe_header_is_in_its_id() {
    let bytes = samples::stripe_header().encode();
    let headers = flips(&bytes).filter_map(|(_, flipped)| StripeHeader::decode(&flipped).ok());
    let mut ids: Vec<_> = headers.map(|header| header.id()).collect();
    ids.push(samples::stripe_header().id());
    assert!(ids.len() > 4 * 32 * 8, "most flips are other headers");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn a_mistyped_ticket_is_refused() {
    let words = [samples::ticket().to_string(), samples::care_ticket().to_string(), samples::invite().to_string()];
    for word in words {
        for at in 0..word.len() {
            for other in *b"a7zA0 -:\n" {
                let mut typed = word.clone().into_bytes();
                if typed[at] != other {
                    typed[at] = other;
                    assert_refused(&typed);
                }
            }
            let mut lost = word.clone().into_bytes();
            lost.remove(at);
            assert_refused(&lost);
            let mut swapped = word.clone().into_bytes();
            swapped.swap(at, (at + 1) % word.len());
            if swapped != word.as_bytes() {
                assert_refused(&swapped);
            }
        }
    }
}

fn assert_refused(word: &[u8]) {
    let text = str::from_utf8(word).expect("ASCII");
    assert!(text.parse::<AnyTicket>().is_err() && text.parse::<Invite>().is_err(), "{text}");
}
