//! What becomes of several keys of one slot: all of it or nothing, whatever stands in the way.

use storgo_protocol::limits::{
    ABSENCE_BYTES_MAX, ABSENCE_EVENTS_MAX, BATCH_PARTS_MAX, REDIS_KEY_BYTES_MAX, REQUEST_WINDOW_MS,
};
use storgo_protocol::meta::{Absence, EventKind, Lock};

use super::super::keys;
use super::*;

const ALWAYS: Condition = Condition::Always;

/// Contents of keys `a` to `d`.
fn contents(group: &Group, config: &BucketConfig) -> [Option<String>; 4] {
    ["a", "b", "c", "d"].map(|key| group.content(config, key))
}

fn written(reply: &Reply) -> VersionId {
    match reply {
        Reply::Written { version, replaced: None } => *version,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_change_together_under_one_version_and_one_event_each() {
    for config in [plain_tree(), tree()] {
        let mut group = Group::new(1);
        let old = group.put(&config, "a", "old");
        group.put(&config, "c", "old");
        let changes = [
            ("a", Condition::Version(old), Change::Write("1")),
            ("b", Condition::Absent, Change::Write("2")),
            ("c", ALWAYS, Change::Delete),
            ("d", Condition::Absent, Change::Keep),
        ];
        let command = group.batch_command(&config, &changes).encode();
        let outcome = group.outcome(Stamp::from_ms(group.now_ms), command);
        let id = written(&outcome.reply);
        assert_eq!(contents(&group, &config), [Some("1".to_owned()), Some("2".to_owned()), None, None]);
        assert_eq!(["a", "b"].map(|key| group.get(&config, key).unwrap().id()), [id; 2]);
        let gone = if config.versioning { EventKind::Marked } else { EventKind::Removed };
        let events: Vec<_> = outcome.events.iter().map(|event| (event.kind, event.key.as_ref())).collect();
        assert_eq!(events, [(EventKind::Written, b"a".as_ref()), (EventKind::Written, b"b"), (gone, b"c")]);
        let before = super::super::get(&group.records, config.bucket, b"a", Some(old)).unwrap().unwrap();
        assert_eq!(before.is_some(), config.versioning);
    }
}

#[test]
fn one_condition_that_does_not_hold_keeps_all_as_it_is() {
    for config in [plain_tree(), tree()] {
        let mut group = Group::new(1);
        let (first, other) = (group.put(&config, "b", "old"), VersionId::from_bytes([1; 16]));
        let records = group.records.clone();
        let cases = [
            (("c", Condition::Version(other), Change::Keep), None),
            (("b", Condition::Absent, Change::Keep), Some(first)),
            (("b", Condition::Version(other), Change::Delete), Some(first)),
            (("d", Condition::Version(other), Change::Write("x")), None),
        ];
        for (wrong, current) in cases {
            let refusal = group.batch(&config, &[("a", ALWAYS, Change::Write("1")), wrong]);
            assert_eq!(refused(&refusal), RefusedKind::Condition(current));
            assert_eq!(contents(&group, &config), [None, Some("old".to_owned()), None, None]);
        }
        let is_version = |key: &&Bytes| !key.starts_with(&[0xff, 0xff]);
        let versions =
            |records: &BTreeMap<Bytes, Bytes>| records.keys().filter(is_version).cloned().collect::<Vec<_>>();
        assert_eq!(versions(&group.records), versions(&records));
    }
}

/// That a key is not there now.
fn absent(group: &Group) -> Condition {
    Condition::AbsentSince(super::super::absence(&group.records, group.id).unwrap())
}

#[test]
fn a_key_that_came_and_went_was_not_absent_since() {
    for config in [plain_tree(), tree()] {
        let mut group = Group::new(1);
        group.put(&config, "a", "old");
        group.delete(&config, "a", None);
        let before = absent(&group);
        // What happens to others, and in other buckets, is nothing to it.
        group.put(&config, "b", "other");
        group.put(&plain(), "a", "other");
        written(&group.batch(&config, &[("a", before, Change::Keep), ("c", before, Change::Write("1"))]));
        assert!(matches!(group.put_if(&config, "a", "new", before), Reply::Written { .. }));
        assert!(matches!(refused(&group.put_if(&config, "a", "x", before)), RefusedKind::Condition(Some(_))));
        group.delete(&config, "a", None);
        assert_eq!(refused(&group.put_if(&config, "a", "x", before)), RefusedKind::Condition(None));

        // Each key since it was seen itself.
        let (a, c_there) = (absent(&group), before);
        group.delete(&config, "c", None);
        let both = |c| [("a", a, Change::Keep), ("c", c, Change::Write("2"))];
        assert_eq!(refused(&group.batch(&config, &both(c_there))), RefusedKind::Condition(None));
        let c_gone = absent(&group);
        written(&group.batch(&config, &both(c_gone)));
    }
}

#[test]
fn what_is_not_known_of_a_key_that_is_not_there_does_not_count_as_absent() {
    let config = plain_tree();
    let condition = |group: u64, index| Condition::AbsentSince(Absence { group: GroupId::new(group), index });
    let mut group = Group::new(1);
    let none = RefusedKind::Condition(None);
    let next = group.log.len() as u64;
    assert_eq!(refused(&group.put_if(&config, "a", "x", condition(2, next - 1))), none, "another group saw it");
    assert_eq!(refused(&group.put_if(&config, "a", "x", condition(1, next + 1))), none, "nobody saw it yet");

    // As much as is looked through, and one more.
    let before = absent(&group);
    let parts: Vec<String> = (0..BATCH_PARTS_MAX).map(|number| format!("k{number:04}")).collect();
    let many = |count: usize| parts.iter().take(count).map(|key| (key.as_str(), ALWAYS, Change::Write("1")));
    for _ in 0..ABSENCE_EVENTS_MAX / BATCH_PARTS_MAX {
        written(&group.batch(&config, &many(BATCH_PARTS_MAX).collect::<Vec<_>>()));
    }
    let mut more = group.clone();
    assert!(matches!(group.put_if(&config, "a", "x", before), Reply::Written { .. }));
    more.put(&config, "b", "one more");
    assert_eq!(refused(&more.put_if(&config, "a", "x", before)), none);
    assert!(matches!(more.put_if(&config, "a", "x", absent(&more)), Reply::Written { .. }));

    // The same in bytes.
    let (mut group, long) = (Group::new(1), "k".repeat(REDIS_KEY_BYTES_MAX));
    let before = absent(&group);
    for _ in 1..ABSENCE_BYTES_MAX / REDIS_KEY_BYTES_MAX {
        group.put(&versioned(), &long, "long");
    }
    let mut more = group.clone();
    assert!(matches!(group.put_if(&config, "a", "x", before), Reply::Written { .. }));
    more.put(&versioned(), &long, "one more");
    assert_eq!(refused(&more.put_if(&config, "a", "x", before)), none);

    // What is kept no more.
    let mut group = Group::new(1);
    let before = absent(&group);
    while super::super::reached(&group.records).unwrap().oldest_event.index == 0 {
        written(&group.batch(&config, &many(BATCH_PARTS_MAX).collect::<Vec<_>>()));
    }
    let oldest = super::super::reached(&group.records).unwrap().oldest_event;
    // Those that are kept still are not what it is refused for.
    group.records.retain(|key, _| keys::read_event(key).is_none());
    assert_eq!(refused(&group.put_if(&config, "a", "x", before)), none);
    // From behind what was forgotten on all is known.
    let last_forgotten = |back| condition(1, oldest.index - back);
    assert!(oldest.number > 0);
    assert_eq!(refused(&group.put_if(&config, "a", "x", last_forgotten(1))), none);
    assert!(matches!(group.put_if(&config, "a", "x", last_forgotten(0)), Reply::Written { .. }));
}

#[test]
fn a_lock_on_one_key_keeps_all() {
    let mut group = Group::new(1);
    let lock = Lock { until_ms: group.now_ms + 1000, ..Lock::default() };
    group.put_with(&plain_tree(), "c", |version| version.lock = Some(lock));
    for change in [Change::Write("x"), Change::Delete] {
        let reply = group.batch(&plain_tree(), &[("a", ALWAYS, Change::Write("1")), ("c", ALWAYS, change)]);
        assert_eq!(refused(&reply), RefusedKind::Locked);
        assert_eq!(contents(&group, &plain_tree()), [None, None, Some("changed".to_owned()), None]);
    }
}

#[test]
fn a_key_whose_time_is_over_is_gone_for_all_of_them() {
    let mut group = Group::new(1);
    let ends = group.now_ms + 10;
    let Reply::Written { version, .. } = group.put_with(&plain_tree(), "a", |version| version.expires_ms = ends) else {
        panic!("not written")
    };
    group.now_ms = ends;
    // Who saw it still is told that it is not there; and that stays so.
    let late = [("a", Condition::Version(version), Change::Keep), ("b", ALWAYS, Change::Write("x"))];
    assert_eq!(refused(&group.batch(&plain_tree(), &late)), RefusedKind::Condition(None));
    assert_eq!(group.get(&plain_tree(), "a"), None);
    let absent = [("a", Condition::Absent, Change::Keep), ("b", ALWAYS, Change::Write("x"))];
    written(&group.batch(&plain_tree(), &absent));
    assert_eq!(contents(&group, &plain_tree()), [None, Some("x".to_owned()), None, None]);
}

#[test]
fn a_retry_is_answered_as_before_and_changes_nothing() {
    let mut group = Group::new(1);
    let changes = [("a", Condition::Absent, Change::Write("1")), ("b", ALWAYS, Change::Write("2"))];
    let command = group.batch_command(&plain_tree(), &changes);
    let first = group.send(&command);
    written(&first);
    group.put(&plain_tree(), "b", "3");
    assert_eq!(group.send(&command), first);
    assert_eq!(group.content(&plain_tree(), "b"), Some("3".to_owned()));
    group.now_ms += REQUEST_WINDOW_MS + 2;
    assert_eq!(refused(&group.send(&command)), RefusedKind::RequestOld);
    // A refusal is remembered too.
    let command = group.batch_command(&plain_tree(), &changes);
    let refusal = group.send(&command);
    assert!(matches!(refused(&refusal), RefusedKind::Condition(Some(_))));
    group.delete(&plain_tree(), "a", None);
    assert_eq!(group.send(&command), refusal);
    assert_eq!(group.content(&plain_tree(), "b"), Some("3".to_owned()));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let mut group = Group::new(1);
    let (one, other) = ("b", "c");
    assert_ne!(versioned().slot(one.as_bytes()), versioned().slot(other.as_bytes()));
    let two_slots = [(one, ALWAYS, Change::Write("1")), (other, ALWAYS, Change::Write("2"))];
    assert_eq!(refused(&group.batch(&versioned(), &two_slots)), RefusedKind::Invalid);
    let changed = |group: &mut Group, config: &BucketConfig, change: fn(&mut Batch)| {
        let mut command =
            group.batch_command(config, &[("a", ALWAYS, Change::Write("1")), ("b", ALWAYS, Change::Delete)]);
        let Action::Batch(batch) = &mut command.action else { panic!("no batch") };
        change(batch);
        refused(&group.send(&command))
    };
    let stale = |batch: &mut Batch| batch.generation += 1;
    assert_eq!(changed(&mut group, &plain_tree(), stale), RefusedKind::Generation(1));
    // A version of another request, one that names another before it, and one that is too long.
    let spoil: [fn(&mut Version); 3] = [
        |version| version.request = RequestId::new(START_MS, [1; 10]),
        |version| version.previous = Some(VersionId::from_bytes([1; 16])),
        |version| version.body = body(&"x".repeat(81)),
    ];
    for spoil in spoil {
        let mut command = group.batch_command(&plain_tree(), &[("a", ALWAYS, Change::Write("1"))]);
        let Action::Batch(batch) = &mut command.action else { panic!("no batch") };
        let Some(Part { change: PartChange::Write(version), .. }) = batch.parts.first_mut() else { panic!("no part") };
        spoil(version);
        assert_eq!(refused(&group.send(&command)), RefusedKind::Invalid);
    }
    // What takes a key away has to be what its bucket does.
    let removal = |batch: &mut Batch| batch.parts[1].change = PartChange::Remove;
    assert_eq!(changed(&mut group, &tree(), removal), RefusedKind::Invalid);
    let marker = |batch: &mut Batch| {
        let PartChange::Write(version) = batch.parts[0].change.clone() else { panic!("no version") };
        batch.parts[1].change = PartChange::Write(Box::new(Version { body: Body::Marker, ..*version }));
    };
    assert_eq!(changed(&mut group, &plain_tree(), marker), RefusedKind::Invalid);
    assert_eq!(contents(&group, &plain_tree()), [None, None, None, None]);
    assert_eq!(contents(&group, &tree()), [None, None, None, None]);
}
