//! Rows, questions and answers come back as they were, and nothing beyond its bounds does.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;

use super::*;
use crate::limits::{
    ACCESS_NOTE_BYTES_MAX, BUCKET_ACCESS_KEYS_MAX, BUCKETS_LISTED_MAX, EVENTS_LISTED_MAX, GROUP_SEATS_MAX,
    MEMBER_ADDRESSES_MAX, SLOTS, TAG_BYTES, TALK_BYTES_MAX,
};
use crate::meta::{
    Absence, BucketConfig, BucketId, BucketMember, EventKind, HearerId, KeyRule, Slot, Stamp, StorageEvent, VersionId,
};
use crate::{GroupId, Identity, Invite, InviteRole, InviteTerms, LogIncarnation, MemberKey, NetworkId, WrappedKey};

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32])
}

fn member(seed: u8) -> MemberRow {
    let (root, key) = (identity(1), identity(2));
    let terms = InviteTerms::new(&root, key.id(), InviteRole::Metadata, 0);
    let invite = Invite { terms, key, addresses: Vec::new() };
    MemberRow {
        admission: invite.admit(identity(seed).id()),
        incarnation: LogIncarnation::new(9),
        zone: "attic".into(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4820".parse().unwrap()],
        state: MemberState::Draining,
        agent: "storgo/0".into(),
        left: [(GroupId::new(0), 1), (GroupId::new(7), 300)].into(),
    }
}

fn network() -> NetworkRow {
    NetworkRow { root: identity(1).id(), groups: 3, voters: 3, founded_ms: 5 }
}

fn group(seats: &[u8]) -> GroupRow {
    let mut seats: Vec<_> = seats.iter().map(|seed| identity(*seed).id()).collect();
    seats.sort();
    GroupRow { seats, founder: (identity(3).id(), LogIncarnation::new(9)), founded: true }
}

fn map() -> ClusterMap {
    let members = [member(3), member(4)].map(|row| (row.peer(), row)).into();
    let groups = BTreeMap::from([0, 1, 2, 3].map(|id| (GroupId::new(id), group(&[3, 4]))));
    ClusterMap { revision: Stamp::from_u64(77), network: network(), members, groups, slots: SlotTable::even(3) }
}

fn bucket(name: &str) -> Bucket {
    let users = [identity(5).id(), identity(6).id()];
    let mut users = users.to_vec();
    users.sort();
    let wrapped = |generation| WrappedKey { generation, ephemeral: MemberKey::from_bytes([3; 32]), sealed: [4; 48] };
    let keys = |user| MemberKeys { user, key: MemberKey::from_bytes([2; 32]), wrapped: vec![wrapped(1), wrapped(2)] };
    Bucket {
        config: BucketConfig {
            bucket: BucketId::from_bytes([1; 16]),
            generation: 4,
            rule: KeyRule::Flat { spread: 16 },
            versioning: true,
            inline_bytes_max: 16384,
            fenced: false,
            members: users.iter().map(|user| BucketMember { user: *user, writes: true }).collect(),
            unknown: Bytes::new(),
        },
        name: name.into(),
        owner: identity(5).id(),
        created_ms: 8,
        key_generation: 2,
        keys: users.iter().copied().map(keys).collect(),
        redundancy: Some("erasure:4+2".parse().unwrap()),
        replication: Replication::Durable,
        read_preference: ReadPreference::Bounded(500),
        former: vec![FormerWriter { user: identity(7).id(), key_generation: 1 }],
        access_keys: vec![access_key(1)],
        unknown: Bytes::new(),
    }
}

fn access_key(byte: u8) -> AccessKey {
    let (id, note) = (AccessKeyId::draw([byte; 20]), "a program".into());
    let terms = AccessTerms { id, writes: byte.is_multiple_of(2), created_ms: 8, expires_ms: 9, note };
    AccessKey { terms, key_generation: 2, sealed: [byte; ACCESS_SEALED_BYTES] }
}

#[test]
fn rows_come_back_and_their_keys_sort_by_kind() {
    assert_eq!(NetworkRow::decode(network().encode()), Ok(network()));
    assert_eq!(MemberRow::decode(member(3).encode()), Ok(member(3)));
    assert_eq!(GroupRow::decode(group(&[3, 4]).encode()), Ok(group(&[3, 4])));
    assert_eq!(Bucket::decode(&bucket("photos").encode()), Ok(bucket("photos")));
    let moved = SlotMove { from: GroupId::new(1), to: GroupId::new(2) };
    assert_eq!(SlotMove::decode(moved.encode()), Ok(moved));
    let slot = Slot::new(300).unwrap();
    for key in [
        RowKey::Network,
        RowKey::Slots,
        RowKey::Member(identity(3).id()),
        RowKey::Group(GroupId::new(300)),
        RowKey::Move(slot),
        RowKey::Bucket("photos".into()),
        RowKey::BucketName(BucketId::from_bytes([1; 16])),
    ] {
        assert_eq!(RowKey::decode(&key.encode()), Ok(key));
    }
    for nonsense in [b"".as_slice(), b"x", b"m/1", b"g/1", b"v/\xff\xff", b"b/\xff"] {
        assert!(RowKey::decode(nonsense).is_err(), "{nonsense:?}");
    }
}

#[test]
fn a_row_beyond_its_bounds_is_refused() {
    let seats = u8::try_from(GROUP_SEATS_MAX).unwrap();
    let many = |count| group(&(0..count).collect::<Vec<_>>());
    assert!(GroupRow::decode(many(seats).encode()).is_ok());
    assert!(GroupRow::decode(many(seats + 1).encode()).is_err());
    assert!(GroupRow::decode(many(0).encode()).is_err());
    for groups in [0, u32::try_from(crate::limits::GROUPS_MAX + 1).unwrap()] {
        assert!(NetworkRow::decode(NetworkRow { groups, ..network() }.encode()).is_err());
    }
    assert!(NetworkRow::decode(NetworkRow { voters: 2, ..network() }.encode()).is_err());
    let address = member(3).addresses[0].clone();
    let at = |count| MemberRow { addresses: vec![address.clone(); count], ..member(3) };
    assert!(MemberRow::decode(at(MEMBER_ADDRESSES_MAX).encode()).is_ok());
    assert!(MemberRow::decode(at(MEMBER_ADDRESSES_MAX + 1).encode()).is_err());
    assert!(MemberRow::decode(MemberRow { zone: "z\u{7}".into(), ..member(3) }.encode()).is_err());
    let left =
        |count: usize| MemberRow { left: (0..count as u64).map(|n| (GroupId::new(n), 1)).collect(), ..member(3) };
    assert!(MemberRow::decode(left(crate::limits::GROUPS_MAX + 1).encode()).is_ok());
    assert!(MemberRow::decode(left(crate::limits::GROUPS_MAX + 2).encode()).is_err());
    let never = MemberRow { left: [(GroupId::new(1), 0)].into(), ..member(3) };
    assert!(MemberRow::decode(never.encode()).is_err());
    let mut keyless = bucket("photos");
    keyless.keys.pop();
    assert!(Bucket::decode(&keyless.encode()).is_err());
    let mut old = bucket("photos");
    old.keys[0].wrapped.pop();
    assert!(Bucket::decode(&old.encode()).is_err());
    let mut many_keys = bucket("photos");
    let key = many_keys.keys[0].wrapped[0].clone();
    let count = u32::try_from(crate::limits::BUCKET_KEYS_MAX).unwrap();
    many_keys.key_generation = count + 1;
    for keys in &mut many_keys.keys {
        keys.wrapped = (1..=count + 1).map(|generation| WrappedKey { generation, ..key.clone() }).collect();
    }
    assert!(Bucket::decode(&many_keys.encode()).is_err());
    for keys in &mut many_keys.keys {
        keys.wrapped.remove(0);
    }
    assert!(Bucket::decode(&many_keys.encode()).is_ok());
}

#[test]
fn all_wrapped_keys_of_a_bucket_fit_its_row() {
    let mut large = bucket("photos");
    let (member, keys) = (large.config.members[0], large.keys[0].clone());
    let users = (0..200_u8).map(|n| crate::PeerId::from_bytes([n; 32]));
    large.config.members = users.clone().map(|user| BucketMember { user, ..member }).collect();
    let of = |count: u32| {
        let wrapped = |generation| WrappedKey { generation, ..keys.wrapped[0].clone() };
        let wrapped: Vec<_> = (1..=count).map(wrapped).collect();
        let keys = users.clone().map(|user| MemberKeys { user, key: keys.key, wrapped: wrapped.clone() }).collect();
        Bucket { keys, key_generation: count, ..large.clone() }
    };
    let fits = crate::limits::BUCKET_WRAPPED_BYTES_MAX / 200 / of(1).keys[0].wrapped[0].encode().len();
    let fits = u32::try_from(fits).unwrap();
    assert!(Bucket::decode(&of(fits).encode()).is_ok());
    assert!(Bucket::decode(&of(fits + 1).encode()).is_err());
    let writers = (0..u16::try_from(crate::limits::BUCKET_FORMER_MAX).unwrap()).map(|n| {
        let user = crate::PeerId::from_bytes([n.to_be_bytes(); 16].concat().try_into().unwrap());
        FormerWriter { user, key_generation: u32::MAX }
    });
    let note = "n".repeat(ACCESS_NOTE_BYTES_MAX);
    let terms = AccessTerms { created_ms: u64::MAX, expires_ms: u64::MAX, note, ..access_key(1).terms };
    let key = AccessKey { terms, key_generation: u32::MAX, ..access_key(1) };
    let access_keys = vec![key; BUCKET_ACCESS_KEYS_MAX];
    let largest = Bucket { former: writers.collect(), access_keys, ..of(fits) };
    assert!(largest.encode().len() <= crate::limits::ROW_BYTES_MAX);
}

#[test]
fn access_keys_beyond_their_bounds_are_refused() {
    let of = |access_keys| Bucket { access_keys, ..bucket("photos") };
    let many = |count: usize| {
        let letter = |n: usize, at: usize| u8::try_from((n >> (5 * at).min(60)) & 31).unwrap();
        let ids = (0..count).map(|n| AccessKeyId::draw(std::array::from_fn(|at| letter(n, at))));
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        let key = |id| AccessKey { terms: AccessTerms { id, ..access_key(2).terms }, ..access_key(2) };
        of(ids.into_iter().map(key).collect())
    };
    assert_eq!(Bucket::decode(&many(BUCKET_ACCESS_KEYS_MAX).encode()), Ok(many(BUCKET_ACCESS_KEYS_MAX)));
    assert!(Bucket::decode(&many(BUCKET_ACCESS_KEYS_MAX + 1).encode()).is_err());
    let found = access_key(2);
    assert_eq!(of(vec![access_key(1), access_key(2)]).access_key(found.terms.id), Some(&found));
    assert_eq!(of(vec![access_key(1)]).access_key(found.terms.id), None);

    let noted = |note: &str| {
        of(vec![AccessKey { terms: AccessTerms { note: note.into(), ..access_key(1).terms }, ..access_key(1) }])
    };
    assert!(Bucket::decode(&noted(&"n".repeat(ACCESS_NOTE_BYTES_MAX)).encode()).is_ok());
    assert!(Bucket::decode(&noted(&"n".repeat(ACCESS_NOTE_BYTES_MAX + 1)).encode()).is_err());
    assert!(Bucket::decode(&noted("two\nlines").encode()).is_err());
    for bad in [
        of(vec![access_key(2), access_key(1)]),
        of(vec![access_key(1), access_key(1)]),
        of(vec![AccessKey { key_generation: 0, ..access_key(1) }]),
        of(vec![AccessKey { key_generation: 3, ..access_key(1) }]),
    ] {
        assert!(Bucket::decode(&bad.encode()).is_err(), "{:?}", bad.access_keys);
    }
}

#[test]
fn what_former_writers_wrote_stays_good_and_nothing_later_is_theirs() {
    let reads = identity(6).id();
    let mut known = bucket("photos");
    for member in known.config.members.iter_mut().filter(|member| member.user == reads) {
        member.writes = false;
    }
    assert!(known.could_write(identity(5).id(), Some(9)) && known.could_write(identity(5).id(), None));
    assert!(!known.could_write(reads, Some(1)) && !known.could_write(identity(8).id(), None));
    let former = identity(7).id();
    assert!(
        known.could_write(former, Some(1)) && known.could_write(former, None) && !known.could_write(former, Some(2))
    );
    let many = |count: u16| {
        let user = |n: u16| crate::PeerId::from_bytes([n.to_be_bytes(); 16].concat().try_into().unwrap());
        let former = (0..count).map(|n| FormerWriter { user: user(n), key_generation: 1 }).collect();
        Bucket { former, ..bucket("photos") }
    };
    let most = u16::try_from(crate::limits::BUCKET_FORMER_MAX).unwrap();
    assert_eq!(Bucket::decode(&many(most).encode()), Ok(many(most)));
    assert!(Bucket::decode(&many(most + 1).encode()).is_err());
    let twice = Bucket { former: [bucket("photos").former, bucket("photos").former].concat(), ..bucket("photos") };
    assert!(Bucket::decode(&twice.encode()).is_err());
}

#[test]
fn names_of_buckets_are_those_of_s3() {
    for name in ["abc", "photos-2026", "a.b-c", &"x".repeat(63)] {
        assert!(is_bucket_name(name), "{name}");
    }
    for name in ["", "ab", "Abc", "-abc", "abc-", "a..b", "a_b", "abc/", "ü-abc", &"x".repeat(64)] {
        assert!(!is_bucket_name(name), "{name}");
    }
}

#[test]
fn every_slot_has_one_group_wherever_it_goes() {
    for groups in [1, 3, 16, 1000] {
        let table = SlotTable::even(groups);
        assert_eq!(SlotTable::decode(table.encode()), Ok(table.clone()));
        let mut shares = BTreeMap::new();
        for slot in (0..SLOTS).filter_map(Slot::new) {
            *shares.entry(table.group(slot)).or_insert(0_u32) += 1;
        }
        assert_eq!(shares.len(), groups as usize);
        assert!(shares.values().max().unwrap() - shares.values().min().unwrap() <= 1);
    }
    let mut table = SlotTable::even(2);
    for (number, group) in [(0, 2), (8191, 2), (8192, 1), (8192, 2), (5, 3), (6, 3), (16383, 1), (5, 1)] {
        let (slot, group) = (Slot::new(number).unwrap(), GroupId::new(group));
        let moved = table.with(slot, group);
        for other in (0..SLOTS).filter_map(Slot::new) {
            assert_eq!(moved.group(other), if other == slot { group } else { table.group(other) });
        }
        assert_eq!(SlotTable::decode(moved.encode()), Ok(moved.clone()));
        table = moved;
    }
    let gap = wire::Slots { ranges: SlotTable::even(4).to_wire().ranges.split_off(1) };
    assert!(SlotTable::from_wire(gap).is_err());
}

#[test]
fn questions_come_back_as_they_were() {
    let connection = identity(9).id();
    let listing = Listing {
        bucket: BucketId::from_bytes([1; 16]),
        prefix: Bytes::from_static(b"a/"),
        after: Some((Bytes::from_static(b"a/b"), None)),
        limit: 10,
        versions: true,
        slots: Some(Slot::default()..=Slot::new(16_383).unwrap()),
    };
    let slot = Slot::new(5).unwrap();
    for ask in [
        Ask::Introduction(Introduction::new(&identity(5), network_id(), connection)),
        Ask::Command(Bytes::from_static(b"command")),
        Ask::LocalCommand(Bytes::from_static(b"command")),
        Ask::Get { bucket: listing.bucket, key: Bytes::from_static(b"k"), version: None, level: Level::Linearizable },
        Ask::List { listing: listing.clone(), level: Level::Bounded(Duration::from_millis(70)) },
        Ask::List { listing: Listing { after: None, slots: None, ..listing }, level: Level::Eventual },
        Ask::Get { bucket: BucketId::from_bytes([1; 16]), key: Bytes::new(), version: None, level: Level::Lease },
        Ask::Map { known: Stamp::from_u64(4) },
        Ask::Join(Box::new(member(3))),
        Ask::Bucket { name: "photos".into() },
        Ask::Buckets { after: String::new() },
        Ask::SetBucket { name: "photos".into(), bucket: Some(Box::new(bucket("photos"))), expected: None },
        Ask::SetBucket { name: "photos".into(), bucket: None, expected: Some(Stamp::from_u64(4)) },
        Ask::SpreadBucket { bucket: BucketId::from_bytes([1; 16]) },
        Ask::Steer(Steer::Drain(connection)),
        Ask::Steer(Steer::Activate(connection)),
        Ask::Steer(Steer::Remove(connection)),
        Ask::Steer(Steer::Transfer(GroupId::new(3), connection)),
        Ask::Steer(Steer::MoveSlot(slot, GroupId::new(3))),
        Ask::Steer(Steer::PlanSeats),
        Ask::Steer(Steer::Rebalance),
        Ask::SlotLook { slot, side: MoveSide::Target },
        Ask::SlotLook { slot, side: MoveSide::Source(None) },
        Ask::SlotLook { slot, side: MoveSide::Source(Some(Bytes::from_static(b"k"))) },
        Ask::Status,
        Ask::Everywhere { bucket: BucketId::from_bytes([1; 16]), key: Bytes::from_static(b"k") },
        Ask::Tell { bucket: BucketId::from_bytes([1; 16]), talk: None },
        tell(TALK_BYTES_MAX + TAG_BYTES),
    ] {
        assert_eq!(Ask::decode(ask.encode()), Ok(ask));
    }
    let other = Ask::SetBucket { name: "other".into(), bucket: Some(Box::new(bucket("photos"))), expected: None };
    assert!(Ask::decode(other.encode()).is_err());
    assert!(Ask::decode(Bytes::new()).is_err());
    assert!(Ask::decode(Ask::Bucket { name: "x".repeat(64) }.encode()).is_err());
    assert!(Ask::decode(tell(TALK_BYTES_MAX + TAG_BYTES + 1).encode()).is_err());
}

fn tell(bytes: usize) -> Ask {
    let (hearer, sealed) = (HearerId::from_bytes([2; 16]), vec![7; bytes].into());
    let talk = SealedTalk { hearer, generation: 3, salt: [4; 32], sealed };
    Ask::Tell { bucket: BucketId::from_bytes([1; 16]), talk: Some(talk) }
}

fn network_id() -> NetworkId {
    NetworkId::from_root(identity(1).id())
}

#[test]
fn an_introduction_holds_for_one_connection_in_one_network() {
    let introduction = Introduction::new(&identity(5), network_id(), identity(9).id());
    assert_eq!(introduction.verify(network_id(), identity(9).id()), Ok(identity(5).id()));
    assert!(introduction.verify(network_id(), identity(8).id()).is_err());
    assert!(introduction.verify(NetworkId::from_name("other"), identity(9).id()).is_err());
}

fn happened(places: &[(u64, u32)], next: EventPlace) -> Happened {
    let event = StorageEvent {
        kind: EventKind::Written,
        bucket: BucketId::from_bytes([1; 16]),
        key: "k".into(),
        version: VersionId::from_bytes([2; 16]),
        stamp: Stamp::from_ms(3),
    };
    let events = places.iter().map(|(index, number)| (EventPlace { index: *index, number: *number }, event.clone()));
    Happened { events: events.collect(), next, more_behind: Some(Stamp::from_ms(4)), missed: false }
}

#[test]
fn events_that_would_be_told_twice_or_for_ever_are_refused() {
    let read = |places: &[(u64, u32)], next| Told::decode(Told::Happened(happened(places, next)).encode());
    let next = EventPlace { index: 4, number: 2 };
    assert!(read(&[(3, 7), (4, 1)], next).is_ok());
    for places in [&[(4, 1), (3, 7)][..], &[(4, 1), (4, 1)], &[(4, 2)]] {
        assert!(read(places, next).is_err(), "{places:?}");
    }
    let many: Vec<_> = (0..=EVENTS_LISTED_MAX as u64).map(|index| (index, 0)).collect();
    assert!(read(&many[1..], EventPlace::at(u64::MAX)).is_ok());
    let told = read(&many, EventPlace::at(u64::MAX));
    assert!(matches!(told, Err(crate::DecodeError::TooMany { max: EVENTS_LISTED_MAX, .. })), "{told:?}");
}

#[test]
fn answers_come_back_as_they_were_and_strangers_are_no_members() {
    let failed = |kind| Told::Failed(Failed::new(kind, "because"));
    let row = BucketRow { bucket: bucket("photos"), revision: Stamp::from_u64(3) };
    let status = GroupStatus { term: 4, leader: Some(identity(3).id()), applied: 7, ..GroupStatus::default() };
    for told in [
        Told::Done,
        Told::Reply(crate::meta::Reply::Done { count: 3 }),
        Told::Found(Found { version: None, stale: Some(Duration::from_millis(3)), absence: None }),
        Told::Found(Found { absence: Some(Absence { group: GroupId::new(4), index: u64::MAX }), ..Found::default() }),
        Told::Listed(Listed { more: true, slots: Bytes::from_static(&[5]), ..Listed::default() }),
        Told::Map(None),
        Told::Map(Some(Box::new(map()))),
        Told::Buckets { buckets: vec![row.clone()], more: false },
        Told::SlotSide { state: None, holds: false, last: None, rest: Vec::new() },
        Told::SlotSide {
            state: Some(crate::meta::SlotState::Owned),
            holds: true,
            last: Some(Bytes::from_static(b"k")),
            rest: vec![(Bytes::from_static(b"k"), Bytes::from_static(b"v"))],
        },
        Told::Status(status),
        Told::Seating([(GroupId::new(3), vec![identity(3).id()]), (GroupId::new(4), Vec::new())].into()),
        Told::Happened(happened(&[(4, 0), (4, 1), (9, 0)], EventPlace::at(10))),
        Told::Happened(Happened { missed: true, next: EventPlace::at(3), ..Happened::default() }),
        Told::Hearer(None),
        Told::Hearer(Some(HearerId::from_bytes([2; 16]))),
        failed(FailedKind::NotLeader(None)),
        failed(FailedKind::NotLeader(Some(identity(3).id()))),
        failed(FailedKind::Busy),
        failed(FailedKind::Denied),
        failed(FailedKind::Introduce),
        failed(FailedKind::Refused),
        failed(FailedKind::NoNetwork),
        failed(FailedKind::NotFound),
        failed(FailedKind::Conflict),
    ] {
        assert_eq!(Told::decode(told.encode()), Ok(told));
    }
    let many = Told::Buckets { buckets: vec![row; BUCKETS_LISTED_MAX + 1], more: false };
    assert!(Told::decode(many.encode()).is_err());
    let long = Bytes::from(vec![0; crate::limits::TOLD_BYTES_MAX + 1]);
    assert!(matches!(Told::decode(long), Err(crate::DecodeError::TooMany { .. })));
    let foreign = ClusterMap { network: NetworkRow { root: identity(8).id(), ..network() }, ..map() };
    assert!(Told::decode(Told::Map(Some(Box::new(foreign))).encode()).is_err());
}

/// Two million messages, which decoded would take more than a hundred megabytes.
#[test]
fn a_whole_answer_of_nothing_costs_nothing() {
    // Field 4, a page of a listing: a length of three bytes, then empty keys.
    let count = crate::limits::TOLD_BYTES_MAX / 2 - 3;
    let page = wire::Listed { keys: vec![wire::ListedKey::default(); 2], ..wire::Listed::default() }.encode_to_vec();
    assert_eq!(page, [0x0a, 0, 0x0a, 0]);
    let page = wire::Told { told: Some(wire::told::Told::Reply(page.repeat(count / 2).into())) }.encode_to_vec();
    let page = [&[0x22], &page[1..]].concat();
    assert!(size_of::<wire::ListedKey>() * count > 100 << 20 && page.len() <= crate::limits::TOLD_BYTES_MAX);
    let told = Told::decode(page.into());
    assert!(matches!(told, Err(crate::DecodeError::TooMany { max: crate::limits::LISTED_MAX, .. })), "{told:?}");
}
