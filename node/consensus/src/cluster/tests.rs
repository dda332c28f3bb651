//! Members with real groups, one or a few, and clients that ask them: who may do what, what is bounded, who comes back.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storgo_object::ports::{
    EventsSince, Hearing, Metadata as _, MetadataError, Neighbours as _, OsRandom, Said, SystemClock,
};
use storgo_protocol::cluster::{
    Ask, Bucket, Failed, FailedKind, Introduction, Level, MemberKeys, MemberRow, MemberState, MoveSide, ReadPreference,
    Replication, RowKey, SealedTalk, Steer, Told,
};
use storgo_protocol::limits::{BUCKETS_MAX, EVENTS_LISTED_MAX, MEMBERS_MAX, ROWS_CHANGED_MAX};
use storgo_protocol::meta::{
    Action, BucketConfig, BucketId, BucketMember, Command, Condition, HearerId, KeyRule, Put, Reply, RowChange, Stamp,
    StorageEvent,
};
use storgo_protocol::{
    Identity, Invite, InviteRole, InviteTerms, LogIncarnation, MemberKey, NetworkId, PeerId, WrappedKey,
};
use storgo_store::log::{Log, LogConfig};
use storgo_store::records::{Records, RecordsConfig};
use storgo_store::{NodeKey, OsDisk};

use super::*;
use crate::groups::{Groups, GroupsConfig};
use crate::seat::Seat;
use crate::transport::{Transport, TransportError};
use crate::{Elections, Snapshots};

const LONG: std::time::Duration = std::time::Duration::from_secs(30);

/// The member that begins the network.
const FIRST: u8 = 2;

/// Frames between members and their clients, in this process.
#[derive(Debug, Default)]
struct Air {
    members: Mutex<BTreeMap<PeerId, Groups>>,
    clients: Mutex<BTreeMap<PeerId, MetadataClient>>,
}

#[derive(Debug)]
struct End(PeerId, std::sync::Arc<Air>);

#[async_trait]
impl Transport for End {
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError> {
        let client = self.1.clients.lock().get(&to).cloned();
        let member = self.1.members.lock().get(&to).cloned();
        match (client, member) {
            (Some(client), _) => client.receive(self.0, frame),
            (None, Some(member)) => member.receive(self.0, frame),
            _ => return Err(TransportError { peer: to, reason: "nobody".to_owned() }),
        }
        Ok(())
    }
}

struct Rig {
    air: std::sync::Arc<Air>,
    cluster: Cluster,
    log: Log,
    records: Records,
    dir: tempfile::TempDir,
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn invite(root: u8, role: InviteRole, expires_seconds: u64) -> Invite {
    let (root, key) = (identity(root), identity(200));
    Invite { terms: InviteTerms::new(&root, key.id(), role, expires_seconds), key, addresses: Vec::new() }
}

fn member(seed: u8, invite: &Invite) -> MemberRow {
    MemberRow {
        admission: invite.admit(identity(seed).id()),
        incarnation: LogIncarnation::new(1),
        zone: String::new(),
        addresses: Vec::new(),
        state: MemberState::Active,
        agent: String::new(),
        left: BTreeMap::new(),
    }
}

fn bucket(owner: &Identity, name: &str) -> Bucket {
    let wrapped = WrappedKey { generation: 1, ephemeral: MemberKey::from_bytes([3; 32]), sealed: [4; 48] };
    let user = owner.id();
    Bucket {
        config: BucketConfig {
            bucket: BucketId::from_bytes(*blake3::hash(name.as_bytes()).as_bytes().first_chunk().unwrap()),
            generation: 1,
            rule: KeyRule::Flat { spread: 8 },
            versioning: false,
            inline_bytes_max: 1024,
            fenced: false,
            members: vec![BucketMember { user, writes: true }],
            unknown: Bytes::new(),
        },
        name: name.to_owned(),
        owner: user,
        created_ms: 0,
        key_generation: 1,
        keys: vec![MemberKeys { user, key: MemberKey::from_bytes([2; 32]), wrapped: vec![wrapped] }],
        redundancy: None,
        replication: Replication::Replicated,
        read_preference: ReadPreference::Linearizable,
        former: Vec::new(),
        access_keys: Vec::new(),
        unknown: Bytes::new(),
    }
}

impl Rig {
    /// One member that has begun a network.
    async fn new() -> Self {
        let rig = Self::open(tempfile::tempdir().unwrap(), &std::sync::Arc::default(), FIRST).await;
        rig.until("the network begins", |rig| {
            rig.cluster.client().map().is_some_and(|map| map.groups.values().all(|group| group.founded))
        })
        .await;
        rig
    }

    /// A member with what is kept in `dir`; [`FIRST`] is the one that begins the network.
    async fn open(dir: tempfile::TempDir, air: &std::sync::Arc<Air>, number: u8) -> Self {
        let (disk, key, random) =
            (std::sync::Arc::new(OsDisk::default()), NodeKey::from_bytes([7; 32]), std::sync::Arc::new(OsRandom));
        let (log, opening) =
            Log::open(disk.clone(), &dir.path().join("log"), LogConfig::new(key.clone()), random.clone())
                .await
                .unwrap();
        let config = RecordsConfig::new(key);
        let (records, _) = Records::open(disk, &dir.path().join("records"), config, random.clone()).await.unwrap();
        let me = identity(number).id();
        let transport: std::sync::Arc<dyn Transport> = std::sync::Arc::new(End(me, air.clone()));
        let clock = std::sync::Arc::new(SystemClock);
        let groups = Groups::new(GroupsConfig {
            me: Seat { peer: me, incarnation: opening.incarnation },
            log: log.clone(),
            records: records.clone(),
            transport: transport.clone(),
            clock: clock.clone(),
            elections: Elections::default(),
            snapshots: Snapshots::default(),
            seed: number.into(),
            metrics: crate::Metrics::default(),
        });
        air.members.lock().insert(me, groups.clone());
        let others = air.clone();
        let cluster = Cluster::start(ClusterConfig {
            groups,
            transport,
            admission: invite(1, InviteRole::Metadata, 0).admit(me),
            founding: (number == FIRST).then_some(Founding { groups: 3, voters: 3 }),
            zone: String::new(),
            agent: String::new(),
            addresses: std::sync::Arc::new(Vec::new),
            others: std::sync::Arc::new(move || {
                others.members.lock().keys().copied().filter(|peer| *peer != me).collect()
            }),
            gone_after: LONG,
            clock,
            random,
        });
        Self { air: air.clone(), cluster: cluster.await.unwrap(), log, records, dir }
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + LONG;
        while !done(self) {
            assert!(tokio::time::Instant::now() < deadline, "waited in vain until {what}");
            tokio::task::yield_now().await;
        }
    }

    /// Whether group 0 has a leader here, and so many voters.
    fn is_led(&self, voters: usize) -> bool {
        let status = self.cluster.groups().status(GROUP_0);
        status.is_ok_and(|status| status.leader.is_some() && status.voters.len() == voters)
    }

    /// A client of a user, on a connection of its own.
    fn client(&self, user: u8, connection: u8) -> MetadataClient {
        let (me, transport) =
            (identity(connection).id(), std::sync::Arc::new(End(identity(connection).id(), self.air.clone())));
        let client = MetadataClient::new(
            me,
            std::sync::Arc::new(identity(user)),
            self.cluster.network(),
            transport,
            std::sync::Arc::new(SystemClock),
            std::sync::Arc::new(OsRandom),
        );
        client.start_with(vec![identity(FIRST).id()]);
        self.air.clients.lock().insert(me, client.clone());
        client
    }

    async fn asks(&self, client: &MetadataClient, ask: &Ask) -> Told {
        client.refresh().await.unwrap();
        client.ask(GROUP_0, ask, LONG).await.unwrap()
    }

    async fn end(self) {
        self.end_with_vote(None).await;
    }

    /// Ends as in the middle of an election, in which this member has voted for that one and heard no more.
    async fn end_with_vote(self, of: Option<Seat>) -> tempfile::TempDir {
        self.cluster.stop().await;
        self.cluster.groups().stop().await;
        if let Some(seat) = of {
            let log = self.log.group(GROUP_0);
            let term = crate::raft::promised_term(log.vote().unwrap().unwrap()).unwrap();
            log.save_vote(crate::raft::uncommitted_vote(term + 1, seat)).await.unwrap();
        }
        self.records.close().await.unwrap();
        self.log.close().await.unwrap();
        self.dir
    }
}

/// Groups elect nobody while members do not act on each other's messages, and whom to act on is what group 0 says, once it
/// has a leader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_died_as_it_elected_comes_back() {
    let air = std::sync::Arc::default();
    let mut rigs = Vec::new();
    for number in FIRST..FIRST + 3 {
        rigs.push(Rig::open(tempfile::tempdir().unwrap(), &air, number).await);
    }
    for rig in &rigs {
        rig.until("all vote", |rig| rig.is_led(3)).await;
    }
    let seat = rigs[0].cluster.groups().me();
    let mut dirs = Vec::new();
    for rig in rigs {
        dirs.push(rig.end_with_vote(Some(seat)).await);
    }
    air.members.lock().clear();
    // One does not come back.
    let mut rigs = Vec::new();
    for (dir, number) in dirs.into_iter().zip([FIRST, FIRST + 1]) {
        rigs.push(Rig::open(dir, &air, number).await);
    }
    for rig in &rigs {
        rig.until("a leader is elected", |rig| rig.is_led(3)).await;
    }
    for rig in rigs {
        rig.end().await;
    }
}

fn kind(told: Told) -> FailedKind {
    match told {
        Told::Failed(Failed { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_are_their_owners_and_strangers_learn_nothing_of_them() {
    let rig = Rig::new().await;
    let (owner, other) = (rig.client(10, 110), rig.client(11, 111));
    let wanted = bucket(&identity(10), "photos");
    owner.set_bucket("photos", Some(wanted.clone()), None).await.unwrap();
    // Again, as after an answer that was lost.
    owner.set_bucket("photos", Some(wanted.clone()), None).await.unwrap();
    let row = owner.bucket("photos").await.unwrap().unwrap();
    assert_eq!(row.bucket, wanted);
    assert!(other.bucket("photos").await.unwrap().is_none());
    assert_eq!(other.buckets("").await.unwrap(), (Vec::new(), false));
    assert_eq!(owner.buckets("").await.unwrap().0.len(), 1);
    let denied = other.get(&wanted.config, b"key", None, Level::Linearizable).await;
    assert!(matches!(denied, Err(MetadataError::Denied(_))), "{denied:?}");
    let listing = storgo_protocol::cluster::Listing {
        bucket: wanted.config.bucket,
        prefix: Bytes::new(),
        after: None,
        limit: 10,
        versions: false,
        slots: None,
    };
    assert!(matches!(other.list(&wanted.config, &listing, Level::Eventual).await, Err(MetadataError::Denied(_))));
    assert!(owner.list(&wanted.config, &listing, Level::Linearizable).await.unwrap().found.is_empty());
    let events = other.events(&wanted.config, &EventsSince::Oldest).await;
    assert!(matches!(events, Err(MetadataError::Denied(_))), "{events:?}");

    let taken = other.set_bucket("photos", Some(bucket(&identity(11), "photos")), None).await;
    assert!(matches!(taken, Err(MetadataError::Conflict(_))), "{taken:?}");
    for (what, change) in [
        ("another's", Box::new(|bucket: &mut Bucket| bucket.owner = identity(11).id()) as Box<dyn Fn(&mut Bucket)>),
        ("another layout", Box::new(|bucket| bucket.config.rule = KeyRule::Tree)),
        ("another id", Box::new(|bucket| bucket.config.bucket = BucketId::from_bytes([9; 16]))),
        ("a generation left out", Box::new(|bucket| bucket.config.generation = 3)),
    ] {
        let mut changed = wanted.clone();
        changed.config.generation = 2;
        change(&mut changed);
        let refused = owner.set_bucket("photos", Some(changed), Some(row.revision)).await;
        assert!(matches!(refused, Err(MetadataError::Refused(_))), "{what}: {refused:?}");
    }
    // It goes only after it was fenced, and then it is gone for all.
    assert!(matches!(owner.set_bucket("photos", None, Some(row.revision)).await, Err(MetadataError::Refused(_))));
    let mut fenced = wanted.clone();
    (fenced.config.generation, fenced.config.fenced) = (2, true);
    owner.set_bucket("photos", Some(fenced), Some(row.revision)).await.unwrap();
    let revision = owner.bucket("photos").await.unwrap().unwrap().revision;
    owner.set_bucket("photos", None, Some(revision)).await.unwrap();
    assert!(owner.bucket("photos").await.unwrap().is_none());
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hears_beside_a_member_is_told_by_those_who_may_write() {
    let rig = Rig::new().await;
    let (owner, stranger, beside) = (rig.client(10, 110), rig.client(11, 111), rig.client(10, 112));
    let (member, wanted) = (identity(FIRST).id(), bucket(&identity(10), "photos"));
    owner.set_bucket("photos", Some(wanted.clone()), None).await.unwrap();
    rig.cluster.serve_beside(&beside);
    assert_eq!(owner.members().await.unwrap(), [member]);
    assert!(beside.members().await.unwrap().is_empty());

    let (id, hearer) = (wanted.config.bucket, HearerId::from_bytes([7; 16]));
    let talk = SealedTalk { hearer, generation: 1, salt: [1; 32], sealed: Bytes::from_static(b"sealed") };
    assert_eq!(owner.tell(member, id, None).await.unwrap(), None);
    let config = std::sync::Arc::new(move || wanted.config.clone());
    let mut heard = beside.hear(id, Hearing { hearer, config });
    assert_eq!(stranger.tell(member, id, Some(talk.clone())).await.unwrap(), None);
    assert!(heard.try_recv().is_err());
    assert_eq!(owner.tell(member, id, Some(talk.clone())).await.unwrap(), Some(hearer));
    assert_eq!(heard.recv().await, Some(Said { by: identity(10).id(), talk: talk.clone() }));
    // Somebody else has come in its place: it is not told what was said to another.
    let other = SealedTalk { hearer: HearerId::from_bytes([8; 16]), ..talk };
    assert_eq!(owner.tell(member, id, Some(other)).await.unwrap(), Some(hearer));
    assert!(heard.try_recv().is_err());
    drop(heard);
    assert_eq!(owner.tell(member, id, None).await.unwrap(), None);
    // Where there is no node, nothing is heard.
    let config = std::sync::Arc::new(|| unreachable!("nobody asks"));
    assert_eq!(owner.hear(id, Hearing { hearer, config }).recv().await, None);
    assert!(owner.tell(identity(99).id(), id, None).await.is_err());
    rig.end().await;
}

/// Follows a bucket over several groups, with more in one of them than one answer holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_a_bucket_hears_of_each_write_once() {
    let rig = Rig::new().await;
    let owner = rig.client(10, 110);
    let wanted = bucket(&identity(10), "photos");
    owner.set_bucket("photos", Some(wanted.clone()), None).await.unwrap();
    let write = async |key: String| {
        let (bucket, version) = (wanted.config.bucket, crate::machine::samples::version());
        let put = Put { bucket, generation: 1, key: key.clone().into(), version, condition: Condition::Always };
        let command = Command { feature: 1, request: None, action: Action::Put(Box::new(put)) };
        match owner.write(&wanted.config, key.as_bytes(), &command, Replication::Replicated).await.unwrap() {
            Reply::Written { version, .. } => version,
            other => panic!("{other:?}"),
        }
    };
    let mut written = Vec::new();
    for number in 0..3 * EVENTS_LISTED_MAX / 2 {
        // Most of them in one group.
        written.push(write(if number % 8 == 0 { number.to_string() } else { "key".to_owned() }).await);
    }
    let (mut since, mut told, mut answers) = (EventsSince::Oldest, Vec::new(), 0);
    let now = owner.events(&wanted.config, &EventsSince::Now).await.unwrap();
    assert!(now.events.is_empty() && !now.more);
    loop {
        let events = owner.events(&wanted.config, &since).await.unwrap();
        assert!(!events.missed);
        told.extend(events.events);
        (since, answers) = (EventsSince::Places(events.next), answers + 1);
        if !events.more {
            break;
        }
    }
    assert!(answers > 1, "all came at once");
    assert!(told.is_sorted_by_key(|event| event.stamp));
    let versions = |told: &[StorageEvent]| told.iter().map(|event| event.version).collect::<BTreeSet<_>>();
    assert_eq!((told.len(), versions(&told)), (written.len(), written.into_iter().collect()));
    let last = write("key".to_owned()).await;
    for since in [since, EventsSince::Places(now.next)] {
        let events = owner.events(&wanted.config, &since).await.unwrap();
        assert_eq!(versions(&events.events), [last].into());
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_steer_and_only_who_was_admitted_joins() {
    let rig = Rig::new().await;
    let client = rig.client(10, 110);
    let row = RowChange { key: RowKey::Network.encode(), expected: None, value: None };
    for ask in [
        Ask::Command(change::rows(vec![row])),
        Ask::Steer(Steer::Drain(identity(2).id())),
        Ask::Status,
        Ask::SlotLook { slot: storgo_protocol::meta::Slot::new(1).unwrap(), side: MoveSide::Target },
    ] {
        assert_eq!(kind(rig.asks(&client, &ask).await), FailedKind::Denied, "{ask:?}");
    }
    // An introduction that was overheard opens no other connection.
    let overheard = Introduction::new(&identity(10), rig.cluster.network(), identity(111).id());
    assert_eq!(kind(rig.asks(&client, &Ask::Introduction(overheard)).await), FailedKind::Denied);

    let metadata = invite(1, InviteRole::Metadata, 0);
    let join = |row: MemberRow| Ask::Join(Box::new(row));
    let someone = rig.client(10, 30);
    assert_eq!(kind(rig.asks(&client, &join(member(30, &metadata))).await), FailedKind::Denied, "for another peer");
    let foreign = invite(9, InviteRole::Metadata, 0);
    assert_eq!(kind(rig.asks(&someone, &join(member(30, &foreign))).await), FailedKind::Denied);
    let over = invite(1, InviteRole::Metadata, 1);
    assert_eq!(kind(rig.asks(&someone, &join(member(30, &over))).await), FailedKind::Denied);
    assert_eq!(rig.asks(&someone, &join(member(30, &metadata))).await, Told::Done);
    // Who is in stays in when its invite is over.
    assert_eq!(rig.asks(&someone, &join(member(30, &over))).await, Told::Done);
    assert_ne!(rig.cluster.network(), NetworkId::from_name("storgo"));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_has_no_more_members_and_buckets_than_it_has_room_for() {
    let rig = Rig::new().await;
    let groups = rig.cluster.groups();
    let invite = invite(1, InviteRole::Storage, 0);
    let id = |n: usize| {
        let mut seed = [77; 32];
        seed[..8].copy_from_slice(&n.to_le_bytes());
        Identity::from_seed(&seed).id()
    };
    let members = (1..MEMBERS_MAX).map(|n| {
        let row = MemberRow { admission: invite.admit(id(n)), ..member(30, &invite) };
        (RowKey::Member(id(n)), row.encode())
    });
    let sample = bucket(&identity(10), "sample").encode();
    let buckets = (0..BUCKETS_MAX).map(|n| (RowKey::Bucket(format!("bucket-{n:05}")), sample.clone()));
    let rows: Vec<_> = members.chain(buckets).collect();
    for rows in rows.chunks(ROWS_CHANGED_MAX) {
        let rows = rows.iter().map(|(key, value)| change::row(key, None::<Stamp>, Some(value.clone()))).collect();
        groups.propose(GROUP_0, change::rows(rows), LONG).await.unwrap();
    }
    let newcomer = rig.client(10, 30);
    let full = rig.asks(&newcomer, &Ask::Join(Box::new(member(30, &invite)))).await;
    assert_eq!(kind(full), FailedKind::Refused);
    let full = newcomer.set_bucket("one-more", Some(bucket(&identity(10), "one-more")), None).await;
    assert!(matches!(full, Err(MetadataError::Refused(_))), "{full:?}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_in_order_to_vote_goes_when_it_is_not_to_vote_any_more() {
    let rig = Rig::new().await;
    let invite = invite(1, InviteRole::Metadata, 0);
    let learners = || (0..=3).map(GroupId::new).map(|id| rig.cluster.groups().status(id).unwrap().learners);
    let deadline = tokio::time::Instant::now() + LONG;
    // Two that never answer are let in, and are to vote once they are filled.
    for seed in [30, 31] {
        let newcomer = rig.client(10, seed);
        assert_eq!(rig.asks(&newcomer, &Ask::Join(Box::new(member(seed, &invite)))).await, Told::Done);
        rig.air.clients.lock().remove(&identity(seed).id());
    }
    while learners().any(|learners| learners.is_empty()) {
        assert!(tokio::time::Instant::now() < deadline, "nobody is filled");
        tokio::task::yield_now().await;
    }
    // Who fills them hears at once that they are not wanted, and does not wait for them.
    for seed in [30, 31] {
        let drained = rig.cluster.ask(None, GROUP_0, &Ask::Steer(Steer::Drain(identity(seed).id()))).await;
        assert_eq!(drained, Ok(Told::Done));
    }
    while learners().any(|learners| !learners.is_empty()) {
        assert!(tokio::time::Instant::now() < deadline, "who is not wanted follows still");
        tokio::task::yield_now().await;
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_seat_in_group_0_says_so_rather_than_that_there_is_nothing_new() {
    let rig = Rig::new().await;
    let client = rig.client(10, 110);
    let known = client.refresh().await.unwrap().revision;
    assert_eq!(rig.asks(&client, &Ask::Map { known }).await, Told::Map(None));
    rig.cluster.groups().close(GROUP_0).await;
    let told = async |known| client.ask_one(identity(2).id(), GROUP_0, &Ask::Map { known }, LONG).await.unwrap();
    let deadline = tokio::time::Instant::now() + LONG;
    while !matches!(told(known).await, Told::Failed(Failed { kind: FailedKind::NotLeader(None), .. })) {
        // It is opened again by who keeps it.
        rig.cluster.groups().close(GROUP_0).await;
        assert!(tokio::time::Instant::now() < deadline, "it answers as if it had a seat");
    }
    assert!(matches!(told(Stamp::ZERO).await, Told::Map(Some(map)) if map.revision >= known));
    // Where nobody knows better the map stays good.
    assert_eq!(client.refresh().await.unwrap().revision, known);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stopped_by_a_fault_is_started_again_on_what_it_has() {
    let rig = Rig::new().await;
    let (groups, group) = (rig.cluster.groups(), GroupId::new(1));
    let applied = groups.status(group).unwrap().applied;
    groups.break_down(group).await;
    let deadline = tokio::time::Instant::now() + LONG;
    while groups.status(group).is_ok_and(|status| status.stopped.is_none() || status.leader.is_some()) {
        assert!(tokio::time::Instant::now() < deadline, "it does not say that it stopped");
        tokio::task::yield_now().await;
    }
    let goes_on = || {
        groups.status(group).is_ok_and(|status| status.leader == Some(groups.seat(group)) && status.applied >= applied)
    };
    while !goes_on() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", groups.status(group));
        tokio::task::yield_now().await;
    }
    rig.end().await;
}
