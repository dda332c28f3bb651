//! Samples of what members of a group say to each other and keep, each a golden file of its own.

use bytes::Bytes;
use prost::Message as _;
use storgo_protocol::raft::envelope::Body;
use storgo_protocol::raft::{
    Append, AppendAnswer, Ballot, BallotAnswer, Entry, Envelope, Frame, LogId, Membership, Partial, Payload, Promise,
    Promised, Promises, ReadIndex, Seat, Seats, SnapshotAnswer, SnapshotPage, StateId, Transfer, TransferAnswer,
    Unable, Vote, append_answer, payload,
};

use super::golden::{Golden, golden};
use super::samples;

fn seat(first: u8) -> Seat {
    let peer = Bytes::copy_from_slice(&samples::run(first));
    Seat { peer, incarnation: 0xa1a2_a3a4_a5a6_a700 | u64::from(first) }
}

fn id(term: u64, index: u64) -> LogId {
    LogId { term, index }
}

fn vote(term: u64, committed: bool) -> Vote {
    Vote { term, seat: Some(seat(0x10)), committed }
}

/// Two sets of voters, and a learner.
fn membership() -> Membership {
    let seats = |firsts: &[u8]| firsts.iter().map(|first| seat(*first)).collect();
    let configs = [&[0x10, 0x20, 0x30][..], &[0x20, 0x30, 0x40]].map(|firsts| Seats { seats: seats(firsts) });
    Membership { configs: configs.into(), seats: seats(&[0x10, 0x20, 0x30, 0x40, 0x50]) }
}

fn state() -> StateId {
    StateId { last: Some(id(7, 300)), membership_log: Some(id(6, 290)), membership: Some(membership()) }
}

fn proposal() -> Payload {
    let proposal = super::meta::all().into_iter().find(|golden| golden.target == "meta_proposal").expect("a proposal");
    Payload { payload: Some(payload::Payload::Proposal(proposal.bytes.into())) }
}

fn change() -> Payload {
    Payload { payload: Some(payload::Payload::Membership(membership())) }
}

fn append() -> Append {
    let entries = [Payload::default(), proposal(), change()];
    let entry =
        |(index, payload): (u64, Payload)| Entry { id: Some(id(7, index)), payload: payload.encode_to_vec().into() };
    let entries = (301..).zip(entries).map(entry).collect();
    Append { vote: Some(vote(7, true)), previous: Some(id(7, 300)), entries, committed: Some(id(7, 299)) }
}

fn promise((group, incarnation): (u64, u64)) -> Promise {
    Promise { group, incarnation }
}

fn requests() -> Vec<(&'static str, Body)> {
    let (state, bytes) = (Some(state()), Bytes::from_static(b"a page"));
    let ballot = |transfer| Ballot { vote: Some(vote(8, false)), last: Some(id(7, 300)), transfer };
    vec![
        ("append", Body::Append(append())),
        ("vote", Body::Vote(ballot(true))),
        ("pre_vote", Body::PreVote(ballot(false))),
        (
            "transfer",
            Body::Transfer(Transfer { vote: Some(vote(7, true)), to: Some(seat(0x20)), last: Some(id(7, 300)) }),
        ),
        ("snapshot_page", Body::SnapshotPage(SnapshotPage { vote: Some(vote(7, true)), state, page: 2, bytes })),
        ("read_index", Body::ReadIndex(ReadIndex {})),
        ("promises", Body::Promises(Promises { seats: [(0, 7), (300, 8)].map(promise).into() })),
    ]
}

fn answers() -> Vec<(&'static str, Body)> {
    use append_answer::Answer;
    let appended = |answer| Body::Appended(AppendAnswer { answer: Some(answer) });
    let granted = BallotAnswer { vote: Some(vote(8, false)), last: Some(id(7, 300)), granted: true };
    let outvoted = TransferAnswer {
        expected_vote: Some(vote(7, true)),
        actual_vote: Some(vote(8, false)),
        ..TransferAnswer::default()
    };
    let behind = TransferAnswer {
        not_flushed: true,
        expected_last: Some(id(7, 300)),
        actual_last: Some(id(7, 299)),
        ..TransferAnswer::default()
    };
    let taken = SnapshotAnswer { vote: Some(vote(7, true)), next: 3, installed: true };
    vec![
        ("appended", appended(Answer::Success(true))),
        ("appended_partly", appended(Answer::Partial(Partial { last: Some(id(7, 302)) }))),
        ("appended_conflict", appended(Answer::Conflict(true))),
        ("appended_higher", appended(Answer::Higher(vote(9, false)))),
        ("voted", Body::Voted(granted)),
        ("transferred", Body::Transferred(TransferAnswer::default())),
        ("transferred_outvoted", Body::Transferred(outvoted)),
        ("transferred_behind", Body::Transferred(behind)),
        ("snapshot_taken", Body::SnapshotTaken(taken)),
        ("unable", Body::Unable(Unable { reason: "this group is unknown here".to_owned() })),
        ("readable", Body::Readable(id(7, 300))),
        ("promised", Body::Promised(Promised { terms: [7, u64::MAX].map(u64::to_le_bytes).concat().into() })),
    ]
}

fn envelope(body: Body, clock_ms: u64) -> Envelope {
    Envelope {
        group: samples::group().as_u64(),
        call: 0x0102_0304,
        from_incarnation: seat(0x10).incarnation,
        to_incarnation: seat(0x20).incarnation,
        body: Some(body),
        clock_ms,
        patient: false,
    }
}

/// Every sample, each decoded to the value that it stands for.
pub fn all() -> Vec<Golden> {
    let mut list = Vec::new();
    let envelopes = requests().into_iter().map(|(name, body)| (name, envelope(body, 0)));
    let envelopes =
        envelopes.chain(answers().into_iter().map(|(name, body)| (name, envelope(body, 1_795_000_000_123))));
    for (name, envelope) in envelopes {
        let frame = Frame { envelopes: vec![envelope] };
        let bytes = frame.encode_to_vec();
        assert_eq!(Frame::read(bytes.clone().into()), Ok(frame));
        list.push(golden(&format!("raft_{name}"), "raft_frame", bytes));
    }
    // An entry that holds nothing has no bytes at all.
    assert_eq!(Payload::default().encode_to_vec(), Vec::<u8>::new());
    for (name, payload) in [("proposal", proposal()), ("membership", change())] {
        let bytes = payload.encode_to_vec();
        assert_eq!(Payload::read(bytes.clone().into()), Ok(payload));
        list.push(golden(&format!("raft_entry_{name}"), "raft_payload", bytes));
    }
    let marks = [
        ("vote", 0, vote(7, true).encode_to_vec()),
        ("place", 1, id(7, 300).encode_to_vec()),
        ("state", 2, state().encode_to_vec()),
    ];
    assert_eq!(Vote::read(marks[0].2.clone().into()), Ok(vote(7, true)));
    assert_eq!(LogId::read(marks[1].2.clone().into()), Ok(id(7, 300)));
    assert_eq!(StateId::read(marks[2].2.clone().into()), Ok(state()));
    list.extend(
        marks.map(|(name, kind, bytes)| {
            golden(&format!("raft_kept_{name}"), "raft_mark", [&[kind], &bytes[..]].concat())
        }),
    );
    list
}
