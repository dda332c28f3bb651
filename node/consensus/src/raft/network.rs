//! openraft's requests to other members, through the courier.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend};
use storgo_protocol::raft::{SnapshotPage, envelope::Body};
use storgo_protocol::{DecodeError, GroupId};

use super::state::{Snap, SnapshotPages};
use super::types::{Types, Vote};
use super::wire;
use crate::courier::{CallError, Courier};
use crate::seat::Seat;
use tokio::time::Instant;

/// Makes the links of one group.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) courier: Arc<Courier>,
    pub(crate) group: GroupId,
}

/// One group's way to one member.
#[derive(Debug)]
pub(crate) struct Link {
    network: Network,
    to: Seat,
    /// Whether entries were ever sent on it.
    replicates: bool,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    fn new_client(&mut self, target: Seat, _node: &EmptyNode) -> impl Future<Output = Link> {
        std::future::ready(Link { network: self.clone(), to: target, replicates: false })
    }
}

/// Why there is no answer that openraft could use.
enum Missed {
    Call(CallError),
    Nonsense(io::Error),
}

impl From<DecodeError> for Missed {
    fn from(error: DecodeError) -> Self {
        Self::Nonsense(io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

fn another_answer() -> Missed {
    Missed::Nonsense(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question"))
}

impl From<Missed> for RPCError<Types> {
    fn from(missed: Missed) -> Self {
        match missed {
            // It is asked again after a pause, rather than at once.
            Missed::Call(error) => Unreachable::new(&error).into(),
            Missed::Nonsense(error) => NetworkError::new(&error).into(),
        }
    }
}

impl From<Missed> for StreamingError<Types> {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Call(error) => Unreachable::new(&error).into(),
            Missed::Nonsense(error) => NetworkError::new(&error).into(),
        }
    }
}

impl Link {
    async fn ask(&self, request: Body, within: Duration) -> Result<Body, Missed> {
        self.network.courier.call(self.to, self.network.group, request, within).await.map_err(Missed::Call)
    }

    async fn ballot(&self, request: Body, option: &RPCOption) -> Result<VoteResponse<Types>, Missed> {
        match self.ask(request, option.soft_ttl()).await? {
            Body::Voted(answer) => Ok(wire::read_ballot_answer(answer)?),
            _ => Err(another_answer()),
        }
    }

    /// Sends a snapshot page by page. The other side says which page it wants, so that after a lost answer neither
    /// begins anew.
    async fn send_pages(&self, vote: &Vote, snapshot: Snap, within: Duration) -> Result<Vote, Missed> {
        let state = wire::state_id(snapshot.meta.last_log_id.as_ref(), &snapshot.meta.last_membership);
        let SnapshotPages::Export(mut export) = snapshot.snapshot else {
            return Err(Missed::Nonsense(io::Error::other("a snapshot of nothing is not sent")));
        };
        let mut number = 0;
        loop {
            let page = export.page(number).map_err(|error| Missed::Nonsense(io::Error::other(error)))?;
            // Behind the last page, an empty one asks whether all of it arrived.
            let bytes = page.unwrap_or_default();
            let request =
                SnapshotPage { vote: Some(wire::vote(vote)), state: Some(state.clone()), page: number, bytes };
            let Body::SnapshotTaken(answer) = self.ask(Body::SnapshotPage(request), within).await? else {
                return Err(another_answer());
            };
            let theirs = wire::read_vote(answer.vote)?;
            if answer.installed {
                self.network.courier.metrics.note_snapshot("sent");
            }
            if answer.installed || theirs > *vote {
                return Ok(theirs);
            }
            number = answer.next;
        }
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotPages;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let (request, began) = (Body::Append(wire::append(&rpc)), Instant::now());
        self.replicates |= !rpc.entries.is_empty();
        // A sign of life can wait. Signs of life have a link of their own: on one that carries entries, the next of them
        // would wait behind it.
        let answer = if self.replicates {
            self.ask(request, option.soft_ttl()).await
        } else {
            let Network { courier, group, .. } = &self.network;
            courier.call_patiently(self.to, *group, request, option.soft_ttl()).await.map_err(Missed::Call)
        };
        self.network.courier.metrics.note_append(began.elapsed(), answer.is_ok());
        match answer? {
            Body::Appended(answer) => Ok(wire::read_append_answer(answer).map_err(Missed::from)?),
            _ => Err(another_answer().into()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.network.courier.metrics.note_vote_asked("vote");
        Ok(self.ballot(Body::Vote(wire::ballot(&rpc)), &option).await?)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.network.courier.metrics.note_vote_asked("pre_vote");
        Ok(self.ballot(Body::PreVote(wire::ballot(&rpc)), &option).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snap,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.send_pages(&vote, snapshot, option.soft_ttl()) => Ok(SnapshotResponse::new(sent?)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.ask(Body::Transfer(wire::transfer(&req)), option.soft_ttl()).await? {
            Body::Transferred(answer) => Ok(wire::read_transfer_answer(answer).map_err(Missed::from)?),
            _ => Err(another_answer().into()),
        }
    }
}
