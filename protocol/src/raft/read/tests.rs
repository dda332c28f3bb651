use prost::Message as _;

use super::*;
use crate::fields::tests::{Door, hold};
use crate::raft::envelope::Body;
use crate::raft::payload::Payload as Held;
use crate::raft::{Append, Entry, Envelope, Membership, Promise, Promises, ReadIndex, Seat, Seats, SnapshotPage};

fn frame(bodies: Vec<Body>) -> Bytes {
    let envelope = |body| Envelope { group: 1, call: 2, body: Some(body), ..Envelope::default() };
    Frame { envelopes: bodies.into_iter().map(envelope).collect() }.encode_to_vec().into()
}

fn append(entries: usize) -> Body {
    Body::Append(Append { entries: vec![Entry::default(); entries], ..Append::default() })
}

fn seats(count: usize) -> Vec<Seat> {
    vec![Seat { peer: vec![7; 32].into(), incarnation: 1 }; count]
}

fn membership(configs: usize, voters: usize, all: usize) -> Membership {
    Membership { configs: vec![Seats { seats: seats(voters) }; configs], seats: seats(all) }
}

fn state(membership: Membership) -> StateId {
    StateId { membership: Some(membership), ..StateId::default() }
}

fn too_many<T: std::fmt::Debug>(read: Result<T, DecodeError>, limit: usize) {
    assert!(matches!(read, Err(DecodeError::TooMany { max, .. }) if max == limit), "{limit}: {read:?}");
}

#[test]
fn a_frame_beyond_its_bounds_is_refused() {
    let (messages, entries) = (RAFT_ENVELOPES_MAX, RAFT_ENTRIES_MAX as usize);
    let reads = |count| Frame::read(frame(vec![Body::ReadIndex(ReadIndex {}); count]));
    assert_eq!(reads(messages).map(|frame| frame.envelopes.len()), Ok(messages));
    too_many(reads(messages + 1), messages);
    assert!(Frame::read(frame(vec![append(entries), append(entries)])).is_ok());
    too_many(Frame::read(frame(vec![append(1), append(entries + 1)])), entries);
    let promises =
        |count| Frame::read(frame(vec![Body::Promises(Promises { seats: vec![Promise::default(); count] })]));
    assert!(promises(GROUPS_MAX + 1).is_ok());
    too_many(promises(GROUPS_MAX + 2), GROUPS_MAX + 1);
    too_many(Frame::read(vec![0; RAFT_FRAME_BYTES_MAX + 1].into()), RAFT_FRAME_BYTES_MAX);
}

#[test]
fn a_membership_beyond_its_bounds_is_refused_wherever_it_stands() {
    let page = |members| {
        let page = SnapshotPage { state: Some(state(members)), ..SnapshotPage::default() };
        Frame::read(frame(vec![Body::SnapshotPage(page)])).map(drop)
    };
    let payload =
        |members| Payload::read(Payload { payload: Some(Held::Membership(members)) }.encode_to_vec().into()).map(drop);
    let kept = |members| StateId::read(state(members).encode_to_vec().into()).map(drop);
    let max = GROUP_SEATS_MAX;
    for read in [&page as &dyn Fn(Membership) -> Result<(), DecodeError>, &payload, &kept] {
        assert_eq!(read(membership(CONFIGS_MAX, max, max)), Ok(()));
        too_many(read(membership(CONFIGS_MAX + 1, 1, 1)), CONFIGS_MAX);
        too_many(read(membership(1, max + 1, 1)), max);
        too_many(read(membership(1, 1, max + 1)), max);
    }
}

#[test]
fn what_repeats_is_counted_before_it_is_decoded() {
    hold(
        "storgo.raft.v1",
        &[
            Door::new::<Frame>("Frame", |bytes| Frame::read(bytes).map(drop)),
            Door::new::<Payload>("Payload", |bytes| Payload::read(bytes).map(drop)),
            Door::new::<StateId>("StateId", |bytes| StateId::read(bytes).map(drop)),
        ],
    );
}

/// Four million messages, which decoded would take more than a gigabyte.
#[test]
fn a_whole_frame_of_nothing_costs_nothing() {
    let nothing = Bytes::from([0x0a, 0].repeat(RAFT_FRAME_BYTES_MAX / 2));
    assert!(size_of::<Envelope>() * (nothing.len() / 2) > 512 << 20);
    too_many(Frame::read(nothing), RAFT_ENVELOPES_MAX);
}

#[test]
fn what_is_kept_has_a_bound() {
    too_many(Vote::read(vec![0; LOG_MARK_BYTES_MAX + 1].into()), LOG_MARK_BYTES_MAX);
    too_many(LogId::read(vec![0; LOG_MARK_BYTES_MAX + 1].into()), LOG_MARK_BYTES_MAX);
    too_many(Payload::read(vec![0; LOG_ENTRY_BYTES_MAX + 1].into()), LOG_ENTRY_BYTES_MAX);
    too_many(StateId::read(vec![0; RECORDS_BLOB_BYTES_MAX + 1].into()), RECORDS_BLOB_BYTES_MAX);
    // A field that stands twice is nobody's.
    let twice = state(membership(1, 1, 1)).encode_to_vec().repeat(2);
    too_many(StateId::read(twice.into()), 1);
}
