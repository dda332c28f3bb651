//! Samples of what metadata groups keep and are told, each a golden file of its own.

use bytes::Bytes;
use storgo_protocol::Identity;
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::meta::{
    Absence, Action, Batch, Body, BucketConfig, BucketId, BucketMember, Command, Condition, Delete, EventKind,
    FEATURE_LEVEL, InlineBody, KeyRule, Lock, ObjectBody, ObjectId, Part, PartChange, Proposal, Put, Refused,
    RefusedKind, Remembered, Reply, RequestId, Row, RowChange, Ship, Slot, SlotState, SlotTo, Stamp, StorageEvent, Tag,
    Version, VersionId,
};

use super::golden::{Golden, golden};
use super::samples;

pub fn half(first: u8) -> [u8; 16] {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

pub fn bucket() -> BucketId {
    BucketId::from_bytes(half(0x10))
}

pub fn stamp() -> Stamp {
    Stamp::from_ms(1_795_000_000_123).next()
}

pub fn version_id() -> VersionId {
    VersionId::new(stamp(), samples::group())
}

fn request() -> RequestId {
    RequestId::new(1_795_000_000_000, *half(0x20).first_chunk().expect("10 of 16"))
}

pub fn slot(number: u16) -> Slot {
    Slot::new(number).expect("a slot")
}

pub fn bytes(first: u8, count: usize) -> Bytes {
    Bytes::copy_from_slice(&samples::run(first)[..count])
}

/// A version as its writer sends it, signed.
fn written(body: Body) -> Version {
    let version = Version {
        size: 11,
        etag: bytes(0x30, 16),
        metadata: Bytes::from_static(b"metadata"),
        tags: vec![tag("colour", "red"), tag("shape", "")],
        ..Version::new(ObjectId::from_bytes(half(0x40)), request(), body)
    };
    version.signed(bucket(), &samples::owner())
}

fn tag(name: &str, value: &str) -> Tag {
    Tag { name: name.to_owned(), value: value.to_owned() }
}

fn inline() -> Body {
    let sealed = bytes(0x50, 11 + TAG_BYTES);
    Body::Inline(InlineBody { generation: 3, salt: samples::run(0x60), sealed, unknown: Bytes::new() })
}

/// A version as its group keeps it, with something in each field.
pub fn kept() -> Version {
    let object = ObjectBody {
        content: samples::content(),
        layout: samples::layout(),
        root: bytes(0x70, 20),
        layout_top: bytes(0x80, 30),
        generation: 3,
        sealed_key: std::array::from_fn(|i| 0xb0_u8.wrapping_add(i as u8)),
        unknown: Bytes::new(),
    };
    let lock = Lock { until_ms: 1_900_000_000_000, compliance: true, legal_hold: true, unknown: Bytes::new() };
    let version = Version {
        stamp: stamp(),
        group: samples::group(),
        slot: slot(12_182),
        previous: Some(VersionId::from_bytes(half(0x90))),
        storage_class: 1,
        replication: 2,
        home_region: 3,
        lock: Some(lock),
        width: 6,
        expires_ms: 1_800_000_000_000,
        ..written(Body::Object(object))
    };
    version.signed(bucket(), &samples::owner())
}

/// What a newer program may have written: fields that this one does not know, in the record, its body and its lock.
fn newer() -> Version {
    // Field 30, two bytes.
    let unknown = Bytes::from_static(&[0xf2, 0x01, 2, 7, 8]);
    let lock = Lock { legal_hold: true, unknown: unknown.clone(), ..Lock::default() };
    let sealed = bytes(0x50, TAG_BYTES);
    let body = InlineBody { generation: 3, salt: samples::run(0x60), sealed, unknown: unknown.clone() };
    Version {
        lock: Some(lock),
        unknown,
        ..Version::new(ObjectId::from_bytes(half(0x40)), request(), Body::Inline(body))
    }
}

fn members() -> Vec<BucketMember> {
    let mut users = [samples::owner().id(), Identity::from_seed(&samples::run(0xc0)).id()];
    users.sort();
    users.into_iter().zip([true, false]).map(|(user, writes)| BucketMember { user, writes }).collect()
}

pub fn config(rule: KeyRule) -> BucketConfig {
    BucketConfig {
        bucket: bucket(),
        generation: 258,
        rule,
        versioning: true,
        inline_bytes_max: 16_384,
        fenced: true,
        members: members(),
        unknown: Bytes::new(),
    }
}

fn put(condition: Condition) -> Action {
    let key = Bytes::from_static(b"a/key");
    Action::Put(Box::new(Put { bucket: bucket(), generation: 258, key, version: written(inline()), condition }))
}

fn delete(version: Option<VersionId>, marker: Option<Version>) -> Action {
    let (key, condition) = (Bytes::from_static(b"a/key"), Condition::Always);
    Action::Delete(Box::new(Delete { bucket: bucket(), generation: 258, key, version, condition, marker }))
}

fn batch() -> Action {
    let part = |key: &'static str, condition, change| Part { key: key.into(), condition, change };
    let write = PartChange::Write(Box::new(written(inline())));
    let parts = vec![
        part("{a}a", Condition::Absent, PartChange::Keep),
        part("{a}b", Condition::Version(version_id()), write),
        part("{a}c", Condition::Always, PartChange::Remove),
    ];
    Action::Batch(Box::new(Batch { bucket: bucket(), generation: 258, parts }))
}

fn set_rows() -> Action {
    let row = |key: &'static str, expected, value: Option<&'static str>| RowChange {
        key: key.into(),
        expected,
        value: value.map(Bytes::from),
    };
    Action::SetRows(vec![row("a", None, Some("new")), row("b", Some(stamp()), Some("")), row("c", Some(stamp()), None)])
}

fn actions() -> Vec<(&'static str, Action)> {
    let other = SlotTo { slot: slot(12_182), group: samples::group() };
    let pairs = vec![(bytes(0x76, 9), bytes(0xb0, 5)), (bytes(0x76, 10), Bytes::new())];
    vec![
        ("put", put(Condition::Always)),
        ("put_if_absent", put(Condition::Absent)),
        ("put_if_still_absent", put(Condition::AbsentSince(Absence { group: samples::group(), index: 0x0102_0304 }))),
        ("put_if_version", put(Condition::Version(version_id()))),
        ("delete", delete(None, Some(written(Body::Marker)))),
        ("delete_version", delete(Some(version_id()), None)),
        ("set_bucket", Action::SetBucket(Box::new(config(KeyRule::Flat { spread: 16 })))),
        ("assign", Action::Assign { first: slot(0), last: slot(16_383) }),
        ("freeze", Action::Freeze(other)),
        ("thaw", Action::Thaw(other)),
        ("ship", Action::Ship(Ship { from: other, page: 2, since: stamp(), pairs })),
        ("forward", Action::Forward(other)),
        ("switch", Action::Switch { from: other, pages: 3, since: stamp() }),
        ("drop", Action::Drop { other, since: stamp() }),
        ("raise_feature", Action::RaiseFeature(2)),
        ("tick", Action::Tick),
        ("set_rows", set_rows()),
        ("batch", batch()),
    ]
}

fn commands() -> Vec<Golden> {
    let encoded = |(name, action): (&str, Action)| {
        // What groups tell themselves is nobody's request.
        let is_asked = matches!(action, Action::Put(_) | Action::Delete(_) | Action::Batch(_) | Action::SetRows(_));
        let request = is_asked.then(request);
        let command = Command { feature: FEATURE_LEVEL, request, action };
        assert_eq!(Command::decode(&command.encode()).as_ref(), Ok(&command));
        golden(&format!("meta_command_{name}"), "meta_command", command.encode().into())
    };
    let mut list: Vec<Golden> = actions().into_iter().map(encoded).collect();
    let command = list.first().map(|golden| Bytes::copy_from_slice(&golden.bytes)).expect("a command");
    let proposal = Proposal { stamp: stamp(), command };
    assert_eq!(Proposal::decode(proposal.encode()).as_ref(), Ok(&proposal));
    list.push(golden("meta_proposal", "meta_proposal", proposal.encode().into()));
    list
}

fn replies() -> Vec<(&'static str, Reply)> {
    use RefusedKind as Kind;
    let (version, group) = (version_id(), samples::group());
    let refused = [
        ("condition", Kind::Condition(Some(version))),
        ("no_bucket", Kind::NoBucket),
        ("generation", Kind::Generation(259)),
        ("not_here", Kind::NotHere(group)),
        ("frozen", Kind::Frozen(group)),
        ("locked", Kind::Locked),
        ("feature", Kind::Feature(2)),
        ("request_old", Kind::RequestOld),
        ("request_reused", Kind::RequestReused),
        ("invalid", Kind::Invalid),
        ("fenced", Kind::Fenced),
        ("page", Kind::Page(4)),
        ("row", Kind::Row(1)),
    ];
    let mut list = vec![
        ("written", Reply::Written { version, replaced: Some(VersionId::from_bytes(half(0x90))) }),
        ("deleted", Reply::Deleted { version: Some(version), marker: true }),
        ("done", Reply::Done { count: 300 }),
    ];
    list.extend(refused.map(|(name, kind)| (name, Reply::Refused(Refused::new(kind, "because")))));
    list
}

fn records() -> Vec<Golden> {
    let mut list = Vec::new();
    for (name, version) in [("marker", written(Body::Marker)), ("inline", written(inline())), ("object", kept())] {
        assert_eq!(Version::decode(&version.encode()).as_ref(), Ok(&version));
        assert_eq!(version.verify(bucket()), Ok(samples::owner().id()));
        list.push(golden(&format!("meta_version_{name}"), "meta_version", version.encode().into()));
    }
    assert_eq!(Version::decode(&newer().encode()), Ok(newer()));
    list.push(golden("meta_version_newer", "meta_version", newer().encode().into()));
    for (name, rule) in [("flat", KeyRule::Flat { spread: 16 }), ("redis", KeyRule::Redis), ("tree", KeyRule::Tree)] {
        assert_eq!(BucketConfig::decode(&config(rule).encode()), Ok(config(rule)));
        list.push(golden(&format!("meta_bucket_{name}"), "meta_bucket", config(rule).encode().into()));
    }
    let row = Row { revision: stamp(), value: Bytes::from_static(b"what it says") };
    assert_eq!(Row::decode(row.encode()).as_ref(), Ok(&row));
    list.push(golden("meta_row", "meta_row", row.encode().into()));
    let group = samples::group();
    let states = [
        ("owned", SlotState::Owned),
        ("frozen", SlotState::Frozen { to: group, since: stamp() }),
        ("forwarded", SlotState::Forwarded { to: group, since: stamp() }),
        ("receiving", SlotState::Receiving { from: group, page: 4, since: stamp() }),
    ];
    for (name, state) in states {
        assert_eq!(SlotState::decode(state.encode()), Ok(state));
        list.push(golden(&format!("meta_slot_{name}"), "meta_slot_state", state.encode().into()));
    }
    list
}

pub fn event(kind: EventKind) -> StorageEvent {
    let key = Bytes::from_static(b"a/key");
    StorageEvent { kind, bucket: bucket(), key, version: version_id(), stamp: stamp() }
}

fn events() -> impl Iterator<Item = Golden> {
    let kinds = [
        ("written", EventKind::Written),
        ("marked", EventKind::Marked),
        ("removed", EventKind::Removed),
        ("expired", EventKind::Expired),
    ];
    kinds.into_iter().map(|(name, kind)| {
        let event = event(kind);
        assert_eq!(StorageEvent::decode(event.encode()).as_ref(), Ok(&event));
        golden(&format!("meta_event_{name}"), "meta_event", event.encode().into())
    })
}

/// Every sample, each decoded to the value that it stands for.
pub fn all() -> Vec<Golden> {
    let mut list = commands();
    list.extend(records());
    list.extend(events());
    for (name, reply) in replies() {
        assert_eq!(Reply::decode(reply.encode()).as_ref(), Ok(&reply));
        list.push(golden(&format!("meta_reply_{name}"), "meta_reply", reply.encode().into()));
    }
    let reply = Reply::Done { count: 1 };
    let remembered = Remembered { command: Remembered::fingerprint(b"a command"), reply };
    assert_eq!(Remembered::decode(remembered.encode()).as_ref(), Ok(&remembered));
    list.push(golden("meta_remembered", "meta_remembered", remembered.encode().into()));
    list
}

/// The slots of keys, line by line: where records are is never to change.
pub fn slot_lines() -> String {
    let keys = ["a/key", "b", "{tag}a", "x{tag}b", "\u{fc}"];
    let rules = [
        ("flat 1", KeyRule::Flat { spread: 1 }),
        ("flat 16", KeyRule::Flat { spread: 16 }),
        ("flat 16384", KeyRule::Flat { spread: 16_384 }),
        ("tree", KeyRule::Tree),
        ("redis", KeyRule::Redis),
    ];
    let line = |(name, rule): &(&str, KeyRule)| {
        let slots = keys.map(|key| format!("{key} {}", config(*rule).slot(key.as_bytes())));
        format!("{name}: {}\n", slots.join(", "))
    };
    rules.iter().map(line).collect()
}

/// The same slots, straight from the words of `spec/metadata.md`.
#[test]
fn slots_are_derived_as_the_specification_says() {
    let u56 = |hash: &[u8; 32]| {
        let mut number = [0; 8];
        number[..7].copy_from_slice(&hash[..7]);
        u64::from_le_bytes(number)
    };
    let base = blake3::derive_key("storgo v1 slot", &half(0x10));
    for spread in [1, 16, 16_384_u16] {
        for key in [&b"a/key"[..], b"b", b""] {
            let within = u56(blake3::keyed_hash(&base, key).as_bytes()) % u64::from(spread);
            let slot = config(KeyRule::Flat { spread }).slot(key);
            assert_eq!(u64::from(slot.number()), (u56(&base) + within) % 16_384);
        }
    }
    assert_eq!(u64::from(config(KeyRule::Tree).slot(b"a/key").number()), u56(&base) % 16_384);
}
