mod alone;
mod everywhere;
mod lease;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use storgo_object::ports::{OsRandom, SystemClock};
use storgo_protocol::meta::{
    Body as VersionBody, BucketConfig, BucketId, Condition, InlineBody, KeyRule, ObjectId, Put, RequestId, Slot,
    Version, VersionId,
};
use storgo_store::log::LogConfig;
use storgo_store::records::RecordsConfig;
use storgo_store::{NodeKey, OsDisk};

use super::*;
use crate::TransportError;

mod forgetting;
mod isolated;
mod leaving;
mod quiet;

const GROUP: GroupId = GroupId::new(5);
const LONG: Duration = Duration::from_secs(30);

/// A network in this process whose ways can be cut.
#[derive(Debug, Default)]
struct Air {
    nodes: Mutex<BTreeMap<PeerId, Groups>>,
    cut: Mutex<BTreeSet<PeerId>>,
    /// Ways that are cut, each from a peer to another one.
    cut_ways: Mutex<BTreeSet<(PeerId, PeerId)>>,
    /// What was to go on those.
    lost: Mutex<Vec<Body>>,
    /// How much went anywhere.
    frames: AtomicU64,
}

#[derive(Debug)]
struct End(PeerId, Arc<Air>);

#[async_trait]
impl Transport for End {
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError> {
        let cut = self.1.cut.lock().iter().any(|peer| *peer == to || *peer == self.0);
        if self.1.cut_ways.lock().contains(&(self.0, to)) {
            let envelopes = storgo_protocol::raft::Frame::read(frame).unwrap().envelopes;
            self.1.lost.lock().extend(envelopes.into_iter().filter_map(|envelope| envelope.body));
            return Ok(());
        }
        let node = self.1.nodes.lock().get(&to).cloned();
        match node {
            Some(node) if !cut => {
                self.1.frames.fetch_add(1, Ordering::Relaxed);
                node.receive(self.0, frame);
                Ok(())
            }
            _ => Err(TransportError { peer: to, reason: "cut".to_owned() }),
        }
    }
}

/// The system's clock, wrong by so much, on a machine that was suspended for so long.
#[derive(Debug, Default)]
struct Skewed(AtomicI64, AtomicU64);

impl Clock for Skewed {
    fn now_seconds(&self) -> u64 {
        self.now_ms() / 1000
    }

    fn now_ms(&self) -> u64 {
        SystemClock.now_ms().saturating_add_signed(self.0.load(Ordering::Relaxed))
    }

    fn suspended(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.1.load(Ordering::Relaxed)))
    }
}

struct Node {
    groups: Groups,
    log: Log,
    records: Records,
    clock: Arc<Skewed>,
}

struct Cluster {
    dir: tempfile::TempDir,
    air: Arc<Air>,
    nodes: Vec<Node>,
    requests: u64,
    elections: Elections,
}

impl Cluster {
    async fn new(count: u64) -> Self {
        Self::with(count, Elections::default()).await
    }

    /// One that has all slots and a bucket.
    async fn begun(count: u64) -> Self {
        let cluster = Self::new(count).await;
        cluster.begin().await;
        cluster
    }

    async fn with(count: u64, elections: Elections) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut cluster = Self { dir, air: Arc::default(), nodes: Vec::new(), requests: 0, elections };
        for number in 0..count {
            cluster.start(number).await;
        }
        let voters = cluster.nodes.iter().map(|node| node.groups.me()).collect();
        cluster.nodes[0].groups.found(GROUP, voters).await.unwrap();
        cluster
    }

    async fn start(&mut self, number: u64) {
        let peer = Seat::from(number).peer;
        let (disk, key) = (Arc::new(OsDisk::default()), NodeKey::from_bytes([7; 32]));
        let path = |name: &str| self.dir.path().join(format!("{number}.{name}"));
        let config = LogConfig::new(key.clone());
        let (log, opening) = Log::open(disk.clone(), &path("log"), config, Arc::new(OsRandom)).await.unwrap();
        let config = RecordsConfig::new(key);
        let (records, _) = Records::open(disk, &path("records"), config, Arc::new(OsRandom)).await.unwrap();
        let clock = Arc::new(Skewed::default());
        let groups = Groups::new(GroupsConfig {
            me: Seat { peer, incarnation: opening.incarnation },
            log: log.clone(),
            records: records.clone(),
            transport: Arc::new(End(peer, Arc::clone(&self.air))),
            clock: clock.clone(),
            elections: self.elections,
            snapshots: Snapshots { every: 8, log_kept: 2 },
            seed: number,
            metrics: crate::Metrics::default(),
        });
        groups.open(GROUP).await.unwrap();
        self.air.nodes.lock().insert(peer, groups.clone());
        let node = Node { groups, log, records, clock };
        let at = usize::try_from(number).unwrap();
        if at < self.nodes.len() { self.nodes[at] = node } else { self.nodes.push(node) }
    }

    async fn stop(&mut self, number: u64) {
        let node = &self.nodes[usize::try_from(number).unwrap()];
        self.air.nodes.lock().remove(&node.groups.me().peer);
        node.groups.stop().await;
        node.log.close().await.unwrap();
        node.records.close().await.unwrap();
    }

    /// Waits for a leader among those that can be reached.
    async fn leader(&self) -> usize {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let cut = self.air.cut.lock().clone();
            let leads = |(at, node): (usize, &Node)| {
                let me = node.groups.me();
                let open = node.groups.status(GROUP).is_ok_and(|status| status.leader == Some(me));
                (open && !cut.contains(&me.peer)).then_some(at)
            };
            if let Some(at) = self.nodes.iter().enumerate().find_map(leads) {
                return at;
            }
            assert!(tokio::time::Instant::now() < deadline, "no leader");
            tokio::task::yield_now().await;
        }
    }

    /// Sends a command to whoever leads until it is answered.
    async fn tell(&self, command: &Command) -> Reply {
        let deadline = tokio::time::Instant::now() + LONG;
        loop {
            let leader = &self.nodes[self.leader().await].groups;
            match leader.propose(GROUP, command.encode(), Duration::from_secs(2)).await {
                Ok(reply) => return reply,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
        }
    }

    async fn begin(&self) {
        let (first, last) = (Slot::default(), Slot::new(16383).unwrap());
        for action in [Action::Assign { first, last }, Action::SetBucket(Box::new(bucket()))] {
            let reply = self.tell(&Command { feature: 1, request: None, action }).await;
            assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        }
    }

    fn command(&mut self, key: &str, content: &str) -> Command {
        self.requests += 1;
        let [_, _, _, _, _, _, random @ ..] = u128::from(self.requests).to_be_bytes();
        let request = RequestId::new(SystemClock.now_ms(), random);
        let sealed = Bytes::copy_from_slice(content.as_bytes());
        let body = VersionBody::Inline(InlineBody { generation: 1, salt: [5; 32], sealed, unknown: Bytes::new() });
        let version = Version::new(ObjectId::from_bytes([8; 16]), request, body);
        let (bucket, key) = (bucket().bucket, Bytes::copy_from_slice(key.as_bytes()));
        let put = Put { bucket, generation: 1, key, version, condition: Condition::Always };
        Command { feature: 1, request: Some(request), action: Action::Put(Box::new(put)) }
    }

    async fn put(&mut self, key: &str, content: &str) -> VersionId {
        let command = self.command(key, content);
        match self.tell(&command).await {
            Reply::Written { version, .. } => version,
            other => panic!("{other:?}"),
        }
    }

    async fn get(&self, node: usize, key: &str, level: Level) -> Result<Fresh<Option<String>>, GroupError> {
        let look = |view: &dyn machine::View| machine::get(view, bucket().bucket, key.as_bytes(), None);
        let fresh = self.nodes[node].groups.read(GROUP, level, Duration::from_secs(5), look).await?;
        let value = fresh.value.unwrap_or(None).map(|version| {
            let VersionBody::Inline(body) = version.body else { panic!("no body") };
            String::from_utf8(body.sealed.to_vec()).unwrap()
        });
        Ok(Fresh { value, stale: fresh.stale })
    }
}

fn bucket() -> BucketConfig {
    BucketConfig {
        bucket: BucketId::from_bytes([1; 16]),
        generation: 1,
        rule: KeyRule::Flat { spread: 4 },
        versioning: false,
        inline_bytes_max: 16384,
        fenced: false,
        members: Vec::new(),
        unknown: Bytes::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_read_everywhere_and_survives_the_leader() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    for node in 0..3 {
        let read = cluster.get(node, "k", Level::Linearizable).await.unwrap();
        assert_eq!(read.value.as_deref(), Some("a"));
        // And without asking anybody, as long as that may be.
        let read = cluster.get(node, "k", Level::Bounded(LONG)).await.unwrap();
        assert!(read.stale.unwrap() < LONG && read.value.is_some());
    }
    let old = cluster.leader().await;
    let peer = cluster.nodes[old].groups.me().peer;
    cluster.air.cut.lock().insert(peer);
    cluster.put("k", "b").await;
    // Who was cut off knows that it does not know, and says so.
    assert!(cluster.get(old, "k", Level::Linearizable).await.is_err());
    assert!(cluster.get(old, "k", Level::Bounded(Duration::ZERO)).await.is_err());
    assert_eq!(cluster.get(old, "k", Level::Eventual).await.unwrap().value.as_deref(), Some("a"));
    cluster.air.cut.lock().clear();
    let deadline = tokio::time::Instant::now() + LONG;
    while cluster.get(old, "k", Level::Linearizable).await.ok().and_then(|read| read.value).as_deref() != Some("b") {
        assert!(tokio::time::Instant::now() < deadline);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_starts_again_from_its_disk_and_moves_to_other_seats() {
    let mut cluster = Cluster::begun(1).await;
    for n in 0..20 {
        cluster.put(&n.to_string(), "before").await;
    }
    cluster.stop(0).await;
    cluster.start(0).await;
    assert_eq!(
        cluster.get(cluster.leader().await, "7", Level::Linearizable).await.unwrap().value.as_deref(),
        Some("before")
    );
    // One voter becomes three, learners first, and then the first one leaves.
    for number in 1..3 {
        cluster.start(number).await;
        let seat = cluster.nodes[usize::try_from(number).unwrap()].groups.me();
        cluster.nodes[0].groups.add_learner(GROUP, seat, LONG).await.unwrap();
    }
    let seats: Vec<Seat> = cluster.nodes.iter().map(|node| node.groups.me()).collect();
    // One that is not to vote after all goes, and comes again.
    cluster.nodes[0].groups.drop_learner(GROUP, seats[2], LONG).await.unwrap();
    assert_eq!(cluster.nodes[0].groups.status(GROUP).unwrap().learners, BTreeSet::from([seats[1]]));
    cluster.nodes[0].groups.add_learner(GROUP, seats[2], LONG).await.unwrap();
    cluster.nodes[0].groups.set_voters(GROUP, seats.iter().copied().collect(), LONG).await.unwrap();
    assert_eq!(cluster.nodes[0].groups.status(GROUP).unwrap().voters.len(), 3);
    cluster.nodes[0].groups.transfer(GROUP, seats[1]).await.unwrap();
    let deadline = tokio::time::Instant::now() + LONG;
    while cluster.leader().await != 1 {
        assert!(tokio::time::Instant::now() < deadline, "not transferred");
        tokio::task::yield_now().await;
    }
    // It may still be taking over.
    while let Err(error) = cluster.nodes[1].groups.set_voters(GROUP, seats[1..].iter().copied().collect(), LONG).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
    }
    cluster.stop(0).await;
    cluster.put("7", "after").await;
    for node in 1..3 {
        assert_eq!(cluster.get(node, "7", Level::Linearizable).await.unwrap().value.as_deref(), Some("after"));
        assert_eq!(cluster.get(node, "8", Level::Linearizable).await.unwrap().value.as_deref(), Some("before"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_is_off_gives_up_the_lead_until_it_is_right_again() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let off = cluster.leader().await;
    cluster.nodes[off].clock.0.store(3_600_000, Ordering::Relaxed);
    let deadline = tokio::time::Instant::now() + LONG;
    while !cluster.nodes[off].groups.is_clock_off() {
        assert!(tokio::time::Instant::now() < deadline, "not noticed");
        tokio::task::yield_now().await;
    }
    let refused = cluster.nodes[off].groups.propose(GROUP, Bytes::new(), LONG).await;
    assert!(matches!(refused, Err(GroupError::ClockOff { .. } | GroupError::NotLeader { .. })), "{refused:?}");
    while cluster.leader().await == off {
        assert!(tokio::time::Instant::now() < deadline, "still leads");
        tokio::task::yield_now().await;
    }
    // Nothing was stamped by the hour that is not there yet.
    let version = cluster.put("k", "b").await;
    assert!(version.stamp().ms() < SystemClock.now_ms() + 1_000_000);
    // Set right, it is heard of again, though it leads nothing and has no reason to ask anybody.
    cluster.nodes[off].clock.0.store(0, Ordering::Relaxed);
    while cluster.nodes[off].groups.is_clock_off() {
        assert!(tokio::time::Instant::now() < deadline, "barred for ever");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_seat_is_taken_away_does_not_ask_one_to_lead_whose_clock_is_off() {
    let mut cluster = Cluster::begun(3).await;
    cluster.put("k", "a").await;
    let (first, deadline) = (cluster.leader().await, tokio::time::Instant::now() + LONG);
    let groups = cluster.nodes[first].groups.clone();
    let [off, right] = [(first + 1) % 3, (first + 2) % 3].map(|node| cluster.nodes[node].groups.me());
    cluster.nodes[(first + 1) % 3].clock.0.store(3_600_000, Ordering::Relaxed);
    // Heard of, and silent from now on.
    let stay = BTreeSet::from([off, right]);
    while groups.0.courier.guard.differing(groups.0.courier.now_ms()) != BTreeSet::from([off.peer]) {
        assert!(tokio::time::Instant::now() < deadline, "not noticed");
        tokio::task::yield_now().await;
    }
    cluster.air.cut.lock().insert(right.peer);
    while groups.has_successor(GROUP, &stay).unwrap() {
        assert!(tokio::time::Instant::now() < deadline, "who is off would be asked to lead");
        tokio::task::yield_now().await;
    }
    let refused = groups.set_voters(GROUP, stay.clone(), LONG).await;
    assert!(matches!(refused, Err(GroupError::NotLeader { leader: None, .. })), "{refused:?}");
    // It leads still, and takes what it is asked; of whom is there alone, nobody knows the time.
    assert!(
        groups.status(GROUP).unwrap().leader == Some(groups.me())
            && !groups.group(GROUP).unwrap().member.handed_over_in_vain()
    );
    cluster.air.cut.lock().clear();
    while !groups.has_successor(GROUP, &stay).unwrap() {
        assert!(tokio::time::Instant::now() < deadline, "nobody can take over");
        tokio::task::yield_now().await;
    }
    let asked = groups.set_voters(GROUP, stay, LONG).await;
    assert!(matches!(asked, Err(GroupError::NotLeader { leader: Some(to), .. }) if to == right), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_hands_over_before_its_seat_is_taken_away() {
    let cluster = Cluster::begun(3).await;
    let (first, deadline) = (cluster.leader().await, tokio::time::Instant::now() + LONG);
    let me = cluster.nodes[first].groups.me();
    let stay: BTreeSet<Seat> = cluster.nodes.iter().map(|node| node.groups.me()).filter(|seat| *seat != me).collect();
    loop {
        let leader = &cluster.nodes[cluster.leader().await].groups;
        let asked = leader.set_voters(GROUP, stay.clone(), LONG).await;
        if asked.is_ok() {
            assert_ne!(leader.me(), me, "it took its own seat away");
            // What is agreed on is published a moment later.
            while leader.status(GROUP).unwrap().voters != stay {
                assert!(tokio::time::Instant::now() < deadline, "its seat is still there");
                tokio::task::yield_now().await;
            }
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{asked:?}");
    }
}
