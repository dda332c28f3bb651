//! What the leader of a group does for its seats: gives them to who is wanted, and to who lost its own.

use std::time::Duration;

use storgo_consensus::{Groups, Seat};
use storgo_protocol::GroupId;

use crate::cluster::{Cluster, GROUPS, NODES, SEATS};

const WITHIN: Duration = Duration::from_secs(3);

/// Begins groups once all nodes are there, and keeps their seats where they are wanted.
pub async fn keep_seats(cluster: Cluster, groups: Groups, number: u64) {
    let mut pause = tokio::time::interval(Duration::from_millis(200));
    loop {
        pause.tick().await;
        if cluster.seats.lock().unwrap().len() < NODES as usize {
            continue;
        }
        for group in GROUPS {
            let is_new = !cluster.founded.lock().unwrap().contains(&group);
            if is_new && cluster.members(group).first() == Some(&number) {
                if groups.found(group, cluster.voters(group)).await.is_ok() {
                    cluster.founded.lock().unwrap().insert(group);
                }
            } else if groups.status(group).is_ok_and(|status| status.leader == Some(groups.me())) {
                keep(&cluster, &groups, group).await;
            }
        }
    }
}

/// Takes one seat in, in place of the one that its peer had or of one that is not wanted.
async fn keep(cluster: &Cluster, groups: &Groups, group: GroupId) {
    let (Ok(status), wanted) = (groups.status(group), cluster.voters(group)) else { return };
    let Some(seat) = wanted.difference(&status.voters).next().copied() else {
        if status.voters != wanted && wanted.len() == SEATS {
            // Refused or too late: it is tried again.
            drop(groups.set_voters(group, wanted, WITHIN).await);
        } else if let Some(learner) = status.learners.first() {
            // Who was taken in and is not wanted any more.
            drop(groups.drop_learner(group, *learner, WITHIN).await);
        }
        return;
    };
    if groups.add_learner(group, seat, WITHIN).await.is_err() {
        return;
    }
    let mut voters = status.voters.clone();
    let of_peer = voters.iter().find(|voter| voter.peer == seat.peer).copied();
    // Its own last: it would have to find somebody to lead before.
    let me = groups.me();
    let unwanted = voters.difference(&wanted).max_by_key(|voter| **voter != me).copied();
    if let Some(gone) = of_peer.or(unwanted.filter(|_| voters.len() >= SEATS)) {
        voters.remove::<Seat>(&gone);
    }
    voters.insert(seat);
    drop(groups.set_voters(group, voters, WITHIN).await);
}
