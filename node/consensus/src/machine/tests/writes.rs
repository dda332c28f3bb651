//! What puts, deletes, conditions, locks, retries, configurations and times do, one by one.

use storgo_protocol::limits::{EVENTS_KEPT, EXPIRED_AT_ONCE_MAX, LISTED_MAX, REQUEST_WINDOW_MS};
use storgo_protocol::meta::{EventKind, Lock};

use storgo_protocol::cluster::{EventPlace, Happened, Listing, Since};

use super::super::{MachineError, events, keys, list};
use super::*;

#[test]
fn overwriting_replaces_or_keeps_as_the_bucket_says() {
    let mut group = Group::new(1);
    let first = group.put(&plain(), "k", "a");
    let second = group.put(&plain(), "k", "b");
    assert!(first < second && second.group() == group.id);
    assert_eq!(group.content(&plain(), "k"), Some("b".to_owned()));
    assert_eq!(super::super::get(&group.records, plain().bucket, b"k", Some(first)).unwrap().unwrap(), None);

    let first = group.put(&versioned(), "k", "a");
    group.put(&versioned(), "k", "b");
    let old = super::super::get(&group.records, versioned().bucket, b"k", Some(first)).unwrap().unwrap();
    assert_eq!(old.as_ref().map(content), Some("a".to_owned()));
}

#[test]
fn deleting_removes_or_marks_as_the_bucket_says() {
    let mut group = Group::new(1);
    assert_eq!(group.delete(&plain(), "k", None), Reply::Deleted { version: None, marker: false });
    let id = group.put(&plain(), "k", "a");
    assert_eq!(group.delete(&plain(), "k", None), Reply::Deleted { version: Some(id), marker: false });
    assert_eq!(group.get(&plain(), "k"), None);

    let id = group.put(&versioned(), "k", "a");
    let Reply::Deleted { version: Some(marker), marker: true } = group.delete(&versioned(), "k", None) else {
        panic!("no marker")
    };
    assert_eq!(group.content(&versioned(), "k"), None);
    // Removing the marker brings the key back; removing the version removes it for good.
    assert_eq!(group.delete(&versioned(), "k", Some(marker)), Reply::Deleted { version: Some(marker), marker: false });
    assert_eq!(group.content(&versioned(), "k"), Some("a".to_owned()));
    assert_eq!(group.delete(&versioned(), "k", Some(id)), Reply::Deleted { version: Some(id), marker: false });
    assert_eq!(group.delete(&versioned(), "k", Some(id)), Reply::Deleted { version: None, marker: false });
    assert_eq!(group.get(&versioned(), "k"), None);
}

#[test]
fn conditions_hold_or_nothing_is_written() {
    for config in [plain(), versioned()] {
        let mut group = Group::new(1);
        let Reply::Written { version: first, replaced: None } = group.put_if(&config, "k", "a", Condition::Absent)
        else {
            panic!("not written")
        };
        let again = group.put_if(&config, "k", "b", Condition::Absent);
        assert_eq!(refused(&again), RefusedKind::Condition(Some(first)));
        let Reply::Written { version: second, replaced } = group.put_if(&config, "k", "c", Condition::Version(first))
        else {
            panic!("not written")
        };
        assert_eq!(replaced, Some(first));
        let stale = group.put_if(&config, "k", "d", Condition::Version(first));
        assert_eq!(refused(&stale), RefusedKind::Condition(Some(second)));
        assert_eq!(group.content(&config, "k"), Some("c".to_owned()));
        group.delete(&config, "k", None);
        let gone = group.put_if(&config, "k", "e", Condition::Version(second));
        assert_eq!(refused(&gone), RefusedKind::Condition(None));
        assert!(matches!(group.put_if(&config, "k", "f", Condition::Absent), Reply::Written { .. }));
    }
}

#[test]
fn a_retry_gets_the_first_answer_within_its_window_and_is_refused_after_it() {
    let mut group = Group::new(1);
    let command = group.put_command(&plain(), "k", "a", Condition::Absent);
    let first = group.send(&command);
    group.put(&plain(), "k", "b");
    group.now_ms += REQUEST_WINDOW_MS;
    assert_eq!(group.send(&command), first);
    assert_eq!(group.content(&plain(), "k"), Some("b".to_owned()));
    // A refusal is an answer too: the condition held later, but not for this attempt.
    let conditional = group.put_command(&plain(), "k", "c", Condition::Absent);
    let refusal = group.send(&conditional);
    group.delete(&plain(), "k", None);
    assert_eq!(group.send(&conditional), refusal);
    // Beyond the window nobody knows any more.
    group.now_ms += 1;
    assert_eq!(refused(&group.send(&command)), RefusedKind::RequestOld);
    assert_eq!(group.content(&plain(), "k"), None);
    // The same id for something else is a mistake of the client.
    let mut other = conditional.clone();
    other.feature = 0;
    assert_eq!(refused(&group.send(&other)), RefusedKind::RequestReused);
}

#[test]
fn what_is_remembered_of_requests_goes_away() {
    const MANY: usize = 300;
    let mut group = Group::new(1);
    let (first, end) = super::super::keys::requests_before(u64::MAX);
    for n in 0..MANY {
        group.put(&plain(), &format!("k{n}"), "a");
    }
    assert_eq!(group.records.range(first.clone()..end.clone()).count(), MANY);
    // Those that were formed in the last two seconds of a window may stay for two more.
    group.now_ms += REQUEST_WINDOW_MS + 2000;
    for n in 0..MANY {
        group.put(&plain(), &format!("k{n}"), "b");
    }
    assert_eq!(group.records.range(first..end).count(), MANY);
}

#[test]
fn a_lock_keeps_a_version_until_its_time_and_a_hold_for_ever() {
    let mut group = Group::new(1);
    let until_ms = group.now_ms + 1000;
    let lock = |lock: Lock| move |version: &mut Version| version.lock = Some(lock);
    group.put_with(&plain(), "k", lock(Lock { until_ms, ..Lock::default() }));
    assert_eq!(refused(&group.delete(&plain(), "k", None)), RefusedKind::Locked);
    let over = group.put_if(&plain(), "k", "b", Condition::Always);
    assert_eq!(refused(&over), RefusedKind::Locked);
    group.now_ms = until_ms;
    assert!(matches!(group.delete(&plain(), "k", None), Reply::Deleted { version: Some(_), .. }));

    group.put_with(&versioned(), "k", lock(Lock { legal_hold: true, ..Lock::default() }));
    let id = group.get(&versioned(), "k").unwrap().id();
    // A marker hides it and removes nothing.
    assert!(matches!(group.delete(&versioned(), "k", None), Reply::Deleted { marker: true, .. }));
    group.now_ms += 1_000_000_000;
    assert_eq!(refused(&group.delete(&versioned(), "k", Some(id))), RefusedKind::Locked);
}

#[test]
fn what_a_writer_did_not_sign_for_is_refused() {
    let mut group = Group::new(1);
    let other = RequestId::new(START_MS, [1; 10]);
    let cases: [fn(&mut Version); 3] = [
        |version| version.request = RequestId::new(START_MS, [1; 10]),
        |version| version.previous = Some(VersionId::from_bytes([1; 16])),
        |version| version.body = body(&"x".repeat(81)),
    ];
    assert_ne!(group.request(), other);
    for change in cases {
        assert_eq!(refused(&group.put_with(&plain(), "k", change)), RefusedKind::Invalid);
    }
    assert!(matches!(group.put_with(&plain(), "k", |v| v.body = body(&"x".repeat(80))), Reply::Written { .. }));
    let nul = group.put_if(&plain(), "a\0b", "a", Condition::Always);
    assert_eq!(refused(&nul), RefusedKind::Invalid);
    let garbage = group.outcome(Stamp::ZERO, Bytes::from_static(b"\xff\xff")).reply;
    assert_eq!(refused(&garbage), RefusedKind::Invalid);
}

#[test]
fn a_writer_that_knows_an_older_bucket_is_told() {
    let mut group = Group::new(1);
    let newer = BucketConfig { generation: 2, fenced: true, ..plain() };
    let unknown = BucketConfig { bucket: BucketId::from_bytes([9; 16]), ..plain() };
    assert_eq!(refused(&group.put_if(&unknown, "k", "a", Condition::Always)), RefusedKind::NoBucket);
    assert_eq!(refused(&group.put_if(&newer, "k", "a", Condition::Always)), RefusedKind::Generation(1));
    assert_eq!(group.done(Action::SetBucket(Box::new(newer.clone()))), 1);
    assert_eq!(group.done(Action::SetBucket(Box::new(newer.clone()))), 0);
    assert_eq!(refused(&group.tell(Action::SetBucket(Box::new(plain())))), RefusedKind::Generation(2));
    assert_eq!(refused(&group.put_if(&plain(), "k", "a", Condition::Always)), RefusedKind::Generation(2));
    assert_eq!(refused(&group.put_if(&newer, "k", "a", Condition::Always)), RefusedKind::Fenced);
    let moved = BucketConfig { generation: 3, rule: KeyRule::Tree, ..plain() };
    assert_eq!(refused(&group.tell(Action::SetBucket(Box::new(moved)))), RefusedKind::Invalid);
    let forgetful = BucketConfig { generation: 3, versioning: false, ..versioned() };
    assert_eq!(refused(&group.tell(Action::SetBucket(Box::new(forgetful)))), RefusedKind::Invalid);
}

#[test]
fn commands_above_the_feature_level_are_refused_and_those_above_the_program_stop_it() {
    let mut group = Group::new(1);
    let newer = Command { feature: FEATURE_LEVEL + 1, request: None, action: Action::Tick };
    assert_eq!(refused(&group.send(&newer)), RefusedKind::Feature(1));
    group.done(Action::RaiseFeature(FEATURE_LEVEL + 1));
    let proposal = Proposal { stamp: Stamp::ZERO, command: newer.encode() };
    let error = apply(&group.records, group.id, 9, &proposal).unwrap_err();
    assert!(matches!(error, MachineError::TooOld { level } if level == FEATURE_LEVEL + 1), "{error}");
    // Levels never fall.
    group.done(Action::RaiseFeature(1));
    assert_eq!(super::super::feature_level(&group.records).unwrap(), FEATURE_LEVEL + 1);
}

#[test]
fn stamps_ascend_whatever_a_leader_says() {
    let mut group = Group::new(1);
    let first = group.put(&plain(), "a", "a");
    group.now_ms -= 1000;
    let second = group.put(&plain(), "b", "b");
    assert_eq!(second.stamp(), first.stamp().next());
    group.now_ms += 5000;
    assert_eq!(group.put(&plain(), "c", "c").stamp(), Stamp::from_ms(group.now_ms));
}

#[test]
fn what_expired_is_there_until_a_stamp_says_so_and_then_nowhere() {
    let mut group = Group::new(1);
    let expires_ms = group.now_ms + 1000;
    group.put_with(&plain(), "k", |version| version.expires_ms = expires_ms);
    group.put_with(&versioned(), "k", |version| version.expires_ms = expires_ms);
    group.put_with(&plain(), "locked", |version| {
        (version.expires_ms, version.lock) = (expires_ms, Some(Lock { legal_hold: true, ..Lock::default() }));
    });
    group.now_ms = expires_ms - 1;
    assert_eq!(group.done(Action::Tick), 0);
    assert!(!super::super::is_due(&group.records, group.now_ms).unwrap());
    assert!(super::super::is_due(&group.records, expires_ms).unwrap());
    assert!(group.get(&plain(), "k").is_some());
    group.now_ms = expires_ms;
    // A write sees that it is over before any tick.
    let absent = group.put_if(&versioned(), "k", "new", Condition::Absent);
    assert!(matches!(absent, Reply::Written { replaced: None, .. }), "{absent:?}");
    let tick = Command { feature: 1, request: None, action: Action::Tick }.encode();
    let outcome = group.outcome(Stamp::from_ms(group.now_ms), tick);
    assert_eq!(outcome.reply, Reply::Done { count: 1 });
    assert_eq!(outcome.events.first().map(|event| event.kind), Some(EventKind::Expired));
    assert_eq!(group.get(&plain(), "k"), None);
    assert!(group.get(&plain(), "locked").is_some());
    assert!(!super::super::is_due(&group.records, u64::MAX - 1).unwrap());
}

#[test]
fn a_refusal_that_rests_on_an_expiry_makes_it_so() {
    let mut group = Group::new(1);
    group.put_with(&plain(), "k", |version| version.expires_ms = START_MS + 1);
    let id = group.get(&plain(), "k").unwrap().id();
    group.now_ms += 1;
    let refusal = group.put_if(&plain(), "k", "late", Condition::Version(id));
    assert_eq!(refused(&refusal), RefusedKind::Condition(None));
    // Nobody reads any more what this client was told is gone.
    assert_eq!(group.get(&plain(), "k"), None);
    let all = events(&group.records, None, Since::Oldest, 10, usize::MAX).unwrap().events;
    let kinds: Vec<_> = all.into_iter().map(|(_, event)| event.kind).collect();
    assert_eq!(kinds, [EventKind::Written, EventKind::Expired]);
}

#[test]
fn a_tick_removes_no_more_than_its_share() {
    let mut group = Group::new(1);
    for n in 0..=EXPIRED_AT_ONCE_MAX {
        group.put_with(&plain(), &n.to_string(), |version| version.expires_ms = START_MS + 1);
    }
    group.now_ms += 1;
    assert_eq!(group.done(Action::Tick), EXPIRED_AT_ONCE_MAX as u64);
    assert_eq!(group.done(Action::Tick), 1);
    assert_eq!(group.done(Action::Tick), 0);
}

#[test]
fn events_tell_each_change_once_for_as_long_as_they_are_kept() {
    let mut group = Group::new(1);
    let start = group.log.len() as u64;
    let written = group.put(&plain(), "k", "a");
    group.put(&plain(), "k", "b");
    group.put_if(&plain(), "k", "c", Condition::Absent);
    group.delete(&plain(), "k", None);
    group.put(&versioned(), "k", "a");
    group.delete(&versioned(), "k", None);
    let read = |group: &Group, since, looked| events(&group.records, None, since, looked, usize::MAX).unwrap();
    let from = |index| Since::Place(EventPlace::at(index));
    let all = read(&group, Since::Oldest, 100);
    let kinds: Vec<_> = all.events.iter().map(|(place, event)| (place.index - start, event.kind)).collect();
    let (written_, removed, marked) = (EventKind::Written, EventKind::Removed, EventKind::Marked);
    assert_eq!(kinds, [(0, written_), (1, written_), (3, removed), (4, written_), (5, marked)]);
    assert_eq!((all.events[0].1.version, all.events[0].1.key.as_ref()), (written, b"k".as_slice()));
    assert_eq!((all.next, all.more_behind, all.missed), (EventPlace::at(start + 6), None, false));
    // One at a time, and each once.
    let (mut since, mut seen) = (Since::Oldest, Vec::new());
    loop {
        let some = read(&group, since, 1);
        assert_eq!(some.more_behind, some.events.first().map(|(_, event)| event.stamp).filter(|_| seen.len() < 4));
        since = Since::Place(some.next);
        seen.extend(some.events);
        if some.more_behind.is_none() {
            break;
        }
    }
    assert_eq!(seen, all.events);
    let of_one = events(&group.records, Some(plain().bucket), Since::Oldest, 100, 1).unwrap();
    assert_eq!((of_one.events.len(), of_one.next), (1, EventPlace::at(start + 1)), "more than fits");
    let of_one = events(&group.records, Some(plain().bucket), Since::Oldest, 4, usize::MAX).unwrap();
    assert_eq!((of_one.events.len(), of_one.next), (3, EventPlace::at(start + 5)), "those of others are looked at");
    assert_eq!(read(&group, Since::Now, 100), Happened { next: EventPlace::at(start + 6), ..Happened::default() });
    let ahead = from(start + 60);
    assert_eq!(read(&group, ahead, 100).next, EventPlace::at(start + 60), "told again what another member told");

    // Much happened: the oldest are gone, and whoever asks for them is told.
    let many = |group: &mut Group, count: u64, mark: &str| {
        let names: Vec<String> = (0..count).map(|at| format!("{mark} {at:06}")).collect();
        for names in names.chunks(1000) {
            let changes: Vec<_> =
                names.iter().map(|name| (name.as_str(), Condition::Always, Change::Write("x"))).collect();
            let reply = group.batch(&plain_tree(), &changes);
            assert!(matches!(reply, Reply::Written { .. }), "{reply:?}");
        }
    };
    many(&mut group, EVENTS_KEPT - 4, "first");
    let rows = |group: &Group| group.records.keys().filter(|key| keys::read_event(key).is_some()).count() as u64;
    assert_eq!(rows(&group), EVENTS_KEPT);
    let (gone, kept) = (read(&group, from(start), 3), read(&group, from(start + 1), 3));
    assert_eq!((gone.missed, kept.missed), (true, false));
    assert_eq!((&gone.events, read(&group, Since::Oldest, 3).events), (&kept.events, kept.events.clone()));
    assert_eq!(kept.events, all.events[1..4]);
    // One entry may have so many that only its last are kept.
    many(&mut group, EVENTS_KEPT - 7, "second");
    let first = read(&group, Since::Oldest, 1);
    assert_eq!((rows(&group), first.events.len()), (EVENTS_KEPT, 1));
    let missed =
        read(&group, Since::Place(EventPlace { number: first.events[0].0.number - 1, ..first.events[0].0 }), 1);
    assert_eq!((missed.missed, missed.events), (true, first.events));
}

#[test]
fn listings_are_ordered_and_come_in_pages() {
    let mut group = Group::new(1);
    for config in [plain(), versioned()] {
        for key in ["b/2", "a", "b/1", "b", "c", "b/3"] {
            group.put(&config, key, "old");
            group.put(&config, key, "new");
        }
        group.delete(&config, "b/2", None);
        let page = |prefix: &'static str, after, limit, versions| {
            let prefix = prefix.into();
            let listing = Listing { bucket: config.bucket, prefix, after, limit, versions, slots: None };
            let page = list(&group.records, &listing).unwrap().unwrap();
            let keys: Vec<_> = page.found.iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect();
            (keys, page.more, page.found.last().map(|(key, version)| (key.clone(), Some(version.id()))))
        };
        let (keys, more, _) = page("", None, 100, false);
        assert_eq!((keys, more), (["a", "b", "b/1", "b/3", "c"].map(str::to_owned).to_vec(), false));
        let (keys, more, _) = page("b/", None, 1, false);
        assert_eq!((keys, more), (vec!["b/1".to_owned()], true));
        let (keys, more, _) = page("b/", Some(("b/1".into(), None)), 1, false);
        assert_eq!((keys, more), (vec!["b/3".to_owned()], false));

        // All versions, one by one, come out as all at once.
        let (all, ..) = page("", None, 100, true);
        assert_eq!(all.len(), if config.versioning { 13 } else { 5 });
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (keys, more, last) = page("", after, 2, true);
            seen.extend(keys);
            after = last;
            if !more {
                break;
            }
        }
        assert_eq!(seen, all);
    }
    let everything = Listing {
        bucket: plain().bucket,
        prefix: Bytes::new(),
        after: None,
        limit: usize::MAX,
        versions: false,
        slots: None,
    };
    for n in 0..LISTED_MAX {
        group.put(&plain(), &format!("many/{n}"), "x");
    }
    let page = list(&group.records, &everything).unwrap().unwrap();
    assert_eq!((page.found.len(), page.more), (LISTED_MAX, true));
}

#[test]
fn a_listing_looks_in_the_slots_that_are_here_and_wanted() {
    let slot = |number| Slot::new(number).unwrap();
    let config = versioned();
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let mut group = Group::with_slots(1, &[(slot(100), slot(5000)), (slot(9000), slot(16_383))]);
    let is_here = |slot: u16| (100..=5000).contains(&slot) || slot >= 9000;
    let here: Vec<_> = keys.iter().filter(|key| is_here(config.slot(key.as_bytes()).number())).collect();
    // What is of another bucket in the same slots is not in the way.
    let other = BucketConfig { bucket: BucketId::from_bytes([0; 16]), ..versioned() };
    group.done(Action::SetBucket(Box::new(other.clone())));
    for key in &here {
        group.put(&config, key, "x");
        group.put(&other, key, "x");
    }
    for (first, last) in [(0, 16_383), (0, 99), (100, 100), (3000, 9500), (5001, 8999), (16_383, 16_383)] {
        let slots = slot(first)..=slot(last);
        let listing = Listing {
            bucket: config.bucket,
            prefix: Bytes::new(),
            after: None,
            limit: LISTED_MAX,
            versions: false,
            slots: Some(slots.clone()),
        };
        let page = list(&group.records, &listing).unwrap().unwrap();
        let mut expected: Vec<_> = here.iter().filter(|key| slots.contains(&config.slot(key.as_bytes()))).collect();
        expected.sort();
        let found: Vec<_> = page.found.iter().map(|(key, _)| str::from_utf8(key).unwrap()).collect();
        assert_eq!((found, page.more), (expected.iter().map(|key| key.as_str()).collect(), false), "{slots:?}");
        // It says of each slot in turn whether it is covered.
        let covered = (first..=last).zip(0..).filter(|(_, n)| page.slots[n / 8] >> (n % 8) & 1 == 1);
        let covered: Vec<u16> = covered.map(|(slot, _)| slot).collect();
        assert_eq!(covered, (first..=last).filter(|slot| is_here(*slot)).collect::<Vec<_>>(), "{slots:?}");
        assert_eq!(page.slots.len(), usize::from(last - first + 1).div_ceil(8));
    }
}
