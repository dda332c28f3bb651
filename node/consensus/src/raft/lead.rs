//! What a member knows of its own lead without asking anybody: since when most members are known to have followed it.
//!
//! It reads what openraft published last. That may be old, and is safe: what counts is when those that acknowledged were
//! asked, not when that was heard. A lead that was asked to go elsewhere proves nothing any more in its term, since those
//! that follow grant their votes then without waiting.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use openraft::async_runtime::Instant as _;
use openraft::vote::RaftLeaderId as _;
use openraft::{Raft, RaftMetrics, ServerState};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::member::{MemberError, stopped};
use super::state::StateStore;
use super::types::{Types, Vote};
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
    let stays = !handed_over.is_in(metrics.current_term) || is_planted(Planted::LeaseOutlivesTransfer);
    if metrics.state != ServerState::Leader || !is_ready(metrics) || !stays {
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

/// Whether this member, if it leads, has applied all that former leaders acknowledged.
pub(super) fn is_ready(metrics: &RaftMetrics<Types>) -> bool {
    // Its own first entry stands behind everything that was acknowledged before its time.
    metrics.last_applied.as_ref().is_some_and(|applied| applied.committed_leader_id().term == metrics.current_term)
}

/// What a leader says of itself. It has not been followed by another one as long as of those that vote most have promised
/// themselves to nobody in a later term: whoever is elected has most promised before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The term in which it was elected.
    pub(crate) term: u64,
    /// Who votes; while that changes, before and behind it.
    pub(crate) configs: Vec<BTreeSet<Seat>>,
    /// An entry at least as late as all that was acknowledged before this was claimed.
    pub(crate) applied: u64,
}

impl Claim {
    /// Whether these are most of those that vote.
    pub(crate) fn is_upheld_by(&self, seats: &BTreeSet<Seat>) -> bool {
        self.configs.iter().all(|voters| 2 * voters.intersection(seats).count() > voters.len())
    }
}

/// What a member claims, by the vote that its log keeps and by what openraft published; `None` if it does not lead, or has
/// not yet applied all that former leaders acknowledged. `applied` was looked at last.
///
/// What was published may be old. Of its own term a leader applies first and acknowledges then. And whoever votes behind a
/// change that is not published yet votes before it too, since both have to agree to it: until most of those have the
/// change, which takes them an answer to this member, and so a publication.
pub(super) fn claim(me: Seat, kept: Option<&Vote>, metrics: &RaftMetrics<Types>, applied: u64) -> Option<Claim> {
    let vote = kept.filter(|vote| vote.committed && *vote.leader_id.node_id() == me)?;
    let term = vote.leader_id.term;
    let leads = metrics.state == ServerState::Leader && metrics.current_term == term && is_ready(metrics);
    let configs = metrics.membership_config.membership().get_joint_config().clone();
    leads.then_some(Claim { term, configs, applied })
}

/// How long a leader that was asked to hand over waits for another one.
const TRANSFER_WITHIN: Duration = Duration::from_secs(2);

/// Terms whose leader was asked to hand over.
#[derive(Debug, Default)]
pub(super) struct HandedOver {
    /// Transfers that were begun in a term that is not known yet.
    begun: AtomicUsize,
    /// The last term in which one was begun, and 0 for none.
    term: AtomicU64,
    /// When one was begun last.
    at: Mutex<Option<Instant>>,
}

impl HandedOver {
    pub(super) fn is_in(&self, term: u64) -> bool {
        self.begun.load(Ordering::SeqCst) > 0 || term <= self.term.load(Ordering::SeqCst)
    }

    /// Whether it is long ago that it was asked, in this term.
    pub(super) fn lasts(&self, term: u64) -> bool {
        self.is_in(term) && self.at.lock().is_some_and(|begun| begun.elapsed() > TRANSFER_WITHIN)
    }

    /// Has openraft ask another voter to lead.
    pub(super) async fn to(&self, raft: &Raft<Types, StateStore>, to: Seat) -> Result<(), MemberError> {
        // Which term it is done in is known afterwards only. Where that cannot be learned, no lead counts here any more.
        self.begun.fetch_add(1, Ordering::SeqCst);
        *self.at.lock() = Some(Instant::now());
        raft.trigger().transfer_leader(to).await.map_err(stopped)?;
        let term = raft.with_raft_state(|state| state.vote_ref().leader_id.term).await.map_err(stopped)?;
        self.term.fetch_max(term, Ordering::SeqCst);
        self.begun.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_needs_most_of_those_before_a_change_and_most_of_those_behind_it() {
        let seats = |numbers: &[u64]| numbers.iter().copied().map(Seat::from).collect::<BTreeSet<_>>();
        let claim = |configs: &[&[u64]]| {
            let configs = configs.iter().map(|config| seats(config)).collect();
            Claim { term: 1, configs, applied: 0 }
        };
        let upheld = |configs: &[&[u64]], by: &[u64]| claim(configs).is_upheld_by(&seats(by));
        assert!(upheld(&[&[1]], &[1]) && !upheld(&[&[1]], &[2, 3]));
        assert!(upheld(&[&[1, 2, 3]], &[1, 3]) && !upheld(&[&[1, 2, 3]], &[1]));
        assert!(!upheld(&[&[1, 2, 3, 4]], &[1, 2]), "half is not most");
        let change: &[&[u64]] = &[&[1, 2, 3], &[3, 4, 5]];
        assert!(upheld(change, &[1, 3, 4]) && !upheld(change, &[1, 2, 3]) && !upheld(change, &[3, 4, 5]));
        // Others may answer, and do not count.
        assert!(!upheld(&[&[1, 2, 3]], &[1, 7, 8, 9]));
    }
}
