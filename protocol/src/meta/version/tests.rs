use super::*;
use crate::limits::{INLINE_BYTES_MAX, NODE_BYTES_MAX, TAG_BYTES, VERSION_TAGS_MAX};
use crate::meta::{InlineBody, ObjectBody};
use crate::{ContentId, LayoutId};

fn inline(bytes: usize) -> Body {
    Body::Inline(InlineBody { generation: 2, salt: [5; 32], sealed: vec![7; bytes].into(), unknown: Bytes::new() })
}

fn object(root: usize, layout_top: usize) -> Body {
    let (content, layout) = (ContentId::from_bytes([1; 32]), LayoutId::from_bytes([2; 32]));
    let (root, layout_top) = (vec![3; root].into(), vec![4; layout_top].into());
    let sealed_key = [5; 32 + TAG_BYTES];
    Body::Object(ObjectBody { content, layout, root, layout_top, generation: 3, sealed_key, unknown: Bytes::new() })
}

fn version(body: Body) -> Version {
    Version::new(ObjectId::from_bytes([8; 16]), RequestId::new(77, [9; 10]), body)
}

fn full() -> Version {
    let tag = |name: &str| Tag { name: name.to_owned(), value: "v".to_owned() };
    let version = Version {
        stamp: Stamp::from_ms(1234),
        group: GroupId::new(3),
        slot: Slot::new(500).unwrap(),
        previous: Some(VersionId::from_bytes([6; 16])),
        size: 99,
        etag: Bytes::from_static(b"etag"),
        storage_class: 1,
        replication: 2,
        home_region: 3,
        tags: vec![tag("a"), tag("b")],
        metadata: Bytes::from_static(b"metadata"),
        lock: Some(Lock { until_ms: 5, compliance: true, legal_hold: true, unknown: Bytes::new() }),
        width: 6,
        expires_ms: 4321,
        ..version(inline(20))
    };
    version.signed(BucketId::from_bytes([1; 16]), &Identity::from_seed(&[2; 32]))
}

#[test]
fn versions_come_back_as_they_were() {
    for version in [full(), version(Body::Marker), version(inline(0)), version(object(10, 0))] {
        assert_eq!(Version::decode(&version.encode()), Ok(version));
    }
}

#[test]
fn a_record_without_the_later_fields_loads_with_their_defaults() {
    // As a program would have written it that knew ids and the body, and nothing else.
    let old = wire::Version {
        stamp: Stamp::from_ms(5).as_u64(),
        object: vec![8; 16].into(),
        request: RequestId::new(77, [9; 10]).as_bytes().to_vec().into(),
        inline_body: InlineBody { generation: 2, salt: [5; 32], sealed: vec![7; 20].into(), unknown: Bytes::new() }
            .encode(),
        ..wire::Version::default()
    };
    let expected = Version { stamp: Stamp::from_ms(5), ..version(inline(20)) };
    assert_eq!(Version::decode(&old.encode_to_vec().into()), Ok(expected));
}

#[test]
fn what_a_newer_program_wrote_survives_being_written_again() {
    // Field 30, two bytes: in the record, in its body and in its lock.
    let newer = Bytes::from_static(&[0xf2, 0x01, 2, 7, 8]);
    let body = InlineBody { generation: 2, salt: [5; 32], sealed: vec![7; 20].into(), unknown: newer.clone() };
    let lock = Lock { unknown: newer.clone(), ..Lock::default() };
    let written = Version { unknown: newer.clone(), lock: Some(lock), ..version(Body::Inline(body)) };
    let mut read = Version::decode(&written.encode()).unwrap();
    assert_eq!(read, written);
    read.stamp = Stamp::from_ms(9);
    let again = Version::decode(&read.encode()).unwrap();
    let Body::Inline(body) = &again.body else { panic!("{again:?}") };
    assert_eq!((&again.unknown, &body.unknown), (&newer, &newer));
    assert_eq!(again.lock.map(|lock| lock.unknown), Some(newer));
}

#[test]
fn a_lock_that_says_nothing_is_none() {
    let silent = Version { lock: Some(Lock::default()), ..version(Body::Marker) };
    assert_eq!(Version::decode(&silent.encode()).map(|version| version.lock), Ok(None));
    // As another program may write it: zeros that stand there.
    let zeros = wire::Version {
        object: vec![8; 16].into(),
        request: vec![9; 16].into(),
        lock: Bytes::from_static(&[0x08, 0, 0x10, 0]),
        marker: true,
        ..wire::Version::default()
    };
    assert_eq!(Version::decode(&zeros.encode_to_vec().into()).map(|version| version.lock), Ok(None));
}

#[test]
fn a_signature_holds_for_what_was_written_and_nothing_else() {
    let (bucket, other) = (BucketId::from_bytes([1; 16]), BucketId::from_bytes([2; 16]));
    assert_eq!(full().signed_message(bucket).len(), 147);
    let writer = Identity::from_seed(&[2; 32]).id();
    assert_eq!(full().verify(bucket), Ok(writer));
    assert!(full().verify(other).is_err());
    let changes: [fn(&mut Version); 7] = [
        |version| version.object = ObjectId::from_bytes([0; 16]),
        |version| version.request = RequestId::new(78, [9; 10]),
        |version| version.previous = None,
        |version| version.metadata = Bytes::new(),
        |version| version.body = inline(21),
        |version| version.body = Body::Marker,
        |version| version.signature = None,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut forged = full();
        change(&mut forged);
        assert!(forged.verify(bucket).is_err(), "change {number}");
    }
    // What the group adds is not the writer's to sign.
    assert_eq!(Version { stamp: Stamp::from_ms(1), ..full() }.verify(bucket), Ok(writer));
}

#[test]
fn a_version_beyond_its_bounds_is_refused() {
    let refused = |version: Version| Version::decode(&version.encode()).is_err();
    let tags = |count: usize, name: usize, value: usize| {
        let tag = |n| Tag { name: format!("{n:0name$}"), value: "v".repeat(value) };
        Version { tags: (0..count).map(tag).collect(), ..version(Body::Marker) }
    };
    assert!(!refused(version(inline(INLINE_BYTES_MAX + TAG_BYTES))));
    assert!(refused(version(inline(INLINE_BYTES_MAX + TAG_BYTES + 1))));
    assert!(!refused(version(object(NODE_BYTES_MAX, NODE_BYTES_MAX))));
    assert!(refused(version(object(NODE_BYTES_MAX + 1, 0))) && refused(version(object(0, NODE_BYTES_MAX + 1))));
    assert!(!refused(tags(VERSION_TAGS_MAX, TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX)));
    assert!(refused(tags(VERSION_TAGS_MAX + 1, 3, 3)));
    assert!(refused(tags(1, TAG_NAME_BYTES_MAX + 1, 3)) && refused(tags(1, 3, TAG_VALUE_BYTES_MAX + 1)));
    let bytes = |count: usize| Bytes::from(vec![1; count]);
    assert!(!refused(Version { etag: bytes(ETAG_BYTES_MAX), metadata: bytes(METADATA_BYTES_MAX), ..full() }));
    assert!(refused(Version { etag: bytes(ETAG_BYTES_MAX + 1), ..full() }));
    assert!(refused(Version { metadata: bytes(METADATA_BYTES_MAX + 1), ..full() }));
    let unordered = ["b", "a"].map(|name| Tag { name: name.to_owned(), value: String::new() });
    assert!(refused(Version { tags: unordered.to_vec(), ..full() }));
}

#[test]
fn a_version_has_one_body() {
    let mut two = wire::Version { object: vec![8; 16].into(), request: vec![9; 16].into(), ..wire::Version::default() };
    assert!(Version::decode(&two.encode_to_vec().into()).is_err());
    inline(3).to_wire(&mut two);
    assert!(Version::decode(&two.encode_to_vec().into()).is_ok());
    two.marker = true;
    assert!(Version::decode(&two.encode_to_vec().into()).is_err());
}
