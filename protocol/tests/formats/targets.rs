//! One function for each decoder of outside bytes, with what must hold whatever the bytes are.
//!
//! Shared by the fuzz targets (`protocol/fuzz`) and the plain tests. Each function returns whether the bytes were
//! accepted, and panics if they were and a property does not hold: what is hashed, signed or printed has one encoding
//! only, and messages say after a round trip what they said before.

use bytes::Bytes;
use storgo_protocol::log::{LogFrame, LogFrameHead, LogManifest, LogRecord, LogSegmentHead};
use storgo_protocol::message::{Answer, Frame, FrameLengths, Hello, HelloAnswer, Request};
use storgo_protocol::slice::decode_slice;
use storgo_protocol::tree::{TreePage, TreePath, TreeTable, TreeTrailer, TreeWalk};
use storgo_protocol::{
    Admission, AnyTicket, Authority, CareTicket, ChunkId, Code, ContentId, Grant, IndexNode, IndexTop, Invite,
    LayoutNode, LayoutRecord, LayoutTop, MemberCard, PeerAddress, PeerId, RepairGrant, Root, ShardFileHead, ShardId,
    SnapshotPage, StripeHeader, Ticket, WrappedKey,
};

#[path = "targets/groups.rs"]
mod groups;

pub use groups::{
    cluster_ask, cluster_bucket, cluster_row, cluster_talk, cluster_told, meta_bucket, meta_command, meta_event,
    meta_proposal, meta_remembered, meta_reply, meta_row, meta_slot_state, meta_version, raft_frame, raft_mark,
    raft_payload,
};

/// A decoder under test: whether it accepted the bytes.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is the name of its fuzz target and of its corpus directory.
pub const TARGETS: &[(&str, Target)] = &[
    ("stripe_header", stripe_header),
    ("shard_file_head", shard_file_head),
    ("slice", slice),
    ("index_node", index_node),
    ("index_top", index_top),
    ("root", root),
    ("layout_top", layout_top),
    ("layout_node", layout_node),
    ("layout_record", layout_record),
    ("grant", grant),
    ("repair_grant", repair_grant),
    ("authority", authority),
    ("ticket", ticket),
    ("care_ticket", care_ticket),
    ("word", word),
    ("member_card", member_card),
    ("wrapped_key", wrapped_key),
    ("invite", invite),
    ("admission", admission),
    ("address", address),
    ("hello", hello),
    ("hello_answer", hello_answer),
    ("request", request),
    ("answer", answer),
    ("tree_page", tree_page),
    ("tree_table", tree_table),
    ("tree_trailer", tree_trailer),
    ("log_record", log_record),
    ("log_segment_head", log_segment_head),
    ("log_frame", log_frame),
    ("log_manifest", log_manifest),
    ("snapshot_page", snapshot_page),
    ("snapshot_content", snapshot_content),
    ("meta_command", meta_command),
    ("meta_proposal", meta_proposal),
    ("meta_version", meta_version),
    ("meta_bucket", meta_bucket),
    ("meta_reply", meta_reply),
    ("meta_remembered", meta_remembered),
    ("meta_row", meta_row),
    ("meta_slot_state", meta_slot_state),
    ("meta_event", meta_event),
    ("raft_frame", raft_frame),
    ("raft_payload", raft_payload),
    ("raft_mark", raft_mark),
    ("cluster_ask", cluster_ask),
    ("cluster_told", cluster_told),
    ("cluster_row", cluster_row),
    ("cluster_bucket", cluster_bucket),
    ("cluster_talk", cluster_talk),
];

pub fn stripe_header(bytes: &[u8]) -> bool {
    canonical(bytes, StripeHeader::decode(bytes).map(|header| header.encode()))
}

/// A file goes on after its head, so only the head is compared.
pub fn shard_file_head(bytes: &[u8]) -> bool {
    let head = ShardFileHead::decode(bytes).map(|head| head.encode());
    canonical(head.iter().next().and_then(|head| bytes.get(..head.len())).unwrap_or(bytes), head)
}

/// Shard id (32), payload bytes, first and end of the range (u32 each), then the slice.
pub fn slice(bytes: &[u8]) -> bool {
    let Some((id, rest)) = bytes.split_first_chunk::<32>() else { return false };
    let Some((numbers, slice)) = rest.split_first_chunk::<12>() else { return false };
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| numbers[at + i])) as usize;
    let (payload_bytes, range) = (number(0), number(4)..number(8));
    let opened = decode_slice(ShardId::from_bytes(*id), payload_bytes, &range, slice);
    opened.iter().for_each(|opened| assert_eq!(opened.len(), range.len()));
    opened.is_ok()
}

pub fn index_node(bytes: &[u8]) -> bool {
    let node = IndexNode::decode(bytes);
    // Totals of what was accepted never overflow.
    node.iter().for_each(|node| assert!(node.totals().0 <= storgo_protocol::limits::OBJECT_BYTES_MAX));
    canonical(bytes, node.map(|node| node.encode()))
}

pub fn member_card(bytes: &[u8]) -> bool {
    canonical(bytes, MemberCard::decode(bytes).map(|card| card.encode()))
}

pub fn wrapped_key(bytes: &[u8]) -> bool {
    canonical(bytes, WrappedKey::decode(bytes).map(|key| key.encode()))
}

/// Whom an invite lets in, everybody lets in.
pub fn invite(bytes: &[u8]) -> bool {
    let invite = Invite::decode(bytes);
    invite.iter().for_each(|invite| {
        let admission = invite.admit(PeerId::from_bytes([1; 32]));
        assert_eq!(Admission::decode(&admission.encode()), Ok(admission));
    });
    canonical(bytes, invite.map(|invite| binary_of(&invite.to_string())))
}

pub fn admission(bytes: &[u8]) -> bool {
    canonical(bytes, Admission::decode(bytes).map(|admission| admission.encode()))
}

pub fn index_top(bytes: &[u8]) -> bool {
    canonical(bytes, IndexTop::decode(bytes).map(|top| top.encode()))
}

pub fn root(bytes: &[u8]) -> bool {
    canonical(bytes, Root::decode_unverified(bytes).map(|root| root.encode()))
}

pub fn layout_top(bytes: &[u8]) -> bool {
    canonical(bytes, LayoutTop::decode_unverified(bytes).map(|top| top.encode()))
}

pub fn layout_node(bytes: &[u8]) -> bool {
    canonical(bytes, LayoutNode::decode_unverified(bytes).map(|node| node.encode()))
}

pub fn layout_record(bytes: &[u8]) -> bool {
    canonical(bytes, LayoutRecord::decode(bytes).map(|record| record.encode()))
}

pub fn grant(bytes: &[u8]) -> bool {
    canonical(bytes, Grant::decode(bytes).map(|grant| grant.encode()))
}

pub fn repair_grant(bytes: &[u8]) -> bool {
    canonical(bytes, RepairGrant::decode(bytes).map(|grant| grant.encode()))
}

pub fn authority(bytes: &[u8]) -> bool {
    canonical(bytes, Authority::decode(bytes).map(|authority| authority.encode()))
}

pub fn ticket(bytes: &[u8]) -> bool {
    canonical(bytes, Ticket::decode(bytes).map(|ticket| binary_of(&ticket.to_string())))
}

pub fn care_ticket(bytes: &[u8]) -> bool {
    canonical(bytes, CareTicket::decode(bytes).map(|ticket| binary_of(&ticket.to_string())))
}

/// Anything that a person may type where a ticket, an invite, an id or a redundancy is expected.
pub fn word(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let ticket = text.parse::<AnyTicket>().map(|ticket| match ticket {
        AnyTicket::Read(ticket) => ticket.to_string(),
        AnyTicket::Care(ticket) => ticket.to_string(),
    });
    let printed = [
        ticket.ok(),
        text.parse::<ContentId>().map(|id| id.to_string()).ok(),
        text.parse::<ChunkId>().map(|id| id.to_string()).ok(),
        text.parse::<MemberCard>().map(|card| card.to_string()).ok(),
        text.parse::<Invite>().map(|invite| invite.to_string()).ok(),
        text.parse::<PeerId>().map(|id| id.to_string()).ok(),
    ];
    printed.iter().flatten().for_each(|printed| assert_eq!(printed, text, "two spellings of one value"));
    let code = text.parse::<Code>();
    code.iter().for_each(|code| assert_eq!(code.to_string().parse(), Ok(*code)));
    code.is_ok() || printed.iter().any(Option::is_some)
}

pub fn address(bytes: &[u8]) -> bool {
    let address = PeerAddress::decode(bytes);
    address.iter().for_each(|address| {
        assert!(!address.to_string().contains(char::is_control));
        let _scope = address.scope();
    });
    canonical(bytes, address.map(|address| address.encode()))
}

pub fn hello(bytes: &[u8]) -> bool {
    let hello = Hello::decode(bytes);
    hello.iter().for_each(|hello| assert_eq!(Hello::decode(&hello.encode()).as_ref(), Ok(hello)));
    hello.is_ok()
}

pub fn hello_answer(bytes: &[u8]) -> bool {
    // Only a frame's head is ever decoded, and a frame's head is bounded.
    if bytes.len() > storgo_protocol::limits::FRAME_HEAD_BYTES_MAX - 1024 {
        return false;
    }
    let answer = HelloAnswer::decode(bytes);
    answer.iter().for_each(|answer| assert_eq!(HelloAnswer::decode(&answer.encode()).as_ref(), Ok(answer)));
    answer.is_ok()
}

pub fn request(bytes: &[u8]) -> bool {
    let Some(frame) = frame(bytes) else { return false };
    let request = Request::decode(frame);
    request.iter().for_each(|request| assert_eq!(Request::decode(request.clone().encode()).as_ref(), Ok(request)));
    request.is_ok()
}

pub fn answer(bytes: &[u8]) -> bool {
    let Some(frame) = frame(bytes) else { return false };
    let answer = Answer::decode(frame);
    answer.iter().for_each(|answer| assert_eq!(Answer::decode(answer.clone().encode()).as_ref(), Ok(answer)));
    answer.is_ok()
}

/// Bytes of the tree's contents (u64), then a page.
pub fn tree_page(bytes: &[u8]) -> bool {
    let Some((contents, page)) = bytes.split_first_chunk::<8>() else { return false };
    let decoded = TreePage::decode(page, u64::from_le_bytes(*contents));
    decoded.iter().for_each(|page| {
        let mut walk = TreeWalk::below(page.parent().clone());
        let mut last = page.parent().clone();
        for item in page.items() {
            let path = walk.step(item).expect("what was accepted can be walked").clone();
            assert!(last < path && TreePath::parse(path.as_bytes()).as_ref() == Ok(&path), "{last:?} {path:?}");
            last = path;
        }
    });
    canonical(page, decoded.map(|page| page.encode()))
}

/// Pages (u32), then the table of that many.
pub fn tree_table(bytes: &[u8]) -> bool {
    let Some((pages, table)) = bytes.split_first_chunk::<4>() else { return false };
    let decoded = TreeTable::decode(table, u32::from_le_bytes(*pages));
    decoded.iter().for_each(|table| {
        for (number, row) in table.rows().iter().enumerate() {
            assert_eq!(table.page_of(&row.first), Some(number));
            assert!(table.page_behind(&row.first) >= number);
        }
    });
    canonical(table, decoded.map(|table| table.encode()))
}

/// Bytes of the tree (u64), then its trailer.
pub fn tree_trailer(bytes: &[u8]) -> bool {
    let Some((object_bytes, trailer)) = bytes.split_first_chunk::<8>() else { return false };
    let decoded = TreeTrailer::decode(trailer, u64::from_le_bytes(*object_bytes));
    canonical(trailer, decoded.map(|trailer| trailer.encode()))
}

/// The frame that stands in these bytes as it does on a stream; `None` unless it is one whole frame.
fn frame(bytes: &[u8]) -> Option<Frame> {
    let (lengths, rest) = bytes.split_first_chunk::<{ FrameLengths::BYTES }>()?;
    let FrameLengths { head, payload } = FrameLengths::decode(*lengths).ok()?;
    if rest.len() != head + payload {
        return None;
    }
    let (head, payload) = rest.split_at(head);
    let frame = Frame::new(Bytes::copy_from_slice(head), Bytes::copy_from_slice(payload));
    assert_eq!(&frame.lengths(), lengths);
    Some(frame)
}

/// The binary form of a ticket's word.
pub fn binary_of(word: &str) -> Vec<u8> {
    let (_, digits) = word.split_once(':').expect("a printed ticket has a prefix");
    let mut bytes = data_encoding::BASE32_NOPAD.decode(digits.to_ascii_uppercase().as_bytes()).expect("base 32");
    bytes.truncate(bytes.len() - 4);
    bytes
}

pub fn log_record(bytes: &[u8]) -> bool {
    let record = LogRecord::decode(&Bytes::copy_from_slice(bytes));
    let encoded = record.map(|record| {
        let mut out = Vec::new();
        record.encode_to(&mut out);
        assert_eq!(out.len(), record.encoded_bytes());
        out
    });
    canonical(bytes, encoded)
}

pub fn log_segment_head(bytes: &[u8]) -> bool {
    canonical(bytes, LogSegmentHead::decode(bytes).map(|head| head.encode()))
}

pub fn log_manifest(bytes: &[u8]) -> bool {
    canonical(bytes, LogManifest::decode(bytes).map(|manifest| manifest.encode()))
}

/// A frame made of what was found in one is that frame.
pub fn log_frame(bytes: &[u8]) -> bool {
    let frame = LogFrame::decode(bytes);
    let encoded = frame.map(|frame| {
        let mut out = vec![0; LogFrameHead::BYTES];
        for record in &frame.records {
            out.extend_from_slice(&(record.len() as u32).to_le_bytes());
            out.extend_from_slice(&bytes[record.clone()]);
        }
        assert_eq!(LogFrame::bytes_of(frame.records.iter().map(ExactSizeIterator::len)), bytes.len());
        LogFrame::finish(&mut out, frame.head.offset, frame.head.records).expect("a frame");
        out
    });
    canonical(bytes, encoded)
}

pub fn snapshot_page(bytes: &[u8]) -> bool {
    canonical(bytes, SnapshotPage::decode(&Bytes::copy_from_slice(bytes)).map(|page| page.encode()))
}

/// The content of a page, behind its number in one byte.
pub fn snapshot_content(bytes: &[u8]) -> bool {
    let Some((number, content)) = bytes.split_first() else { return false };
    let decoded = SnapshotPage::decode_content(u64::from(*number), &Bytes::copy_from_slice(content));
    let encoded = decoded.map(|(start, rows)| {
        let mut out = Vec::new();
        start.iter().for_each(|start| start.encode_to(&mut out));
        rows.iter().for_each(|row| row.encode_to(&mut out));
        out
    });
    canonical(content, encoded)
}

/// Two encodings of one value would have two hashes and one signature: what is accepted is what would be written.
fn canonical<E>(bytes: &[u8], encoded: Result<Vec<u8>, E>) -> bool {
    encoded.iter().for_each(|encoded| assert_eq!(encoded, bytes, "two encodings of one value"));
    encoded.is_ok()
}
