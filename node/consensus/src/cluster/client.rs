//! The groups, as a client sees them: a map that is learned from any member, routes to leaders, and answers that say where
//! else to ask.
//!
//! One living member is enough to begin with. Who holds an old map is told so by whoever it asks wrongly, and asks again
//! with a new one, under one deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;
use storgo_object::ports::{Clock, Events, EventsSince, Hearing, Metadata, MetadataError, Neighbours, Random, Said};
use storgo_protocol::cluster::{
    Ask, Bucket, BucketRow, ClusterMap, Failed, FailedKind, Found, Happened, Level, Listed, Listing, MemberRow,
    MemberState, Replication, SealedTalk, Since, Told,
};
use storgo_protocol::limits::{ASK_SECONDS_MAX, LISTED_MAX, ROUTER_PAUSE_MS_MAX, ROUTER_PAUSE_MS_MIN, TALKS_HEARD_MAX};
use storgo_protocol::meta::{BucketConfig, BucketId, Command, HearerId, RefusedKind, Reply, Slot, Stamp, VersionId};
use storgo_protocol::raft::{Unable, envelope::Body};
use storgo_protocol::{GroupId, Identity, LogIncarnation, NetworkId, PeerId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::asker::Asker;
use super::hearers::Hearers;
use super::listing::merge;
use super::{GROUP_0, following};
use crate::courier::{Courier, Serve};
use crate::groups::{Door, Groups};
use crate::metrics::Metrics;
use crate::router::{AskError, RouteError, Router};
use crate::seat::{Seat, Seats};
use crate::transport::Transport;

/// How long a client waits for an answer.
const WITHIN: Duration = Duration::from_secs(ASK_SECONDS_MAX);

/// How long one map is tried, before it is asked for a newer one.
const TURN: Duration = Duration::from_secs(3);

/// Asks the groups of a network. Clones are the same.
#[derive(Debug, Clone)]
pub struct MetadataClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    asker: Arc<Asker>,
    router: Router<Asker>,
    courier: Arc<Courier>,
    transport: Arc<dyn Transport>,
    random: Arc<dyn Random>,
    map: RwLock<Option<Arc<ClusterMap>>>,
    /// Who may know the map, before there is one.
    start: RwLock<Vec<PeerId>>,
    /// How often a newer map was asked for.
    refreshed: AtomicUsize,
    /// Those of the node in this process, if there is one.
    hearers: OnceLock<Hearers>,
}

/// Answers that there is nothing to ask: for who only asks, or keeps shards only.
#[derive(Debug)]
struct Deaf;

impl Serve for Deaf {
    async fn serve(&self, _from: Seat, _group: GroupId, request: Body) -> Body {
        let reason = "this peer keeps no names";
        match request {
            Body::Ask(_) => Body::Told(Told::Failed(Failed::new(FailedKind::NoNetwork, reason)).encode()),
            _ => Body::Unable(Unable { reason: reason.to_owned() }),
        }
    }
}

impl MetadataClient {
    /// For `user`, who speaks through the connections of `me` in `network`.
    #[must_use]
    pub fn new(
        me: PeerId,
        user: Arc<Identity>,
        network: NetworkId,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let incarnation = LogIncarnation::new(u64::from_le_bytes(random.array()));
        let seats = Seats::new(Seat { peer: me, incarnation }, BTreeMap::new());
        let courier = Courier::new(seats, Arc::clone(&transport), clock, Metrics::default());
        Self::over(courier, Some(user), network, transport, random)
    }

    /// For a node itself, beside its groups.
    pub(super) fn of_node(
        groups: &Groups,
        network: NetworkId,
        transport: Arc<dyn Transport>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::over(Arc::clone(groups.courier()), None, network, transport, random)
    }

    fn over(
        courier: Arc<Courier>,
        user: Option<Arc<Identity>>,
        network: NetworkId,
        transport: Arc<dyn Transport>,
        random: Arc<dyn Random>,
    ) -> Self {
        let asker = Arc::new(Asker::new(Arc::clone(&courier), user, network));
        let router = Router::new(Arc::clone(&asker), Arc::clone(&random), courier.metrics.clone());
        let (map, start) = (RwLock::default(), RwLock::default());
        let (refreshed, hearers) = (AtomicUsize::new(0), OnceLock::new());
        Self(Arc::new(Inner { asker, router, courier, transport, random, map, start, refreshed, hearers }))
    }

    /// What is asked of `node`, which is in this process, is put to its `door`, and what it is told is heard by `hearers`.
    pub(super) fn set_door(&self, node: PeerId, door: &Arc<dyn Door>, hearers: &Hearers) {
        self.0.asker.set_here(node, Arc::downgrade(door));
        self.0.hearers.get_or_init(|| hearers.clone());
    }

    /// Takes a frame from a peer: for a client that has no groups of its own.
    pub fn receive(&self, from: PeerId, frame: Bytes) {
        self.0.courier.receive(from, frame, &Arc::new(Deaf));
    }

    /// Hears that a peer's frames have come to an end: for a client that has no groups of its own.
    pub fn lost(&self, peer: PeerId) {
        self.0.courier.lost(peer);
    }

    /// Says who may know the map: peers that are connected, say.
    pub fn start_with(&self, peers: Vec<PeerId>) {
        *self.0.start.write() = peers;
    }

    /// The map as it is known.
    #[must_use]
    pub fn map(&self) -> Option<Arc<ClusterMap>> {
        self.0.map.read().clone()
    }

    /// Takes a map that is newer than the one that is known, if it is of the same network.
    pub(super) fn learn(&self, map: ClusterMap) {
        if self.0.asker.network() != map.id() {
            return tracing::warn!(network = %map.id(), "a map of another network was not taken");
        }
        let mut known = self.0.map.write();
        if known.as_ref().is_some_and(|known| known.revision >= map.revision) {
            return;
        }
        for (id, group) in &map.groups {
            let seats = group.seats.iter().copied().filter(|seat| map.member(*seat).is_some());
            self.0.router.set_members(*id, seats.collect());
        }
        for member in map.members.values() {
            self.0.transport.hear_of(member.peer(), &member.addresses);
        }
        *known = Some(Arc::new(map));
    }

    /// Asks members for a newer map until one has it, or is one of those that would have it; each time, another one first.
    ///
    /// # Errors
    /// [`MetadataError::NoNetwork`] if nobody knows of one, [`MetadataError::Unavailable`] if nobody answers.
    pub async fn refresh(&self) -> Result<Arc<ClusterMap>, MetadataError> {
        let map = self.map();
        let known = map.as_ref().map_or(Stamp::ZERO, |map| map.revision);
        let mut peers: Vec<PeerId> = map.iter().flat_map(|map| map.seats(GROUP_0).iter().copied()).collect();
        let turn = self.0.refreshed.fetch_add(1, Ordering::Relaxed).checked_rem(peers.len());
        peers.rotate_left(turn.unwrap_or_default());
        peers.extend(map.iter().flat_map(|map| map.members.keys().copied()));
        peers.extend(self.0.start.read().iter().copied());
        // What this node has itself, it knows.
        let mut asked = BTreeSet::from([self.0.courier.peer()]);
        let (mut heard, mut met) = (false, None);
        for peer in peers.into_iter().filter(|peer| asked.insert(*peer)) {
            let ask = Ask::Map { known }.encode();
            match self.0.asker.told(peer, GROUP_0, ask, WITHIN / 4).await {
                Ok(Told::Map(newer)) => {
                    if let Some(newer) = newer {
                        self.learn(*newer);
                    }
                    if let Some(map) = self.map() {
                        return Ok(map);
                    }
                }
                Ok(Told::Failed(Failed { kind: FailedKind::NotLeader(_), .. })) => heard = true,
                Ok(Told::Failed(failed)) => met = Some(refused(failed)),
                Ok(_) => {}
                Err(error) => met = met.or(Some(MetadataError::Unavailable(error.into()))),
            }
        }
        match self.map() {
            // Others have none that is newer either, or there are no others.
            Some(map) if heard || asked.len() == 1 => Ok(map),
            _ => Err(met.unwrap_or_else(|| MetadataError::NoNetwork("nobody is known to ask".to_owned()))),
        }
    }

    async fn known_map(&self) -> Result<Arc<ClusterMap>, MetadataError> {
        match self.map() {
            Some(map) => Ok(map),
            None => self.refresh().await,
        }
    }

    /// Asks one member.
    pub(super) async fn ask_one(
        &self,
        peer: PeerId,
        group: GroupId,
        ask: &Ask,
        within: Duration,
    ) -> Result<Told, AskError> {
        self.0.asker.told(peer, group, ask.encode(), within).await
    }

    /// Asks the leader of a group.
    pub(super) async fn ask(&self, group: GroupId, ask: &Ask, within: Duration) -> Result<Told, RouteError> {
        self.0.router.call(group, ask.encode(), within).await
    }

    async fn affair(&self, ask: &Ask) -> Result<Told, MetadataError> {
        self.known_map().await?;
        match self.ask(GROUP_0, ask, WITHIN).await.map_err(unavailable)? {
            Told::Failed(failed) => Err(refused(failed)),
            told => Ok(told),
        }
    }

    /// Asks the group of a key until it answers for it: with a new map if the key is elsewhere, after a pause if it is on
    /// its way, and after the group was told of the bucket if it does not know it.
    async fn of_key(&self, config: &BucketConfig, key: &[u8], ask: &Ask, level: Level) -> Result<Told, MetadataError> {
        let deadline = Instant::now() + WITHIN;
        let (mut pause_ms, mut map) = (ROUTER_PAUSE_MS_MIN, self.known_map().await?);
        loop {
            let group = map.group_of(config.slot(key));
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.ask_at(level, &map, group, ask, left.min(TURN)).await;
            if let Err(error @ MetadataError::Unavailable(_)) = told {
                // A short turn would only hide what this one met.
                if deadline.saturating_duration_since(Instant::now()) <= TURN / 2 {
                    return Err(error);
                }
                // Members may have moved, or others have come in their place.
                map = self.refresh().await.unwrap_or(map);
                continue;
            }
            let refusal = match &told {
                Ok(Told::Reply(Reply::Refused(refusal))) => refusal.clone(),
                Ok(Told::Failed(failed)) => return Err(refused(failed.clone())),
                _ => return told,
            };
            match refusal.kind {
                RefusedKind::NotHere(_) | RefusedKind::Frozen(_) => {
                    map = self.refresh().await?;
                }
                RefusedKind::NoBucket => self.spread(config).await?,
                RefusedKind::Generation(known) if known < config.generation => self.spread(config).await?,
                _ => return told,
            }
            if Instant::now() + Duration::from_millis(pause_ms) >= deadline {
                return Err(MetadataError::Unavailable(refusal.reason.into()));
            }
            tokio::time::sleep(self.jittered(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(ROUTER_PAUSE_MS_MAX);
        }
    }

    /// Who may answer at this level: the leader of a group, or any member of it.
    async fn ask_at(
        &self,
        level: Level,
        map: &ClusterMap,
        group: GroupId,
        ask: &Ask,
        within: Duration,
    ) -> Result<Told, MetadataError> {
        if level.is_strong() {
            self.ask(group, ask, within).await.map_err(unavailable)
        } else {
            self.ask_any(map, group, ask, within).await
        }
    }

    /// Any member of a group, the nearest first, the next one if one does not answer.
    async fn ask_any(
        &self,
        map: &ClusterMap,
        group: GroupId,
        ask: &Ask,
        within: Duration,
    ) -> Result<Told, MetadataError> {
        let mut seats = map.seats(group).to_vec();
        let count = seats.len().max(1);
        // That of this process, if it has a seat.
        let nearest = self.0.asker.here().and_then(|here| seats.iter().position(|seat| *seat == here));
        let by = nearest.unwrap_or_else(|| usize::from(u16::from_le_bytes(self.0.random.array())) % count);
        seats.rotate_left(by);
        let mut met: Box<dyn std::error::Error + Send + Sync> = format!("no member of group {group} is known").into();
        for seat in seats {
            match self.ask_one(seat, group, ask, within / u32::try_from(count).unwrap_or(1)).await {
                Ok(Told::Failed(Failed { kind: FailedKind::NotLeader(_) | FailedKind::Busy, reason })) => {
                    met = reason.into();
                }
                Ok(told) => return Ok(told),
                Err(error) => met = error.into(),
            }
        }
        Err(MetadataError::Unavailable(met))
    }

    /// What happened in one group; `None` if it never heard of the bucket.
    async fn happened(&self, group: GroupId, ask: Ask) -> Result<Option<(GroupId, Happened)>, MetadataError> {
        match self.ask(group, &ask, WITHIN).await.map_err(unavailable)? {
            Told::Happened(happened) => Ok(Some((group, happened))),
            Told::Reply(Reply::Refused(refusal)) if refusal.kind == RefusedKind::NoBucket => Ok(None),
            Told::Failed(failed) => Err(refused(failed)),
            _ => Err(strange()),
        }
    }

    async fn spread(&self, config: &BucketConfig) -> Result<(), MetadataError> {
        self.affair(&Ask::SpreadBucket { bucket: config.bucket }).await.map(drop)
    }

    fn jittered(&self, ms: u64) -> Duration {
        let draw = u64::from_le_bytes(self.0.random.array());
        Duration::from_millis(ms / 2 + draw % (ms / 2 + 1))
    }

    /// One page of all groups, merged; `None` if they did not cover each slot exactly once, as while slots move.
    async fn list_once(
        &self,
        config: &BucketConfig,
        listing: &Listing,
        level: Level,
    ) -> Result<Option<Listed>, MetadataError> {
        let map = self.known_map().await?;
        let slots = listing.slots_of(config);
        let groups: BTreeSet<GroupId> = slots.iter().map(|slot| map.group_of(*slot)).collect();
        let ask = Ask::List { listing: listing.clone(), level };
        let pages = groups.iter().map(|group| async {
            match self.ask_at(level, &map, *group, &ask, WITHIN).await? {
                Told::Listed(page) => Ok(Some(page)),
                Told::Reply(Reply::Refused(refusal)) if refusal.kind == RefusedKind::NoBucket => {
                    self.spread(config).await.map(|()| None)
                }
                Told::Failed(failed) => Err(refused(failed)),
                _ => Err(strange()),
            }
        });
        let pages = futures::future::try_join_all(pages).await?;
        Ok(merge(pages, slots.len(), listing.limit.min(LISTED_MAX)))
    }
}

#[async_trait]
impl Neighbours for MetadataClient {
    async fn members(&self) -> Result<Vec<PeerId>, MetadataError> {
        let (map, here) = (self.refresh().await?, self.0.asker.here());
        let there = map.members.values().filter(|row| row.state != MemberState::Removed && Some(row.peer()) != here);
        Ok(there.map(MemberRow::peer).collect())
    }

    fn here(&self) -> Option<PeerId> {
        self.0.asker.here()
    }

    fn leads(&self) -> Vec<(RangeInclusive<Slot>, Option<PeerId>)> {
        let Some(map) = self.map() else { return Vec::new() };
        map.slots.ranges().iter().map(|range| (range.first..=range.last, map.leader_in_turn(range.group))).collect()
    }

    async fn tell(
        &self,
        member: PeerId,
        bucket: BucketId,
        talk: Option<SealedTalk>,
    ) -> Result<Option<HearerId>, MetadataError> {
        let told = self.ask_one(member, GROUP_0, &Ask::Tell { bucket, talk }, TURN).await;
        match told.map_err(|error| MetadataError::Unavailable(error.into()))? {
            Told::Hearer(hearer) => Ok(hearer),
            // It keeps no names, and nobody hears beside it.
            Told::Failed(Failed { kind: FailedKind::NoNetwork, .. }) => Ok(None),
            Told::Failed(failed) => Err(refused(failed)),
            _ => Err(strange()),
        }
    }

    fn hear(&self, bucket: BucketId, hearing: Hearing) -> mpsc::Receiver<Said> {
        match self.0.hearers.get() {
            Some(hearers) => hearers.hear(bucket, hearing),
            // Beside no node, there is nothing to hear.
            None => mpsc::channel(TALKS_HEARD_MAX).1,
        }
    }
}

fn unavailable(error: RouteError) -> MetadataError {
    MetadataError::Unavailable(error.into())
}

fn refused(failed: Failed) -> MetadataError {
    match failed.kind {
        FailedKind::Denied | FailedKind::Introduce | FailedKind::NotFound => MetadataError::Denied(failed.reason),
        FailedKind::Conflict => MetadataError::Conflict(failed.reason),
        FailedKind::Refused => MetadataError::Refused(failed.reason),
        FailedKind::NoNetwork => MetadataError::NoNetwork(failed.reason),
        FailedKind::NotLeader(_) | FailedKind::Busy => MetadataError::Unavailable(failed.reason.into()),
    }
}

fn strange() -> MetadataError {
    MetadataError::Refused("an answer to another question".to_owned())
}

#[async_trait]
impl Metadata for MetadataClient {
    async fn bucket(&self, name: &str) -> Result<Option<BucketRow>, MetadataError> {
        self.known_map().await?;
        match self.ask(GROUP_0, &Ask::Bucket { name: name.to_owned() }, WITHIN).await.map_err(unavailable)? {
            Told::Buckets { mut buckets, .. } => Ok(buckets.pop()),
            Told::Failed(Failed { kind: FailedKind::NotFound, .. }) => Ok(None),
            Told::Failed(failed) => Err(refused(failed)),
            _ => Err(strange()),
        }
    }

    async fn buckets(&self, after: &str) -> Result<(Vec<BucketRow>, bool), MetadataError> {
        match self.affair(&Ask::Buckets { after: after.to_owned() }).await? {
            Told::Buckets { buckets, more } => Ok((buckets, more)),
            _ => Err(strange()),
        }
    }

    async fn set_bucket(
        &self,
        name: &str,
        bucket: Option<Bucket>,
        expected: Option<Stamp>,
    ) -> Result<(), MetadataError> {
        let ask = Ask::SetBucket { name: name.to_owned(), bucket: bucket.map(Box::new), expected };
        self.affair(&ask).await.map(drop)
    }

    async fn write(
        &self,
        config: &BucketConfig,
        key: &[u8],
        command: &Command,
        replication: Replication,
    ) -> Result<Reply, MetadataError> {
        let command = command.encode();
        let ask = match replication {
            Replication::Local => Ask::LocalCommand(command),
            Replication::Replicated | Replication::Durable => Ask::Command(command),
        };
        let Told::Reply(reply) = self.of_key(config, key, &ask, Level::Linearizable).await? else {
            return Err(strange());
        };
        if replication != Replication::Durable || matches!(reply, Reply::Refused(_)) {
            return Ok(reply);
        }
        let ask = Ask::Everywhere { bucket: config.bucket, key: Bytes::copy_from_slice(key) };
        match self.of_key(config, key, &ask, Level::Linearizable).await? {
            Told::Done => Ok(reply),
            Told::Reply(Reply::Refused(refusal)) => Err(MetadataError::Refused(refusal.reason)),
            _ => Err(strange()),
        }
    }

    async fn get(
        &self,
        config: &BucketConfig,
        key: &[u8],
        version: Option<VersionId>,
        level: Level,
    ) -> Result<Found, MetadataError> {
        let ask = Ask::Get { bucket: config.bucket, key: Bytes::copy_from_slice(key), version, level };
        match self.of_key(config, key, &ask, level).await? {
            Told::Found(found) => Ok(found),
            Told::Reply(Reply::Refused(refusal)) => Err(MetadataError::Refused(refusal.reason)),
            _ => Err(strange()),
        }
    }

    async fn list(&self, config: &BucketConfig, listing: &Listing, level: Level) -> Result<Listed, MetadataError> {
        let deadline = Instant::now() + WITHIN;
        let mut pause_ms = ROUTER_PAUSE_MS_MIN;
        loop {
            if let Some(listed) = self.list_once(config, listing, level).await? {
                return Ok(listed);
            }
            if Instant::now() + Duration::from_millis(pause_ms) >= deadline {
                return Err(MetadataError::Unavailable("slots of the bucket are on their way".into()));
            }
            tokio::time::sleep(self.jittered(pause_ms)).await;
            pause_ms = (pause_ms * 2).min(ROUTER_PAUSE_MS_MAX);
            self.refresh().await?;
        }
    }

    async fn events(&self, config: &BucketConfig, since: &EventsSince) -> Result<Events, MetadataError> {
        let map = self.known_map().await?;
        let known = match since {
            EventsSince::Places(places) => places.groups().clone(),
            EventsSince::Oldest | EventsSince::Now => BTreeMap::new(),
        };
        // All, because slots of the bucket may have been elsewhere.
        let groups = map.groups.keys().copied().filter(|group| *group != GROUP_0);
        let pages = groups.map(|group| {
            let since = match (since, known.get(&group)) {
                (_, Some(place)) => Since::Place(*place),
                (EventsSince::Now, None) => Since::Now,
                (_, None) => Since::Oldest,
            };
            self.happened(group, Ask::Events { bucket: config.bucket, since })
        });
        let pages = futures::future::try_join_all(pages).await?;
        Ok(following::merge(pages.into_iter().flatten().collect(), known))
    }
}
