//! Who has left a group and forgot what it promised there comes back as somebody else.

use super::*;

const SHORT: Duration = Duration::from_millis(500);

/// One node that began the group alone and left it to the other, and what it was there.
async fn left() -> (Cluster, Seat) {
    let mut cluster = Cluster::begun(1).await;
    cluster.put("k", "a").await;
    cluster.start(1).await;
    let seats = [0, 1].map(|node: usize| cluster.nodes[node].groups.me());
    let first = cluster.nodes[0].groups.clone();
    first.add_learner(GROUP, seats[1], LONG).await.unwrap();
    first.set_voters(GROUP, seats.into(), LONG).await.unwrap();
    first.transfer(GROUP, seats[1]).await.unwrap();
    let second = cluster.nodes[1].groups.clone();
    let deadline = tokio::time::Instant::now() + LONG;
    while second.set_voters(GROUP, [seats[1]].into(), LONG).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the second does not lead");
        tokio::task::yield_now().await;
    }
    first.close(GROUP).await;
    first.forget(GROUP).await.unwrap();
    first.open(GROUP).await.unwrap();
    (cluster, seats[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_it_was_is_told_nothing_and_votes_for_nobody() {
    let (mut cluster, old) = left().await;
    let (first, second) = (cluster.nodes[0].groups.clone(), cluster.nodes[1].groups.clone());
    // Told of its past it would find there that it alone votes, and lead.
    let filled = second.add_learner(GROUP, old, SHORT).await;
    assert!(matches!(filled, Err(GroupError::TimedOut { .. })), "{filled:?}");
    assert_eq!(cluster.nodes[0].log.group(GROUP).state().unwrap().last, None, "it took entries under an old name");
    let status = first.status(GROUP).unwrap();
    assert!(status.voters.is_empty() && status.term == 0, "{status:?}");
    second.drop_learner(GROUP, old, LONG).await.unwrap();
    cluster.put("k", "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_taken_in_as_it_is_now_and_remembers_who_that_is() {
    let (mut cluster, old) = left().await;
    let second = cluster.nodes[1].groups.clone();
    let now = cluster.nodes[0].groups.seat(GROUP);
    assert!(now.peer == old.peer && now != old);
    assert_eq!(cluster.nodes[0].groups.seat(GroupId::new(6)), old, "in another group it is who it was");
    second.add_learner(GROUP, now, LONG).await.unwrap();
    second.set_voters(GROUP, [now, second.me()].into(), LONG).await.unwrap();
    cluster.put("k", "b").await;
    cluster.stop(0).await;
    cluster.start(0).await;
    assert_eq!(cluster.nodes[0].groups.seat(GROUP), now);
    // Both are needed for it.
    cluster.put("k", "c").await;
    assert_eq!(cluster.get(0, "k", Level::Linearizable).await.unwrap().value.as_deref(), Some("c"));
}
