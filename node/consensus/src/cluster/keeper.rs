//! What a member does for the network by itself: it says where it is, opens the groups in which it is to sit, begins those
//! that are its to begin, sees to the seats of those that it leads, and forgets those that it has left.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_object::ports::{Clock, Random};
use storgo_protocol::cluster::{
    Ask, ClusterMap, GroupRow, MemberRow, MemberState, NetworkRow, RowKey, SlotTable, Told,
};
use storgo_protocol::meta::{Action, Reply, Stamp};
use storgo_protocol::{Admission, GroupId, NetworkId, PeerAddress, PeerId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::MetadataClient;
use super::door::Door;
use super::hearers::Hearers;
use super::present::Present;
use super::{GROUP_0, change, conductor, state};
use crate::groups::{Door as GroupsDoor, GroupError, Groups};
use crate::machine;
use crate::raft::MemberStatus;
use crate::transport::Transport;

/// How often a member looks at the map.
pub(super) const ROUND: Duration = Duration::from_millis(500);

/// How often a member that has no seat in group 0 asks for the map.
const ROUNDS_A_REFRESH: u64 = 4;

/// How often one that has a seat there asks others all the same.
const ROUNDS_A_DOUBT: u64 = 20;

/// How long one step of a round may take.
pub(super) const STEP: Duration = Duration::from_secs(5);

/// What a member of a network is made of.
pub struct ClusterConfig {
    /// Its groups; none opened.
    pub groups: Groups,
    /// The way to others.
    pub transport: Arc<dyn Transport>,
    /// Shows that it is a member.
    pub admission: Admission,
    /// Set if it is to begin the network, unless it has begun.
    pub founding: Option<Founding>,
    /// Its failure domain.
    pub zone: String,
    /// Program and version.
    pub agent: String,
    /// Where it listens, at any moment.
    pub addresses: Arc<dyn Fn() -> Vec<PeerAddress> + Send + Sync>,
    /// Members to ask for the map at first.
    pub others: Arc<dyn Fn() -> Vec<PeerId> + Send + Sync>,
    /// After how long a silent member's seats are given to others.
    pub gone_after: Duration,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig").field("groups", &self.groups).field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// How a network begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Founding {
    /// Groups besides group 0.
    pub groups: u32,
    /// Voters of a group, where there are as many members: odd.
    pub voters: u32,
}

/// A member of a network, at work. Clones are the same.
#[derive(Debug, Clone)]
pub struct Cluster(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) config: ClusterConfig,
    pub(super) client: MetadataClient,
    /// Groups whose seats are being changed.
    pub(super) changing: Mutex<BTreeSet<GroupId>>,
    /// Group 0's last stamp when its rows were read here.
    own_read: Mutex<Stamp>,
    pub(super) present: Present,
    hearers: Hearers,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Cluster {
    /// Starts to take part.
    ///
    /// # Errors
    /// [`GroupError`] if what is kept of the groups cannot be opened.
    pub async fn start(config: ClusterConfig) -> Result<Self, GroupError> {
        let network = config.admission.terms.network();
        let client =
            MetadataClient::of_node(&config.groups, network, Arc::clone(&config.transport), Arc::clone(&config.random));
        let (present, hearers) = (Present::default(), Hearers::default());
        let door = Door::new(config.groups.clone(), client.clone(), network, present.clone(), hearers.clone());
        let door: Arc<dyn GroupsDoor> = Arc::new(door);
        client.set_door(config.groups.me().peer, &door, &hearers);
        config.groups.set_door(door);
        // Nobody's Raft messages are acted on but this node's own, until it is known whose are.
        config.groups.admit_only(BTreeSet::from([config.groups.me().peer]));
        for id in config.groups.kept() {
            if let Err(error) = config.groups.open(id).await {
                // The others are there all the same; it is tried again as long as it is wanted here.
                tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
            }
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (changing, own_read) = (Mutex::default(), Mutex::default());
        let inner = Arc::new(Inner { config, client, changing, own_read, present, hearers, tasks, stop });
        inner.learn_own();
        inner.admit().await;
        inner.spawn(Arc::clone(&inner).keep());
        inner.spawn(conductor::conduct(Arc::clone(&inner)));
        Ok(Self(inner))
    }

    /// What `client`, which is in this process, asks of this node goes to it without a network, and it hears what this node
    /// is told.
    pub fn serve_beside(&self, client: &MetadataClient) {
        let groups = &self.0.config.groups;
        if let Some(door) = groups.door() {
            client.set_door(groups.me().peer, &door, &self.0.hearers);
        }
    }

    /// Asks the groups in this node's own name.
    #[must_use]
    pub fn client(&self) -> &MetadataClient {
        &self.0.client
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.0.config.admission.terms.network()
    }

    /// The groups of this node.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.0.config.groups
    }

    /// Asks a member, or the leader of a group if none is named, in this node's own name: what an operator wants to know or
    /// to be done.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub async fn ask(&self, peer: Option<PeerId>, group: GroupId, ask: &Ask) -> Result<Told, String> {
        let told = match peer {
            Some(peer) => self.0.client.ask_one(peer, group, ask, STEP).await.map_err(|error| super::chain(&error)),
            None => self.0.client.ask(group, ask, STEP * 2).await.map_err(|error| super::chain(&error)),
        };
        match told? {
            Told::Failed(failed) => Err(failed.reason),
            told => Ok(told),
        }
    }

    /// Stops to take part; the groups go on until they are stopped.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled_owned(task).await });
    }

    pub(super) fn me(&self) -> PeerId {
        self.config.groups.me().peer
    }

    pub(super) fn status(&self, id: GroupId) -> Option<MemberStatus> {
        self.config.groups.status(id).ok()
    }

    pub(super) fn leads(&self, id: GroupId) -> bool {
        self.status(id).is_some_and(|status| status.leader == Some(self.config.groups.seat(id)))
    }

    async fn keep(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0_u64.. {
            rounds.tick().await;
            self.round(round).await;
        }
    }

    async fn round(self: &Arc<Self>, round: u64) {
        if let Some(founding) = self.config.founding {
            self.found_network(founding).await;
        }
        // Who is cut off, or was voted out meanwhile, may take itself for up to date.
        let rounds = if self.learn_own() { ROUNDS_A_DOUBT } else { ROUNDS_A_REFRESH };
        if round.is_multiple_of(rounds) {
            self.client.start_with((self.config.others)());
            if let Err(error) = self.client.refresh().await {
                tracing::debug!(error = &error as &dyn std::error::Error, "no map of the network");
            }
        }
        self.admit().await;
        let Some(map) = self.client.map() else { return };
        self.register(&map).await;
        let kept = if round.is_multiple_of(ROUNDS_A_REFRESH) { self.config.groups.kept() } else { BTreeSet::new() };
        for (id, group) in &map.groups {
            // Who leads sees to the seats, its own too: nobody else can.
            if group.seats.contains(&self.me()) || self.leads(*id) {
                self.attend(&map, *id, group, round).await;
            } else if kept.contains(id) {
                self.leave(&map, *id).await;
            }
        }
    }

    /// Has the Raft messages of those acted on whom the map names. While it is not known, of those whom this node's own groups
    /// count on: where all members have died at once, none of them knows the map before a leader of group 0 is elected.
    async fn admit(&self) {
        let admitted = match self.client.map() {
            Some(map) => admitted(&map, self.me()),
            None => self.config.groups.voters().await.into_iter().chain([self.me()]).collect(),
        };
        self.config.groups.admit_only(admitted);
    }

    /// Takes the map from this node's own records of group 0, if it sits there and is up to date as far as it knows.
    fn learn_own(&self) -> bool {
        if !self.config.groups.sits(GROUP_0) {
            return false;
        }
        let last = *self.own_read.lock();
        let look = |view: &dyn machine::View| {
            let stamp = machine::last_stamp(view)?;
            // Every member's admission is verified: not again for rows that nothing happened to.
            Ok((stamp, if stamp == last { None } else { state::read_map(view)? }))
        };
        match self.config.groups.look(GROUP_0, look) {
            Ok((stamp, map)) => {
                if let Some(map) = map {
                    self.client.learn(map);
                }
                *self.own_read.lock() = stamp;
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the map cannot be read"),
        }
        true
    }

    /// Begins group 0 with this node alone, and writes the first rows.
    async fn found_network(&self, founding: Founding) {
        if self.client.map().is_some() {
            return;
        }
        let groups = &self.config.groups;
        let began = async {
            groups.open(GROUP_0).await?;
            let status = groups.status(GROUP_0)?;
            if status.voters.is_empty() && status.term == 0 {
                groups.found(GROUP_0, BTreeSet::from([self.config.groups.me()])).await?;
            }
            Ok::<_, GroupError>(())
        };
        if let Err(error) = began.await {
            return tracing::warn!(error = &error as &dyn std::error::Error, "the network did not begin");
        }
        if !self.leads(GROUP_0) {
            return;
        }
        let me = self.config.groups.me();
        let founded_ms = self.config.clock.now_ms();
        let root = self.config.admission.terms.root;
        let network = NetworkRow { root, groups: founding.groups, voters: founding.voters, founded_ms };
        let founder = (me.peer, me.incarnation);
        let group = GroupRow { seats: vec![me.peer], founder, founded: false };
        let first = vec![
            change::row(&RowKey::Network, None, Some(network.encode())),
            change::row(&RowKey::Member(me.peer), None, Some(self.row(MemberState::Active).encode())),
            change::row(&RowKey::Slots, None, Some(SlotTable::even(founding.groups).encode())),
            change::row(&RowKey::Group(GROUP_0), None, Some(GroupRow { founded: true, ..group.clone() }.encode())),
        ];
        let mut batches = Vec::new();
        let ids: Vec<u32> = (1..=founding.groups).collect();
        for ids in ids.chunks(storgo_protocol::limits::ROWS_CHANGED_MAX) {
            let row = |id: &u32| change::row(&RowKey::Group(GroupId::new((*id).into())), None, Some(group.encode()));
            batches.push(ids.iter().map(row).collect::<Vec<_>>());
        }
        // The network's row comes last: with it there is a map.
        batches.push(first);
        for rows in batches {
            match groups.propose(GROUP_0, change::rows(rows), STEP).await {
                Ok(Reply::Refused(refusal)) => return tracing::warn!(reason = %refusal, "the network has begun before"),
                Ok(_) => {}
                Err(error) => {
                    return tracing::warn!(error = &error as &dyn std::error::Error, "the network did not begin");
                }
            }
        }
        tracing::info!(network = %self.config.admission.terms.network(), groups = founding.groups, "a network begins");
    }

    /// What this member says of itself.
    fn row(&self, state: MemberState) -> MemberRow {
        let mut addresses = (self.config.addresses)();
        addresses.truncate(storgo_protocol::limits::MEMBER_ADDRESSES_MAX);
        MemberRow {
            admission: self.config.admission.clone(),
            incarnation: self.config.groups.me().incarnation,
            zone: self.config.zone.clone(),
            addresses,
            state,
            agent: self.config.agent.clone(),
            left: self.config.groups.left(),
        }
    }

    /// Says where this member is and which log it has, if the map says otherwise.
    async fn register(&self, map: &ClusterMap) {
        let known = map.members.get(&self.me());
        let row = self.row(known.map(|row| row.state).unwrap_or_default());
        if known == Some(&row) {
            return;
        }
        match self.client.ask(GROUP_0, &Ask::Join(Box::new(row)), STEP).await {
            Ok(Told::Done) => {
                tracing::info!("this member is known to the network");
                if let Err(error) = self.client.refresh().await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no newer map");
                }
            }
            Ok(Told::Failed(failed)) => tracing::warn!(reason = %failed, "the network does not take this member"),
            Ok(_) => tracing::warn!("an answer to another question"),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "group 0 does not answer"),
        }
    }

    /// Opens a group in which this member sits or is to sit, again if it has stopped, and begins it if that is its part; if
    /// it leads, sees to the seats.
    async fn attend(self: &Arc<Self>, map: &Arc<ClusterMap>, id: GroupId, group: &GroupRow, round: u64) {
        let groups = &self.config.groups;
        let opened = match self.status(id).and_then(|status| status.stopped) {
            Some(reason) if round.is_multiple_of(ROUNDS_A_REFRESH) => {
                // What it acknowledged is on the disk.
                tracing::warn!(group = %id, reason, "a group has stopped and is started again");
                groups.restart(id).await
            }
            _ => groups.open(id).await,
        };
        if let Err(error) = opened {
            return tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
        }
        if group.founded { self.see_to_seats(map, id, round).await } else { self.found(map, id, group).await }
    }

    /// Begins a group with this member alone, if it is this member with this very log that is to.
    async fn found(&self, map: &ClusterMap, id: GroupId, group: &GroupRow) {
        // Who has left it is not the one any more that was to begin it.
        let me = self.config.groups.seat(id);
        if group.founder != (me.peer, me.incarnation) {
            return;
        }
        let groups = &self.config.groups;
        let began = async {
            let status = groups.status(id)?;
            if status.voters.is_empty() && status.term == 0 {
                groups.found(id, BTreeSet::from([me])).await?;
            }
            if !self.leads(id) {
                return Ok(false);
            }
            for range in map.slots.ranges().iter().filter(|range| range.group == id) {
                let assign = Action::Assign { first: range.first, last: range.last };
                groups.propose(id, change::command(assign), STEP).await?;
            }
            Ok::<_, GroupError>(true)
        };
        match began.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                return tracing::warn!(group = %id, error = &error as &dyn std::error::Error, "a group did not begin");
            }
        }
        let key = RowKey::Group(id);
        let revision = self.config.groups.look(GROUP_0, |view| state::revision(view, &key)).ok().flatten();
        let row = GroupRow { founded: true, ..group.clone() }.encode();
        let ask = Ask::Command(change::rows(vec![change::row(&key, revision, Some(row))]));
        if let Err(error) = self.client.ask(GROUP_0, &ask, STEP).await {
            tracing::warn!(group = %id, error = &error as &dyn std::error::Error, "that a group has begun was not noted");
        }
    }
}

/// Whose Raft messages are acted on.
fn admitted(map: &ClusterMap, me: PeerId) -> BTreeSet<PeerId> {
    let members = map.members.values().filter(|member| member.state != MemberState::Removed);
    members.map(MemberRow::peer).chain([me]).collect()
}
