//! The questions of clients and of other members, answered: who may ask is decided here, what is done in the groups.
//!
//! A user is who it introduced itself as through its connection; a member of the network is who the trust root admitted.
//! Unknown and forbidden get the same answer. It keeps nothing but who introduced itself.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::cluster::{
    Ask, Bucket, BucketRow, Failed, FailedKind, Found, GroupStatus, Level, Listed, Listing, MemberRow, MemberState,
    MoveSide, RowKey, SlotMove, Steer, Told,
};
use storgo_protocol::limits::{ASK_SECONDS_MAX, BUCKETS_LISTED_MAX, BUCKETS_MAX, MEMBERS_MAX, SHIPPED_BYTES_MAX};
use storgo_protocol::meta::{Action, BucketId, Command, RefusedKind, Reply, Slot, Stamp, VersionId};
use storgo_protocol::{GroupId, InviteRole, NetworkId, PeerId};

use super::client::MetadataClient;
use super::sessions::Sessions;
use super::{GROUP_0, change, state};
use crate::groups::{Door as GroupsDoor, GroupError, Groups};
use crate::seat::Seat;
use crate::{machine, moves};

/// How long one question is worked on.
const WITHIN: Duration = Duration::from_secs(ASK_SECONDS_MAX);

/// Answers at one node.
#[derive(Debug)]
pub(super) struct Door {
    groups: Groups,
    client: MetadataClient,
    network: NetworkId,
    sessions: Sessions,
}

type Answer = Result<Told, Failed>;

#[async_trait]
impl GroupsDoor for Door {
    async fn answer(&self, from: PeerId, group: GroupId, ask: Bytes) -> Bytes {
        let answered = match Ask::decode(ask) {
            Ok(ask) => match tokio::time::timeout(WITHIN, self.work_on(from, group, ask)).await {
                Ok(answered) => answered,
                Err(_) => Err(Failed::new(FailedKind::Busy, format!("nothing came of it within {WITHIN:?}"))),
            },
            Err(error) => Err(Failed::new(FailedKind::Refused, format!("not a question: {error}"))),
        };
        answered.unwrap_or_else(Told::Failed).encode()
    }
}

/// What a caller can do about a group's failure.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: GroupError) -> Failed {
    let kind = match &error {
        GroupError::NotLeader { leader, .. } => FailedKind::NotLeader(leader.map(|seat| seat.peer)),
        GroupError::NotHere { .. } => FailedKind::NotLeader(None),
        GroupError::Refused { .. } => FailedKind::Refused,
        _ => FailedKind::Busy,
    };
    Failed::new(kind, error.to_string())
}

fn denied() -> Failed {
    Failed::new(FailedKind::Denied, "there is no such thing, or it is not for you")
}

fn refused(reason: impl Into<String>) -> Failed {
    Failed::new(FailedKind::Refused, reason)
}

impl Door {
    pub(super) fn new(groups: Groups, client: MetadataClient, network: NetworkId) -> Self {
        Self { groups, client, network, sessions: Sessions::default() }
    }

    async fn work_on(&self, from: PeerId, group: GroupId, ask: Ask) -> Answer {
        match ask {
            Ask::Introduction(introduction) => {
                let user = introduction.verify(self.network, from).map_err(|_| denied())?;
                self.sessions.introduce(from, user);
                Ok(Told::Done)
            }
            Ask::Command(command) => self.command(from, group, command).await,
            Ask::Get { bucket, key, version, level } => self.get(from, group, bucket, key, version, level).await,
            Ask::List { listing, level } => self.list(from, group, listing, level).await,
            Ask::Map { known } => self.map(known),
            Ask::Join(member) => self.join(from, *member).await,
            Ask::Bucket { name } => self.bucket(from, &name).await,
            Ask::Buckets { after } => self.buckets(from, &after).await,
            Ask::SetBucket { name, bucket, expected } => {
                self.set_bucket(from, name, bucket.map(|b| *b), expected).await
            }
            Ask::SpreadBucket { bucket } => self.spread_by_id(from, bucket).await,
            Ask::Steer(steer) => self.steer(from, group, steer).await,
            Ask::SlotLook { slot, side } => self.slot_look(from, group, slot, side).await,
            Ask::Status => self.status(from, group),
        }
    }

    /// The user behind a connection.
    fn user(&self, from: PeerId) -> Result<PeerId, Failed> {
        self.sessions.user(from).ok_or_else(|| Failed::new(FailedKind::Introduce, "say first which user you are"))
    }

    /// Whether a peer is a member that keeps metadata: members trust each other not to lie.
    fn is_member(&self, peer: PeerId) -> bool {
        let map = self.client.map();
        let row = map.as_ref().and_then(|map| map.member(peer));
        row.is_some_and(|row| row.admission.terms.role == InviteRole::Metadata) || peer == self.groups.me().peer
    }

    fn members_only(&self, from: PeerId) -> Result<(), Failed> {
        if self.is_member(from) { Ok(()) } else { Err(denied()) }
    }

    /// Whether who asks may read a bucket, or write to it, as this group knows it. `Err` inside: it knows none.
    fn may(&self, from: PeerId, group: GroupId, bucket: BucketId, to_write: bool) -> Result<bool, Failed> {
        let config = self.groups.look(group, |view| machine::bucket(view, bucket)).map_err(failed)?;
        let Some(config) = config else { return Ok(false) };
        if self.is_member(from) || config.admits(self.user(from)?, to_write) { Ok(true) } else { Err(denied()) }
    }

    async fn command(&self, from: PeerId, group: GroupId, bytes: Bytes) -> Answer {
        let command = Command::decode(&bytes).map_err(|error| refused(format!("not a command: {error}")))?;
        let bucket = match &command.action {
            Action::Put(put) => put.bucket,
            Action::Delete(delete) => delete.bucket,
            _ => {
                self.members_only(from)?;
                return self.propose(group, bytes).await.map(Told::Reply);
            }
        };
        if !self.may(from, group, bucket, true)? {
            let reason = "no such bucket is known here";
            return Ok(Told::Reply(Reply::Refused(storgo_protocol::meta::Refused::new(RefusedKind::NoBucket, reason))));
        }
        self.propose(group, bytes).await.map(Told::Reply)
    }

    async fn propose(&self, group: GroupId, command: Bytes) -> Result<Reply, Failed> {
        self.groups.propose(group, command, WITHIN).await.map_err(failed)
    }

    async fn get(
        &self,
        from: PeerId,
        group: GroupId,
        bucket: BucketId,
        key: Bytes,
        version: Option<VersionId>,
        level: Level,
    ) -> Answer {
        let look = |view: &dyn machine::View| machine::get(view, bucket, &key, version);
        let mut fresh = self.groups.read(group, level, WITHIN, look).await.map_err(failed)?;
        let over = |found: &Result<Option<storgo_protocol::meta::Version>, _>| {
            let expires = found.as_ref().ok().and_then(Option::as_ref).map_or(0, |version| version.expires_ms);
            (1..=self.groups.courier().now_ms()).contains(&expires)
        };
        if level == Level::Linearizable && over(&fresh.value) {
            // It is told only once it is logged.
            self.propose(group, change::command(Action::Tick)).await?;
            fresh = self.groups.read(group, level, WITHIN, look).await.map_err(failed)?;
        }
        // Asked behind the read, so that it is as fresh.
        if !self.may(from, group, bucket, false)? {
            return Ok(Told::Reply(no_bucket()));
        }
        Ok(match fresh.value {
            Ok(version) => Told::Found(Found { version, stale: fresh.stale }),
            Err(refusal) => Told::Reply(Reply::Refused(refusal)),
        })
    }

    async fn list(&self, from: PeerId, group: GroupId, listing: Listing, level: Level) -> Answer {
        let look = |view: &dyn machine::View| machine::list(view, &listing);
        let fresh = self.groups.read(group, level, WITHIN, look).await.map_err(failed)?;
        if !self.may(from, group, listing.bucket, false)? {
            return Ok(Told::Reply(no_bucket()));
        }
        Ok(match fresh.value {
            Ok(listed) => Told::Listed(Listed { stale: fresh.stale, ..fit(listed) }),
            Err(refusal) => Told::Reply(Reply::Refused(refusal)),
        })
    }

    fn map(&self, known: Stamp) -> Answer {
        let map = self.client.map();
        let map = map.ok_or_else(|| Failed::new(FailedKind::NoNetwork, "no member of the network was heard of yet"))?;
        Ok(Told::Map((map.revision > known).then(|| Box::new(map.as_ref().clone()))))
    }

    /// Reads group 0 so that nothing is missed.
    async fn read_0<T>(
        &self,
        look: impl FnOnce(&dyn machine::View) -> Result<T, machine::MachineError>,
    ) -> Result<T, Failed> {
        Ok(self.groups.read(GROUP_0, Level::Linearizable, WITHIN, look).await.map_err(failed)?.value)
    }

    /// Changes rows of group 0; a conflict if they are not as expected.
    async fn set_rows(&self, rows: Vec<storgo_protocol::meta::RowChange>) -> Result<(), Failed> {
        match self.propose(GROUP_0, change::rows(rows)).await? {
            Reply::Refused(refusal) if matches!(refusal.kind, RefusedKind::Row(_)) => {
                Err(Failed::new(FailedKind::Conflict, refusal.reason))
            }
            Reply::Refused(refusal) => Err(refused(refusal.reason)),
            _ => Ok(()),
        }
    }

    async fn join(&self, from: PeerId, member: MemberRow) -> Answer {
        let terms = &member.admission.terms;
        if member.peer() != from || terms.network() != self.network {
            return Err(denied());
        }
        let key = RowKey::Member(from);
        let look = |view: &dyn machine::View| Ok((state::read_map(view)?, state::revision(view, &key)?));
        let (map, revision) = self.read_0(look).await?;
        let map = map.ok_or_else(|| Failed::new(FailedKind::Busy, "the network is just beginning"))?;
        let known = map.members.get(&from);
        match known {
            Some(row) if row.state == MemberState::Removed => return Err(denied()),
            Some(_) => {}
            None if map.members.len() >= MEMBERS_MAX => {
                return Err(refused("the network has no room for more members"));
            }
            None => {
                let now_seconds = self.groups.courier().now_ms() / 1000;
                if terms.expires_seconds != 0 && terms.expires_seconds < now_seconds {
                    return Err(Failed::new(FailedKind::Denied, "the invite has expired: ask for a new one"));
                }
            }
        }
        let state = known.map(|row| row.state).unwrap_or_default();
        let row = MemberRow { state, ..member };
        self.set_rows(vec![change::row(&key, revision, Some(row.encode()))]).await?;
        Ok(Told::Done)
    }

    async fn bucket(&self, from: PeerId, name: &str) -> Answer {
        let row = self.read_0(|view| state::read_bucket(view, name)).await?;
        match row {
            Some(row) if self.sees(from, &row.bucket)? => Ok(Told::Buckets { buckets: vec![row], more: false }),
            Some(_) | None => Err(Failed::new(FailedKind::NotFound, format!("no bucket {name}"))),
        }
    }

    fn sees(&self, from: PeerId, bucket: &Bucket) -> Result<bool, Failed> {
        Ok(self.is_member(from) || bucket.config.admits(self.user(from)?, false))
    }

    async fn buckets(&self, from: PeerId, after: &str) -> Answer {
        let mut after = after.to_owned();
        let mut buckets: Vec<BucketRow> = Vec::new();
        loop {
            let (page, more) = self.read_0(|view| state::read_buckets(view, &after)).await?;
            let last = page.last().map(|row| row.bucket.name.clone());
            for row in page {
                if self.sees(from, &row.bucket)? {
                    if buckets.len() == BUCKETS_LISTED_MAX {
                        return Ok(Told::Buckets { buckets, more: true });
                    }
                    buckets.push(row);
                }
            }
            match last {
                Some(last) if more => after = last,
                _ => return Ok(Told::Buckets { buckets, more: false }),
            }
        }
    }

    async fn set_bucket(&self, from: PeerId, name: String, bucket: Option<Bucket>, expected: Option<Stamp>) -> Answer {
        let user = self.user(from)?;
        let look = |view: &dyn machine::View| Ok((state::read_bucket(view, &name)?, state::count_buckets(view)?));
        let (known, count) = self.read_0(look).await?;
        if known.as_ref().is_some_and(|row| row.bucket.owner != user) {
            // That a name is taken cannot be hidden from who wants it.
            let reason = format!("bucket {name} is not yours, or there is none");
            return Err(Failed::new(
                if expected.is_none() { FailedKind::Conflict } else { FailedKind::Denied },
                reason,
            ));
        }
        if known.as_ref().map(|row| row.revision) != expected {
            // What was asked for may have been done by an earlier try of the same.
            return match (&known, &bucket) {
                (Some(row), Some(wanted)) if row.bucket == *wanted => self.spread(&row.bucket).await,
                _ => Err(Failed::new(FailedKind::Conflict, format!("bucket {name} was changed meanwhile"))),
            };
        }
        let key = RowKey::Bucket(name.clone());
        match (known, bucket) {
            (None, None) => Err(Failed::new(FailedKind::NotFound, format!("no bucket {name}"))),
            (Some(known), None) => {
                if !known.bucket.config.fenced {
                    return Err(refused("a bucket is fenced before it is removed"));
                }
                let named = RowKey::BucketName(known.bucket.config.bucket);
                let revision = self.read_0(|view| state::revision(view, &named)).await?;
                self.set_rows(vec![change::row(&key, expected, None), change::row(&named, revision, None)]).await?;
                Ok(Told::Done)
            }
            (known, Some(bucket)) => {
                if let Some(reason) = misfit(known.as_ref().map(|row| &row.bucket), &bucket, user) {
                    return Err(refused(reason));
                }
                let mut rows = vec![change::row(&key, expected, Some(bucket.encode()))];
                if known.is_none() {
                    if count >= BUCKETS_MAX {
                        return Err(refused("the network has no room for more buckets"));
                    }
                    let named = RowKey::BucketName(bucket.config.bucket);
                    rows.push(change::row(&named, None, Some(name.into())));
                }
                self.set_rows(rows).await?;
                self.spread(&bucket).await
            }
        }
    }

    async fn spread_by_id(&self, from: PeerId, id: BucketId) -> Answer {
        match self.read_0(|view| state::read_bucket_by_id(view, id)).await? {
            Some(row) if self.sees(from, &row.bucket)? => self.spread(&row.bucket).await,
            Some(_) | None => Err(Failed::new(FailedKind::NotFound, "no such bucket")),
        }
    }

    /// Tells all groups of a bucket; done when all of them know.
    async fn spread(&self, bucket: &Bucket) -> Answer {
        let map = self.client.map().ok_or_else(|| Failed::new(FailedKind::Busy, "the network is just beginning"))?;
        let ask = Ask::Command(change::command(Action::SetBucket(Box::new(bucket.config.clone()))));
        let told = map.groups.keys().filter(|id| **id != GROUP_0).map(|id| self.client.ask(*id, &ask, WITHIN));
        for told in futures::future::join_all(told).await {
            match told {
                Ok(Told::Reply(Reply::Done { .. })) => {}
                // A newer configuration is there already.
                Ok(Told::Reply(Reply::Refused(refusal))) if matches!(refusal.kind, RefusedKind::Generation(_)) => {}
                Ok(Told::Reply(Reply::Refused(refusal))) => return Err(refused(refusal.reason)),
                Ok(Told::Failed(failed)) => return Err(failed),
                Ok(_) => return Err(refused("an answer to another question")),
                Err(error) => {
                    return Err(Failed::new(
                        FailedKind::Busy,
                        format!("not every group was told of the bucket: {error}"),
                    ));
                }
            }
        }
        Ok(Told::Done)
    }

    async fn steer(&self, from: PeerId, group: GroupId, steer: Steer) -> Answer {
        self.members_only(from)?;
        match steer {
            Steer::Drain(peer) => self.set_member(peer, MemberState::Draining).await,
            Steer::Activate(peer) => self.set_member(peer, MemberState::Active).await,
            Steer::Remove(peer) => {
                self.may_be_removed(peer).await?;
                self.set_member(peer, MemberState::Removed).await
            }
            Steer::Transfer(id, to) if id == group => {
                let status = self.groups.status(id).map_err(failed)?;
                if status.leader != Some(self.groups.me()) {
                    return Err(Failed::new(
                        FailedKind::NotLeader(status.leader.map(|seat| seat.peer)),
                        "not the leader",
                    ));
                }
                let seat = status.voters.iter().find(|seat| seat.peer == to).copied();
                let seat = seat.ok_or_else(|| refused(format!("{} has no seat in group {id}", to.short())))?;
                self.groups.transfer(id, seat).await.map_err(failed)?;
                Ok(Told::Done)
            }
            Steer::Transfer(..) => Err(refused("a transfer is asked of its group")),
            Steer::MoveSlot(slot, to) => {
                let key = RowKey::Move(slot);
                let look = |view: &dyn machine::View| Ok((state::read_map(view)?, state::revision(view, &key)?));
                let (map, revision) = self.read_0(look).await?;
                let map = map.ok_or_else(|| Failed::new(FailedKind::Busy, "the network is just beginning"))?;
                let from = map.group_of(slot);
                if revision.is_some() {
                    return Err(Failed::new(FailedKind::Conflict, format!("slot {slot} is on its way already")));
                }
                if from == to {
                    return Ok(Told::Done);
                }
                if to == GROUP_0 || !map.groups.contains_key(&to) {
                    return Err(refused(format!("there is no group {to} for slots")));
                }
                let row = SlotMove { from, to }.encode();
                self.set_rows(vec![change::row(&key, None, Some(row))]).await?;
                Ok(Told::Done)
            }
        }
    }

    async fn set_member(&self, peer: PeerId, state: MemberState) -> Answer {
        let key = RowKey::Member(peer);
        let look = |view: &dyn machine::View| Ok((state::read_map(view)?, state::revision(view, &key)?));
        let (map, revision) = self.read_0(look).await?;
        let row = map.as_ref().and_then(|map| map.members.get(&peer));
        let row = row.ok_or_else(|| Failed::new(FailedKind::NotFound, format!("no member {}", peer.short())))?;
        if row.state == MemberState::Removed {
            return Err(refused(format!("{} was removed for good", peer.short())));
        }
        let row = MemberRow { state, ..row.clone() };
        self.set_rows(vec![change::row(&key, revision, Some(row.encode()))]).await?;
        Ok(Told::Done)
    }

    /// A member may go for good only if every group of its has a majority without it.
    async fn may_be_removed(&self, peer: PeerId) -> Result<(), Failed> {
        let map = self.client.map().ok_or_else(|| Failed::new(FailedKind::Busy, "the network is just beginning"))?;
        let mut answers: std::collections::BTreeMap<PeerId, bool> = std::collections::BTreeMap::new();
        for (id, group) in map.groups.iter().filter(|(_, group)| group.seats.contains(&peer)) {
            let mut living = BTreeSet::new();
            for seat in group.seats.iter().filter(|seat| **seat != peer) {
                if !answers.contains_key(seat) {
                    let told = self.client.ask_one(*seat, GROUP_0, &Ask::Map { known: map.revision }, WITHIN / 8).await;
                    answers.insert(*seat, told.is_ok());
                }
                if answers.get(seat) == Some(&true) {
                    living.insert(*seat);
                }
            }
            if 2 * living.len() <= group.seats.len() {
                return Err(refused(format!(
                    "without {} group {id} has {} of {} voters, which is no majority: bring the others back or add members first",
                    peer.short(),
                    living.len(),
                    group.seats.len()
                )));
            }
        }
        Ok(())
    }

    async fn slot_look(&self, from: PeerId, group: GroupId, slot: Slot, side: MoveSide) -> Answer {
        self.members_only(from)?;
        let look = |view: &dyn machine::View| match &side {
            MoveSide::Source(last) => moves::look_at_source(view, slot, last.as_ref(), SHIPPED_BYTES_MAX),
            MoveSide::Target => Ok(moves::Source { side: moves::look_at_target(view, slot)?, rest: Vec::new() }),
        };
        let read = self.groups.read(group, Level::Linearizable, WITHIN, look).await.map_err(failed)?;
        let moves::Source { side: machine::SlotSide { state, holds, last }, rest } = read.value;
        Ok(Told::SlotSide { state, holds, last, rest })
    }

    fn status(&self, from: PeerId, group: GroupId) -> Answer {
        self.members_only(from)?;
        let status = self.groups.status(group).map_err(failed)?;
        let peers = |seats: BTreeSet<Seat>| seats.into_iter().map(|seat| seat.peer).collect::<Vec<_>>();
        Ok(Told::Status(GroupStatus {
            term: status.term,
            leader: status.leader.map(|seat| seat.peer),
            voters: peers(status.voters),
            learners: peers(status.learners),
            applied: status.applied.unwrap_or_default(),
            committed: status.applied.unwrap_or_default(),
            stopped: status.stopped.unwrap_or_default(),
        }))
    }
}

fn no_bucket() -> Reply {
    Reply::Refused(storgo_protocol::meta::Refused::new(RefusedKind::NoBucket, "no such bucket is known here"))
}

/// As much of a page as one answer carries.
fn fit(mut listed: Listed) -> Listed {
    let mut room = storgo_protocol::limits::TOLD_BYTES_MAX / 2;
    let fits = listed.found.iter().position(|(key, version)| {
        let bytes = key.len() + version.encode().len() + 16;
        let full = bytes > room;
        room = room.saturating_sub(bytes);
        full
    });
    if let Some(fits) = fits {
        listed.found.truncate(fits.max(1));
        listed.more = true;
    }
    listed
}

/// Why a bucket may not be made or changed so.
fn misfit(known: Option<&Bucket>, wanted: &Bucket, user: PeerId) -> Option<&'static str> {
    match known {
        _ if wanted.owner != user => Some("a bucket is its owner's"),
        _ if !wanted.config.admits(user, true) => Some("the owner of a bucket is a member that writes"),
        None if wanted.config.generation != 1 || wanted.config.fenced => {
            Some("a new bucket is of generation 1 and open")
        }
        Some(known) if known.config.bucket != wanted.config.bucket => Some("a bucket keeps its id"),
        Some(known) if known.config.rule != wanted.config.rule => Some("a bucket keeps its layout"),
        Some(known) if known.config.generation + 1 != wanted.config.generation => {
            Some("generations follow one another")
        }
        Some(known) if known.key_generation > wanted.key_generation => Some("keys of a bucket are never taken back"),
        _ => None,
    }
}
