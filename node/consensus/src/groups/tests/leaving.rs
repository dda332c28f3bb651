//! Who stops hands over first: nobody has to miss it before another one leads.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_has_another_one_lead_before() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let first = cluster.leader().await;
    let groups = cluster.nodes[first].groups.clone();
    groups.hand_over().await;
    let status = groups.status(GROUP).unwrap();
    assert!(status.leader.is_some_and(|leader| leader != groups.me()), "{status:?}");
    // It would take the lead no more, and follows still.
    cluster.put("k", "b").await;
    assert_eq!(cluster.get(first, "k", Level::Linearizable).await.unwrap().value.as_deref(), Some("b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_waits_for_nobody_for_long() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let first = cluster.leader().await;
    let groups = cluster.nodes[first].groups.clone();
    let others = cluster.nodes.iter().map(|node| node.groups.me().peer).filter(|peer| *peer != groups.me().peer);
    cluster.air.cut.lock().extend(others);
    tokio::time::timeout(LONG, groups.hand_over()).await.expect("it stops though nobody takes over");
    assert!(groups.status(GROUP).unwrap().leader.is_none_or(|leader| leader == groups.me()));
}

/// In one thread, so that all three go as one batch.
#[tokio::test]
async fn who_proposed_with_others_is_told_when_the_group_breaks_down() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    let groups = cluster.nodes[leader].groups.clone();
    let others = cluster.nodes.iter().map(|node| node.groups.me().peer).filter(|peer| *peer != groups.me().peer);
    cluster.air.cut.lock().extend(others);
    let commands: Vec<Bytes> = ["b", "c", "d"].map(|content| cluster.command("k", content).encode()).into();
    let last = || groups.group(GROUP).unwrap().member.progress().last;
    let before = last();
    let proposed = futures::future::join_all(commands.into_iter().map(|command| groups.propose(GROUP, command, LONG)));
    let breaks = async {
        let deadline = tokio::time::Instant::now() + LONG;
        while last() < before + 3 {
            assert!(tokio::time::Instant::now() < deadline, "nothing was proposed");
            tokio::task::yield_now().await;
        }
        groups.break_down(GROUP).await;
    };
    let (told, ()) = tokio::join!(proposed, breaks);
    assert!(told.iter().all(|told| matches!(told, Err(GroupError::Stopped { .. }))), "{told:?}");
}
