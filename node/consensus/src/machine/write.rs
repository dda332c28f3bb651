//! Writing and deleting versions.

use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::meta::{
    Batch, Body, BucketConfig, BucketId, Condition, Delete, EventKind, Part, PartChange, Put, RefusedKind, Reply,
    RequestId, Slot, SlotState, StorageEvent, Version, VersionId,
};

use super::view::View as _;
use super::{MachineError, Step, Stop, bucket, damaged, keys, refuse, slot_state};

/// A key that this group answers for.
struct Place<'a> {
    config: Arc<BucketConfig>,
    slot: Slot,
    bucket: BucketId,
    key: &'a Bytes,
}

impl Step<'_> {
    pub(super) fn put(&mut self, request: Option<RequestId>, command: &[u8], put: &Put) -> Result<Reply, Stop> {
        let place = self.place(put.bucket, &put.key)?;
        if let Some(answered) = self.answer(&place, request, command)? {
            return Ok(answered);
        }
        place.admits(put.generation)?;
        place.admits_version(request, &put.version, put.condition)?;
        let newest = self.newest_settled(&place)?;
        self.check(place.slot, &[(&place, put.condition, newest.as_ref())])?;
        let replaced = live(newest.as_ref()).map(Version::id);
        let version = self.replace(&place, newest, &put.version)?;
        self.answer_with(&place, request, command, Reply::Written { version, replaced })
    }

    pub(super) fn delete(
        &mut self,
        request: Option<RequestId>,
        command: &[u8],
        delete: &Delete,
    ) -> Result<Reply, Stop> {
        let place = self.place(delete.bucket, &delete.key)?;
        if let Some(answered) = self.answer(&place, request, command)? {
            return Ok(answered);
        }
        place.admits(delete.generation)?;
        let newest = self.newest_settled(&place)?;
        self.check(place.slot, &[(&place, delete.condition, newest.as_ref())])?;
        let (version, marker) = match (delete.version, place.config.versioning) {
            (Some(id), _) => (self.remove_version(&place, id)?, false),
            (None, false) => match newest {
                Some(old) => {
                    self.remove(&place, &old, EventKind::Removed)?;
                    (Some(old.id()), false)
                }
                None => (None, false),
            },
            (None, true) => {
                let marker = delete.marker.clone();
                let marker = marker.ok_or_else(|| refuse(RefusedKind::Invalid, "a delete marker has to be sent"))?;
                place.admits_version(request, &marker, delete.condition)?;
                (Some(self.write(&place, marker, EventKind::Marked)), true)
            }
        };
        self.answer_with(&place, request, command, Reply::Deleted { version, marker })
    }

    /// Changes several keys of one slot, all or none: each is looked at before any is changed.
    pub(super) fn batch(&mut self, request: Option<RequestId>, command: &[u8], batch: &Batch) -> Result<Reply, Stop> {
        let first = batch.parts.first().ok_or_else(|| refuse(RefusedKind::Invalid, "it names no key"))?;
        let first = &self.place(batch.bucket, &first.key)?;
        let places = batch.parts.iter().map(|Part { key, .. }| Place {
            config: Arc::clone(&first.config),
            slot: first.config.slot(key),
            key,
            ..*first
        });
        let places: Vec<Place<'_>> = places.collect();
        if places.iter().any(|place| place.slot != first.slot) {
            return Err(refuse(RefusedKind::Invalid, "its keys are in several slots"));
        }
        if let Some(answered) = self.answer(first, request, command)? {
            return Ok(answered);
        }
        let mut newest = Vec::with_capacity(places.len());
        for (part, place) in batch.parts.iter().zip(&places) {
            place.admits(batch.generation)?;
            match &part.change {
                PartChange::Write(version) => {
                    if version.body == Body::Marker && !place.config.versioning {
                        return Err(refuse(RefusedKind::Invalid, "there are no markers where no versions are kept"));
                    }
                    place.admits_version(request, version, part.condition)?;
                }
                PartChange::Remove if place.config.versioning => {
                    return Err(refuse(RefusedKind::Invalid, "a delete marker has to be sent"));
                }
                PartChange::Keep | PartChange::Remove => {}
            }
            newest.push(self.newest_now(place)?);
        }
        self.settle();
        let conditions = batch.parts.iter().zip(&places).zip(&newest);
        let conditions = conditions.map(|((part, place), newest)| (place, part.condition, newest.as_ref()));
        self.check(first.slot, &conditions.collect::<Vec<_>>())?;
        for ((part, place), newest) in batch.parts.iter().zip(&places).zip(newest) {
            match &part.change {
                PartChange::Keep => {}
                PartChange::Write(version) => drop(self.replace(place, newest, version)?),
                PartChange::Remove => {
                    if let Some(old) = newest {
                        self.remove(place, &old, EventKind::Removed)?;
                    }
                }
            }
        }
        let version = VersionId::new(self.stamp, self.group);
        self.answer_with(first, request, command, Reply::Written { version, replaced: None })
    }

    /// Whether conditions hold for keys of a slot of which these versions are the newest.
    fn check(&self, slot: Slot, conditions: &[(&Place<'_>, Condition, Option<&Version>)]) -> Result<(), Stop> {
        let not = |current| refuse(RefusedKind::Condition(current), "the condition does not hold");
        let mut absent = Vec::new();
        for (place, condition, newest) in conditions {
            let current = live(*newest).map(Version::id);
            if !condition.may_hold(current) {
                return Err(not(current));
            }
            if let Condition::AbsentSince(absence) = condition {
                absent.push((place.bucket, place.key, *absence));
            }
        }
        if self.were_absent(slot, &absent)? { Ok(()) } else { Err(not(None)) }
    }

    /// Writes a version over the newest.
    fn replace(&mut self, place: &Place<'_>, newest: Option<Version>, version: &Version) -> Result<VersionId, Stop> {
        if !place.config.versioning
            && let Some(old) = newest
        {
            self.remove(place, &old, EventKind::Removed)?;
            // Overwriting is one event, not two.
            self.events.pop();
        }
        let kind = if version.body == Body::Marker { EventKind::Marked } else { EventKind::Written };
        Ok(self.write(place, version.clone(), kind))
    }

    /// Where a key is, if it is here and can be written.
    fn place<'k>(&self, id: BucketId, key: &'k Bytes) -> Result<Place<'k>, Stop> {
        let config = bucket(&self.draft, id)?;
        let config = config.ok_or_else(|| refuse(RefusedKind::NoBucket, "no such bucket is known here"))?;
        let slot = config.slot(key);
        match slot_state(&self.draft, slot)? {
            Some(SlotState::Owned) => Ok(Place { config: Arc::new(config), slot, bucket: id, key }),
            Some(SlotState::Frozen { to, .. }) => {
                Err(refuse(RefusedKind::Frozen(to), format!("slot {slot} is on its way to group {to}")))
            }
            Some(SlotState::Forwarded { to: group, .. } | SlotState::Receiving { from: group, .. }) => {
                Err(refuse(RefusedKind::NotHere(group), format!("slot {slot} is at group {group}")))
            }
            None => {
                let nobody = storgo_protocol::GroupId::new(0);
                Err(refuse(RefusedKind::NotHere(nobody), format!("slot {slot} is not at this group")))
            }
        }
    }

    fn answer(&self, place: &Place<'_>, request: Option<RequestId>, command: &[u8]) -> Result<Option<Reply>, Stop> {
        request.map_or(Ok(None), |id| self.answered(place.slot, id, command))
    }

    fn answer_with(
        &self,
        place: &Place<'_>,
        request: Option<RequestId>,
        command: &[u8],
        reply: Reply,
    ) -> Result<Reply, Stop> {
        if let Some(id) = request {
            self.remember(place.slot, id, command, &reply)?;
        }
        Ok(reply)
    }

    fn newest(&self, place: &Place<'_>) -> Result<Option<Version>, MachineError> {
        let (first, end) = keys::versions(place.slot, place.bucket, place.key);
        self.draft.scan(&first, &end, 1)?.pop().map(|(_, record)| decode(&record)).transpose()
    }

    /// The key's newest version, after removing one whose time is over: nobody has been told so yet, and what follows must
    /// not see it.
    fn newest_now(&mut self, place: &Place<'_>) -> Result<Option<Version>, Stop> {
        let newest = self.newest(place)?;
        let Some(over) = newest.as_ref().filter(|version| version.is_over(self.stamp.ms())) else {
            return Ok(newest);
        };
        match self.remove(place, over, EventKind::Expired) {
            // A lock outlives an expiry.
            Ok(()) | Err(Stop::Refused(_)) => {}
            Err(failed @ Stop::Failed(_)) => return Err(failed),
        }
        Ok(self.newest(place)?)
    }

    /// The same, and what was removed stands even if the command is refused: a refusal may tell that the key is gone.
    fn newest_settled(&mut self, place: &Place<'_>) -> Result<Option<Version>, Stop> {
        let newest = self.newest_now(place)?;
        self.settle();
        Ok(newest)
    }

    /// What was done so far stands even if the command is refused.
    fn settle(&mut self) {
        if !self.events.is_empty() {
            self.settled = (self.draft.batch(), self.events.clone());
        }
    }

    fn write(&mut self, place: &Place<'_>, version: Version, kind: EventKind) -> VersionId {
        let version = Version { stamp: self.stamp, group: self.group, slot: place.slot, ..version };
        let id = version.id();
        let key = keys::version(place.slot, place.bucket, place.key, self.stamp);
        if version.expires_ms > 0 {
            self.draft.put(keys::expiry(version.expires_ms, &key), Bytes::new());
        }
        self.draft.put(key, version.encode());
        self.note(kind, place.bucket, place.key.clone(), id);
        id
    }

    fn remove_version(&mut self, place: &Place<'_>, id: VersionId) -> Result<Option<VersionId>, Stop> {
        let key = keys::version(place.slot, place.bucket, place.key, id.stamp());
        match self.draft.get(&key)?.map(|record| decode(&record)).transpose()? {
            Some(version) if version.id() == id => {
                self.remove(place, &version, EventKind::Removed)?;
                Ok(Some(id))
            }
            _ => Ok(None),
        }
    }

    fn remove(&mut self, place: &Place<'_>, version: &Version, kind: EventKind) -> Result<(), Stop> {
        let key = keys::version(place.slot, place.bucket, place.key, version.stamp);
        self.remove_record(key, place.bucket, place.key.clone(), version, kind)
    }

    /// Removes a version's record with what stands beside it.
    pub(super) fn remove_record(
        &mut self,
        record: Bytes,
        bucket: BucketId,
        key: Bytes,
        version: &Version,
        kind: EventKind,
    ) -> Result<(), Stop> {
        if version.lock.as_ref().is_some_and(|lock| lock.holds(self.stamp.ms())) {
            return Err(refuse(RefusedKind::Locked, "a lock keeps this version"));
        }
        if version.expires_ms > 0 {
            self.draft.remove(keys::expiry(version.expires_ms, &record));
        }
        self.draft.remove(record);
        self.note(kind, bucket, key, version.id());
        Ok(())
    }

    fn note(&mut self, kind: EventKind, bucket: BucketId, key: Bytes, version: VersionId) {
        self.events.push(StorageEvent { kind, bucket, key, version, stamp: self.stamp });
    }
}

impl Place<'_> {
    /// Whether the writer knew the bucket as it is, and may write to it.
    fn admits(&self, generation: u64) -> Result<(), Stop> {
        if self.config.generation != generation {
            let known = self.config.generation;
            let reason = format!("the bucket's configuration is of generation {known}, not {generation}");
            return Err(refuse(RefusedKind::Generation(known), reason));
        }
        if self.config.fenced {
            return Err(refuse(RefusedKind::Fenced, "the bucket is being deleted"));
        }
        if !self.config.rule.allows(self.key) {
            return Err(refuse(RefusedKind::Invalid, "the bucket's layout has no such keys"));
        }
        Ok(())
    }

    /// Whether what the writer signed is what it asks for.
    fn admits_version(&self, request: Option<RequestId>, version: &Version, condition: Condition) -> Result<(), Stop> {
        let too_long = match &version.body {
            Body::Inline(body) => body.sealed.len() > self.config.inline_bytes_max as usize + TAG_BYTES,
            Body::Object(_) | Body::Marker => false,
        };
        let wrong = if version.previous != condition.version() {
            "the version names another previous one than its condition"
        } else if request.is_some_and(|id| id != version.request) {
            "the version names another request"
        } else if too_long {
            "the body is too long to stand in its record"
        } else {
            return Ok(());
        };
        Err(refuse(RefusedKind::Invalid, wrong))
    }
}

pub(super) fn decode(record: &Bytes) -> Result<Version, MachineError> {
    Version::decode(record).map_err(|source| damaged("a version", source))
}

/// A key's newest version, if the key is there.
fn live(newest: Option<&Version>) -> Option<&Version> {
    newest.filter(|version| version.body != Body::Marker)
}
