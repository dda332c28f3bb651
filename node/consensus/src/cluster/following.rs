//! What happened in all groups of a bucket, in one order.

use std::collections::BTreeMap;

use storgo_object::ports::Events;
use storgo_protocol::GroupId;
use storgo_protocol::cluster::{EventPlace, Happened};
use storgo_protocol::meta::Stamp;

/// The events of all groups, by their time. Where a group has more than it told, those of the others wait that come behind
/// what it told: their place is not yet passed.
pub(super) fn merge(pages: Vec<(GroupId, Happened)>, mut places: BTreeMap<GroupId, EventPlace>) -> Events {
    let until = pages.iter().filter_map(|(_, page)| page.more_behind).min();
    let more = until.is_some();
    let until = until.unwrap_or(Stamp::from_u64(u64::MAX));
    let (mut events, mut missed) = (Vec::new(), false);
    for (group, page) in pages {
        missed |= page.missed;
        let waits = page.events.iter().find(|(_, event)| event.stamp > until).map(|(place, _)| *place);
        places.insert(group, waits.unwrap_or(page.next));
        events.extend(page.events.into_iter().map(|(_, event)| event).filter(|event| event.stamp <= until));
    }
    // Stable, so that what one group did at a time stays in order.
    events.sort_by_key(|event| event.stamp);
    Events { events, next: places.into(), more, missed }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::meta::{BucketId, EventKind, StorageEvent, VersionId};

    use super::*;

    fn page(stamps: &[u64], more: bool) -> Happened {
        let event = |stamp: &u64| StorageEvent {
            kind: EventKind::Written,
            bucket: BucketId::from_bytes([1; 16]),
            key: "k".into(),
            version: VersionId::from_bytes([2; 16]),
            stamp: Stamp::from_u64(*stamp),
        };
        let events: Vec<_> = (0..).map(EventPlace::at).zip(stamps.iter().map(event)).collect();
        let more_behind = stamps.last().filter(|_| more).map(|stamp| Stamp::from_u64(*stamp));
        Happened { next: EventPlace::at(stamps.len() as u64), events, more_behind, missed: false }
    }

    #[test]
    fn events_of_several_groups_come_by_time_and_none_is_passed_over() {
        let (one, other) = (GroupId::new(1), GroupId::new(2));
        let stamps = |events: &Events| events.events.iter().map(|event| event.stamp.as_u64()).collect::<Vec<_>>();
        let known = BTreeMap::from([(GroupId::new(9), EventPlace::at(90))]);
        let merged = merge(vec![(one, page(&[1, 4], true)), (other, page(&[2, 3, 5, 6], false))], known.clone());
        assert_eq!(stamps(&merged), [1, 2, 3, 4]);
        let next = |events: &Events, group| events.next.of(group);
        assert_eq!((next(&merged, one), next(&merged, other)), (Some(EventPlace::at(2)), Some(EventPlace::at(2))));
        assert_eq!((next(&merged, GroupId::new(9)), merged.more), (Some(EventPlace::at(90)), true));
        let all = merge(vec![(one, page(&[1, 4], false)), (other, page(&[2, 3, 5, 6], false))], known);
        assert_eq!((stamps(&all), all.more), (vec![1, 2, 3, 4, 5, 6], false));
        assert_eq!(next(&all, other), Some(EventPlace::at(4)));
    }
}
