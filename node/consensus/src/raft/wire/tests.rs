use super::*;
use storgo_protocol::cluster;
use storgo_protocol::meta::Stamp;

fn id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

fn vote_of(term: u64, seat: u64, committed: bool) -> Vote {
    Vote { leader_id: openraft::impls::leader_id_std::LeaderId::new(term, Seat::from(seat)), committed }
}

fn members(configs: &[&[u64]], learners: &[u64]) -> Membership {
    let configs = configs.iter().map(|config| config.iter().map(|n| Seat::from(*n)).collect()).collect();
    Membership::new_with_defaults(configs, learners.iter().map(|n| Seat::from(*n)))
}

fn entries() -> Vec<Entry> {
    let proposal = Proposal { stamp: Stamp::from_ms(5), command: Bytes::from_static(b"command") };
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(Proposed::new(proposal)),
        EntryPayload::Membership(members(&[&[1, 2, 3]], &[4])),
        EntryPayload::Membership(members(&[&[1, 2, 3], &[2, 3, 4]], &[])),
        EntryPayload::Membership(members(&[], &[])),
    ];
    (1..).zip(payloads).map(|(index, payload)| Entry { log_id: id(3, index), payload }).collect()
}

#[test]
fn what_members_say_comes_back() {
    for vote in [vote_of(0, 0, false), vote_of(7, 3, true)] {
        assert_eq!(read_vote_bytes(vote_bytes(&vote)), Ok(vote));
    }
    assert_eq!(read_log_id_bytes(log_id_bytes(&id(3, 9))), Ok(id(3, 9)));
    for entry in entries() {
        assert_eq!(read_entry(entry.log_id, payload(&entry)), Ok(entry));
    }
    let stored = StoredMembership::new(Some(id(1, 2)), members(&[&[1, 2]], &[3]));
    for (last, stored) in [(Some(id(4, 5)), stored), (None, StoredMembership::default())] {
        assert_eq!(read_state_id(&state_id(last.as_ref(), &stored)), Ok((last, stored)));
    }

    let request = AppendEntriesRequest {
        vote: vote_of(7, 3, true),
        prev_log_id: Some(id(3, 0)),
        entries: entries(),
        leader_commit: None,
    };
    let read = read_append(append(&request)).unwrap();
    assert_eq!(format!("{read:?}"), format!("{request:?}"));
    let answers = [
        AppendEntriesResponse::Success,
        AppendEntriesResponse::PartialSuccess(Some(id(1, 1))),
        AppendEntriesResponse::PartialSuccess(None),
        AppendEntriesResponse::Conflict,
        AppendEntriesResponse::HigherVote(vote_of(8, 1, false)),
    ];
    for answer in answers {
        assert_eq!(read_append_answer(append_answer(&answer)), Ok(answer));
    }
    let mut request = VoteRequest::new(vote_of(8, 1, false), Some(id(3, 5)));
    request.leadership_transfer = true;
    assert_eq!(read_ballot(ballot(&request)), Ok(request));
    let answer = VoteResponse::new(vote_of(8, 1, false), None, true);
    assert_eq!(read_ballot_answer(ballot_answer(&answer)), Ok(answer));
    let request = TransferLeaderRequest::new(vote_of(8, 1, true), Seat::from(2), Some(id(3, 5)));
    assert_eq!(read_transfer(transfer(&request)), Ok(request));
    let answers = [
        Ok(()),
        Err(TransferLeaderError::VoteChanged { expected: vote_of(1, 1, true), actual: vote_of(2, 2, false) }),
        Err(TransferLeaderError::LogNotFlushed { expected: Some(id(1, 1)), actual: None }),
    ];
    for answer in answers {
        assert_eq!(read_transfer_answer(transfer_answer(&answer)), Ok(answer));
    }
}

#[test]
fn a_membership_without_sense_is_refused() {
    let refused = |members: &wire::Membership| read_membership(members).is_err();
    let seats = |count: usize| (0..count as u64).map(|n| seat(Seat::from(n))).collect::<Vec<_>>();
    let config = |count| wire::Seats { seats: seats(count) };
    let max = GROUP_SEATS_MAX;
    assert!(!refused(&wire::Membership { configs: vec![config(max)], seats: seats(max) }));
    assert!(refused(&wire::Membership { configs: vec![config(max)], seats: seats(max + 1) }));
    assert!(refused(&wire::Membership { configs: vec![config(max + 1)], seats: seats(max) }));
    assert!(refused(&wire::Membership { configs: vec![config(1); 3], seats: seats(1) }));
    // A voter that is no seat, a config of nobody, and a seat that is none.
    assert!(refused(&wire::Membership { configs: vec![config(3)], seats: seats(2) }));
    assert!(refused(&wire::Membership { configs: vec![config(0)], seats: seats(2) }));
    let short = wire::Seat { peer: Bytes::from_static(&[1; 31]), incarnation: 1 };
    assert!(refused(&wire::Membership { configs: vec![], seats: vec![short] }));
}

/// Whether what was said makes sense; what does is said again as it was.
fn is_understood(body: wire::envelope::Body) -> bool {
    use wire::envelope::Body;
    fn says_the_same<W, T: std::fmt::Debug>(read: fn(W) -> Decoded<T>, write: fn(&T) -> W, said: W) -> bool {
        let Ok(first) = read(said) else { return false };
        let again = read(write(&first)).expect("what was understood is understood again");
        assert_eq!(format!("{again:?}"), format!("{first:?}"));
        true
    }
    match body {
        Body::Append(said) => says_the_same(read_append, append, said),
        Body::Vote(said) | Body::PreVote(said) => says_the_same(read_ballot, ballot, said),
        Body::Transfer(said) => says_the_same(read_transfer, transfer, said),
        Body::SnapshotPage(said) => {
            let Some(state) = said.state else { return false };
            let read = |state: wire::StateId| read_state_id(&state);
            read_vote(said.vote).is_ok()
                && says_the_same(read, |(last, members)| state_id(last.as_ref(), members), state)
        }
        Body::Appended(said) => says_the_same(read_append_answer, append_answer, said),
        Body::Voted(said) => says_the_same(read_ballot_answer, ballot_answer, said),
        Body::Transferred(said) => says_the_same(read_transfer_answer, transfer_answer, said),
        Body::SnapshotTaken(said) => read_vote(said.vote).is_ok(),
        Body::ReadIndex(_) | Body::Unable(_) | Body::Promises(_) | Body::Promised(_) => true,
        Body::Ask(said) => cluster::Ask::decode(said).is_ok_and(|ask| cluster::Ask::decode(ask.encode()) == Ok(ask)),
        Body::Told(said) => {
            cluster::Told::decode(said).is_ok_and(|told| cluster::Told::decode(told.encode()) == Ok(told))
        }
        Body::Readable(said) => log_id(&read_log_id(said)) == said,
    }
}

/// As [`Groups::receive`](crate::Groups::receive) and the log get it: whether all of it is understood.
fn is_read(target: &str, bytes: Bytes) -> bool {
    match (target, bytes.first()) {
        ("raft_frame", _) => wire::Frame::read(bytes).is_ok_and(|frame| {
            let mut understood = frame.envelopes.into_iter().map(|envelope| envelope.body.is_some_and(is_understood));
            understood.all(|understood| understood)
        }),
        ("raft_payload", _) => {
            let Ok(entry) = read_entry(id(1, 1), bytes) else { return false };
            assert_eq!(read_entry(entry.log_id, payload(&entry)).as_ref(), Ok(&entry));
            true
        }
        (_, Some(0)) => {
            let Ok(vote) = read_vote_bytes(bytes.slice(1..)) else { return false };
            assert_eq!(read_vote_bytes(vote_bytes(&vote)).as_ref(), Ok(&vote));
            true
        }
        (_, Some(1)) => read_log_id_bytes(bytes.slice(1..)).is_ok(),
        (_, Some(2)) => wire::StateId::read(bytes.slice(1..)).is_ok_and(|state| read_state_id(&state).is_ok()),
        _ => false,
    }
}

/// What the fuzzers of `protocol` start from and what they found, and each of it with a bit flipped: understood or
/// refused, and nothing else.
#[test]
fn whatever_was_read_is_understood_or_refused() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol/fuzz/corpus");
    let mut inputs = 0;
    for target in ["raft_frame", "raft_payload", "raft_mark"] {
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let is_golden = path.file_name().unwrap().to_string_lossy().starts_with("golden-");
            assert!(is_read(target, bytes.clone().into()) || !is_golden, "{}", path.display());
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                is_read(target, flipped.into());
            }
            inputs += 1;
        }
    }
    assert!(inputs >= 20, "only {inputs} inputs");
}
