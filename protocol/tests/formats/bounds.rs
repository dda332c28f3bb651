//! Bytes that say more than a bound allows are refused, each for its bound: honest samples with one number too large.

use bytes::Bytes;
use storgo_protocol::limits::{
    ADDRESS_BYTES_MAX, CHUNK_BYTES_MAX, CODE_PARAMETER_BYTES_MAX, IDS_PER_MESSAGE_MAX, INDEX_NODE_BYTES_MAX,
    LAYOUT_RECORDS_MAX, LOG_ENTRY_BYTES_MAX, LOG_FRAME_BYTES_MAX, LOG_MARK_BYTES_MAX, NODE_BYTES_MAX, NODE_COPIES_MAX,
    OBJECT_BYTES_MAX, REASON_CHARS_MAX, RECORDS_BLOB_BYTES_MAX, RECORDS_KEY_BYTES_MAX, RECORDS_PACKED_BYTES_MAX,
    RECORDS_PAGE_BYTES_MAX, RECORDS_VALUE_BYTES_MAX, SEALED_BYTES_MAX, SEGMENT_BYTES, SEGMENTS_MAX, SHARD_BYTES_MAX,
    SLICE_BYTES_MAX, STRIPE_HEADER_BYTES_MAX, STRIPE_SHARDS_MAX, TICKET_ADDRESSES_MAX, TICKET_CHARS_MAX,
    TREE_DEPTH_MAX,
};
use storgo_protocol::log::{LogBody, LogFrame, LogFrameHead, LogRecord};
use storgo_protocol::message::{Answer, Frame, Refusal, RefusalKind, Request};
use storgo_protocol::slice::decode_slice;
use storgo_protocol::{
    AnyTicket, Code, DecodeError, IndexNode, LayoutNode, LayoutTop, PeerAddress, Root, ShardId, ShardSet, SnapshotPage,
    StripeHeader, Ticket,
};

use super::samples;

/// The sample with `with` written at `at`.
fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn too_many<T: std::fmt::Debug>(decoded: Result<T, DecodeError>, limit: usize) {
    assert!(matches!(decoded, Err(DecodeError::TooMany { max, .. }) if max == limit), "{limit}: {decoded:?}");
}

#[test]
fn a_stripe_beyond_its_bounds_is_refused() {
    let header = samples::stripe_header().encode();
    assert!(StripeHeader::decode(&header).is_ok() && header.len() <= STRIPE_HEADER_BYTES_MAX);
    let large = u32::try_from(SEALED_BYTES_MAX + 1).unwrap().to_le_bytes();
    assert!(StripeHeader::decode(&patched(&header, 37, &large)).is_err());
    too_many(
        StripeHeader::decode(&patched(&header, 42, &[CODE_PARAMETER_BYTES_MAX as u8 + 1])),
        CODE_PARAMETER_BYTES_MAX,
    );
    let count = 43 + usize::from(header[42]) + 4;
    too_many(StripeHeader::decode(&patched(&header, count, &[STRIPE_SHARDS_MAX as u8 + 1])), STRIPE_SHARDS_MAX);
    assert!(Code::new(STRIPE_SHARDS_MAX as u8, 1).is_none() && Code::new(STRIPE_SHARDS_MAX as u8 - 1, 1).is_some());
}

#[test]
fn a_slice_longer_than_any_is_refused_before_it_is_hashed() {
    let slice = vec![0; SLICE_BYTES_MAX + 1];
    too_many(decode_slice(ShardId::from_bytes([1; 32]), 100, &(0..10), &slice), SLICE_BYTES_MAX);
    assert!(decode_slice(ShardId::from_bytes([1; 32]), SHARD_BYTES_MAX + 1, &(0..10), &[]).is_err());
}

#[test]
fn an_index_node_beyond_its_bounds_is_refused() {
    too_many(IndexNode::decode(&vec![0; INDEX_NODE_BYTES_MAX + 1]), INDEX_NODE_BYTES_MAX);
    let (leaf, inner) = (samples::index_leaf().encode(), samples::index_inner().encode());
    assert!(IndexNode::decode(&leaf).is_ok() && IndexNode::decode(&inner).is_ok());
    assert!(IndexNode::decode(&patched(&inner, 5, &[TREE_DEPTH_MAX as u8 + 1])).is_err());
    // The first chunk: its id, its key, its sealed and then its plain length, from which the segments are counted.
    let (sealed, plain) = (IndexNode::HEAD_BYTES + 64, IndexNode::HEAD_BYTES + 68);
    let number = |bytes: usize| u32::try_from(bytes).unwrap().to_le_bytes();
    assert!(IndexNode::decode(&patched(&leaf, plain, &number(CHUNK_BYTES_MAX + 1))).is_err());
    assert!(IndexNode::decode(&patched(&leaf, plain, &number(SEGMENT_BYTES * (SEGMENTS_MAX + 1)))).is_err());
    assert!(IndexNode::decode(&patched(&leaf, sealed, &number(SEALED_BYTES_MAX + 1))).is_err());
    // A child: a chunk of one segment, then the bytes below it.
    let below = IndexNode::HEAD_BYTES + 72 + 4;
    assert!(IndexNode::decode(&patched(&inner, below, &(OBJECT_BYTES_MAX + 1).to_le_bytes())).is_err());
    // As many items as a number can say, in a node that is as long as before.
    assert!(IndexNode::decode(&patched(&inner, 6, &u16::MAX.to_le_bytes())).is_err());
}

#[test]
fn a_root_and_a_layout_beyond_their_bounds_are_refused() {
    let long = vec![0; NODE_BYTES_MAX + 1];
    too_many(Root::decode_unverified(&long), NODE_BYTES_MAX);
    too_many(LayoutTop::decode_unverified(&long), NODE_BYTES_MAX);
    too_many(LayoutNode::decode_unverified(&long), NODE_BYTES_MAX);
    let top = samples::layout_children().encode();
    assert!(LayoutTop::decode_unverified(&top).is_ok());
    assert!(LayoutTop::decode_unverified(&patched(&top, 37, &[NODE_COPIES_MAX as u8 + 1])).is_err());
    let extents = 40 + usize::from(top[39]);
    assert!(LayoutTop::decode_unverified(&patched(&top, extents, &(OBJECT_BYTES_MAX + 1).to_le_bytes())).is_err());
    let height = extents + 16;
    assert!(LayoutTop::decode_unverified(&patched(&top, height, &[TREE_DEPTH_MAX as u8 + 1])).is_err());
    assert!(LayoutTop::decode_unverified(&patched(&top, height + 1, &u16::MAX.to_le_bytes())).is_err());
    let root = Root { size: OBJECT_BYTES_MAX + 1, ..samples::root() };
    assert!(Root::decode_unverified(&root.encode()).is_err());
}

/// The bytes that a ticket's word spells, without the checksum behind them.
fn spelled(word: &str) -> Vec<u8> {
    let digits = word.strip_prefix("storgo:").expect("a ticket").to_ascii_uppercase();
    let bytes = data_encoding::BASE32_NOPAD.decode(digits.as_bytes()).expect("base32");
    let whole = (0..bytes.len()).rev().map(|end| &bytes[..end]).find(|bytes| Ticket::decode(bytes).is_ok());
    whole.expect("a ticket").to_vec()
}

#[test]
fn an_address_or_a_ticket_beyond_its_bounds_is_refused() {
    too_many(PeerAddress::decode(&[0; ADDRESS_BYTES_MAX + 1]), ADDRESS_BYTES_MAX);
    let ticket = spelled(&samples::ticket().to_string());
    // Magic, version and four times 32 bytes stand before the addresses.
    too_many(Ticket::decode(&patched(&ticket, 133, &[TICKET_ADDRESSES_MAX as u8 + 1])), TICKET_ADDRESSES_MAX);
    let word = samples::ticket().to_string();
    let long = format!("{word}{}", "a".repeat(TICKET_CHARS_MAX + 1 - word.len()));
    assert!(word.parse::<AnyTicket>().is_ok() && long.parse::<AnyTicket>().is_err());
}

#[test]
fn an_answer_beyond_its_bounds_is_refused() {
    let holds = |shards, nodes| Answer::Holds { shards: vec![ShardSet::EMPTY; shards], nodes: vec![0; nodes] }.encode();
    assert!(Answer::decode(holds(IDS_PER_MESSAGE_MAX, 0)).is_ok());
    too_many(Answer::decode(holds(IDS_PER_MESSAGE_MAX + 1, 0)), IDS_PER_MESSAGE_MAX);
    too_many(Answer::decode(holds(0, IDS_PER_MESSAGE_MAX + 1)), IDS_PER_MESSAGE_MAX);
    too_many(
        Answer::decode(Answer::Offered { have: vec![true; IDS_PER_MESSAGE_MAX + 1] }.encode()),
        IDS_PER_MESSAGE_MAX,
    );
    too_many(Answer::decode(Answer::Node { payload: vec![0; NODE_BYTES_MAX + 1].into() }.encode()), NODE_BYTES_MAX);
    let refused = |chars| Answer::Refused(Refusal { kind: RefusalKind::Busy, reason: "r".repeat(chars) }).encode();
    assert!(Answer::decode(refused(REASON_CHARS_MAX)).is_ok());
    too_many(Answer::decode(refused(REASON_CHARS_MAX + 1)), REASON_CHARS_MAX);
    // An encoder says no more records than allowed, so their field is repeated by hand: a message is its fields.
    let records = |count| {
        let one = Answer::Records { records: vec![samples::layout_record()] }.encode().head;
        let field = one.get(one.len() - records_field_bytes()..).unwrap().repeat(count);
        let length = varint(field.len());
        let head: Vec<u8> = [&one[..1], &length, &field].concat();
        Answer::decode(Frame::new(head.into(), Bytes::new()))
    };
    assert!(records(LAYOUT_RECORDS_MAX).is_ok());
    too_many(records(LAYOUT_RECORDS_MAX + 1), LAYOUT_RECORDS_MAX);
}

/// Bytes of one record as a field: a tag, a length of two bytes, the record.
fn records_field_bytes() -> usize {
    1 + varint(storgo_protocol::LayoutRecord::BYTES).len() + storgo_protocol::LayoutRecord::BYTES
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn a_request_says_how_much_its_answer_may_carry() {
    let has = Request::Has { stripes: Vec::new(), nodes: Vec::new(), verify: false };
    assert_eq!(has.answer_payload_max(), 0);
    assert_eq!(
        Request::PullNode { node: storgo_protocol::NodeId::from_bytes([1; 32]) }.answer_payload_max(),
        NODE_BYTES_MAX
    );
}

#[test]
fn a_record_or_frame_of_a_log_beyond_its_bounds_is_refused() {
    let decode = |body: LogBody| {
        let mut out = Vec::new();
        LogRecord { group: samples::group(), body }.encode_to(&mut out);
        LogRecord::decode(&out.into())
    };
    let zeros = |bytes: usize| Bytes::from(vec![0; bytes]);
    let entry = |bytes| decode(LogBody::Entry { term: 1, index: 1, payload: zeros(bytes) });
    assert!(entry(LOG_ENTRY_BYTES_MAX).is_ok());
    too_many(entry(LOG_ENTRY_BYTES_MAX + 1), LOG_ENTRY_BYTES_MAX);
    for make in [LogBody::Vote, LogBody::Committed, |marker| LogBody::Purge { index: 1, marker }] {
        assert!(decode(make(zeros(LOG_MARK_BYTES_MAX))).is_ok());
        too_many(decode(make(zeros(LOG_MARK_BYTES_MAX + 1))), LOG_MARK_BYTES_MAX);
    }
    let body_bytes = LOG_FRAME_BYTES_MAX as u32;
    let head = LogFrameHead { offset: 128, body_bytes, records: 0, body_crc: 0 };
    assert_eq!(LogFrameHead::decode(&head.encode()), Ok(head));
    let longer = LogFrameHead { body_bytes: body_bytes + 32, ..head };
    too_many(LogFrameHead::decode(&longer.encode()), LOG_FRAME_BYTES_MAX);
    too_many(LogFrame::finish(&mut vec![0; LogFrameHead::BYTES + LOG_FRAME_BYTES_MAX], 128, 0), LOG_FRAME_BYTES_MAX);
}

#[test]
fn a_page_of_a_state_beyond_its_bounds_is_refused() {
    let page = samples::snapshot_page();
    too_many(SnapshotPage::decode(&vec![0; SnapshotPage::BYTES_MAX + 1].into()), SnapshotPage::BYTES_MAX);
    const { assert!(SnapshotPage::BYTES_MAX >= RECORDS_PACKED_BYTES_MAX) };
    let large = SnapshotPage { content_bytes: RECORDS_PAGE_BYTES_MAX as u32 + 1, ..page };
    too_many(SnapshotPage::decode(&large.encode().into()), RECORDS_PAGE_BYTES_MAX);
    too_many(SnapshotPage::decode_content(1, &vec![0; RECORDS_PAGE_BYTES_MAX + 1].into()), RECORDS_PAGE_BYTES_MAX);
    let row = |key: usize, value: usize| {
        let lengths = [key as u32, value as u32].map(u32::to_le_bytes).concat();
        SnapshotPage::decode_content(1, &[lengths, vec![0; key + value]].concat().into())
    };
    assert!(row(RECORDS_KEY_BYTES_MAX, RECORDS_VALUE_BYTES_MAX).is_ok());
    too_many(row(RECORDS_KEY_BYTES_MAX + 1, 0), RECORDS_KEY_BYTES_MAX);
    too_many(row(0, RECORDS_VALUE_BYTES_MAX + 1), RECORDS_VALUE_BYTES_MAX);
    let blob = |bytes: usize| {
        let head = [&[0; 16], &(bytes as u32).to_le_bytes()[..]].concat();
        SnapshotPage::decode_content(0, &[head, vec![0; bytes]].concat().into())
    };
    assert!(blob(RECORDS_BLOB_BYTES_MAX).is_ok());
    too_many(blob(RECORDS_BLOB_BYTES_MAX + 1), RECORDS_BLOB_BYTES_MAX);
}
