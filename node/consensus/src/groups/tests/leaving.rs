//! Who stops hands over first: nobody has to miss it before another one leads.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_has_another_one_lead_before() {
    let mut cluster = Cluster::new(3).await;
    cluster.begin().await;
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
    let mut cluster = Cluster::new(3).await;
    cluster.begin().await;
    cluster.put("k", "a").await;
    let first = cluster.leader().await;
    let groups = cluster.nodes[first].groups.clone();
    let others = cluster.nodes.iter().map(|node| node.groups.me().peer).filter(|peer| *peer != groups.me().peer);
    cluster.air.cut.lock().extend(others);
    tokio::time::timeout(LONG, groups.hand_over()).await.expect("it stops though nobody takes over");
    assert!(groups.status(GROUP).unwrap().leader.is_none_or(|leader| leader == groups.me()));
}
