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
use super::present::Present;
use super::{GROUP_0, change, conductor, state};
use crate::groups::{Door as GroupsDoor, GroupError, Groups};
use crate::machine;
use crate::raft::MemberStatus;
use crate::seat::Seat;
use crate::transport::Transport;

/// How often a member looks at the map.
const ROUND: Duration = Duration::from_millis(500);

/// How often a member that has no seat in group 0 asks for the map.
const ROUNDS_A_REFRESH: u64 = 4;

/// How often who leads out of its turn gives the lead to others.
const ROUNDS_A_TRANSFER: u64 = 20;

/// How long one step of a round may take.
const STEP: Duration = Duration::from_secs(5);

/// How long it may take until a new seat has the state of its group.
const FILL: Duration = Duration::from_mins(10);

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
    changing: Mutex<BTreeSet<GroupId>>,
    /// Group 0's last stamp when its rows were read here.
    own_read: Mutex<Stamp>,
    pub(super) present: Present,
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
        let present = Present::default();
        let door = Door::new(config.groups.clone(), client.clone(), network, present.clone());
        let door: Arc<dyn GroupsDoor> = Arc::new(door);
        client.set_door(&door);
        config.groups.set_door(door);
        // Whoever the map will name; until then nobody's Raft messages are acted on but this node's own.
        config.groups.admit_only(BTreeSet::from([config.groups.me().peer]));
        for id in config.groups.kept() {
            config.groups.open(id).await?;
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (changing, own_read) = (Mutex::default(), Mutex::default());
        let inner = Arc::new(Inner { config, client, changing, own_read, present, tasks, stop });
        inner.learn_own();
        inner.spawn(Arc::clone(&inner).keep());
        inner.spawn(conductor::conduct(Arc::clone(&inner)));
        Ok(Self(inner))
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
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled_owned(task).await });
    }

    pub(super) fn me(&self) -> Seat {
        self.config.groups.me()
    }

    pub(super) fn status(&self, id: GroupId) -> Option<MemberStatus> {
        self.config.groups.status(id).ok()
    }

    pub(super) fn leads(&self, id: GroupId) -> bool {
        self.status(id).is_some_and(|status| status.leader == Some(self.me()))
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
        if !self.learn_own() && round.is_multiple_of(ROUNDS_A_REFRESH) {
            self.client.start_with((self.config.others)());
            if let Err(error) = self.client.refresh().await {
                tracing::debug!(error = &error as &dyn std::error::Error, "no map of the network");
            }
        }
        let Some(map) = self.client.map() else { return };
        self.config.groups.admit_only(admitted(&map, self.me().peer));
        self.register(&map).await;
        let kept = if round.is_multiple_of(ROUNDS_A_REFRESH) { self.config.groups.kept() } else { BTreeSet::new() };
        for (id, group) in &map.groups {
            // Who leads sees to the seats, its own too: nobody else can.
            if group.seats.contains(&self.me().peer) || self.leads(*id) {
                self.attend(&map, *id, group, round).await;
            } else if kept.contains(id) {
                self.leave(&map, *id).await;
            }
        }
    }

    /// Takes the map from this node's own records of group 0, if it sits there and is up to date as far as it knows.
    fn learn_own(&self) -> bool {
        let me = self.me();
        let sits = self.status(GROUP_0).is_some_and(|status| status.voters.contains(&me) && status.leader.is_some());
        if !sits {
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
                groups.found(GROUP_0, BTreeSet::from([self.me()])).await?;
            }
            Ok::<_, GroupError>(())
        };
        if let Err(error) = began.await {
            return tracing::warn!(error = &error as &dyn std::error::Error, "the network did not begin");
        }
        if !self.leads(GROUP_0) {
            return;
        }
        let me = self.me();
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
            incarnation: self.me().incarnation,
            zone: self.config.zone.clone(),
            addresses,
            state,
            agent: self.config.agent.clone(),
        }
    }

    /// Says where this member is and which log it has, if the map says otherwise.
    async fn register(&self, map: &ClusterMap) {
        let known = map.members.get(&self.me().peer);
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

    /// Opens a group in which this member is to sit, begins it if that is its part, and sees to its seats if it leads.
    async fn attend(self: &Arc<Self>, map: &Arc<ClusterMap>, id: GroupId, group: &GroupRow, round: u64) {
        if let Err(error) = self.config.groups.open(id).await {
            return tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
        }
        if !group.founded {
            return self.found(map, id, group).await;
        }
        let Some(status) = self.status(id).filter(|status| status.leader == Some(self.me())) else { return };
        let Some(wanted) = wanted(map, group) else { return };
        if wanted == status.voters && status.learners.is_empty() {
            if round.is_multiple_of(ROUNDS_A_TRANSFER) {
                self.give_lead(map, id, &wanted).await;
            }
            return;
        }
        if !self.changing.lock().insert(id) {
            return;
        }
        let inner = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = inner.reseat(id, &status, wanted).await {
                tracing::info!(group = %id, error = &error as &dyn std::error::Error, "its seats do not change yet");
            }
            inner.changing.lock().remove(&id);
        });
    }

    /// Gives the lead to the one among the voters whose turn it is in this group, if it answers: leaders do the most.
    async fn give_lead(&self, map: &ClusterMap, id: GroupId, voters: &BTreeSet<Seat>) {
        let preferred = map.leader_in_turn(id).filter(|peer| *peer != self.me().peer);
        let Some(seat) = preferred.and_then(|peer| voters.iter().find(|seat| seat.peer == peer)) else { return };
        match self.client.ask_one(seat.peer, id, &Ask::Status, STEP / 5).await {
            // Who starts only now has to catch up first.
            Ok(Told::Status(theirs)) if theirs.leader == Some(self.me().peer) => {}
            _ => return,
        }
        if let Err(error) = self.config.groups.transfer(id, *seat).await {
            tracing::debug!(group = %id, error = &error as &dyn std::error::Error, "the lead stays here");
        }
    }

    /// Changes who votes: who followed in order to vote and is not to any more goes, newcomers are filled, then all change
    /// at once, by joint consensus. It ends early if others are wanted meanwhile: who is to be filled may be gone.
    async fn reseat(&self, id: GroupId, status: &MemberStatus, wanted: BTreeSet<Seat>) -> Result<(), GroupError> {
        let groups = &self.config.groups;
        for seat in status.learners.difference(&wanted) {
            groups.drop_learner(id, *seat, STEP).await?;
            tracing::info!(group = %id, %seat, "it is not to vote any more, and follows no longer");
        }
        if wanted == status.voters {
            return Ok(());
        }
        for seat in wanted.difference(&status.voters) {
            tokio::select! {
                added = groups.add_learner(id, *seat, FILL) => added?,
                () = self.others_wanted(id, &wanted) => return Ok(()),
            }
        }
        // Where nobody stays who could take over, those that are to go vote once more beside those that come.
        let all_go = wanted.is_disjoint(&status.voters);
        let voters = if all_go { wanted.union(&status.voters).copied().collect() } else { wanted };
        let count = voters.len();
        groups.set_voters(id, voters, STEP).await?;
        tracing::info!(group = %id, voters = count, "its seats have changed");
        Ok(())
    }

    /// Returns when the map wants others in a group than these.
    async fn others_wanted(&self, id: GroupId, those: &BTreeSet<Seat>) {
        let is_so = || {
            let map = self.client.map()?;
            wanted(&map, map.groups.get(&id)?).map(|now| now == *those)
        };
        while is_so() != Some(false) {
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Begins a group with this member alone, if it is this member with this very log that is to.
    async fn found(&self, map: &ClusterMap, id: GroupId, group: &GroupRow) {
        let me = self.me();
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

    /// Forgets a group, once its leader says that this member has no seat there any more.
    ///
    /// What a member promised in the name of its seat must not be forgotten while somebody counts on it. So this one stops
    /// first, and then asks: whoever takes it in again afterwards begins with nothing. And who answers has to lead while it
    /// does: a leader that was deposed knows of old seats only.
    async fn leave(&self, map: &ClusterMap, id: GroupId) {
        let groups = &self.config.groups;
        if !self.is_left(map, id).await {
            return;
        }
        groups.close(id).await;
        let left = if self.is_left(map, id).await { groups.forget(id).await.map(|()| true) } else { Ok(false) };
        match left {
            Ok(true) => tracing::info!(group = %id, "this member has left the group"),
            Ok(false) => {
                if let Err(error) = groups.open(id).await {
                    tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
                }
            }
            Err(error) => {
                tracing::warn!(group = %id, error = &error as &dyn std::error::Error, "a group is not forgotten");
            }
        }
    }

    /// Whether the leader of a group says that this member has no seat in it, and leads while it says so.
    async fn is_left(&self, map: &ClusterMap, id: GroupId) -> bool {
        let me = self.me().peer;
        let says = async |seat: Seat| match self.client.ask_one(seat.peer, id, &Ask::Status, STEP).await {
            Ok(Told::Status(status)) if status.leader == Some(seat.peer) => Some(status),
            _ => None,
        };
        for peer in map.seats(id) {
            let Some(incarnation) = map.member(*peer).map(|member| member.incarnation) else { continue };
            let seat = Seat { peer: *peer, incarnation };
            let Some(before) = says(seat).await else { continue };
            if before.voters.contains(&me) || before.learners.contains(&me) {
                return false;
            }
            return self.config.groups.is_led_by(id, seat, STEP).await
                && says(seat).await.is_some_and(|after| {
                    after.term == before.term && after.voters == before.voters && after.learners == before.learners
                });
        }
        false
    }
}

/// Who is to vote in a group, each with the log that it has now; `None` while one of them is not known.
fn wanted(map: &ClusterMap, group: &GroupRow) -> Option<BTreeSet<Seat>> {
    let seat = |peer: &PeerId| Some(Seat { peer: *peer, incarnation: map.member(*peer)?.incarnation });
    group.seats.iter().map(seat).collect()
}

/// Whose Raft messages are acted on.
fn admitted(map: &ClusterMap, me: PeerId) -> BTreeSet<PeerId> {
    let members = map.members.values().filter(|member| member.state != MemberState::Removed);
    members.map(MemberRow::peer).chain([me]).collect()
}
