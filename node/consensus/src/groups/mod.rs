//! The groups that have a seat on this node: opened, told, asked, changed.
//!
//! ```text
//!   propose ─► batch, stamps ─► member ═══ Raft ═══► replies     read ─► level ─► round ─► view
//!                                  ▲                                               │
//!   receive ─► courier ────────────┘                               index, and when it was asked for
//! ```
//!
//! Only a leader stamps, with a clock that most others agree with; a read says how stale it may be. It must not know
//! what a network is ([`Transport`]) nor where time comes from ([`Clock`]).

mod error;
mod foreseen;
mod gather;
mod lease;
mod opening;
mod promises;
mod proposals;
mod read;
mod rounds;
mod stamps;
mod tend;
mod voters;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use storgo_object::ports::Clock;
use storgo_protocol::meta::{Action, Command, FEATURE_LEVEL, Reply};
use storgo_protocol::raft::{LogId, Unable, envelope::Body};
use storgo_protocol::{GroupId, PeerId};
use storgo_store::log::Log;
use storgo_store::records::Records;
use tokio::time::Instant;

use crate::courier::{Courier, Serve};
use crate::machine;
use crate::metrics::Metrics;
#[cfg(storgo_planted)]
use crate::planted;
use crate::raft::{Elections, Looking, Member, MemberStatus, Progress, Snapshots};
use crate::seat::{Seat, Seats};
use crate::transport::Transport;

pub use error::GroupError;
pub use proposals::Acknowledge;
pub use read::Fresh;
pub use storgo_protocol::cluster::Level;

use lease::Lease;
use promises::Promises;
use proposals::Proposals;
use rounds::{Last, Rounds};
use stamps::Stamps;

/// What groups are made of.
#[derive(Debug, Clone)]
pub struct GroupsConfig {
    /// This node, with the incarnation of its log.
    pub me: Seat,
    /// Their log.
    pub log: Log,
    /// Their records.
    pub records: Records,
    /// The way to other members.
    pub transport: Arc<dyn Transport>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// When leaders are doubted.
    pub elections: Elections,
    /// When the log is let go.
    pub snapshots: Snapshots,
    /// What decides elections: drawn at random, and given by the simulator.
    pub seed: u64,
    /// Where they count what they do.
    pub metrics: Metrics,
}

/// The groups of a node. Clones are the same.
#[derive(Debug, Clone)]
pub struct Groups(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: GroupsConfig,
    courier: Arc<Courier>,
    /// How they make sure that they lead.
    promises: Promises,
    /// Held by who opens or closes one: of what is kept of a group one member makes use.
    opening: tokio::sync::Mutex<()>,
    lease: Lease,
    groups: Mutex<BTreeMap<GroupId, Arc<Group>>>,
    door: RwLock<Option<Arc<dyn Door>>>,
    /// Whose Raft messages are acted on; everybody's until it is said.
    admitted: RwLock<Option<BTreeSet<PeerId>>>,
}

/// Answers questions of clients and of other members.
#[async_trait]
pub(crate) trait Door: Send + Sync + fmt::Debug {
    /// The answer to a question of `from`, whose identity the connection proved.
    async fn answer(&self, from: PeerId, group: GroupId, ask: Bytes) -> Bytes;
}

/// One group, and what stands around its member.
#[derive(Debug)]
struct Group {
    member: Member,
    stamps: Stamps,
    /// What waits to be proposed by it.
    proposals: Proposals,
    /// The last round by which this member made sure that it leads.
    own: Last,
    /// Rounds by which it asks who leads.
    asked: Rounds,
    /// How often it asked another one to lead, so that it asks each in turn.
    handed_over: AtomicUsize,
}

impl Group {
    /// Whom to ask to lead: each of these in turn, since one of them may not answer.
    fn in_turn(&self, seats: &[Seat]) -> Option<Seat> {
        let turn = self.handed_over.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(seats.len()).and_then(|at| seats.get(at)).copied()
    }

    /// Looks at the records as they are here.
    fn look<T>(
        &self,
        id: GroupId,
        look: impl FnOnce(&dyn machine::View) -> Result<T, machine::MachineError>,
    ) -> Result<T, GroupError> {
        let looked = Looking::at(self.member.records()).and_then(|view| look(&view));
        looked.map_err(|error| GroupError::Stopped { group: id, reason: error.to_string() })
    }
}

impl Serve for Inner {
    async fn serve(&self, from: Seat, group: GroupId, request: Body) -> Body {
        if let Body::Ask(ask) = request {
            let door = self.door.read().clone();
            return match door {
                Some(door) => Body::Told(door.answer(from.peer, group, ask).await),
                None => Body::Unable(Unable { reason: "nobody is asked here".to_owned() }),
            };
        }
        if self.admitted.read().as_ref().is_some_and(|admitted| !admitted.contains(&from.peer)) {
            return Body::Unable(Unable { reason: "not a member of this network's groups".to_owned() });
        }
        if let Body::Promises(question) = request {
            return Body::Promised(self.promises.tell(&question));
        }
        let known = self.groups.lock().get(&group).cloned();
        let Some(known) = known else { return Body::Unable(Unable { reason: "no such group here".to_owned() }) };
        match request {
            Body::ReadIndex(_) => match self.promises.round(group, &known).await {
                // The term is nothing to who asks.
                Ok((_, index)) => Body::Readable(LogId { term: 0, index }),
                Err(error) => Body::Unable(Unable { reason: error.to_string() }),
            },
            request => known.member.serve(from, request).await,
        }
    }
}

impl Groups {
    /// No groups yet.
    #[must_use]
    pub fn new(config: GroupsConfig) -> Self {
        #[cfg(storgo_planted)]
        let config = GroupsConfig { me: planted::seat(config.me), ..config };
        let seats = Seats::new(config.me, config.log.left());
        let courier =
            Courier::new(seats, Arc::clone(&config.transport), Arc::clone(&config.clock), config.metrics.clone());
        let lease = Lease::new(config.elections.lease(), config.clock.suspended());
        let promises = Promises::new(Arc::clone(&courier), config.log.clone());
        let (door, admitted, opening) = (RwLock::default(), RwLock::default(), tokio::sync::Mutex::default());
        let groups = Self(Arc::new(Inner {
            config,
            courier,
            promises,
            lease,
            opening,
            groups: Mutex::default(),
            door,
            admitted,
        }));
        groups.0.courier.tasks.spawn(tend::pulse(groups.clone()));
        groups.0.courier.tasks.spawn(tend::clocks(groups.clone()));
        groups.0.courier.tasks.spawn(tend::expiry(groups.clone()));
        groups.0.courier.tasks.spawn(tend::changes(groups.clone()));
        groups
    }

    /// This node, with the incarnation of its log: who it is in each group that it never left.
    #[must_use]
    pub fn me(&self) -> Seat {
        self.0.config.me
    }

    /// Who this node is in a group.
    #[must_use]
    pub fn seat(&self, id: GroupId) -> Seat {
        self.0.courier.seats().of(id)
    }

    /// Whether this node votes in a group and knows of a leader: then its state of it is new, unless it was cut off.
    pub(crate) fn sits(&self, id: GroupId) -> bool {
        let me = self.seat(id);
        self.status(id).is_ok_and(|status| status.voters.contains(&me) && status.leader.is_some())
    }

    /// The peers that vote in groups that are open here, as far as is known here.
    pub(crate) async fn voters(&self) -> BTreeSet<PeerId> {
        let mut peers = BTreeSet::new();
        for (id, group) in self.all() {
            match group.member.voters_kept().await {
                Ok(voters) => peers.extend(voters.into_iter().map(|seat| seat.peer)),
                Err(error) => tracing::debug!(group = %id, error = &error as &dyn std::error::Error, "no voters"),
            }
        }
        peers
    }

    /// How often this node has left groups, of those that it has left.
    pub(crate) fn left(&self) -> BTreeMap<GroupId, u64> {
        self.0.courier.seats().left()
    }

    /// Has a command agreed on and applied. It is the group's answer that says whether it was done: a refusal in it is
    /// no error.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::ClockOff`], [`GroupError::Refused`]: nothing was done.
    /// [`GroupError::Unknown`], [`GroupError::TimedOut`]: it may have been, and a retry with the same request id tells.
    pub async fn propose(&self, id: GroupId, command: Bytes, within: Duration) -> Result<Reply, GroupError> {
        self.propose_as(id, command, Acknowledge::Agreed, within).await
    }

    /// As [`Groups::propose`], acknowledged as is asked for.
    ///
    /// # Errors
    /// As [`Groups::propose`].
    pub async fn propose_as(
        &self,
        id: GroupId,
        command: Bytes,
        acknowledge: Acknowledge,
        within: Duration,
    ) -> Result<Reply, GroupError> {
        // What is no command is refused where it is applied.
        let read = Command::decode(&command).ok();
        self.propose_read(id, read.as_ref().map(|read| &read.action), (command, acknowledge), within).await
    }

    /// As [`Groups::propose`], for a command that was decoded: `action` is what the command says. `command` says too when
    /// it is acknowledged.
    pub(crate) async fn propose_read(
        &self,
        id: GroupId,
        action: Option<&Action>,
        command: (Bytes, Acknowledge),
        within: Duration,
    ) -> Result<Reply, GroupError> {
        let began = Instant::now();
        let proposed = async {
            let group = self.group(id)?;
            if !group.member.is_leader() {
                return Err(GroupError::NotLeader { group: id, leader: group.member.leader().await });
            }
            // Members that do not have it would stop.
            if let Some(Action::RaiseFeature(level)) = action
                && *level > FEATURE_LEVEL
            {
                let reason = format!("feature level {level} is not known here");
                return Err(GroupError::Refused { group: id, reason });
            }
            let proposed = self.propose_with_others(id, &group, command, began + within).await;
            proposed.unwrap_or(Err(GroupError::TimedOut { group: id, within }))
        };
        let proposed = proposed.await;
        self.0.config.metrics.note_proposal(began.elapsed(), &proposed);
        proposed
    }

    /// Looks at a group's records, as fresh as `level` says.
    ///
    /// # Errors
    /// [`GroupError`] if that is not known to be fresh enough within the time, or `look` fails.
    pub async fn read<T>(
        &self,
        id: GroupId,
        level: Level,
        within: Duration,
        look: impl FnOnce(&dyn machine::View) -> Result<T, machine::MachineError>,
    ) -> Result<Fresh<T>, GroupError> {
        let began = Instant::now();
        let read = async {
            let group = self.group(id)?;
            let fresh = read::fresh(&self.0, (id, &group), level, within);
            let stale =
                tokio::time::timeout(within, fresh).await.map_err(|_| GroupError::TimedOut { group: id, within })??;
            #[cfg(storgo_planted)]
            planted::set_clock(self.0.courier.now_ms());
            let value = group.look(id, look)?;
            Ok(Fresh { value, stale: stale.map(|asked| asked.elapsed()) })
        };
        let read = read.await;
        self.0.config.metrics.note_read(level, began.elapsed(), &read);
        read
    }

    /// Waits until all voters of a group have on their disks what was acknowledged before. At the leader.
    ///
    /// # Errors
    /// [`GroupError::NotLeader`], [`GroupError::NoQuorum`], [`GroupError::NotEverywhere`].
    pub(crate) async fn everywhere(&self, id: GroupId, within: Duration) -> Result<(), GroupError> {
        let group = self.group(id)?;
        let (_, index) = self.0.promises.round(id, &group).await?;
        group.member.everywhere(index, within).await.map_err(|error| error.of(id))
    }

    /// Looks at a group's records as they are here, however old.
    pub(crate) fn look<T>(
        &self,
        id: GroupId,
        look: impl FnOnce(&dyn machine::View) -> Result<T, machine::MachineError>,
    ) -> Result<T, GroupError> {
        self.group(id)?.look(id, look)
    }

    /// From here on, questions are answered by `door`.
    pub(crate) fn set_door(&self, door: Arc<dyn Door>) {
        *self.0.door.write() = Some(door);
    }

    /// What answers questions here.
    pub(crate) fn door(&self) -> Option<Arc<dyn Door>> {
        self.0.door.read().clone()
    }

    /// From here on, only these peers' Raft messages are acted on.
    pub(crate) fn admit_only(&self, peers: BTreeSet<PeerId>) {
        *self.0.admitted.write() = Some(peers);
    }

    pub(crate) fn courier(&self) -> &Arc<Courier> {
        &self.0.courier
    }

    /// How a group is here.
    ///
    /// # Errors
    /// [`GroupError::NotHere`].
    pub fn status(&self, id: GroupId) -> Result<MemberStatus, GroupError> {
        Ok(self.group(id)?.member.status())
    }

    /// How far each group is here that is open.
    pub(crate) fn progress(&self) -> Vec<(GroupId, Progress)> {
        self.all().into_iter().map(|(id, group)| (id, group.member.progress())).collect()
    }

    /// By how many milliseconds this node's clock is ahead of the median of others'.
    pub(crate) fn clock_ahead_ms(&self) -> Option<i64> {
        let courier = &self.0.courier;
        courier.guard.ahead_ms(courier.now_ms())
    }

    /// Whether this node's clock differs from most others' by too much to lead.
    #[must_use]
    pub fn is_clock_off(&self) -> bool {
        self.0.courier.guard.is_off()
    }

    /// Takes a frame from a peer, whose identity the connection proved.
    pub fn receive(&self, from: PeerId, frame: Bytes) {
        self.0.courier.receive(from, frame, &self.0);
    }

    /// Hears that a peer's frames have come to an end.
    pub fn lost(&self, peer: PeerId) {
        self.0.courier.lost(peer);
    }

    /// The time by this node's clock, once most voters of the group are known to agree with it; `None` if it is off, or
    /// that is not known by the deadline.
    async fn right_time(&self, group: &Group, deadline: Instant) -> Option<u64> {
        let (guard, voters) = (&self.0.courier.guard, group.member.voters());
        let me = self.me().peer;
        loop {
            let heard = guard.heard();
            let now_ms = self.0.courier.now_ms();
            if guard.is_off() {
                return None;
            }
            if guard.is_vouched_for(now_ms, voters.iter().map(|voter| voter.peer).filter(|peer| *peer != me)) {
                return Some(now_ms);
            }
            // Whoever begins to lead has heard of most, and hears of all with the next heartbeat.
            tokio::time::timeout_at(deadline, heard).await.ok()?;
        }
    }

    fn group(&self, id: GroupId) -> Result<Arc<Group>, GroupError> {
        self.0.groups.lock().get(&id).cloned().ok_or(GroupError::NotHere { group: id })
    }

    fn all(&self) -> Vec<(GroupId, Arc<Group>)> {
        self.0.groups.lock().iter().map(|(id, group)| (*id, Arc::clone(group))).collect()
    }
}

#[cfg(test)]
mod tests;
