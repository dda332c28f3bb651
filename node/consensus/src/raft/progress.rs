//! How far a group is on this node, in numbers: for those who watch.

use std::time::Duration;

use openraft::async_runtime::Instant as _;
use openraft::{RaftMetrics, ServerState};

use super::types::Types;
use crate::seat::Seat;

/// How old the last answer of a voter may be that is asked to take over.
const LATELY: Duration = Duration::from_secs(1);

/// How far a member is; indexes are 0 where there is nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) term: u64,
    pub(crate) leads: bool,
    pub(crate) votes: bool,
    pub(crate) voters: u64,
    pub(crate) last: u64,
    pub(crate) committed: u64,
    pub(crate) applied: u64,
    pub(crate) purged: u64,
    /// Entries that the voter lacks which is furthest behind; 0 where another one leads.
    pub(crate) lag: u64,
}

/// The voters that are not known to have an entry on their disks; all of them where another one leads.
pub(super) fn behind(metrics: &RaftMetrics<Types>, index: u64) -> Vec<Seat> {
    let voters = metrics.membership_config.membership().voter_ids();
    voters.filter(|voter| has(metrics, voter) < Some(index)).collect()
}

/// The voters that can take over from this leader soonest, of those that may, and none that have not answered lately: those
/// that have most of its log.
pub(super) fn successors(me: Seat, metrics: &RaftMetrics<Types>, may: impl Fn(&Seat) -> bool) -> Vec<Seat> {
    let answers = |voter: &Seat| {
        let answered = metrics.heartbeat.as_ref().and_then(|all| all.get(voter)?.as_ref());
        answered.is_some_and(|at| at.elapsed() < LATELY)
    };
    let voters = metrics.membership_config.membership().voter_ids();
    let others: Vec<Seat> = voters.filter(|voter| *voter != me && may(voter) && answers(voter)).collect();
    let most = others.iter().map(|voter| has(metrics, voter)).max();
    others.into_iter().filter(|voter| Some(has(metrics, voter)) == most).collect()
}

/// The last entry that a voter is known to have.
fn has(metrics: &RaftMetrics<Types>, voter: &Seat) -> Option<u64> {
    metrics.replication.as_ref()?.get(voter)?.as_ref().map(|id| id.index)
}

impl Progress {
    pub(super) fn of(me: Seat, metrics: &RaftMetrics<Types>) -> Self {
        let voters = || metrics.membership_config.membership().voter_ids();
        let index = |id: &Option<super::types::LogId>| id.as_ref().map_or(0, |id| id.index);
        Self {
            term: metrics.current_term,
            leads: metrics.state == ServerState::Leader,
            votes: voters().any(|voter| voter == me),
            voters: voters().count() as u64,
            last: metrics.last_log_index.unwrap_or_default(),
            committed: index(&metrics.local_committed),
            applied: index(&metrics.last_applied),
            purged: index(&metrics.purged),
            lag: lag(metrics),
        }
    }
}

fn lag(metrics: &RaftMetrics<Types>) -> u64 {
    let last = metrics.last_log_index.unwrap_or_default();
    let lacks = |voter: Seat| last.saturating_sub(has(metrics, &voter).unwrap_or_default());
    let voters = metrics.membership_config.membership().voter_ids();
    if metrics.state == ServerState::Leader { voters.map(lacks).max().unwrap_or_default() } else { 0 }
}
