//! openraft's values as bytes, in messages and in the log, and back.
//!
//! Nothing here is to be believed, but it is well-formed: seats are counted, ids have their length, and a membership names
//! every voter once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest};
use openraft::raft::{VoteRequest, VoteResponse};
use openraft::vote::RaftLeaderId as _;
use openraft::{EmptyNode, EntryPayload};
use prost::Message as _;
use storgo_protocol::limits::GROUP_SEATS_MAX;
use storgo_protocol::meta::Proposal;
use storgo_protocol::{DecodeError, LogIncarnation, PeerId, raft as wire};

use super::types::{Entry, LogId, Membership, Proposed, StoredMembership, Types, Vote};
use crate::seat::Seat;

type Decoded<T> = Result<T, DecodeError>;

fn missing(field: &'static str) -> DecodeError {
    DecodeError::Field { field }
}

pub(crate) fn seat(seat: Seat) -> wire::Seat {
    wire::Seat { peer: seat.peer.as_bytes().to_vec().into(), incarnation: seat.incarnation.as_u64() }
}

pub(crate) fn read_seat(seat: &wire::Seat) -> Decoded<Seat> {
    let peer = seat.peer.as_ref().try_into().map_err(|_| missing("seat"))?;
    Ok(Seat { peer: PeerId::from_bytes(peer), incarnation: LogIncarnation::new(seat.incarnation) })
}

pub(crate) fn log_id(id: &LogId) -> wire::LogId {
    wire::LogId { term: id.committed_leader_id().term, index: id.index }
}

pub(crate) fn read_log_id(id: wire::LogId) -> LogId {
    LogId::new_term_index(id.term, id.index)
}

pub(crate) fn vote(vote: &Vote) -> wire::Vote {
    let seat = Some(seat(*vote.leader_id.node_id()));
    wire::Vote { term: vote.leader_id.term, seat, committed: vote.committed }
}

pub(crate) fn read_vote(vote: Option<wire::Vote>) -> Decoded<Vote> {
    let vote = vote.ok_or(missing("vote"))?;
    let seat = read_seat(vote.seat.as_ref().ok_or(missing("vote"))?)?;
    let leader_id = openraft::impls::leader_id_std::LeaderId::new(vote.term, seat);
    Ok(Vote { leader_id, committed: vote.committed })
}

/// A vote as the log keeps it.
pub(crate) fn vote_bytes(kept: &Vote) -> Bytes {
    vote(kept).encode_to_vec().into()
}

pub(crate) fn read_vote_bytes(bytes: Bytes) -> Decoded<Vote> {
    read_vote(Some(wire::Vote::read(bytes)?))
}

/// A vote that was given, and of which nobody heard whether it won.
#[cfg(test)]
pub(crate) fn uncommitted_vote(term: u64, to: Seat) -> Bytes {
    vote_bytes(&Vote { leader_id: openraft::impls::leader_id_std::LeaderId::new(term, to), committed: false })
}

/// The term of the vote that a log keeps of a group: nobody is followed in an earlier one.
pub(crate) fn promised_term(kept: Bytes) -> Decoded<u64> {
    Ok(read_vote_bytes(kept)?.leader_id.term)
}

/// A place in the log as the log keeps it beside entries.
pub(crate) fn log_id_bytes(id: &LogId) -> Bytes {
    log_id(id).encode_to_vec().into()
}

pub(crate) fn read_log_id_bytes(bytes: Bytes) -> Decoded<LogId> {
    wire::LogId::read(bytes).map(read_log_id)
}

fn membership(members: &Membership) -> wire::Membership {
    let seats = |config: &BTreeSet<Seat>| wire::Seats { seats: config.iter().map(|s| seat(*s)).collect() };
    wire::Membership {
        configs: members.get_joint_config().iter().map(seats).collect(),
        seats: members.nodes().map(|(s, _)| seat(*s)).collect(),
    }
}

fn read_membership(members: &wire::Membership) -> Decoded<Membership> {
    let count = members.seats.len().max(members.configs.iter().map(|c| c.seats.len()).max().unwrap_or_default());
    if count > GROUP_SEATS_MAX || members.configs.len() > 2 {
        return Err(DecodeError::TooMany { count, max: GROUP_SEATS_MAX });
    }
    let configs = members.configs.iter().map(|config| config.seats.iter().map(read_seat).collect());
    let configs = configs.collect::<Decoded<Vec<BTreeSet<Seat>>>>()?;
    let seats = members.seats.iter().map(read_seat).collect::<Decoded<BTreeSet<Seat>>>()?;
    #[expect(clippy::zero_sized_map_values, reason = "openraft's type, for nodes that need an address")]
    let nodes: BTreeMap<Seat, EmptyNode> = seats.into_iter().map(|seat| (seat, EmptyNode::new())).collect();
    Membership::new(configs, nodes).map_err(|_| missing("membership"))
}

/// What an entry holds, as the log and messages carry it.
pub(crate) fn payload(entry: &Entry) -> Bytes {
    use wire::payload::Payload as Wire;
    let payload = match &entry.payload {
        EntryPayload::Blank => None,
        EntryPayload::Normal(proposed) => return proposed.payload().clone(),
        EntryPayload::Membership(members) => Some(Wire::Membership(membership(members))),
    };
    wire::Payload { payload }.encode_to_vec().into()
}

pub(crate) fn read_entry(id: LogId, payload: Bytes) -> Decoded<Entry> {
    use wire::payload::Payload as Wire;
    let payload = match wire::Payload::read(payload.clone())?.payload {
        None => EntryPayload::Blank,
        Some(Wire::Proposal(proposal)) => EntryPayload::Normal(Proposed::read(Proposal::decode(proposal)?, payload)),
        Some(Wire::Membership(members)) => EntryPayload::Membership(read_membership(&members)?),
    };
    Ok(Entry { log_id: id, payload })
}

/// What the records keep beside the last applied index: its term, and the membership in force with its place.
pub(crate) fn state_id(last: Option<&LogId>, members: &StoredMembership) -> wire::StateId {
    wire::StateId {
        last: last.map(log_id),
        membership_log: members.log_id().as_ref().map(log_id),
        membership: Some(membership(members.membership())),
    }
}

pub(crate) fn read_state_id(state: &wire::StateId) -> Decoded<(Option<LogId>, StoredMembership)> {
    let members = read_membership(state.membership.as_ref().ok_or(missing("membership"))?)?;
    Ok((state.last.map(read_log_id), StoredMembership::new(state.membership_log.map(read_log_id), members)))
}

pub(crate) fn append(request: &AppendEntriesRequest<Types>) -> wire::Append {
    let entry = |entry: &Entry| wire::Entry { id: Some(log_id(&entry.log_id)), payload: payload(entry) };
    wire::Append {
        vote: Some(vote(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id),
        entries: request.entries.iter().map(entry).collect(),
        committed: request.leader_commit.as_ref().map(log_id),
    }
}

pub(crate) fn read_append(append: wire::Append) -> Decoded<AppendEntriesRequest<Types>> {
    // Entries stay in memory for a while, and are not to keep the frame that they came in.
    let entry = |entry: wire::Entry| {
        read_entry(read_log_id(entry.id.ok_or(missing("entry"))?), Bytes::copy_from_slice(&entry.payload))
    };
    Ok(AppendEntriesRequest {
        vote: read_vote(append.vote)?,
        prev_log_id: append.previous.map(read_log_id),
        entries: append.entries.into_iter().map(entry).collect::<Decoded<_>>()?,
        leader_commit: append.committed.map(read_log_id),
    })
}

pub(crate) fn append_answer(answer: &AppendEntriesResponse<Types>) -> wire::AppendAnswer {
    use wire::append_answer::Answer;
    let answer = match answer {
        AppendEntriesResponse::Success => Answer::Success(true),
        AppendEntriesResponse::PartialSuccess(last) => {
            Answer::Partial(wire::Partial { last: last.as_ref().map(log_id) })
        }
        AppendEntriesResponse::Conflict => Answer::Conflict(true),
        AppendEntriesResponse::HigherVote(higher) => Answer::Higher(vote(higher)),
    };
    wire::AppendAnswer { answer: Some(answer) }
}

pub(crate) fn read_append_answer(answer: wire::AppendAnswer) -> Decoded<AppendEntriesResponse<Types>> {
    use wire::append_answer::Answer;
    Ok(match answer.answer.ok_or(missing("answer"))? {
        Answer::Success(_) => AppendEntriesResponse::Success,
        Answer::Partial(partial) => AppendEntriesResponse::PartialSuccess(partial.last.map(read_log_id)),
        Answer::Conflict(_) => AppendEntriesResponse::Conflict,
        Answer::Higher(higher) => AppendEntriesResponse::HigherVote(read_vote(Some(higher))?),
    })
}

pub(crate) fn ballot(request: &VoteRequest<Types>) -> wire::Ballot {
    wire::Ballot {
        vote: Some(vote(&request.vote)),
        last: request.last_log_id.as_ref().map(log_id),
        transfer: request.leadership_transfer,
    }
}

pub(crate) fn read_ballot(ballot: wire::Ballot) -> Decoded<VoteRequest<Types>> {
    let mut request = VoteRequest::new(read_vote(ballot.vote)?, ballot.last.map(read_log_id));
    request.leadership_transfer = ballot.transfer;
    Ok(request)
}

pub(crate) fn ballot_answer(answer: &VoteResponse<Types>) -> wire::BallotAnswer {
    let last = answer.last_log_id.as_ref().map(log_id);
    wire::BallotAnswer { vote: Some(vote(&answer.vote)), last, granted: answer.vote_granted }
}

pub(crate) fn read_ballot_answer(answer: wire::BallotAnswer) -> Decoded<VoteResponse<Types>> {
    Ok(VoteResponse::new(read_vote(answer.vote)?, answer.last.map(read_log_id), answer.granted))
}

pub(crate) fn transfer(request: &TransferLeaderRequest<Types>) -> wire::Transfer {
    wire::Transfer {
        vote: Some(vote(request.from_leader())),
        to: Some(seat(*request.to_node_id())),
        last: request.last_log_id().map(log_id),
    }
}

pub(crate) fn read_transfer(transfer: wire::Transfer) -> Decoded<TransferLeaderRequest<Types>> {
    let to = read_seat(transfer.to.as_ref().ok_or(missing("seat"))?)?;
    Ok(TransferLeaderRequest::new(read_vote(transfer.vote)?, to, transfer.last.map(read_log_id)))
}

pub(crate) fn transfer_answer(answer: &Result<(), TransferLeaderError<Types>>) -> wire::TransferAnswer {
    let mut wire = wire::TransferAnswer::default();
    match answer {
        Ok(()) => {}
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            (wire.expected_vote, wire.actual_vote) = (Some(vote(expected)), Some(vote(actual)));
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            wire.not_flushed = true;
            (wire.expected_last, wire.actual_last) = (expected.as_ref().map(log_id), actual.as_ref().map(log_id));
        }
    }
    wire
}

pub(crate) fn read_transfer_answer(answer: wire::TransferAnswer) -> Decoded<Result<(), TransferLeaderError<Types>>> {
    Ok(match (answer.expected_vote, answer.actual_vote) {
        (None, None) if answer.not_flushed => Err(TransferLeaderError::LogNotFlushed {
            expected: answer.expected_last.map(read_log_id),
            actual: answer.actual_last.map(read_log_id),
        }),
        (None, None) => Ok(()),
        (expected, actual) => {
            Err(TransferLeaderError::VoteChanged { expected: read_vote(expected)?, actual: read_vote(actual)? })
        }
    })
}

#[cfg(test)]
mod tests;
