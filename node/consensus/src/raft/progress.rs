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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::super::types::{LogId, Membership, StoredMembership};
    use super::*;

    /// What a leader knows of voters 0 to 4, of which it is number 0: what each has, and how long ago it answered.
    fn known(of: [(Option<u64>, Option<Duration>); 5]) -> RaftMetrics<Types> {
        let mut metrics = RaftMetrics::new_initial(Seat::from(0));
        let voters: BTreeSet<Seat> = (0..5).map(Seat::from).collect();
        let membership = Membership::new_with_defaults(vec![voters], []);
        metrics.membership_config = Arc::new(StoredMembership::new(None, membership));
        let now = <openraft::alias::InstantOf<Types>>::now();
        let seats = || (0..5).map(Seat::from).zip(of);
        let last = |index: u64| LogId::new_term_index(3, index);
        metrics.replication = Some(seats().map(|(seat, (has, _))| (seat, has.map(last))).collect());
        let answered = |ago: Duration| (now - ago).into();
        metrics.heartbeat = Some(seats().map(|(seat, (_, ago))| (seat, ago.map(answered))).collect());
        metrics
    }

    #[test]
    fn those_take_over_that_have_most_of_those_that_answered_lately_and_may() {
        let (soon, late) = (Some(Duration::from_millis(300)), Some(LATELY));
        let me = Seat::from(0);
        let seats = |numbers: &[u64]| numbers.iter().copied().map(Seat::from).collect::<Vec<_>>();
        let metrics = known([(Some(9), soon), (Some(7), soon), (Some(5), soon), (Some(7), soon), (Some(8), late)]);
        assert_eq!(successors(me, &metrics, |_| true), seats(&[1, 3]), "4 has more and is silent");
        assert_eq!(successors(me, &metrics, |seat| *seat != Seat::from(1)), seats(&[3]));
        assert_eq!(successors(me, &metrics, |seat| *seat == Seat::from(2)), seats(&[2]));
        let metrics = known([(Some(9), soon), (None, soon), (Some(5), None), (None, soon), (Some(8), late)]);
        assert_eq!(successors(me, &metrics, |_| true), seats(&[1, 3]), "who has nothing is better than who is silent");
        let metrics = known([(Some(9), soon), (Some(9), None), (Some(9), late), (Some(9), None), (Some(9), late)]);
        assert_eq!(successors(me, &metrics, |_| true), []);
    }
}
