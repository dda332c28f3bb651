//! What openraft is told of us: who members are, what entries hold, how tasks run.

use std::fmt;

use bytes::Bytes;
use openraft::EmptyNode;
use openraft::impls::leader_id_std;
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use prost::Message as _;
use storgo_protocol::meta::{Proposal, Reply};
use storgo_protocol::raft as wire;

use crate::seat::Seat;

/// A proposal as openraft carries it, with its bytes as log and messages carry it: it is written more often than read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposed {
    proposal: Proposal,
    payload: Bytes,
}

impl Proposed {
    pub(crate) fn new(proposal: Proposal) -> Self {
        let payload = wire::Payload { payload: Some(wire::payload::Payload::Proposal(proposal.encode())) };
        Self { proposal, payload: payload.encode_to_vec().into() }
    }

    /// One whose bytes are `payload`.
    pub(crate) const fn read(proposal: Proposal, payload: Bytes) -> Self {
        Self { proposal, payload }
    }

    pub(crate) const fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    pub(crate) const fn payload(&self) -> &Bytes {
        &self.payload
    }
}

impl fmt::Display for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {}", self.proposal.command.len(), self.proposal.stamp.ms())
    }
}

/// What came of an entry: a reply for a proposal, nothing for what openraft wrote itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered(pub(crate) Option<Reply>);

openraft::declare_raft_types!(
    /// Standard Raft, one leader a term: an entry's place is its term and index, as the log keeps them. Randomness comes
    /// from a seed, which production draws and the simulator gives.
    pub(crate) Types:
        D = Proposed,
        R = Answered,
        NodeId = Seat,
        Node = EmptyNode,
        LeaderId = leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = DeterministicRng<TokioRuntime>,
);

pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Membership = openraft::Membership<Seat, EmptyNode>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
