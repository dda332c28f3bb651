//! The questions of clients and of other members, answered: who may ask is decided here, what is done in the groups.
//!
//! A user is who it introduced itself as through its connection; a member of the network is who the trust root admitted.
//! Unknown and forbidden get the same answer. It keeps nothing but who introduced itself.

mod buckets;
mod members;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_protocol::cluster::{
    Ask, Failed, FailedKind, Found, GroupStatus, Level, Listed, Listing, MoveSide, Since, Told,
};
use storgo_protocol::limits::{ASK_SECONDS_MAX, EVENTS_LISTED_MAX, SHIPPED_BYTES_MAX, TOLD_BYTES_MAX};
use storgo_protocol::meta::{Action, Body, BucketId, Command, RefusedKind, Reply, Slot, Stamp, Version, VersionId};
use storgo_protocol::{GroupId, InviteRole, NetworkId, PeerId};

use super::client::MetadataClient;
use super::hearers::Hearers;
use super::present::Present;
use super::sessions::Sessions;
use super::{GROUP_0, change};
use crate::groups::{Acknowledge, Door as GroupsDoor, GroupError, Groups};
use crate::seat::Seat;
use crate::{machine, moves};

/// How long one question is worked on.
const WITHIN: Duration = Duration::from_secs(ASK_SECONDS_MAX);

/// How long all members are waited for, before it is said which are behind: less than askers wait for one answer.
const EVERYWHERE_WITHIN: Duration = Duration::from_secs(1);

/// Answers at one node.
#[derive(Debug)]
pub(super) struct Door {
    groups: Groups,
    client: MetadataClient,
    network: NetworkId,
    sessions: Sessions,
    present: Present,
    hearers: Hearers,
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
    pub(super) fn new(
        groups: Groups,
        client: MetadataClient,
        network: NetworkId,
        present: Present,
        hearers: Hearers,
    ) -> Self {
        Self { groups, client, network, sessions: Sessions::default(), present, hearers }
    }

    async fn work_on(&self, from: PeerId, group: GroupId, ask: Ask) -> Answer {
        match ask {
            Ask::Introduction(introduction) => {
                let user = introduction.verify(self.network, from).map_err(|_| denied())?;
                self.sessions.introduce(from, user);
                Ok(Told::Done)
            }
            Ask::Command(command) => self.command(from, group, command, Acknowledge::Agreed).await,
            Ask::LocalCommand(command) => self.command(from, group, command, Acknowledge::Alone).await,
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
            Ask::Everywhere { bucket, key } => self.everywhere(from, group, bucket, &key).await,
            Ask::Events { bucket, since } => self.events(from, group, bucket, since).await,
            Ask::Tell { bucket, talk } => Ok(Told::Hearer(self.hearers.tell(self.user(from)?, bucket, talk).await)),
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

    /// Makes sure that who asks may read a bucket, or write to it. False if this group knows no such bucket.
    fn may(&self, from: PeerId, group: GroupId, bucket: BucketId, to_write: bool) -> Result<bool, Failed> {
        let config = self.groups.look(group, |view| machine::bucket(view, bucket)).map_err(failed)?;
        let Some(config) = config else { return Ok(false) };
        if self.is_member(from) || config.admits(self.user(from)?, to_write) { Ok(true) } else { Err(denied()) }
    }

    async fn command(&self, from: PeerId, group: GroupId, bytes: Bytes, acknowledge: Acknowledge) -> Answer {
        let command = Command::decode(&bytes).map_err(|error| refused(format!("not a command: {error}")))?;
        match command.action.in_bucket() {
            Some((bucket, _)) if !self.may(from, group, bucket, true)? => return Ok(Told::Reply(no_bucket())),
            Some(_) => {}
            None => self.members_only(from)?,
        }
        self.propose(group, &command.action, (bytes, acknowledge)).await.map(Told::Reply)
    }

    async fn propose(&self, group: GroupId, action: &Action, command: (Bytes, Acknowledge)) -> Result<Reply, Failed> {
        self.groups.propose_read(group, Some(action), command, WITHIN).await.map_err(failed)
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
        let look = |view: &dyn machine::View| {
            let found = machine::get(view, bucket, &key, version)?;
            let is_there = |found: &Version| found.body != Body::Marker;
            let is_absent =
                version.is_none() && found.as_ref().is_ok_and(|found| !found.as_ref().is_some_and(is_there));
            let absence = is_absent.then(|| machine::absence(view, group)).transpose()?;
            Ok(found.map(|version| (version, absence)))
        };
        let mut fresh = self.groups.read(group, level, WITHIN, look).await.map_err(failed)?;
        let over = |found: &Result<(Option<Version>, _), _>| {
            let found = found.as_ref().ok().and_then(|(version, _)| version.as_ref());
            found.is_some_and(|version| version.is_over(self.groups.courier().now_ms()))
        };
        if level.is_strong() && over(&fresh.value) {
            // It is told only once it is logged.
            let tick = (change::command(Action::Tick), Acknowledge::Agreed);
            self.propose(group, &Action::Tick, tick).await?;
            fresh = self.groups.read(group, level, WITHIN, look).await.map_err(failed)?;
        }
        // Asked behind the read, so that it is as fresh.
        if !self.may(from, group, bucket, false)? {
            return Ok(Told::Reply(no_bucket()));
        }
        Ok(match fresh.value {
            Ok((version, absence)) => Told::Found(Found { version, stale: fresh.stale, absence }),
            Err(refusal) => Told::Reply(Reply::Refused(refusal)),
        })
    }

    async fn everywhere(&self, from: PeerId, group: GroupId, bucket: BucketId, key: &[u8]) -> Answer {
        if !self.may(from, group, bucket, true)? {
            return Ok(Told::Reply(no_bucket()));
        }
        self.groups.everywhere(group, EVERYWHERE_WITHIN).await.map_err(failed)?;
        // Behind that, so that a slot which went elsewhere is asked for there.
        let look = |view: &dyn machine::View| machine::get(view, bucket, key, None);
        match self.groups.read(group, Level::Linearizable, WITHIN, look).await.map_err(failed)?.value {
            Ok(_) => Ok(Told::Done),
            Err(refusal) => Ok(Told::Reply(Reply::Refused(refusal))),
        }
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

    async fn events(&self, from: PeerId, group: GroupId, bucket: BucketId, since: Since) -> Answer {
        let look = |view: &dyn machine::View| {
            machine::events(view, Some(bucket), since, EVENTS_LISTED_MAX, TOLD_BYTES_MAX / 2)
        };
        let fresh = self.groups.read(group, Level::Linearizable, WITHIN, look).await.map_err(failed)?;
        if !self.may(from, group, bucket, false)? {
            return Ok(Told::Reply(no_bucket()));
        }
        Ok(Told::Happened(fresh.value))
    }

    fn map(&self, known: Stamp) -> Answer {
        let map = self.client.map();
        let map = map.ok_or_else(|| Failed::new(FailedKind::NoNetwork, "no member of the network was heard of yet"))?;
        let is_newer = map.revision > known;
        if !is_newer && !self.groups.sits(GROUP_0) {
            // It heard of no newer one, which says little.
            return Err(Failed::new(FailedKind::NotLeader(None), "this member has no seat in group 0"));
        }
        Ok(Told::Map(is_newer.then(|| Box::new(map.as_ref().clone()))))
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
        match self.groups.propose(GROUP_0, change::rows(rows), WITHIN).await.map_err(failed)? {
            Reply::Refused(refusal) if matches!(refusal.kind, RefusedKind::Row(_)) => {
                Err(Failed::new(FailedKind::Conflict, refusal.reason))
            }
            Reply::Refused(refusal) => Err(refused(refusal.reason)),
            _ => Ok(()),
        }
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
    let mut room = TOLD_BYTES_MAX / 2;
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
