//! What all members have, and how it is said that some do not.

use super::*;

const SOON: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_are_waited_for_and_who_is_behind_is_named() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    let away = (leader + 1) % 3;
    let peer = cluster.nodes[away].groups.me().peer;
    let everywhere = |node: usize, within| cluster.nodes[node].groups.everywhere(GROUP, within);
    everywhere(leader, LONG).await.unwrap();
    assert!(everywhere(away, LONG).await.is_err(), "who follows does not know");

    cluster.air.cut.lock().insert(peer);
    // The entry of this one is on two of three: acknowledged, and not everywhere.
    let command = Command { feature: 1, request: None, action: Action::Tick };
    cluster.tell(&command).await;
    let leader = cluster.leader().await;
    match everywhere(leader, SOON).await {
        Err(GroupError::NotEverywhere { missing, .. }) => assert!(missing.contains(&peer.short()), "{missing}"),
        other => panic!("{other:?}"),
    }
    cluster.air.cut.lock().clear();
    let deadline = tokio::time::Instant::now() + LONG;
    while let Err(error) = everywhere(cluster.leader().await, SOON).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
    }
}
