//! Reads by lease: answered without asking anybody while nobody else can lead, and only then.

use storgo_protocol::raft::{Ballot, LogId, Seat as WireSeat, Vote};

use super::*;

/// Leases that outlast what a busy machine does to a test; they are nine seconds long.
pub(super) const SLOW: Elections = Elections {
    heartbeat: Duration::from_millis(100),
    timeout_min: Duration::from_secs(12),
    timeout_max: Duration::from_secs(13),
};

impl Cluster {
    fn cut_off(&self, cut: impl IntoIterator<Item = usize>) {
        let peers = cut.into_iter().map(|node| self.nodes[node].groups.me().peer);
        *self.air.cut.lock() = peers.collect();
    }

    async fn by_lease(&self, node: usize) -> Result<Option<String>, GroupError> {
        self.get(node, "k", Level::Lease).await.map(|read| read.value)
    }

    /// Waits until the members that follow a leader have acknowledged something that it sent from now on.
    async fn followed(&self, leader: usize) {
        self.get(leader, "k", Level::Linearizable).await.unwrap();
    }
}

async fn with_one_key() -> (Cluster, usize) {
    let mut cluster = Cluster::with(3, SLOW).await;
    cluster.begin().await;
    cluster.put("k", "a").await;
    let leader = cluster.leader().await;
    (cluster, leader)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_answers_alone_while_its_lease_holds_and_nobody_else_does() {
    let (cluster, leader) = with_one_key().await;
    cluster.followed(leader).await;
    // Who follows asks the leader.
    assert_eq!(cluster.by_lease((leader + 1) % 3).await.unwrap().as_deref(), Some("a"));
    cluster.cut_off([leader]);
    assert_eq!(cluster.by_lease(leader).await.unwrap().as_deref(), Some("a"));
    assert!(cluster.get(leader, "k", Level::Linearizable).await.is_err());
    assert!(cluster.by_lease((leader + 1) % 3).await.is_err());
    // It answers nothing by it any more when another one may lead.
    let deadline = tokio::time::Instant::now() + LONG;
    while let Ok(read) = cluster.by_lease(leader).await {
        assert_eq!(read.as_deref(), Some("a"));
        assert!(tokio::time::Instant::now() < deadline, "it outlives everything");
    }
    assert_ne!(cluster.leader().await, leader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_was_suspended_has_no_lease() {
    let (cluster, leader) = with_one_key().await;
    cluster.followed(leader).await;
    cluster.cut_off([leader]);
    assert!(cluster.by_lease(leader).await.is_ok());
    cluster.nodes[leader].clock.1.store(60_000, Ordering::Relaxed);
    assert!(cluster.by_lease(leader).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_asked_another_one_to_lead_has_no_lease() {
    let (cluster, leader) = with_one_key().await;
    cluster.followed(leader).await;
    // Nobody hears of it, so that it leads still.
    cluster.cut_off(0..3);
    let to = cluster.nodes[(leader + 1) % 3].groups.me();
    assert!(cluster.by_lease(leader).await.is_ok());
    cluster.nodes[leader].groups.transfer(GROUP, to).await.unwrap();
    let status = cluster.nodes[leader].groups.status(GROUP).unwrap();
    assert_eq!(status.leader, Some(cluster.nodes[leader].groups.me()));
    assert!(cluster.by_lease(leader).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_off_has_no_lease() {
    let (cluster, leader) = with_one_key().await;
    cluster.followed(leader).await;
    assert!(cluster.by_lease(leader).await.is_ok());
    cluster.nodes[leader].clock.0.store(3_600_000, Ordering::Relaxed);
    let deadline = tokio::time::Instant::now() + LONG;
    while !cluster.nodes[leader].groups.is_clock_off() {
        assert!(tokio::time::Instant::now() < deadline, "not noticed");
        tokio::task::yield_now().await;
    }
    cluster.cut_off(0..3);
    assert!(cluster.by_lease(leader).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_that_starts_again_grants_nothing_while_a_lease_may_hold() {
    let (mut cluster, leader) = with_one_key().await;
    let (started, asks) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.cut_off([leader]);
    cluster.stop(started as u64).await;
    cluster.start(started as u64).await;
    let seat = |node: usize| cluster.nodes[node].groups.me();
    let ballot = |transfer| Ballot {
        vote: Some(Vote {
            term: 99,
            seat: Some(WireSeat {
                peer: seat(asks).peer.as_bytes().to_vec().into(),
                incarnation: seat(asks).incarnation.as_u64(),
            }),
            committed: false,
        }),
        last: Some(LogId { term: 99, index: 1 << 40 }),
        transfer,
    };
    let courier = cluster.nodes[asks].groups.courier();
    for request in [Body::PreVote(ballot(false)), Body::Vote(ballot(false))] {
        let refused = courier.call(seat(started), GROUP, request, LONG).await.unwrap_err();
        assert!(refused.to_string().contains("just started"), "{refused}");
    }
    // A leader that hands over has no lease any more.
    let granted = courier.call(seat(started), GROUP, Body::Vote(ballot(true)), LONG).await.unwrap();
    assert!(matches!(granted, Body::Voted(answer) if answer.granted));
}
