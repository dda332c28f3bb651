//! Who was cut off asks before it stands for election: it comes back without another term, and whoever leads goes on.

use super::*;

/// What has to be lost before it counts as long: far more than an election takes.
const LOST: usize = 12;

/// In which directions a member is cut off.
#[derive(Debug, Clone, Copy)]
struct Ways {
    hears: bool,
    is_heard: bool,
}

/// Cuts off one that follows until so much was lost of what `is_meant` means, writes meanwhile, heals, and sees that
/// nothing has changed but what was written.
async fn cut_off_and_back(cluster: &mut Cluster, ways: Ways, is_meant: fn(&Body) -> bool) {
    let (leader, deadline) = (cluster.leader().await, tokio::time::Instant::now() + LONG);
    let follower = (leader + 1) % cluster.nodes.len();
    let peer = |at: usize| cluster.nodes[at].groups.me().peer;
    let others = (0..cluster.nodes.len()).filter(|at| *at != follower);
    let to = others.clone().map(|at| (peer(at), peer(follower))).filter(|_| !ways.hears);
    let from = others.map(|at| (peer(follower), peer(at))).filter(|_| !ways.is_heard);
    let cut: BTreeSet<_> = to.chain(from).collect();
    let term = cluster.nodes[leader].groups.status(GROUP).unwrap().term;
    cluster.air.lost.lock().clear();
    *cluster.air.cut_ways.lock() = cut;
    for number in 0.. {
        cluster.put("k", &number.to_string()).await;
        if cluster.air.lost.lock().iter().filter(|body| is_meant(body)).count() >= LOST {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{ways:?}: nothing is lost");
    }
    cluster.air.cut_ways.lock().clear();
    let status = |at: usize| cluster.nodes[at].groups.status(GROUP).unwrap();
    let last = status(leader).applied;
    while status(follower).applied < last {
        assert!(tokio::time::Instant::now() < deadline, "{ways:?}: it does not catch up");
        tokio::task::yield_now().await;
    }
    cluster.put("k", "last").await;
    for at in 0..cluster.nodes.len() {
        let status = cluster.nodes[at].groups.status(GROUP).unwrap();
        assert_eq!(status.term, term, "{ways:?}: there was an election");
        assert_eq!(status.leader, Some(cluster.nodes[leader].groups.me()), "{ways:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_cut_off_for_long_comes_back_and_deposes_nobody() {
    let mut cluster = Cluster::begun(3).await;
    let pre_votes = |body: &Body| matches!(body, Body::PreVote(_));
    cut_off_and_back(&mut cluster, Ways { hears: false, is_heard: false }, pre_votes).await;
    // Its questions arrive, and the answers do not: whoever hears of a leader says no all the while.
    let answers = |body: &Body| matches!(body, Body::Voted(_));
    cut_off_and_back(&mut cluster, Ways { hears: false, is_heard: true }, answers).await;
    // It hears of its leader and sees no reason to ask.
    let answers = |body: &Body| matches!(body, Body::Appended(_));
    cut_off_and_back(&mut cluster, Ways { hears: true, is_heard: false }, answers).await;
}
