//! Who hears a leader does not look at the time, and who does not hear one does.

use super::*;

async fn until_ticking(cluster: &Cluster, nodes: impl Fn(usize) -> bool, expected: bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    let as_expected = |at: usize| cluster.nodes[at].groups.group(GROUP).unwrap().member.ticks() == expected;
    while !(0..cluster.nodes.len()).filter(|at| nodes(*at)).all(as_expected) {
        assert!(tokio::time::Instant::now() < deadline, "ticking is not {expected}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_well_does_not_tick_and_elects_all_the_same() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    until_ticking(&cluster, |_| true, false).await;
    let first = cluster.leader().await;
    let peer = cluster.nodes[first].groups.me().peer;
    cluster.air.cut.lock().insert(peer);
    until_ticking(&cluster, |at| at != first, true).await;
    cluster.put("k", "b").await;
    // Two hear of each other; the third leads, as far as it knows, until it hears of them.
    until_ticking(&cluster, |at| at != first, false).await;
    cluster.air.cut.lock().clear();
    until_ticking(&cluster, |_| true, false).await;
    let deadline = tokio::time::Instant::now() + LONG;
    while cluster.get(first, "k", Level::Linearizable).await.ok().and_then(|read| read.value).as_deref() != Some("b") {
        assert!(tokio::time::Instant::now() < deadline, "who was cut off does not follow");
    }
}

/// A sign of life and its answer, to and from each of two followers.
const FRAMES_A_PULSE: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_nobody_uses_says_half_as_often_that_it_is_there() {
    let mut cluster = Cluster::begun(3).await;
    let heartbeat = cluster.elections.heartbeat;
    cluster.put("k", "a").await;
    // What it was used for is over when fewer frames go than a group in use has; a busy machine sends fewer anyway.
    let deadline = tokio::time::Instant::now() + LONG;
    let mut measured = None;
    while measured.is_none_or(|(frames, pulses)| frames > FRAMES_A_PULSE * (pulses / 2 + 2)) {
        assert!(tokio::time::Instant::now() < deadline, "it says too often that it is there: {measured:?}");
        let (began, before) = (tokio::time::Instant::now(), cluster.air.frames.load(Ordering::Relaxed));
        // A rate is over a time.
        tokio::time::sleep_until(began + heartbeat * 20).await;
        let frames = cluster.air.frames.load(Ordering::Relaxed) - before;
        let pulses = began.elapsed().as_millis() / heartbeat.as_millis();
        measured = Some((frames, u64::try_from(pulses).unwrap()));
    }
    // It is heard often enough all the while.
    until_ticking(&cluster, |_| true, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_that_nobody_takes_comes_back() {
    let mut cluster = Cluster::begun(2).await;
    cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    let other = &cluster.nodes[1 - leader].groups;
    other.group(GROUP).unwrap().member.may_lead(false);
    let to = other.me();
    // Asked to hand over it says and takes nothing any more, and the one it asked may not lead.
    cluster.nodes[leader].groups.transfer(GROUP, to).await.unwrap();
    cluster.put("k", "b").await;
    assert_eq!(cluster.get(leader, "k", Level::Linearizable).await.unwrap().value.as_deref(), Some("b"));
}

/// With one of three away, the other one cannot lead without what this one has, and this one may not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_lead_stands_where_nobody_else_can_and_hands_over() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let longest = cluster.leader().await;
    let seats: Vec<Seat> = cluster.nodes.iter().map(|node| node.groups.me()).collect();
    let (away, other) = ((longest + 1) % 3, (longest + 2) % 3);
    cluster.air.cut.lock().insert(seats[away].peer);
    cluster.air.cut_ways.lock().insert((seats[longest].peer, seats[other].peer));
    let command = cluster.command("k", "b").encode();
    let lonely = cluster.nodes[longest].groups.propose(GROUP, command, Duration::from_millis(500)).await;
    assert!(lonely.is_err(), "{lonely:?}");
    cluster.stop(longest as u64).await;
    cluster.start(longest as u64).await;
    cluster.nodes[longest].groups.group(GROUP).unwrap().member.may_lead(false);
    cluster.air.cut_ways.lock().clear();
    let deadline = tokio::time::Instant::now() + LONG;
    while cluster.leader().await != other {
        assert!(tokio::time::Instant::now() < deadline, "nobody leads who may");
        tokio::task::yield_now().await;
    }
    cluster.put("k", "c").await;
    assert_eq!(cluster.get(other, "k", Level::Linearizable).await.unwrap().value.as_deref(), Some("c"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_follows_says_that_its_disk_has_failed() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let stopped = |cluster: &Cluster, at: usize| cluster.nodes[at].groups.status(GROUP).unwrap().stopped;
    let leader = cluster.leader().await;
    let (first, second) = ((leader + 1) % 3, (leader + 2) % 3);
    assert_eq!((stopped(&cluster, first), stopped(&cluster, second)), (None, None));
    cluster.nodes[first].records.close().await.unwrap();
    cluster.nodes[second].log.close().await.unwrap();
    assert!(stopped(&cluster, first).is_some() && stopped(&cluster, second).is_some());
}
