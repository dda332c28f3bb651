//! What a member knows of its own lead without asking anybody: since when most members are known to have followed it.
//!
//! It reads what openraft published last. That may be old, and is safe: what counts is when those that acknowledged were
//! asked, not when that was heard. A lead that was asked to go elsewhere proves nothing any more in its term, since those
//! that follow grant their votes then without waiting.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use openraft::async_runtime::Instant as _;
use openraft::{Raft, RaftMetrics, ServerState};
use tokio::time::Instant;

use super::member::{MemberError, stopped};
use super::state::StateStore;
use super::types::Types;
use crate::planted::{Planted, is_planted};
use crate::seat::Seat;

/// Since when nobody else can have been elected without some time having passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    /// This member is the only voter: there is nobody else.
    Alone,
    /// Most voters acknowledged what they were sent at this moment.
    At(Instant),
}

/// Since when a member is followed, by what openraft published; `None` if it does not lead, or has not yet applied all that
/// former leaders acknowledged, or was asked to hand over. To be compared with a time that was taken before.
pub(super) fn followed(me: Seat, metrics: &RaftMetrics<Types>, handed_over: &HandedOver) -> Option<Followed> {
    let term = metrics.current_term;
    // Its own first entry stands behind everything that was acknowledged before its time.
    let is_ready = metrics.last_applied.as_ref().is_some_and(|applied| applied.committed_leader_id().term == term);
    let stays = !handed_over.is_in(term) || is_planted(Planted::LeaseOutlivesTransfer);
    if metrics.state != ServerState::Leader || !is_ready || !stays {
        return None;
    }
    let mut voters = metrics.membership_config.membership().voter_ids();
    if voters.next() == Some(me) && voters.next().is_none() {
        return Some(Followed::Alone);
    }
    // Of its own kind of instant openraft tells the age only: no younger than it is, if this is looked at first.
    let now = Instant::now();
    metrics.last_quorum_acked.and_then(|acked| now.checked_sub(acked.elapsed())).map(Followed::At)
}

/// Terms whose leader was asked to hand over.
#[derive(Debug, Default)]
pub(super) struct HandedOver {
    /// Transfers that were begun in a term that is not known yet.
    begun: AtomicUsize,
    /// The last term in which one was begun, and 0 for none.
    term: AtomicU64,
}

impl HandedOver {
    fn is_in(&self, term: u64) -> bool {
        self.begun.load(Ordering::SeqCst) > 0 || term <= self.term.load(Ordering::SeqCst)
    }

    /// Has openraft ask another voter to lead.
    pub(super) async fn to(&self, raft: &Raft<Types, StateStore>, to: Seat) -> Result<(), MemberError> {
        // Which term it is done in is known afterwards only. Where that cannot be learned, no lead counts here any more.
        self.begun.fetch_add(1, Ordering::SeqCst);
        raft.trigger().transfer_leader(to).await.map_err(stopped)?;
        let term = raft.with_raft_state(|state| state.vote_ref().leader_id.term).await.map_err(stopped)?;
        self.term.fetch_max(term, Ordering::SeqCst);
        self.begun.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}
