//! The golden files: written once, and every version of storgo from then on reads and writes exactly them.
//!
//! Binary forms stand in hexadecimal, 32 bytes a line. `STORGO_GOLDEN=write` writes the files that are missing, for a
//! new format or version; a file that exists is never written over.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use storgo_protocol::log::{LogFrame, LogManifest, LogRecord, LogSegmentHead};
use storgo_protocol::message::{Answer, Hello, HelloAnswer, Request};
use storgo_protocol::slice::{encode_slice, group_range, outboard};
use storgo_protocol::tree::TreeTrailer;
use storgo_protocol::{
    Admission, AnyTicket, Authority, CareTicket, Grant, IndexNode, IndexTop, Invite, LayoutNode, LayoutRecord,
    LayoutTop, MemberCard, NodeId, PeerAddress, RepairGrant, Root, ShardFileHead, ShardIndex, SnapshotPage,
    StripeHeader, Ticket, WrappedKey,
};

use super::messages::{self, on_stream};
use super::targets::{self, TARGETS, Target, binary_of};
use super::{cluster, derivations, meta, raft, samples};

/// One golden file.
pub struct Golden {
    /// Format, version and ending.
    pub file: String,
    /// The target that must accept it.
    pub target: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Every golden file that a decoder reads. Making the list decodes each to the value that it stands for.
pub fn all() -> Vec<Golden> {
    let mut list = objects();
    list.extend(tickets());
    list.extend(members());
    list.extend(wire());
    list.extend(trees());
    list.extend(logs());
    list.extend(meta::all());
    list.extend(raft::all());
    list.extend(cluster::all());
    list
}

pub fn golden(name: &str, target: &'static str, bytes: Vec<u8>) -> Golden {
    Golden { file: format!("{name}.v1.hex"), target, bytes }
}

fn objects() -> Vec<Golden> {
    let header = samples::stripe_header();
    assert_eq!(StripeHeader::decode(&header.encode()), Ok(header.clone()));
    let mut list = vec![golden("stripe_header", "stripe_header", header.encode())];
    let head = ShardFileHead::new(header, ShardIndex::new(2).expect("an index")).expect("a head");
    assert_eq!(ShardFileHead::decode(&head.encode()), Ok(head.clone()));
    list.push(golden("shard_file_head", "shard_file_head", head.encode()));
    list.push(golden("slice", "slice", slice()));
    for (name, node) in [("index_leaf", samples::index_leaf()), ("index_inner", samples::index_inner())] {
        assert_eq!(IndexNode::decode(&node.encode()), Ok(node.clone()));
        list.push(golden(name, "index_node", node.encode()));
    }
    let root = samples::root();
    assert_eq!(Root::decode(samples::content(), &root.encode()), Ok(root.clone()));
    list.push(golden("root", "root", root.encode()));
    for (name, top) in [("layout_entries", samples::layout_entries()), ("layout_children", samples::layout_children())]
    {
        assert_eq!(LayoutTop::decode_unverified(&top.encode()), Ok(top.clone()));
        list.push(golden(name, "layout_top", top.encode()));
    }
    let node = samples::layout_node();
    assert_eq!(LayoutNode::decode(NodeId::of(&node.encode()), &node.encode()), Ok(node.clone()));
    list.push(golden("layout_node", "layout_node", node.encode()));
    let record = samples::layout_record();
    assert_eq!(LayoutRecord::decode(&record.encode()), Ok(record.clone()));
    list.push(golden("layout_record", "layout_record", record.encode()));
    list
}

/// The range 20,000..20,010 of a shard of 50,000 bytes, as [`targets::slice`] takes it.
fn slice() -> Vec<u8> {
    let payload: Vec<u8> = (0..50_000u32).map(|i| (i % 251) as u8).collect();
    let (id, outboard) = outboard(&payload);
    let range = 20_000..20_010;
    let groups = group_range(payload.len(), &range).expect("a range");
    let slice = encode_slice(id, payload.len(), &outboard, &range, &payload[groups]).expect("a slice");
    let numbers = [50_000u32, 20_000, 20_010].map(u32::to_le_bytes).concat();
    [&id.as_bytes()[..], &numbers, &slice].concat()
}

/// The parts of one tree, each behind the number that its decoder is given.
fn trees() -> Vec<Golden> {
    let top = samples::index_tree_top();
    assert_eq!(IndexTop::decode(&top.encode()), Ok(top.clone()));
    let (tree, contents) = (samples::tree(), samples::TREE_CONTENTS);
    let object_bytes = contents + tree.len() as u64;
    let (rest, trailer_bytes) = tree.split_last_chunk::<{ TreeTrailer::BYTES }>().expect("a trailer");
    let trailer = TreeTrailer::decode(trailer_bytes, object_bytes).expect("a trailer");
    let (page, table) = rest.split_at(trailer.catalogue as usize);
    assert_eq!(trailer.encode(), trailer_bytes);
    assert_eq!((trailer.pages, trailer.table), (1, table.len() as u64));
    vec![
        golden("index_tree_top", "index_top", top.encode()),
        golden("tree_page", "tree_page", [&contents.to_le_bytes(), page].concat()),
        golden("tree_table", "tree_table", [&trailer.pages.to_le_bytes(), table].concat()),
        golden("tree_trailer", "tree_trailer", [&object_bytes.to_le_bytes()[..], trailer_bytes].concat()),
    ]
}

/// What stands in a log and in an exported state.
fn logs() -> Vec<Golden> {
    let mut list = Vec::new();
    for (name, record) in samples::log_records() {
        let mut bytes = Vec::new();
        record.encode_to(&mut bytes);
        assert_eq!(LogRecord::decode(&Bytes::copy_from_slice(&bytes)), Ok(record));
        list.push(golden(name, "log_record", bytes));
    }
    let (head, manifest, frame) = (samples::log_segment_head(), samples::log_manifest(), samples::log_frame());
    assert_eq!(LogSegmentHead::decode(&head.encode()), Ok(head.clone()));
    assert_eq!(LogManifest::decode(&manifest.encode()), Ok(manifest));
    let found = LogFrame::decode(&frame).expect("a frame");
    assert_eq!((found.head.offset, found.records), (128, vec![36..52, 56..96]));
    list.push(golden("log_segment_head", "log_segment_head", head.encode()));
    list.push(golden("log_manifest", "log_manifest", manifest.encode()));
    list.push(golden("log_frame", "log_frame", frame));
    let page = samples::snapshot_page();
    assert_eq!(SnapshotPage::decode(&page.encode().into()), Ok(page.clone()));
    list.push(golden("snapshot_page", "snapshot_page", page.encode()));
    let (start, rows) = samples::snapshot_content();
    let mut content = Vec::new();
    start.encode_to(&mut content);
    rows.iter().for_each(|row| row.encode_to(&mut content));
    assert_eq!(SnapshotPage::decode_content(0, &content.clone().into()), Ok((Some(start), rows)));
    list.push(golden("snapshot_content", "snapshot_content", [&[0], &content[..]].concat()));
    list
}

fn tickets() -> Vec<Golden> {
    let (grant, repair) = (samples::grant(), samples::repair_grant());
    assert_eq!(Grant::decode(&grant.encode()), Ok(grant.clone()));
    assert_eq!(RepairGrant::decode(&repair.encode()), Ok(repair.clone()));
    let mut list =
        vec![golden("grant", "grant", grant.encode()), golden("repair_grant", "repair_grant", repair.encode())];
    for (name, authority) in [("authority", samples::authority()), ("repair_authority", samples::repair_authority())] {
        assert_eq!(Authority::decode(&authority.encode()), Ok(authority.clone()));
        list.push(golden(name, "authority", authority.encode()));
    }
    let (ticket, care) = (samples::ticket(), samples::care_ticket());
    for (name, word) in [("ticket", ticket.to_string()), ("care_ticket", care.to_string())] {
        let target = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of that name").0;
        list.push(golden(name, target, binary_of(&word)));
        list.push(Golden { file: format!("{name}.v1.txt"), target: "word", bytes: word.into_bytes() });
    }
    assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
    assert_eq!(Ticket::decode(&binary_of(&ticket.to_string())), Ok(ticket));
    let read = CareTicket::decode(&binary_of(&care.to_string())).expect("a care ticket");
    assert_eq!((read.content, read.layout, &read.grant), (care.content, care.layout, &care.grant));
    assert_eq!((read.network, read.key.seed(), &read.addresses), (care.network, care.key.seed(), &care.addresses));
    assert!(matches!(care.to_string().parse(), Ok(AnyTicket::Care(_))));
    let address = &samples::addresses()[0];
    assert_eq!(PeerAddress::decode(&address.encode()).as_ref(), Ok(address));
    list.push(golden("address", "address", address.encode()));
    list
}

fn members() -> Vec<Golden> {
    let (card, wrapped) = (samples::member_card(), samples::wrapped_key());
    assert_eq!(MemberCard::decode(&card.encode()).as_ref(), Ok(&card));
    assert_eq!(card.to_string().parse().as_ref(), Ok(&card));
    assert_eq!(WrappedKey::decode(&wrapped.encode()).as_ref(), Ok(&wrapped));
    let (invite, admission) = (samples::invite(), samples::admission());
    let read = Invite::decode(&binary_of(&invite.to_string())).expect("an invite");
    assert_eq!((&read.terms, read.key.seed(), &read.addresses), (&invite.terms, invite.key.seed(), &invite.addresses));
    assert_eq!(Admission::decode(&admission.encode()).as_ref(), Ok(&admission));
    let word = Golden { file: "member_card.v1.txt".into(), target: "word", bytes: card.to_string().into_bytes() };
    vec![
        golden("member_card", "member_card", card.encode()),
        word,
        golden("wrapped_key", "wrapped_key", wrapped.encode()),
        golden("invite", "invite", binary_of(&invite.to_string())),
        Golden { file: "invite.v1.txt".into(), target: "word", bytes: invite.to_string().into_bytes() },
        golden("admission", "admission", admission.encode()),
    ]
}

fn wire() -> Vec<Golden> {
    let mut list = Vec::new();
    for (name, hello) in messages::hellos() {
        assert_eq!(Hello::decode(&hello.encode()).as_ref(), Ok(&hello));
        list.push(golden(name, "hello", hello.encode().into()));
    }
    for (name, answer) in messages::hello_answers() {
        assert_eq!(HelloAnswer::decode(&answer.encode()).as_ref(), Ok(&answer));
        list.push(golden(name, "hello_answer", answer.encode().into()));
    }
    for (name, request) in messages::requests() {
        assert_eq!(Request::decode(request.clone().encode()).as_ref(), Ok(&request));
        list.push(golden(&format!("request_{name}"), "request", on_stream(&request.encode())));
    }
    for (name, answer) in messages::answers() {
        assert_eq!(Answer::decode(answer.clone().encode()).as_ref(), Ok(&answer));
        list.push(golden(&format!("answer_{name}"), "answer", on_stream(&answer.encode())));
    }
    list
}

pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn is_hex(file: &str) -> bool {
    file.split('.').next_back() == Some("hex")
}

/// What the golden file holds, byte for byte.
fn read(file: &str) -> Vec<u8> {
    let text = std::fs::read(directory().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    if !is_hex(file) {
        return text.trim_ascii_end().to_vec();
    }
    let digits: Vec<u8> = text.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    data_encoding::HEXLOWER.decode(&digits).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "files of the source tree, written by hand and seldom")]
fn write_if_missing(file: &str, bytes: &[u8]) {
    let path = directory().join(file);
    if std::env::var("STORGO_GOLDEN").as_deref() != Ok("write") || path.try_exists().expect("a readable directory") {
        return;
    }
    let text = if is_hex(file) {
        bytes.chunks(32).map(|line| data_encoding::HEXLOWER.encode(line) + "\n").collect()
    } else {
        String::from_utf8(bytes.to_vec()).expect("text").trim_end().to_owned() + "\n"
    };
    std::fs::write(path, text).expect("writing a golden file");
}

#[test]
fn golden_files_are_what_is_encoded_today() {
    for Golden { file, target, bytes } in all() {
        write_if_missing(&file, &bytes);
        let golden = read(&file);
        assert!(golden == bytes, "{file} is not what is encoded today: the format changed without a new version");
        let run: Target = TARGETS.iter().find(|(name, _)| *name == target).expect("a target").1;
        assert!(run(&golden), "{file} is refused");
    }
}

#[test]
fn derivations_are_what_they_were() {
    write_if_missing("derivations.v1.txt", derivations::lines().as_bytes());
    let golden = read("derivations.v1.txt");
    assert_eq!(String::from_utf8_lossy(&golden), derivations::lines().trim_end());
}

#[test]
fn keys_are_in_the_slots_that_they_were_in() {
    write_if_missing("slots.v1.txt", meta::slot_lines().as_bytes());
    let golden = read("slots.v1.txt");
    assert_eq!(String::from_utf8_lossy(&golden), meta::slot_lines().trim_end());
}

#[test]
fn there_is_no_other_golden_file() {
    let words = ["derivations.v1.txt", "slots.v1.txt"].map(str::to_owned);
    let known: BTreeSet<String> = all().into_iter().map(|golden| golden.file).chain(words).collect();
    let found: BTreeSet<String> = std::fs::read_dir(directory())
        .expect("the directory of golden files")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, known);
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let versioned = [
        "stripe_header",
        "index_leaf",
        "root",
        "layout_entries",
        "layout_node",
        "layout_record",
        "grant",
        "invite",
        "admission",
    ];
    for name in versioned {
        let golden = all().into_iter().find(|golden| golden.file == format!("{name}.v1.hex")).expect("a golden file");
        let mut newer = golden.bytes;
        newer[4] = 2;
        let error = match golden.target {
            "stripe_header" => StripeHeader::decode(&newer).map(drop),
            "index_node" => IndexNode::decode(&newer).map(drop),
            "root" => Root::decode_unverified(&newer).map(drop),
            "layout_top" => LayoutTop::decode_unverified(&newer).map(drop),
            "layout_node" => LayoutNode::decode_unverified(&newer).map(drop),
            "layout_record" => LayoutRecord::decode(&newer).map(drop),
            "invite" => Invite::decode(&newer).map(drop),
            "admission" => Admission::decode(&newer).map(drop),
            _ => Grant::decode(&newer).map(drop),
        };
        assert_eq!(error, Err(storgo_protocol::DecodeError::Version { found: 2, known: 1 }), "{name}");
    }
    assert!(!targets::ticket(b"SGTK\x02"));
}
