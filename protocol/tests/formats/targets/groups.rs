//! The decoders of what metadata groups keep and what their members say.
//!
//! Their messages are Protobuf, written by older and newer programs: another encoding of a value is honest, and what was
//! accepted says after a round trip what it said before.

use std::fmt::Debug;

use bytes::Bytes;
use prost::Message as _;
use storgo_protocol::DecodeError;
use storgo_protocol::cluster::{Ask, Bucket, GroupRow, MemberRow, NetworkRow, RowKey, SlotMove, SlotTable, Talk, Told};
use storgo_protocol::meta::{
    BucketConfig, BucketId, Command, Proposal, Remembered, Reply, Row, SlotState, StorageEvent, Version,
};
use storgo_protocol::raft::{Frame, LogId, Payload, StateId, Vote, payload};

/// A command, with whatever it carries.
pub fn meta_command(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let command = Command::decode(&bytes);
    command.iter().for_each(|command| assert_eq!(Command::feature_of(&bytes), Ok(command.feature)));
    says_the_same(command, |command| Command::decode(&command.encode()))
}

/// What stands in the log, and the command in it.
pub fn meta_proposal(bytes: &[u8]) -> bool {
    let proposal = Proposal::decode(Bytes::copy_from_slice(bytes));
    proposal.iter().for_each(|proposal| {
        says_the_same(Command::decode(&proposal.command), |command| Command::decode(&command.encode()));
    });
    says_the_same(proposal, |proposal| Proposal::decode(proposal.encode()))
}

pub fn meta_version(bytes: &[u8]) -> bool {
    let version = Version::decode(&Bytes::copy_from_slice(bytes));
    version.iter().for_each(|version| {
        assert_eq!(version.signed_message(BucketId::from_bytes([1; 16])).len(), 147);
        assert_eq!((version.id().stamp(), version.id().group()), (version.stamp, version.group));
    });
    says_the_same(version, |version| Version::decode(&version.encode()))
}

pub fn meta_bucket(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    let config = BucketConfig::decode(&bytes);
    // Any key has a slot, whatever the rule says of it.
    config.iter().for_each(|config| assert!(config.slot(&bytes).number() < storgo_protocol::limits::SLOTS));
    says_the_same(config, |config| BucketConfig::decode(&config.encode()))
}

/// What is sealed in a talk.
pub fn cluster_talk(bytes: &[u8]) -> bool {
    says_the_same(Talk::decode(Bytes::copy_from_slice(bytes)), |talk| Talk::decode(talk.encode().into()))
}

pub fn meta_reply(bytes: &[u8]) -> bool {
    let reply = Reply::decode(Bytes::copy_from_slice(bytes));
    says_the_same(reply, |reply| Reply::decode(reply.encode()))
}

pub fn meta_remembered(bytes: &[u8]) -> bool {
    let remembered = Remembered::decode(Bytes::copy_from_slice(bytes));
    says_the_same(remembered, |remembered| Remembered::decode(remembered.encode()))
}

pub fn meta_row(bytes: &[u8]) -> bool {
    let row = Row::decode(Bytes::copy_from_slice(bytes));
    says_the_same(row, |row| Row::decode(row.encode()))
}

pub fn meta_slot_state(bytes: &[u8]) -> bool {
    let state = SlotState::decode(Bytes::copy_from_slice(bytes));
    says_the_same(state, |state| SlotState::decode(state.encode()))
}

pub fn meta_event(bytes: &[u8]) -> bool {
    let event = StorageEvent::decode(Bytes::copy_from_slice(bytes));
    says_the_same(event, |event| StorageEvent::decode(event.encode()))
}

/// Whatever a peer may send on the stream of members.
pub fn raft_frame(bytes: &[u8]) -> bool {
    let frame = Frame::read(Bytes::copy_from_slice(bytes));
    says_the_same(frame, |frame| Frame::read(frame.encode_to_vec().into()))
}

/// What an entry of a group's log holds.
pub fn raft_payload(bytes: &[u8]) -> bool {
    let payload = Payload::read(Bytes::copy_from_slice(bytes));
    payload.iter().for_each(|payload| {
        if let Some(payload::Payload::Proposal(proposal)) = &payload.payload {
            meta_proposal(proposal);
        }
    });
    says_the_same(payload, |payload| Payload::read(payload.encode_to_vec().into()))
}

/// What a node keeps beside entries and records, behind its kind in one byte: 0 a vote, 1 a place in the log, 2 the name
/// of a state.
pub fn raft_mark(bytes: &[u8]) -> bool {
    let Some((kind, mark)) = bytes.split_first() else { return false };
    let mark = Bytes::copy_from_slice(mark);
    match kind {
        0 => says_the_same(Vote::read(mark), |vote| Vote::read(vote.encode_to_vec().into())),
        1 => says_the_same(LogId::read(mark), |id| LogId::read(id.encode_to_vec().into())),
        2 => says_the_same(StateId::read(mark), |state| StateId::read(state.encode_to_vec().into())),
        _ => false,
    }
}

/// A question of whoever may ask.
pub fn cluster_ask(bytes: &[u8]) -> bool {
    let ask = Ask::decode(Bytes::copy_from_slice(bytes));
    says_the_same(ask, |ask| Ask::decode(ask.encode()))
}

/// An answer of a member.
pub fn cluster_told(bytes: &[u8]) -> bool {
    let told = Told::decode(Bytes::copy_from_slice(bytes));
    says_the_same(told, |told| Told::decode(told.encode()))
}

pub fn cluster_bucket(bytes: &[u8]) -> bool {
    let bucket = Bucket::decode(&Bytes::copy_from_slice(bytes));
    says_the_same(bucket, |bucket| Bucket::decode(&bucket.encode()))
}

/// A row of group 0, behind its key and the length of that in one byte.
pub fn cluster_row(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first() else { return false };
    let Some((key, row)) = rest.split_at_checked(usize::from(*length)) else { return false };
    let Ok(kind) = RowKey::decode(key) else { return false };
    assert_eq!(kind.encode(), key, "two keys of one row");
    let bytes = Bytes::copy_from_slice(row);
    match kind {
        RowKey::Network => says_the_same(NetworkRow::decode(bytes), |row| NetworkRow::decode(row.encode())),
        RowKey::Member(_) => says_the_same(MemberRow::decode(bytes), |row| MemberRow::decode(row.encode())),
        RowKey::Group(_) => says_the_same(GroupRow::decode(bytes), |row| GroupRow::decode(row.encode())),
        RowKey::Slots => says_the_same(SlotTable::decode(bytes), |row| SlotTable::decode(row.encode())),
        RowKey::Move(_) => says_the_same(SlotMove::decode(bytes), |row| SlotMove::decode(row.encode())),
        RowKey::Bucket(_) => cluster_bucket(row),
        RowKey::BucketName(_) => str::from_utf8(row).is_ok(),
    }
}

fn says_the_same<T: Debug + PartialEq>(
    read: Result<T, DecodeError>,
    again: impl Fn(&T) -> Result<T, DecodeError>,
) -> bool {
    read.iter().for_each(|value| assert_eq!(again(value).as_ref(), Ok(value), "another value after a round trip"));
    read.is_ok()
}
