//! How fresh a read is, and how that is known.
//!
//! No clock is believed, but by who asks for a lease: a state holds all that was acknowledged before a question to the
//! leader was asked, once it reaches the index of the answer. How long ago that was is measured here, on one clock that
//! only goes forward.

use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::GroupId;
use storgo_protocol::cluster::Level;
use storgo_protocol::raft::{ReadIndex, envelope::Body};
use tokio::time::Instant;

use super::error::GroupError;
use super::rounds::Told;
use super::{Group, Inner};
use crate::planted::{Planted, is_planted};

/// What was read, and how old it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh<T> {
    /// What was read.
    pub value: T,
    /// Everything is in it that was acknowledged longer ago than this; `None` if nothing is known of that.
    pub stale: Option<Duration>,
}

/// Sees to it that the records are as fresh as is asked for; since when.
pub(super) async fn fresh(
    node: &Inner,
    (id, group): (GroupId, &Arc<Group>),
    level: Level,
    within: Duration,
) -> Result<Option<Instant>, GroupError> {
    let known = if group.member.is_leader() { group.own.get() } else { group.asked.last() };
    let applied = group.member.records().applied().map(|applied| applied.index);
    let known = known.filter(|(_, index)| Some(*index) <= applied);
    if is_planted(Planted::FollowerRead) {
        return Ok(None);
    }
    if level == Level::Lease
        && let Some(now) = leads_alone(node, group)
    {
        return Ok(Some(now));
    }
    match (level, known) {
        (Level::Eventual, known) => return Ok(known.map(|(began, _)| began)),
        (Level::Bounded(max), Some((began, _))) if began.elapsed() <= max => return Ok(Some(began)),
        _ => {}
    }
    let (began, index) = round(node, (id, group), within).await?;
    if group.member.records().applied().is_none_or(|applied| applied.index < index) {
        group.member.applied(index, within).await.map_err(|error| error.of(id))?;
    }
    Ok(Some(began))
}

/// This moment, if nobody but this member can lead at it: then its records hold all that was acknowledged before.
fn leads_alone(node: &Inner, group: &Group) -> Option<Instant> {
    let Inner { courier, lease, .. } = node;
    // A lease is shorter than the time between two signs of life of a group that nobody uses.
    group.member.stir();
    let now = Instant::now();
    let followed = group.member.followed();
    let holds = lease.holds(followed, now, courier.suspended()) && !courier.guard.is_off();
    courier.metrics.note_lease(holds);
    holds.then_some(now)
}

/// A round that begins now: of this member, if it leads, or of who does.
async fn round(node: &Inner, (id, group): (GroupId, &Arc<Group>), within: Duration) -> Told {
    if group.member.is_leader() {
        return node.promises.round(id, group).await;
    }
    let (asking, through) = (Arc::clone(group), Arc::clone(&node.courier));
    let ask = move || {
        let (group, courier) = (Arc::clone(&asking), Arc::clone(&through));
        async move {
            let leader = group.member.leader().await;
            let Some(to) = leader else { return Err(GroupError::NotLeader { group: id, leader }) };
            courier.metrics.note_round("follower");
            match courier.call(to, id, Body::ReadIndex(ReadIndex {}), within).await {
                Ok(Body::Readable(at)) => Ok(at.index),
                Ok(_) | Err(_) => Err(GroupError::NotLeader { group: id, leader }),
            }
        }
    };
    group.asked.next(&node.courier.tasks, ask).await.unwrap_or(Err(GroupError::NotHere { group: id }))
}
