//! What is asked of a group's records: one version, or a page of a listing.
//!
//! The view decides how fresh an answer is. A version whose time is over is found here until a tick removed it: who reads
//! at a leader lets it tick first.

use storgo_protocol::GroupId;
use storgo_protocol::cluster::{Listed, Listing};
use storgo_protocol::limits::LISTED_MAX;
use storgo_protocol::meta::{Body, BucketId, Refused, RefusedKind, Slot, SlotState, Version, VersionId};

use super::view::View;
use super::{MachineError, bucket, keys, slot_state, write};

/// An answer, or why this group has none.
pub type Reading<T> = Result<Result<T, Refused>, MachineError>;

/// The newest version of a key, or the one that is asked for; a marker too.
///
/// # Errors
/// [`MachineError`] if the records cannot be read; inside, a refusal if the key is not this group's.
pub fn get(view: &dyn View, id: BucketId, key: &[u8], version: Option<VersionId>) -> Reading<Option<Version>> {
    let Some(config) = bucket(view, id)? else { return Ok(Err(no_bucket())) };
    let slot = config.slot(key);
    if let Err(refused) = answers_for(view, slot)? {
        return Ok(Err(refused));
    }
    let record = if let Some(id) = version {
        view.get(&keys::version(slot, config.bucket, key, id.stamp()))?
    } else {
        let (first, end) = keys::versions(slot, config.bucket, key);
        view.scan(&first, &end, 1)?.pop().map(|(_, record)| record)
    };
    let found = record.map(|record| write::decode(&record)).transpose()?;
    #[cfg(storgo_planted)]
    let found = found.filter(|found| !crate::planted::is_expired_here(found.expires_ms));
    Ok(Ok(found.filter(|found| version.is_none_or(|id| found.id() == id))))
}

/// A page of the keys of a bucket that are at this group.
///
/// # Errors
/// [`MachineError`] if the records cannot be read; inside, a refusal if the bucket is not known.
pub fn list(view: &dyn View, listing: &Listing) -> Reading<Listed> {
    let Some(config) = bucket(view, listing.bucket)? else { return Ok(Err(no_bucket())) };
    let limit = listing.limit.min(LISTED_MAX);
    let mut all = Listed::default();
    let slots = listing.slots_of(&config);
    let mut covered = vec![0_u8; slots.len().div_ceil(8)];
    // In the order of the records, so that slots of which there is nothing are passed over.
    let mut places: Vec<(Slot, usize)> = slots.into_iter().zip(0..).collect();
    places.sort_unstable();
    let mut rest = places.as_slice();
    while let Some(((slot, number), behind)) = rest.split_first() {
        let (from, end) = keys::slots_from(*slot);
        let records = view.scan(&from, &end, 2)?;
        let Some(next) = records.first().and_then(|(record, _)| keys::read_slot(record)) else { break };
        if next > *slot {
            rest = rest.get(rest.partition_point(|(slot, _)| *slot < next)..).unwrap_or_default();
            continue;
        }
        rest = behind;
        if answers_for(view, *slot)?.is_err() {
            continue;
        }
        if let Some(byte) = covered.get_mut(number / 8) {
            *byte |= 1 << (number % 8);
        }
        // Behind whose the slot is stands what is in it, if anything is.
        let (_, end) = keys::listing(*slot, listing.bucket, &listing.prefix);
        if records.get(1).is_some_and(|(record, _)| *record < end) {
            let page = list_slot(view, *slot, listing, limit)?;
            all.found.extend(page.found);
            all.more |= page.more;
        }
    }
    // Stable, so that versions of a key stay in order; a key is in one slot.
    all.found.sort_by(|(left, _), (right, _)| left.cmp(right));
    all.more |= all.found.len() > limit;
    all.found.truncate(limit);
    all.slots = covered.into();
    Ok(Ok(all))
}

fn list_slot(view: &dyn View, slot: Slot, listing: &Listing, limit: usize) -> Result<Listed, MachineError> {
    let (mut from, end) = keys::listing(slot, listing.bucket, &listing.prefix);
    if let Some((key, version)) = &listing.after {
        from = from.max(keys::behind(slot, listing.bucket, key, *version));
    }
    let mut found = Vec::new();
    loop {
        let page = view.scan(&from, &end, limit + 1)?;
        let whole = page.len() <= limit;
        let last = page.last().map(|(record, _)| [record.as_ref(), &[0]].concat());
        for (record, value) in page {
            let Some(key) = keys::read_version(&record) else { continue };
            // Versions of a key follow its newest, which decides for all when one is wanted.
            let wanted = listing.versions || record >= from;
            if !wanted {
                continue;
            }
            if !listing.versions {
                from = keys::behind(slot, listing.bucket, &key.name, None);
            }
            let version = write::decode(&value)?;
            if listing.versions || version.body != Body::Marker {
                found.push((key.name, version));
                if found.len() > limit {
                    found.pop();
                    return Ok(Listed { found, more: true, ..Listed::default() });
                }
            }
        }
        match last {
            Some(last) if !whole => from = from.max(last.into()),
            _ => return Ok(Listed { found, ..Listed::default() }),
        }
    }
}

fn answers_for(view: &dyn View, slot: Slot) -> Reading<()> {
    let elsewhere =
        |group: GroupId| Refused::new(RefusedKind::NotHere(group), format!("slot {slot} is at group {group}"));
    Ok(match slot_state(view, slot)? {
        Some(SlotState::Owned | SlotState::Frozen { .. }) => Ok(()),
        Some(SlotState::Forwarded { to: group, .. } | SlotState::Receiving { from: group, .. }) => {
            Err(elsewhere(group))
        }
        None => Err(elsewhere(GroupId::new(0))),
    })
}

fn no_bucket() -> Refused {
    Refused::new(RefusedKind::NoBucket, "no such bucket is known here")
}
