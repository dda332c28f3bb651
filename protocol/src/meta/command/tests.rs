use super::*;
use crate::limits::{
    BATCH_PARTS_MAX, COMMAND_BYTES_MAX, REDIS_KEY_BYTES_MAX, ROW_BYTES_MAX, ROW_KEY_BYTES_MAX, ROWS_CHANGED_MAX,
    SHIPPED_PAIRS_MAX,
};
use crate::meta::{Body, FEATURE_LEVEL, InlineBody, KeyRule, ObjectId};

fn version(body: Body) -> Version {
    Version::new(ObjectId::from_bytes([8; 16]), RequestId::new(77, [9; 10]), body)
}

fn put(key: Bytes, condition: Condition) -> Action {
    let sealed = Bytes::from_static(&[7; 20]);
    let body = Body::Inline(InlineBody { generation: 1, salt: [5; 32], sealed, unknown: Bytes::new() });
    let bucket = BucketId::from_bytes([1; 16]);
    Action::Put(Box::new(Put { bucket, generation: 3, key, version: version(body), condition }))
}

fn delete(marker: Option<Body>) -> Action {
    let marker = marker.map(version);
    let (bucket, version) = (BucketId::from_bytes([1; 16]), Some(VersionId::from_bytes([2; 16])));
    let (key, condition) = (Bytes::from_static(b"key"), Condition::Always);
    Action::Delete(Box::new(Delete { bucket, generation: 3, key, version, condition, marker }))
}

fn batch(keys: impl IntoIterator<Item = Bytes>) -> Action {
    let changes = [PartChange::Keep, PartChange::Write(Box::new(version(Body::Marker))), PartChange::Remove];
    let conditions = [Condition::Absent, Condition::Version(VersionId::from_bytes([3; 16])), Condition::Always];
    let parts = keys.into_iter().zip(changes.into_iter().cycle()).zip(conditions.into_iter().cycle());
    let parts = parts.map(|((key, change), condition)| Part { key, condition, change }).collect();
    Action::Batch(Box::new(Batch { bucket: BucketId::from_bytes([1; 16]), generation: 3, parts }))
}

fn ship(pairs: usize) -> Action {
    let pair = (Bytes::from_static(b"k"), Bytes::from_static(b"v"));
    let from = SlotTo { slot: Slot::new(9).unwrap(), group: GroupId::new(2) };
    Action::Ship(Ship { from, page: 1, since: Stamp::from_ms(5), pairs: vec![pair; pairs] })
}

fn command(action: Action) -> Command {
    Command { feature: FEATURE_LEVEL, request: Some(RequestId::new(77, [9; 10])), action }
}

/// One change of a row of `key` bytes.
fn rows(key: usize) -> Vec<RowChange> {
    let expected = (key > 1).then_some(Stamp::ZERO);
    vec![RowChange { key: vec![7; key].into(), expected, value: (key < 3).then(Bytes::new) }]
}

fn all() -> Vec<Action> {
    let to = SlotTo { slot: Slot::new(9).unwrap(), group: GroupId::new(2) };
    let config = BucketConfig {
        bucket: BucketId::from_bytes([1; 16]),
        generation: 1,
        rule: KeyRule::Flat { spread: 8 },
        versioning: false,
        inline_bytes_max: 100,
        fenced: true,
        members: Vec::new(),
        unknown: Bytes::new(),
    };
    let key = || Bytes::from_static(b"key");
    vec![
        put(key(), Condition::Always),
        put(key(), Condition::Absent),
        put(key(), Condition::AbsentSince(Absence { group: GroupId::new(u64::MAX), index: 7 })),
        put(key(), Condition::Version(VersionId::from_bytes([3; 16]))),
        delete(None),
        delete(Some(Body::Marker)),
        Action::SetBucket(Box::new(config)),
        Action::Assign { first: Slot::default(), last: Slot::new(5).unwrap() },
        Action::Freeze(to),
        Action::Thaw(to),
        ship(3),
        Action::Forward(to),
        Action::Switch { from: to, pages: 7, since: Stamp::from_ms(5) },
        Action::Drop { other: to, since: Stamp::from_ms(5) },
        Action::RaiseFeature(2),
        Action::Tick,
        Action::SetRows([rows(1), rows(2)].concat()),
        batch(["a", "b", "c"].map(Bytes::from)),
    ]
}

#[test]
fn commands_come_back_as_they_were() {
    for action in all() {
        let command = command(action);
        assert_eq!(Command::decode(&command.encode()), Ok(command.clone()));
        assert_eq!(Command::feature_of(&command.encode()), Ok(FEATURE_LEVEL));
        let proposal = Proposal { stamp: Stamp::from_ms(7), command: command.encode() };
        assert_eq!(Proposal::decode(proposal.encode()), Ok(proposal));
    }
}

#[test]
fn a_command_beyond_its_bounds_is_refused() {
    let refused = |action| Command::decode(&command(action).encode()).is_err();
    let key = |bytes| put(vec![b'k'; bytes].into(), Condition::Always);
    assert!(!refused(key(REDIS_KEY_BYTES_MAX)) && refused(key(REDIS_KEY_BYTES_MAX + 1)));
    assert!(!refused(ship(SHIPPED_PAIRS_MAX)) && refused(ship(SHIPPED_PAIRS_MAX + 1)));
    let long = Action::Ship(Ship {
        from: SlotTo { slot: Slot::default(), group: GroupId::new(2) },
        page: 0,
        since: Stamp::ZERO,
        pairs: vec![(Bytes::new(), vec![0; COMMAND_BYTES_MAX].into())],
    });
    assert!(refused(long.clone()));
    let many = |count: usize| Action::SetRows((1..=count).flat_map(rows).collect());
    assert!(!refused(many(ROWS_CHANGED_MAX)) && refused(many(ROWS_CHANGED_MAX + 1)) && refused(many(0)));
    let key = |bytes: usize| Action::SetRows(rows(bytes));
    assert!(!refused(key(ROW_KEY_BYTES_MAX)) && refused(key(ROW_KEY_BYTES_MAX + 1)) && refused(key(0)));
    let value = |bytes: usize| {
        let value = Some(vec![0; bytes].into());
        Action::SetRows(vec![RowChange { key: Bytes::from_static(b"k"), expected: None, value }])
    };
    assert!(!refused(value(ROW_BYTES_MAX)) && refused(value(ROW_BYTES_MAX + 1)));
    assert!(
        refused(Action::SetRows([rows(2), rows(1)].concat())) && refused(Action::SetRows([rows(2), rows(2)].concat()))
    );
    let parts = |count: usize| batch((0..count).map(|n| format!("{n:05}").into()));
    assert!(!refused(parts(BATCH_PARTS_MAX)) && refused(parts(BATCH_PARTS_MAX + 1)) && refused(parts(0)));
    assert!(refused(batch(["b", "a"].map(Bytes::from))) && refused(batch(["a", "a"].map(Bytes::from))));
    let key = |bytes: usize| batch([vec![b'k'; bytes].into()]);
    assert!(!refused(key(REDIS_KEY_BYTES_MAX)) && refused(key(REDIS_KEY_BYTES_MAX + 1)));
    assert!(Command::feature_of(&command(long.clone()).encode()).is_err());
    let proposal = Proposal { stamp: Stamp::ZERO, command: command(long).encode() };
    assert!(Proposal::decode(proposal.encode()).is_err());
    assert!(refused(delete(Some(Body::Object(crate::meta::ObjectBody {
        content: crate::ContentId::from_bytes([1; 32]),
        layout: crate::LayoutId::from_bytes([1; 32]),
        root: Bytes::new(),
        layout_top: Bytes::new(),
        generation: 1,
        sealed_key: [1; 48],
        unknown: Bytes::new(),
    })))));
    assert!(refused(Action::Assign { first: Slot::new(5).unwrap(), last: Slot::default() }));
}

#[test]
fn a_condition_that_is_not_understood_is_not_taken_for_none() {
    let version = ids::version_bytes(Some(VersionId::from_bytes([3; 16])));
    let since = Some(wire::Absence { group: 3, index: 4 });
    let none = || wire::Condition::default();
    for wrong in [
        none(),
        wire::Condition { absent: true, version: version.clone(), ..none() },
        wire::Condition { absent: true, absent_since: since, ..none() },
        wire::Condition { version, absent_since: since, ..none() },
    ] {
        assert!(Condition::from_wire(Some(wrong.clone())).is_err(), "{wrong:?}");
    }
}

#[test]
fn no_bytes_make_a_decoder_fail_in_another_way() {
    // Every prefix, and every byte changed: an answer, whatever it is, and never a panic.
    for action in all() {
        let bytes = command(action).encode();
        for cut in 0..bytes.len() {
            drop(Command::decode(&bytes.slice(..cut)));
            let mut changed = bytes.to_vec();
            changed[cut] ^= 0x41;
            if let Ok(command) = Command::decode(&changed.into()) {
                assert_eq!(Command::decode(&command.encode()), Ok(command));
            }
        }
    }
}
