//! What other members ask of this one: entries, votes, the lead, pages of a snapshot.

use std::error::Error;

use openraft::async_runtime::WatchReceiver as _;
use openraft::raft::AppendEntriesResponse;
use storgo_protocol::raft::{Unable, envelope::Body};
use tokio::time::Instant;

use super::super::intake::{self, Taken};
use super::super::wire;
use super::Member;
use crate::seat::Seat;

type Served = Result<Body, Box<dyn Error + Send + Sync>>;

impl Member {
    /// Acts on a request of another member; the answer.
    pub(crate) async fn serve(&self, from: Seat, request: Body) -> Body {
        let wanted = match request {
            Body::Vote(_) => Some("vote"),
            Body::PreVote(_) => Some("pre_vote"),
            _ => None,
        };
        let served = match request {
            Body::Append(append) => self.append(append).await,
            Body::Vote(ballot) => self.vote(ballot).await,
            Body::PreVote(ballot) => self.pre_vote(ballot).await,
            Body::Transfer(transfer) => self.take_lead(transfer).await,
            Body::SnapshotPage(page) => self.take_page(from, page).await,
            _ => Err("no such request".into()),
        };
        let answer = served.unwrap_or_else(|error| Body::Unable(Unable { reason: error.to_string() }));
        if let Some(wanted) = wanted {
            self.metrics.note_vote(wanted, &answer);
        }
        answer
    }

    async fn append(&self, append: storgo_protocol::raft::Append) -> Served {
        let answer = self.raft.append_entries(wire::read_append(append)?).await?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            *self.heard.lock() = Some(Instant::now());
        }
        Ok(Body::Appended(wire::append_answer(&answer)))
    }

    async fn vote(&self, ballot: storgo_protocol::raft::Ballot) -> Served {
        // Whom a leader asked to follow it has its leave.
        if !ballot.transfer {
            self.may_vote()?;
        }
        let answer = self.raft.vote(wire::read_ballot(ballot)?).await?;
        Ok(Body::Voted(wire::ballot_answer(&answer)))
    }

    async fn pre_vote(&self, ballot: storgo_protocol::raft::Ballot) -> Served {
        self.may_vote()?;
        let answer = self.raft.pre_vote(wire::read_ballot(ballot)?).await?;
        Ok(Body::Voted(wire::ballot_answer(&answer)))
    }

    /// A leader may still count on what this member acknowledged before it started again.
    fn may_vote(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        if Instant::now() < self.votes_from { Err("this member has just started".into()) } else { Ok(()) }
    }

    async fn take_lead(&self, transfer: storgo_protocol::raft::Transfer) -> Served {
        let request = wire::read_transfer(transfer)?;
        // Who asks does not know why this one does not stand for election by itself.
        if *request.to_node_id() == self.me && self.is_barred() {
            return Err("this member may not lead now".into());
        }
        let answer = self.raft.handle_transfer_leader(request).await?;
        Ok(Body::Transferred(wire::transfer_answer(&answer)))
    }

    async fn take_page(&self, from: Seat, page: storgo_protocol::raft::SnapshotPage) -> Served {
        let theirs = wire::read_vote(page.vote.clone())?;
        // Pages come one after the other.
        let mut intake = self.intake.lock().await;
        match intake::take(&mut intake, &self.records, from, page).await? {
            Taken::Next(next) => {
                let mine = self.raft.metrics().borrow_watched().vote;
                let higher = if mine > theirs { mine } else { theirs };
                Ok(Body::SnapshotTaken(intake::answer(&higher, next, false)))
            }
            Taken::Whole(whole) => {
                let (vote, snapshot) = *whole;
                let answer = self.raft.install_full_snapshot(vote, snapshot).await?;
                self.metrics.note_snapshot("received");
                Ok(Body::SnapshotTaken(intake::answer(&answer.vote, 0, true)))
            }
        }
    }
}
