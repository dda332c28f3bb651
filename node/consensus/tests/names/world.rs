//! Groups in memory, doors to them, and users who come in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storgo_consensus::machine;
use storgo_object::fake::{FakeNetwork, FixedClock, SeededRandom};
use storgo_object::ports::{Clock, Events, EventsSince, Metadata, MetadataError, Random as _};
use storgo_object::{
    Bucket, BucketOptions, Engine, ErrorKind, MemorySink, NamedObject, Names, ObjectError, Progress, PutNamedOptions,
    User, Written,
};
use storgo_pipeline::MemberSecret;
use storgo_protocol::cluster::{
    Bucket as Row, BucketRow, Found, Level, Listed, Listing, Replication, RowKey, Since, SlotTable,
};
use storgo_protocol::limits::{BUCKETS_LISTED_MAX, LISTED_MAX};
use storgo_protocol::meta::{
    Action, Body, BucketConfig, Command, Condition, FEATURE_LEVEL, Proposal, Put, RefusedKind, Reply, RowChange, Stamp,
    Version, VersionId,
};
use storgo_protocol::{ConvergenceSecret, GroupId, Identity, MemberCard, PeerId};

pub(crate) const NOW: u64 = 1_800_000_000;
const ROOM: u64 = 1 << 40;
/// Beside group 0.
const GROUPS: u32 = 3;

/// One group's records, and how many commands made them.
#[derive(Debug, Default)]
struct Group {
    records: BTreeMap<Bytes, Bytes>,
    applied: u64,
}

/// What befalls writes of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// So many more are done, and then none.
    CutAfter(u32),
    /// They are done, and nobody hears of it.
    Deaf,
}

type Meddling = Box<dyn FnOnce(&World) + Send>;

/// The groups of a network, and its peers.
pub(crate) struct World {
    pub(crate) network: Arc<FakeNetwork>,
    clock: Arc<dyn Clock>,
    groups: Mutex<BTreeMap<GroupId, Group>>,
    table: SlotTable,
    weather: Mutex<Weather>,
    /// Done once, before the next change of a bucket.
    before_change: Mutex<Option<Meddling>>,
    /// Done once, before the next deletion of a key.
    before_delete: Mutex<Option<Meddling>>,
    /// Rows that a broken door shows in place of those that are.
    stale_rows: Mutex<BTreeMap<String, BucketRow>>,
    /// Whether the doors let everybody in.
    broken: AtomicBool,
    deaf_listings: AtomicBool,
    /// Whether a member of each group is away.
    short_of_one: AtomicBool,
    /// The level that was last read at.
    level: Mutex<Level>,
    clients: AtomicU64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl Group {
    fn apply(&mut self, id: GroupId, command: Bytes) -> Reply {
        let proposal = Proposal { stamp: Stamp::from_ms(NOW * 1000), command };
        let outcome = machine::apply(&self.records, id, self.applied, &proposal).unwrap();
        self.applied += 1;
        for (key, change) in outcome.batch {
            match change {
                Some(value) => self.records.insert(key, value),
                None => self.records.remove(&key),
            };
        }
        outcome.reply
    }
}

fn told(action: Action) -> Bytes {
    Command { feature: FEATURE_LEVEL, request: None, action }.encode()
}

impl World {
    /// With so many storage peers.
    pub(crate) fn new(peers: u8) -> Arc<Self> {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(NOW));
        let table = SlotTable::even(GROUPS);
        let mut groups: BTreeMap<GroupId, Group> =
            (0..=GROUPS).map(|id| (GroupId::new(id.into()), Group::default())).collect();
        for range in table.ranges() {
            let assign = Action::Assign { first: range.first, last: range.last };
            groups.get_mut(&range.group).unwrap().apply(range.group, told(assign));
        }
        Arc::new(Self {
            network: FakeNetwork::new(peers, ROOM, &clock),
            clock,
            groups: Mutex::new(groups),
            table,
            weather: Mutex::new(Weather::Fair),
            before_change: Mutex::default(),
            before_delete: Mutex::default(),
            stale_rows: Mutex::default(),
            broken: AtomicBool::new(false),
            deaf_listings: AtomicBool::new(false),
            short_of_one: AtomicBool::new(false),
            level: Mutex::default(),
            clients: AtomicU64::new(1),
        })
    }

    /// What a user of this seed does.
    pub(crate) fn names(self: &Arc<Self>, seed: u8) -> Names {
        let user = identity(seed);
        let door = Door { world: Arc::clone(self), user: user.id() };
        let peers = self.network.client(Identity::from_seed(&[seed.wrapping_add(100); 32]).id());
        let user = User { identity: user, secret: ConvergenceSecret::from_bytes([seed; 32]) };
        // Each client's own, or two would make the same ids.
        let random = Arc::new(SeededRandom::new(self.clients.fetch_add(1, Ordering::Relaxed)));
        Names::new(Engine::new(peers, Arc::new(user), Arc::clone(&self.clock), random), Arc::new(door))
    }

    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.weather.lock() = weather;
    }

    pub(crate) fn before_change(&self, meddling: impl FnOnce(&Self) + Send + 'static) {
        *self.before_change.lock() = Some(Box::new(meddling));
    }

    pub(crate) fn before_delete(&self, meddling: impl FnOnce(&Self) + Send + 'static) {
        *self.before_delete.lock() = Some(Box::new(meddling));
    }

    /// From here on doors ask nobody who they are, and show this row in place of the one that is.
    pub(crate) fn break_doors_with(&self, name: &str, row: &Row) {
        let revision = self.row(name).unwrap().revision;
        self.stale_rows.lock().insert(name.to_owned(), BucketRow { bucket: row.clone(), revision });
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Has nobody answer listings.
    pub(crate) fn deafen_listings(&self, deaf: bool) {
        self.deaf_listings.store(deaf, Ordering::Relaxed);
    }

    pub(crate) fn row(&self, name: &str) -> Option<BucketRow> {
        let groups = self.groups.lock();
        let row =
            machine::row(&groups[&GroupId::new(0)].records, &RowKey::Bucket(name.to_owned()).encode()).unwrap()?;
        Some(BucketRow { bucket: Row::decode(&row.value).unwrap(), revision: row.revision })
    }

    /// Writes a row, and tells all groups.
    pub(crate) fn set_row(&self, name: &str, row: Option<&Row>, expected: Option<Stamp>) -> Result<(), MetadataError> {
        let mut groups = self.groups.lock();
        let key = RowKey::Bucket(name.to_owned()).encode();
        let change = RowChange { key, expected, value: row.map(Row::encode) };
        let root = GroupId::new(0);
        let reply = groups.get_mut(&root).unwrap().apply(root, told(Action::SetRows(vec![change])));
        match reply {
            Reply::Done { .. } => {}
            Reply::Refused(refused) if matches!(refused.kind, RefusedKind::Row(_)) => {
                return Err(MetadataError::Conflict(refused.reason));
            }
            other => panic!("{other:?}"),
        }
        let Some(row) = row else { return Ok(()) };
        for (id, group) in groups.iter_mut().filter(|(id, _)| **id != root) {
            let reply = group.apply(*id, told(Action::SetBucket(Box::new(row.config.clone()))));
            assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        }
        Ok(())
    }

    /// Has a command applied by the group of a key, whoever sends it.
    pub(crate) fn apply(&self, config: &BucketConfig, key: &[u8], command: &Command) -> Reply {
        let group = self.table.group(config.slot(key));
        self.groups.lock().get_mut(&group).unwrap().apply(group, command.encode())
    }

    /// Puts a version as it is.
    pub(crate) fn put_raw(&self, name: &str, key: &[u8], version: Version) -> VersionId {
        let config = self.row(name).unwrap().bucket.config;
        let put = Put {
            bucket: config.bucket,
            generation: config.generation,
            key: Bytes::copy_from_slice(key),
            version,
            condition: Condition::Always,
        };
        let action = Action::Put(Box::new(put));
        match self.apply(&config, key, &Command { feature: FEATURE_LEVEL, request: None, action }) {
            Reply::Written { version, .. } => version,
            other => panic!("{other:?}"),
        }
    }

    /// The newest version as it stands.
    pub(crate) fn raw(&self, name: &str, key: &[u8]) -> Option<Version> {
        let config = self.row(name).unwrap().bucket.config;
        let groups = self.groups.lock();
        let records = &groups[&self.table.group(config.slot(key))].records;
        machine::get(records, config.bucket, key, None).unwrap().unwrap()
    }

    /// Whether these bytes stand anywhere in what groups or peers keep.
    pub(crate) fn keeps(&self, bytes: &[u8]) -> bool {
        let groups = self.groups.lock();
        let records = groups.values().flat_map(|group| group.records.iter()).flat_map(|(key, value)| [key, value]);
        let stores = self.network.peers().into_iter().filter_map(|peer| self.network.store(peer));
        let on_disks = stores.flat_map(|store| store.all_bytes());
        records.cloned().chain(on_disks).any(|kept| kept.windows(bytes.len()).any(|window| window == bytes))
    }

    pub(crate) fn set_short_of_one(&self, short: bool) {
        self.short_of_one.store(short, Ordering::Relaxed);
    }

    /// The level that was last read at.
    pub(crate) fn level(&self) -> Level {
        *self.level.lock()
    }

    /// Shards and nodes of all peers.
    pub(crate) fn stored(&self) -> (usize, u32) {
        let counts = self.network.peers().into_iter().filter_map(|peer| Some(self.network.store(peer)?.counts()));
        counts.fold((0, 0), |(shards, nodes), (s, n)| (shards + s, nodes + n))
    }
}

/// The groups as one user meets them.
#[derive(Debug)]
struct Door {
    world: Arc<World>,
    user: PeerId,
}

impl Door {
    fn lets_in(&self, config: &BucketConfig, to_write: bool) -> Result<(), MetadataError> {
        let broken = self.world.broken.load(Ordering::Relaxed);
        if broken || config.admits(self.user, to_write) {
            return Ok(());
        }
        Err(MetadataError::Denied("no such bucket, or not yours".to_owned()))
    }

    /// The configuration that a group has.
    fn config(&self, config: &BucketConfig) -> Result<BucketConfig, MetadataError> {
        let groups = self.world.groups.lock();
        let known = machine::bucket(&groups[&GroupId::new(1)].records, config.bucket).unwrap();
        known.ok_or_else(|| MetadataError::Denied("no such bucket, or not yours".to_owned()))
    }
}

#[async_trait]
impl Metadata for Door {
    async fn bucket(&self, name: &str) -> Result<Option<BucketRow>, MetadataError> {
        if let Some(row) = self.world.stale_rows.lock().get(name) {
            return Ok(Some(row.clone()));
        }
        Ok(self.world.row(name).filter(|row| row.bucket.config.admits(self.user, false)))
    }

    async fn buckets(&self, after: &str) -> Result<(Vec<BucketRow>, bool), MetadataError> {
        let groups = self.world.groups.lock();
        let after = RowKey::Bucket(after.to_owned()).encode();
        let rows = machine::rows(&groups[&GroupId::new(0)].records, RowKey::BUCKETS, Some(&after), usize::MAX).unwrap();
        let rows = rows
            .into_iter()
            .map(|(_, row)| BucketRow { bucket: Row::decode(&row.value).unwrap(), revision: row.revision });
        let mut rows: Vec<_> = rows.filter(|row| row.bucket.config.admits(self.user, false)).collect();
        let more = rows.len() > BUCKETS_LISTED_MAX;
        rows.truncate(BUCKETS_LISTED_MAX);
        Ok((rows, more))
    }

    async fn set_bucket(&self, name: &str, bucket: Option<Row>, expected: Option<Stamp>) -> Result<(), MetadataError> {
        // Taken first: what it does may set the next.
        let meddling = self.world.before_change.lock().take();
        if let Some(meddle) = meddling {
            meddle(&self.world);
        }
        let owner = self.world.row(name).map_or(self.user, |row| row.bucket.owner);
        if owner != self.user && expected.is_some() {
            return Err(MetadataError::Denied("not yours".to_owned()));
        }
        // As over the network.
        let bucket = bucket.map(|bucket| Row::decode(&bucket.encode()).unwrap());
        self.world.set_row(name, bucket.as_ref(), expected)
    }

    async fn write(
        &self,
        config: &BucketConfig,
        key: &[u8],
        command: &Command,
        replication: Replication,
    ) -> Result<Reply, MetadataError> {
        self.lets_in(&self.config(config)?, true)?;
        let deletes = matches!(command.action, Action::Delete(_));
        let meddling = if deletes { self.world.before_delete.lock().take() } else { None };
        if let Some(meddle) = meddling {
            meddle(&self.world);
        }
        let unavailable = || Err(MetadataError::Unavailable("nobody answers".into()));
        let weather = *self.world.weather.lock();
        match weather {
            Weather::Fair => {}
            Weather::CutAfter(0) => return unavailable(),
            Weather::CutAfter(left) => self.world.set_weather(Weather::CutAfter(left - 1)),
            Weather::Deaf => {
                self.world.apply(config, key, command);
                return unavailable();
            }
        }
        let reply = self.world.apply(config, key, command);
        if replication == Replication::Durable && self.world.short_of_one.load(Ordering::Relaxed) {
            return Err(MetadataError::Unavailable("one of three is away".into()));
        }
        Ok(reply)
    }

    async fn get(
        &self,
        config: &BucketConfig,
        key: &[u8],
        version: Option<VersionId>,
        level: Level,
    ) -> Result<Found, MetadataError> {
        *self.world.level.lock() = level;
        self.lets_in(&self.config(config)?, false)?;
        let groups = self.world.groups.lock();
        let group = self.world.table.group(config.slot(key));
        let records = &groups[&group].records;
        let version = machine::get(records, config.bucket, key, version).unwrap();
        let version = version.map_err(|refused| MetadataError::Refused(refused.reason))?;
        let is_absent = version.as_ref().is_none_or(|version| version.body == Body::Marker);
        let absence = is_absent.then(|| machine::absence(records, group).unwrap());
        Ok(Found { version, stale: Some(Duration::ZERO), absence })
    }

    async fn list(&self, config: &BucketConfig, listing: &Listing, level: Level) -> Result<Listed, MetadataError> {
        *self.world.level.lock() = level;
        self.lets_in(&self.config(config)?, false)?;
        if self.world.deaf_listings.load(Ordering::Relaxed) {
            return Err(MetadataError::Unavailable("nobody answers".into()));
        }
        let groups = self.world.groups.lock();
        let mut all = Listed { stale: Some(Duration::ZERO), ..Listed::default() };
        for (_, group) in groups.iter().filter(|(id, _)| id.as_u64() > 0) {
            let page = machine::list(&group.records, listing).unwrap();
            let page = page.map_err(|refused| MetadataError::Refused(refused.reason))?;
            all.found.extend(page.found);
            all.more |= page.more;
        }
        all.found.sort_by(|(left, _), (right, _)| left.cmp(right));
        let limit = listing.limit.min(LISTED_MAX);
        all.more |= all.found.len() > limit;
        all.found.truncate(limit);
        Ok(all)
    }

    async fn events(&self, config: &BucketConfig, since: &EventsSince) -> Result<Events, MetadataError> {
        self.lets_in(&self.config(config)?, false)?;
        assert_eq!(*since, EventsSince::Oldest, "there is one page");
        let groups = self.world.groups.lock();
        let of_group = |group: &Group| {
            machine::events(&group.records, Some(config.bucket), Since::Oldest, usize::MAX, usize::MAX).unwrap().events
        };
        let mut events: Vec<_> = groups.values().flat_map(of_group).map(|(_, event)| event).collect();
        events.sort_by_key(|event| event.stamp);
        Ok(Events { events, ..Events::default() })
    }
}

pub(crate) fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

pub(crate) fn card(seed: u8) -> MemberCard {
    MemberSecret::card(&identity(seed))
}

pub(crate) fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRandom::new(length as u64).fill(&mut bytes);
    bytes
}

/// A bucket of user 1 in a world of six peers.
pub(crate) async fn bucket(options: &BucketOptions) -> (Arc<World>, Bucket) {
    let world = World::new(6);
    let bucket = world.names(1).create_bucket("photos", options).await.unwrap();
    (world, bucket)
}

pub(crate) fn versioned() -> BucketOptions {
    BucketOptions { versioning: true, ..BucketOptions::default() }
}

pub(crate) async fn put_if(
    bucket: &Bucket,
    key: &str,
    content: &[u8],
    condition: Condition,
) -> Result<Written, ObjectError> {
    let options = PutNamedOptions { condition, ..PutNamedOptions::default() };
    bucket.put(key.as_bytes(), &mut &*content, &options, &Progress::default()).await
}

pub(crate) async fn put_bytes(bucket: &Bucket, key: &[u8], content: &[u8]) -> Result<Written, ObjectError> {
    bucket.put(key, &mut &*content, &PutNamedOptions::default(), &Progress::default()).await
}

pub(crate) async fn put(bucket: &Bucket, key: &str, content: &[u8]) -> Written {
    put_if(bucket, key, content, Condition::Always).await.unwrap()
}

pub(crate) async fn read_version(
    bucket: &Bucket,
    key: &str,
    version: Option<VersionId>,
) -> Result<Vec<u8>, ObjectError> {
    let object = bucket.open(key.as_bytes(), version).await?;
    read_all(&object).await
}

pub(crate) async fn read_all(object: &NamedObject) -> Result<Vec<u8>, ObjectError> {
    let mut sink = MemorySink::default();
    object.get(0..object.size(), &mut sink, &Progress::default()).await?;
    Ok(sink.0)
}

pub(crate) async fn read(bucket: &Bucket, key: &str) -> Result<Vec<u8>, ObjectError> {
    read_version(bucket, key, None).await
}

/// The kind of an error, and what it says.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, ObjectError>) -> ErrorKind {
    result.unwrap_err().kind()
}
