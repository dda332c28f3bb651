//! One group on this node: openraft, started on its log and records, and what is asked of it in our own words.

mod serving;

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use openraft::async_runtime::{Instant as _, WatchReceiver as _};
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, RaftError};
use openraft::raft::{WriteResponse, WriteResult};
use openraft::{ChangeMembers, EmptyNode, Raft, ServerState};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use storgo_protocol::meta::{Proposal, Reply, Stamp};
use storgo_store::log::GroupLog;
use storgo_store::records::GroupRecords;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::intake::Intake;
use super::lead::{self, Claim, Followed, HandedOver};
use super::log::LogStore;
use super::network::Network;
use super::own_disk::{OnOwnDisk, OwnDisk};
use super::pace::{Elections, Snapshots, config};
use super::progress::{self, Progress};
use super::state::StateStore;
use super::types::{Answered, Proposed, Types};
use super::wire;
use crate::courier::Courier;
use crate::metrics::Metrics;
use crate::planted::{Planted, is_planted};
use crate::seat::Seat;

/// How long what was begun may take to end.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// How long who may not lead waits for somebody else to.
const LAST_RESORT: Duration = Duration::from_secs(5);

/// For how many pulses a group counts as one that is in use: at a pulse each 150 ms somewhat more than a second.
const LIVELY_PULSES: u32 = 8;

/// Why a group did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    /// Another seat leads, as far as this one knows. Nothing was done.
    #[error("this member does not lead")]
    NotLeader(Option<Seat>),
    /// It was begun under a leader that lost its place: it may or may not happen.
    #[error("the leader changed while it was under way")]
    Unknown(Option<Seat>),
    /// Most members cannot be reached.
    #[error("most members of the group cannot be reached")]
    NoQuorum,
    /// These voters do not have it yet.
    #[error("not all members have it")]
    NotEverywhere(Vec<Seat>),
    /// It cannot be done.
    #[error("refused: {0}")]
    Refused(String),
    /// The group stopped on this node, because its disk or its records failed.
    #[error("the group has stopped on this node: {0}")]
    Stopped(String),
}

/// How a group is on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Who leads, as far as is known.
    pub leader: Option<Seat>,
    /// The term.
    pub term: u64,
    /// Those that vote; until a change of them is agreed on, those before it too.
    pub voters: BTreeSet<Seat>,
    /// Those that only follow.
    pub learners: BTreeSet<Seat>,
    /// The last entry that was applied here.
    pub applied: Option<u64>,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
}

/// A group on this node.
pub(crate) struct Member {
    raft: Raft<Types, StateStore>,
    records: GroupRecords,
    /// What openraft still does with the records.
    uses: TaskTracker,
    intake: Mutex<Option<Intake>>,
    log: GroupLog,
    own_disk: OwnDisk,
    me: Seat,
    may_lead: AtomicBool,
    /// Whether it stands for election.
    stands: AtomicBool,
    started: Instant,
    /// When a leader was heard last.
    heard: parking_lot::Mutex<Option<Instant>>,
    /// Whether openraft looks at the time by itself.
    ticks: AtomicBool,
    /// For how many more pulses it counts as one that is in use.
    lively: AtomicU32,
    /// Whether openraft has come to an end; of a panic it says nothing in what it publishes.
    ended: Arc<AtomicBool>,
    handed_over: HandedOver,
    metrics: Metrics,
    /// No vote is granted before.
    votes_from: Instant,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("group", &self.records.id()).finish_non_exhaustive()
    }
}

pub(super) fn stopped(error: impl Error) -> MemberError {
    MemberError::Stopped(error.to_string())
}

fn leader(forward: &ForwardToLeader<Types>) -> Option<Seat> {
    forward.leader_id
}

fn write_failed(error: RaftError<Types, ClientWriteError<Types>>) -> MemberError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => MemberError::NotLeader(leader(&to)),
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(to)) => MemberError::Unknown(leader(&to)),
        RaftError::APIError(other) => MemberError::Refused(other.to_string()),
        RaftError::Fatal(fatal) => stopped(fatal),
    }
}

/// What comes of proposals.
pub(crate) type Replies = BoxStream<'static, Result<Reply, MemberError>>;

fn reply(written: Result<WriteResult<Types>, Fatal<Types>>) -> Result<Reply, MemberError> {
    match written.map_err(stopped)? {
        Ok(WriteResponse { response: Answered(Some(reply)), .. }) => Ok(reply),
        Ok(_) => Err(MemberError::Stopped("a proposal was answered as none".to_owned())),
        Err(error) => Err(write_failed(RaftError::APIError(error))),
    }
}

impl Member {
    /// Starts a group on what is kept of it. `seed` decides its elections.
    pub(crate) async fn start(
        courier: &Arc<Courier>,
        log: GroupLog,
        records: GroupRecords,
        (elections, snapshots): (Elections, Snapshots),
        seed: u64,
    ) -> Result<Self, MemberError> {
        let group = records.id();
        let (kept, voted) = (log.state().map_err(stopped)?, log.vote().map_err(stopped)?);
        // A member without a past has acknowledged nobody.
        let refrains = (voted.is_some() || kept.last.is_some()) && !is_planted(Planted::RestartedVoterVotes);
        let votes_from = Instant::now() + if refrains { elections.refrain() } else { Duration::ZERO };
        let purged = kept.purged.map(|purged| purged.index);
        if purged > records.applied().map(|applied| applied.index) {
            return Err(MemberError::Stopped("its records are missing behind what its log still has".to_owned()));
        }
        #[cfg(storgo_planted)]
        if crate::planted::is_planted(crate::planted::Planted::LogTruncated)
            && let Some(last) = log.state().map_err(stopped)?.last
        {
            log.truncate_from(last.index.saturating_sub(2)).await.map_err(stopped)?;
        }
        let network = Network { courier: Arc::clone(courier), group };
        let uses = TaskTracker::new();
        let own_disk = OwnDisk::default();
        let store = LogStore::new(log.clone(), own_disk.clone());
        let state = StateStore::new(records.clone(), &uses);
        let config = Arc::new(config(group, elections, snapshots, seed).map_err(stopped)?);
        let me = courier.seats().of(group);
        let start = Raft::new(me, config, network, store, state);
        let raft = DeterministicRng::<TokioRuntime>::scope(seed, start).await.map_err(stopped)?;
        let (may_lead, stands) = (AtomicBool::new(true), AtomicBool::new(true));
        let (ended, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let (heard, ticks, lively) = (parking_lot::Mutex::default(), AtomicBool::new(true), AtomicU32::default());
        let (mut published, end) = (raft.server_metrics(), Arc::clone(&ended));
        courier.spawn(async move {
            while published.changed().await.is_ok() {}
            end.store(true, Ordering::Relaxed);
        });
        let (handed_over, metrics) = (HandedOver::default(), courier.metrics.clone());
        let intake = Mutex::default();
        Ok(Self {
            raft,
            records,
            uses,
            intake,
            log,
            own_disk,
            me,
            may_lead,
            stands,
            started,
            heard,
            ticks,
            lively,
            ended,
            handed_over,
            metrics,
            votes_from,
        })
    }

    pub(crate) const fn records(&self) -> &GroupRecords {
        &self.records
    }

    /// Begins the group with these voters; only where there was none.
    pub(crate) async fn found(&self, voters: BTreeSet<Seat>) -> Result<(), MemberError> {
        self.raft.initialize(voters).await.map_err(|error| MemberError::Refused(error.to_string()))
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    pub(crate) async fn leader(&self) -> Option<Seat> {
        self.raft.current_leader().await
    }

    /// Has proposals agreed on and applied, in one go; what comes of each, in their order.
    pub(crate) async fn propose(&self, proposals: Vec<Proposal>) -> Result<Replies, MemberError> {
        self.stir();
        let written = self.raft.client_write_many(proposals.into_iter().map(Proposed::new)).await.map_err(stopped)?;
        // It ends early where openraft does, and whoever waits for one of the rest asks again.
        Ok(written.map(reply).fuse().boxed())
    }

    /// Expects a proposal, behind those before, that is about to be made: it is told when it is on this member's own disk, and
    /// nobody is told anything once another one came to the log than was expected.
    pub(crate) fn expect(&self, stamp: Stamp) -> OnOwnDisk {
        self.own_disk.expect(stamp)
    }

    /// Whether all that was expected came to the log, as far as anything did.
    pub(crate) fn comes_as_expected(&self) -> bool {
        !self.own_disk.is_astray()
    }

    /// Expects what is proposed from now on, where nothing is under way, if this member leads and has applied all that was there
    /// before: at which index the next one is to stand. What it proposes in a later term, or what stands elsewhere because a
    /// change of members is under way, is not what it expects.
    pub(crate) fn begin_to_expect(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let is_ready = metrics.state == ServerState::Leader && lead::is_ready(&metrics);
        let index = self.records.applied().filter(|_| is_ready)?.index + 1;
        self.own_disk.begin(metrics.current_term, index);
        Some(index)
    }

    /// Waits until this member, if it leads, has applied all that former leaders acknowledged.
    pub(crate) async fn until_ready(&self) -> Result<(), MemberError> {
        let is_over = |metrics: &openraft::RaftMetrics<Types>| {
            metrics.state != ServerState::Leader || lead::is_ready(metrics) || metrics.running_state.is_err()
        };
        if is_over(&self.raft.metrics().borrow_watched()) {
            return Ok(());
        }
        self.raft.wait(None).metrics(is_over, "its first entry").await.map(drop).map_err(stopped)
    }

    /// What this member claims if it leads, to be compared with what others have promised.
    pub(crate) fn claim(&self) -> Result<Claim, MemberError> {
        let kept = self.log.vote().map_err(stopped)?;
        let vote = kept.map(wire::read_vote_bytes).transpose().map_err(stopped)?;
        let metrics = self.raft.metrics();
        let published = metrics.borrow_watched();
        // Behind what was published: if its own first entry was applied by then, it is by now.
        let applied = self.records.applied().map_or(0, |applied| applied.index);
        let claim = lead::claim(self.me, vote.as_ref(), &published, applied);
        claim.ok_or(MemberError::NotLeader(published.current_leader))
    }

    /// Waits until an entry is applied here.
    pub(crate) async fn applied(&self, index: u64, within: Duration) -> Result<(), MemberError> {
        let waited = self.raft.wait(Some(within)).applied_index_at_least(Some(index), "a read").await;
        waited.map(drop).map_err(|_| MemberError::NoQuorum)
    }

    /// Waits until all voters have an entry on their disks, as this leader knows.
    pub(crate) async fn everywhere(&self, index: u64, within: Duration) -> Result<(), MemberError> {
        let wait = self.raft.wait(Some(within));
        match wait.metrics(|metrics| progress::behind(metrics, index).is_empty(), "all members").await {
            Ok(_) => Ok(()),
            Err(_) if !self.is_leader() => Err(MemberError::NotLeader(self.leader().await)),
            Err(_) => {
                let metrics = self.raft.metrics();
                let behind = progress::behind(&metrics.borrow_watched(), index);
                Err(MemberError::NotEverywhere(behind))
            }
        }
    }

    /// Takes a seat in as a learner, and waits until it has all that is older than its seat.
    pub(crate) async fn add_learner(&self, seat: Seat) -> Result<(), MemberError> {
        let added = self.raft.add_learner(seat, EmptyNode::new(), false).await.map_err(write_failed)?.log_id;
        // openraft itself would wait only for those that are thousands of entries behind: in a young group not even for
        // one that never answered, and as a voter that one could bring the group to a halt.
        let is_over = move |metrics: &openraft::RaftMetrics<Types>| match &metrics.replication {
            Some(replication) => replication.get(&seat).is_some_and(|matched| *matched >= Some(added)),
            None => true,
        };
        let metrics = self.raft.wait(None).metrics(is_over, "a learner is filled").await.map_err(stopped)?;
        if metrics.replication.is_some() { Ok(()) } else { Err(MemberError::NotLeader(metrics.current_leader)) }
    }

    /// Lets a learner go.
    pub(crate) async fn drop_learner(&self, seat: Seat) -> Result<(), MemberError> {
        let gone = ChangeMembers::RemoveNodes(BTreeSet::from([seat]));
        self.raft.change_membership(gone, false).await.map(drop).map_err(write_failed)
    }

    /// Changes who votes, by joint consensus; those that vote no more leave.
    pub(crate) async fn set_voters(&self, voters: BTreeSet<Seat>) -> Result<(), MemberError> {
        self.raft.change_membership(voters, false).await.map(drop).map_err(write_failed)
    }

    /// Those that vote; while they change, of both configurations.
    pub(crate) fn voters(&self) -> BTreeSet<Seat> {
        self.raft.metrics().borrow_watched().membership_config.membership().voter_ids().collect()
    }

    /// The same, as the log has it: what was published is nothing at first.
    pub(crate) async fn voters_kept(&self) -> Result<BTreeSet<Seat>, MemberError> {
        let kept =
            |state: &openraft::RaftState<Types>| state.membership_state.effective().membership().voter_ids().collect();
        self.raft.with_raft_state(kept).await.map_err(stopped)
    }

    /// Those that are to vote, while a change of them is under way.
    pub(crate) fn changing_to(&self) -> Option<BTreeSet<Seat>> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        match metrics.membership_config.membership().get_joint_config().as_slice() {
            [_, to] => Some(to.clone()),
            _ => None,
        }
    }

    /// Asks another voter to lead.
    pub(crate) async fn transfer(&self, to: Seat) -> Result<(), MemberError> {
        let asked = self.handed_over.to(&self.raft, to).await;
        self.metrics.note_transfer(&asked);
        asked
    }

    /// Since when this member is known to be followed, if it leads and may; to be compared with a time that was taken
    /// before.
    pub(crate) fn followed(&self) -> Option<Followed> {
        let is_barred = self.is_barred();
        let metrics = self.raft.metrics();
        let published = metrics.borrow_watched();
        if is_barred { None } else { lead::followed(self.me, &published, &self.handed_over) }
    }

    /// Waits until another voter leads, as far as this one knows; whether it came about within the time.
    pub(crate) async fn is_led_by_another(&self, within: Duration) -> bool {
        let me = self.me;
        let another =
            move |metrics: &openraft::RaftMetrics<Types>| metrics.current_leader.is_some_and(|leader| leader != me);
        self.raft.wait(Some(within)).metrics(another, "another one leads").await.is_ok()
    }

    /// Notes that the group is in use: for about a second it says at each pulse that it is there.
    pub(crate) fn stir(&self) {
        self.lively.store(LIVELY_PULSES, Ordering::Relaxed);
    }

    /// To be called at each pulse: says that this member is there, if it leads, and if the group is in use, or the pulse is
    /// one for `all`, or most have not acknowledged the last one: of what is lost, little may be missed. Who leads, or has
    /// heard a leader lately, needs no clock of openraft's, which would look at the time five times as often.
    pub(crate) async fn pulse(&self, all: bool, elections: Elections) {
        let counted = self.lively.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let leads = self.is_leader();
        let speaks = all || counted.is_ok() || (leads && !self.is_followed(elections.heartbeat * 3 / 2));
        let ticks = !leads && self.heard.lock().is_none_or(|heard| heard.elapsed() >= elections.quiet());
        if self.ticks.swap(ticks, Ordering::Relaxed) != ticks {
            self.raft.runtime_config().tick(ticks);
        }
        self.stand(!self.is_barred() || (!leads && self.unheard_for() >= LAST_RESORT));
        if leads
            && speaks
            && let Err(error) = self.raft.trigger().heartbeat().await
        {
            tracing::debug!(group = %self.records.id(), error = &error as &dyn Error, "no sign of life");
        }
    }

    /// Whether most voters acknowledged what they were sent within this time.
    fn is_followed(&self, within: Duration) -> bool {
        let metrics = self.raft.metrics();
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.is_some_and(|acked| acked.elapsed() < within)
    }

    /// How long no leader was heard.
    fn unheard_for(&self) -> Duration {
        self.heard.lock().unwrap_or(self.started).elapsed()
    }

    fn stand(&self, stands: bool) {
        if self.stands.swap(stands, Ordering::Relaxed) != stands {
            self.raft.runtime_config().elect(stands);
        }
    }

    /// Whether it was asked to hand over, and has led for long since: openraft has it say and take nothing then, until
    /// another one is elected.
    pub(crate) fn handed_over_in_vain(&self) -> bool {
        self.is_leader() && self.handed_over.lasts(self.term())
    }

    /// Whether it leads and may not, and asked nobody yet to take over.
    pub(crate) fn leads_wrongly(&self) -> bool {
        self.is_leader() && self.is_barred() && !self.handed_over.is_in(self.term())
    }

    /// Whether it may not lead.
    pub(crate) fn is_barred(&self) -> bool {
        !self.may_lead.load(Ordering::Relaxed)
    }

    /// The voters that can take over from this leader soonest, of those that may.
    pub(crate) fn successors(&self, may: impl Fn(&Seat) -> bool) -> Vec<Seat> {
        let metrics = self.raft.metrics();
        progress::successors(self.me, &metrics.borrow_watched(), may)
    }

    /// Whether openraft looks at the time by itself.
    #[cfg(test)]
    pub(crate) fn ticks(&self) -> bool {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Whether this member may lead. One that may not stands for election all the same where nobody has led for long: what
    /// it has, and others lack, only a leader can give to them. It hands over as soon as they have it.
    pub(crate) fn may_lead(&self, may: bool) {
        self.may_lead.store(may, Ordering::Relaxed);
        self.stand(may);
    }

    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        let metrics = self.raft.metrics();
        Progress::of(self.me, &metrics.borrow_watched())
    }

    pub(crate) fn status(&self) -> MemberStatus {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let members = metrics.membership_config.membership();
        let before = metrics.committed_membership_config.membership();
        let ended = self.ended.load(Ordering::Relaxed).then(|| "it failed".to_owned());
        let fatal = metrics.running_state.err().map(|fatal| fatal.to_string());
        // openraft hears of either only when it writes, and who just follows may never do that again.
        let records = || self.records.check().err().map(|error| error.to_string());
        let log = || self.log.state().err().map(|error| error.to_string());
        let stopped = fatal.or(ended).or_else(records).or_else(log);
        MemberStatus {
            // Who has stopped hears of no leader, and is none.
            leader: metrics.current_leader.filter(|_| stopped.is_none()),
            term: metrics.current_term,
            voters: members.voter_ids().chain(before.voter_ids()).collect(),
            learners: members.learner_ids().collect(),
            applied: metrics.last_applied.map(|id| id.index),
            stopped,
        }
    }

    /// Has openraft come to an end as by a fault of its own.
    #[cfg(test)]
    pub(crate) async fn break_down(&self) {
        let broken = self.raft.with_raft_state(|_| panic!("a test has this group stop")).await;
        assert!(broken.is_err(), "it goes on");
    }

    pub(crate) async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(error = &error as &dyn Error, "a group did not stop as it should");
        }
        // What openraft had begun to apply goes on behind its back.
        self.uses.close();
        if tokio::time::timeout(STOPS_WITHIN, self.uses.wait()).await.is_err() {
            tracing::warn!(group = %self.records.id(), "a group still applies what it should not");
        }
    }
}
