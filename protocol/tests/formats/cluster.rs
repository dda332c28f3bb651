//! Samples of what group 0 keeps of a network, and of what members of groups are asked and answer, each a golden file.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::cluster::{
    AccessKey, AccessKeyId, AccessTerms, Ask, Bucket, BucketRow, ClusterMap, EventPlace, Failed, FailedKind,
    FormerWriter, Found, GroupRow, GroupStatus, Happened, Introduction, Level, Listed, Listing, MemberKeys, MemberRow,
    MemberState, MoveSide, NetworkRow, ReadPreference, Replication, RowKey, SealedTalk, Since, SlotMove, SlotTable,
    Steer, Talk, Told,
};
use storgo_protocol::meta::{Absence, EventKind, HearerId, KeyRule, Reply, SlotState};
use storgo_protocol::{GroupId, LogIncarnation, MemberKey, PeerId, WrappedKey};

use super::golden::{Golden, golden};
use super::{meta, samples};

fn network() -> NetworkRow {
    NetworkRow { root: samples::trust_root().id(), groups: 2, voters: 3, founded_ms: 1_795_000_000_123 }
}

fn member() -> MemberRow {
    MemberRow {
        admission: samples::admission(),
        incarnation: LogIncarnation::new(0xa1a2_a3a4_a5a6_a7a8),
        zone: "cellar".to_owned(),
        addresses: samples::addresses(),
        state: MemberState::Draining,
        agent: "storgo/0.1.0".to_owned(),
        left: [(GroupId::new(0), 2), (GroupId::new(300), 1)].into(),
    }
}

fn seats() -> Vec<PeerId> {
    let mut seats = vec![samples::peer(), samples::owner().id(), samples::holder().id()];
    seats.sort();
    seats
}

fn group() -> GroupRow {
    GroupRow { seats: seats(), founder: (samples::peer(), LogIncarnation::new(0xa1a2_a3a4_a5a6_a7a8)), founded: true }
}

/// Two groups, and a slot of the first's that is the second's.
fn slots() -> SlotTable {
    SlotTable::even(2).with(meta::slot(300), GroupId::new(2))
}

fn moved() -> SlotMove {
    SlotMove { from: GroupId::new(2), to: samples::group() }
}

fn map() -> ClusterMap {
    let members = BTreeMap::from([(member().peer(), member())]);
    let groups = BTreeMap::from([(GroupId::new(0), group()), (GroupId::new(2), group())]);
    ClusterMap { revision: meta::stamp(), network: network(), members, groups, slots: slots() }
}

/// A bucket with something in each field.
fn bucket() -> Bucket {
    let config = meta::config(KeyRule::Flat { spread: 16 });
    let wrapped = |generation| WrappedKey { generation, ..samples::wrapped_key() };
    let key = MemberKey::from_bytes(samples::run(0x30));
    let keys = |user| MemberKeys { user, key, wrapped: vec![wrapped(257), wrapped(258)] };
    Bucket {
        name: "photos.2026".to_owned(),
        owner: samples::owner().id(),
        created_ms: 1_795_000_000_123,
        key_generation: 258,
        keys: config.members.iter().map(|member| keys(member.user)).collect(),
        redundancy: Some("erasure:4+2".parse().expect("a code")),
        replication: Replication::Durable,
        read_preference: ReadPreference::Bounded(500),
        former: vec![FormerWriter { user: samples::holder().id(), key_generation: 257 }],
        access_keys: Vec::new(),
        config,
        unknown: Bytes::new(),
    }
}

/// A bucket that programs use through doors. One of before there were access keys stays as it was.
fn with_access_keys() -> Bucket {
    let key = |byte, writes, expires_ms, note: &str| {
        let (created_ms, note) = (1_795_000_000_456, note.to_owned());
        let terms = AccessTerms { id: AccessKeyId::draw([byte; 20]), writes, created_ms, expires_ms, note };
        let sealed = std::array::from_fn(|at| byte.wrapping_add(at as u8));
        AccessKey { terms, key_generation: 258, sealed }
    };
    let access_keys = vec![key(0, false, 1_796_000_000_000, "a reader"), key(20, true, 0, "")];
    Bucket { access_keys, ..bucket() }
}

/// What a newer program may have written: a field that this one does not know.
fn newer() -> Bucket {
    Bucket { unknown: Bytes::from_static(&[0xf2, 0x01, 2, 7, 8]), ..bucket() }
}

fn key() -> Bytes {
    Bytes::from_static(b"a/key")
}

fn listing() -> Listing {
    let prefix = Bytes::from_static(b"a/");
    Listing { bucket: meta::bucket(), prefix, after: None, limit: 300, versions: false, slots: None }
}

fn reads() -> Vec<(&'static str, Ask)> {
    let (bucket, bounded) = (meta::bucket(), Level::Bounded(Duration::from_millis(500)));
    let get = |version, level| Ask::Get { bucket, key: key(), version, level };
    let some = Listing { slots: Some(meta::slot(300)..=meta::slot(16_383)), ..listing() };
    let behind = |version| Listing { after: Some((key(), version)), versions: true, ..listing() };
    vec![
        ("get", get(None, Level::Linearizable)),
        ("get_version", get(Some(meta::version_id()), bounded)),
        ("list", Ask::List { listing: listing(), level: Level::Eventual }),
        ("list_behind_key", Ask::List { listing: behind(None), level: Level::Linearizable }),
        ("list_of_slots", Ask::List { listing: some, level: Level::Linearizable }),
        ("list_behind_version", Ask::List { listing: behind(Some(meta::version_id())), level: bounded }),
    ]
}

fn asks() -> Vec<(&'static str, Ask)> {
    let introduction = Introduction::new(&samples::owner(), samples::network(), samples::peer());
    let (peer, slot, set) = (samples::peer(), meta::slot(300), bucket());
    let look = |side| Ask::SlotLook { slot, side };
    let mut list = reads();
    list.extend([
        ("introduction", Ask::Introduction(introduction)),
        ("command", Ask::Command(command())),
        ("local_command", Ask::LocalCommand(command())),
        ("map", Ask::Map { known: meta::stamp() }),
        ("join", Ask::Join(Box::new(member()))),
        ("bucket", Ask::Bucket { name: set.name.clone() }),
        ("buckets", Ask::Buckets { after: set.name.clone() }),
        ("make_bucket", Ask::SetBucket { name: set.name.clone(), bucket: Some(Box::new(set.clone())), expected: None }),
        ("remove_bucket", Ask::SetBucket { name: set.name, bucket: None, expected: Some(meta::stamp()) }),
        ("spread_bucket", Ask::SpreadBucket { bucket: meta::bucket() }),
        ("drain", Ask::Steer(Steer::Drain(peer))),
        ("activate", Ask::Steer(Steer::Activate(peer))),
        ("remove", Ask::Steer(Steer::Remove(peer))),
        ("transfer", Ask::Steer(Steer::Transfer(samples::group(), peer))),
        ("move_slot", Ask::Steer(Steer::MoveSlot(slot, samples::group()))),
        ("plan_seats", Ask::Steer(Steer::PlanSeats)),
        ("rebalance", Ask::Steer(Steer::Rebalance)),
        ("slot_at_target", look(MoveSide::Target)),
        ("slot_at_source", look(MoveSide::Source(None))),
        ("slot_at_source_behind", look(MoveSide::Source(Some(key())))),
        ("status", Ask::Status),
        ("everywhere", Ask::Everywhere { bucket: meta::bucket(), key: key() }),
        ("events", Ask::Events { bucket: meta::bucket(), since: Since::Oldest }),
        ("events_behind", Ask::Events { bucket: meta::bucket(), since: Since::Place(place(300, 1)) }),
        ("events_from_now", Ask::Events { bucket: meta::bucket(), since: Since::Now }),
        ("tell", Ask::Tell { bucket: meta::bucket(), talk: Some(sealed_talk()) }),
        ("who_hears", Ask::Tell { bucket: meta::bucket(), talk: None }),
    ]);
    list
}

fn hearer() -> HearerId {
    HearerId::from_bytes(std::array::from_fn(|at| 0x41 + at as u8))
}

fn sealed_talk() -> SealedTalk {
    SealedTalk { hearer: hearer(), generation: 258, salt: samples::run(0x50), sealed: meta::bytes(0x90, 8) }
}

fn talk() -> Talk {
    Talk { speaker: hearer(), number: 300, messages: vec![meta::bytes(0x76, 9), Bytes::new()] }
}

fn command() -> Bytes {
    let command = meta::all().into_iter().find(|golden| golden.target == "meta_command").expect("a command");
    command.bytes.into()
}

fn failures() -> impl Iterator<Item = (&'static str, Told)> {
    let kinds = [
        ("not_leader", FailedKind::NotLeader(Some(samples::peer()))),
        ("no_leader", FailedKind::NotLeader(None)),
        ("busy", FailedKind::Busy),
        ("denied", FailedKind::Denied),
        ("introduce", FailedKind::Introduce),
        ("refused", FailedKind::Refused),
        ("no_network", FailedKind::NoNetwork),
        ("not_found", FailedKind::NotFound),
        ("conflict", FailedKind::Conflict),
    ];
    kinds.into_iter().map(|(name, kind)| (name, Told::Failed(Failed::new(kind, "because"))))
}

fn place(index: u64, number: u32) -> EventPlace {
    EventPlace { index, number }
}

fn tolds() -> Vec<(&'static str, Told)> {
    let stale = Some(Duration::from_millis(300));
    let absence = Absence { group: samples::group(), index: 0x0102_0304 };
    let listed =
        Listed { found: vec![(key(), meta::kept())], more: true, stale, slots: Bytes::from_static(&[5, 0x80]) };
    let row = BucketRow { bucket: bucket(), revision: meta::stamp() };
    let receiving = SlotState::Receiving { from: samples::group(), page: 4, since: meta::stamp() };
    let rest = vec![(meta::bytes(0x76, 9), meta::bytes(0xb0, 5)), (meta::bytes(0x76, 10), Bytes::new())];
    let status = GroupStatus {
        term: 7,
        leader: Some(samples::peer()),
        voters: seats(),
        learners: vec![samples::care_key().id()],
        applied: 299,
        committed: 300,
        stopped: "its disk is gone".to_owned(),
    };
    let mut list = vec![
        ("done", Told::Done),
        ("reply", Told::Reply(Reply::Done { count: 300 })),
        ("found", Told::Found(Found { version: Some(meta::kept()), stale, absence: None })),
        ("found_absent", Told::Found(Found { version: None, stale, absence: Some(absence) })),
        ("found_nothing", Told::Found(Found::default())),
        ("listed", Told::Listed(listed)),
        ("map", Told::Map(Some(Box::new(map())))),
        ("map_same", Told::Map(None)),
        ("buckets", Told::Buckets { buckets: vec![row], more: true }),
        ("slot", Told::SlotSide { state: Some(receiving), holds: true, last: Some(key()), rest }),
        ("slot_unknown", Told::SlotSide { state: None, holds: false, last: None, rest: Vec::new() }),
        ("status", Told::Status(status)),
        ("seating", Told::Seating([(GroupId::new(0), seats()), (GroupId::new(300), vec![samples::peer()])].into())),
    ];
    let events =
        vec![(place(299, 0), meta::event(EventKind::Removed)), (place(300, 1), meta::event(EventKind::Written))];
    let happened = Happened { events, next: place(300, 2), more_behind: Some(meta::stamp()), missed: true };
    list.push(("happened", Told::Happened(happened)));
    list.push(("happened_nothing", Told::Happened(Happened { next: place(301, 0), ..Happened::default() })));
    list.push(("hearer", Told::Hearer(Some(hearer()))));
    list.push(("no_hearer", Told::Hearer(None)));
    list.extend(failures());
    list
}

/// Every row, behind its key and the length of that.
fn rows() -> Vec<(&'static str, RowKey, Bytes)> {
    let name = || "photos.2026".to_owned();
    vec![
        ("network", RowKey::Network, network().encode()),
        ("member", RowKey::Member(samples::peer()), member().encode()),
        ("group", RowKey::Group(samples::group()), group().encode()),
        ("slots", RowKey::Slots, slots().encode()),
        ("move", RowKey::Move(meta::slot(300)), moved().encode()),
        ("bucket", RowKey::Bucket(name()), bucket().encode()),
        ("bucket_name", RowKey::BucketName(meta::bucket()), name().into_bytes().into()),
    ]
}

/// Every sample, each decoded to the value that it stands for.
pub fn all() -> Vec<Golden> {
    assert_eq!(NetworkRow::decode(network().encode()), Ok(network()));
    assert_eq!(MemberRow::decode(member().encode()), Ok(member()));
    assert_eq!(GroupRow::decode(group().encode()), Ok(group()));
    assert_eq!(SlotTable::decode(slots().encode()), Ok(slots()));
    assert_eq!(SlotMove::decode(moved().encode()), Ok(moved()));
    let mut list = Vec::new();
    for (name, key, row) in rows() {
        let key = key.encode();
        assert_eq!(RowKey::decode(&key).map(|known| known.encode()).as_ref(), Ok(&key));
        let bytes = [&[key.len() as u8], &key[..], &row[..]].concat();
        list.push(golden(&format!("cluster_row_{name}"), "cluster_row", bytes));
    }
    let buckets = [
        ("cluster_bucket", bucket()),
        ("cluster_bucket_access_keys", with_access_keys()),
        ("cluster_bucket_newer", newer()),
    ];
    for (name, bucket) in buckets {
        assert_eq!(Bucket::decode(&bucket.encode()).as_ref(), Ok(&bucket));
        list.push(golden(name, "cluster_bucket", bucket.encode().into()));
    }
    assert_eq!(Talk::decode(talk().encode().into()), Ok(talk()));
    list.push(golden("cluster_talk", "cluster_talk", talk().encode()));
    for (name, ask) in asks() {
        assert_eq!(Ask::decode(ask.encode()).as_ref(), Ok(&ask));
        list.push(golden(&format!("cluster_ask_{name}"), "cluster_ask", ask.encode().into()));
    }
    for (name, told) in tolds() {
        assert_eq!(Told::decode(told.encode()).as_ref(), Ok(&told));
        list.push(golden(&format!("cluster_told_{name}"), "cluster_told", told.encode().into()));
    }
    list
}
