//! Bodies of every length, conditions, versions, listings, and what a key may be.

use std::collections::BTreeSet;

use bytes::Bytes;
use storgo_object::fake::Fault;
use storgo_object::ports::{Events, EventsSince};
use storgo_object::{BucketOptions, ErrorKind, ListOptions, PutNamedOptions, PutOptions, RemoveOptions};
use storgo_object::{MemorySink, ObjectError, Progress};
use storgo_protocol::limits::{INLINE_BYTES_MAX, RECORD_NODE_BYTES_MAX};
use storgo_protocol::meta::{Body, Condition, EventKind, KeyRule, VersionId};

use crate::world::{Weather, bucket, kind, put, put_bytes, put_if, random_bytes, read, read_version, versioned};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_every_length_come_back_and_nobody_keeps_them_in_the_clear() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    for length in [0, 1, 1000, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 300_000, 3_000_000] {
        let (key, bytes) = (format!("a/{length}"), random_bytes(length));
        let written = put(&photos, &key, &bytes).await;
        assert_eq!((written.size, written.replaced), (length as u64, None));
        let entry = photos.find(key.as_bytes(), None).await.unwrap();
        let version = &entry.version;
        assert_eq!((version.id(), version.size, version.object), (written.version, length as u64, written.object));
        assert_eq!(version.etag, written.etag.as_bytes());
        match &version.body {
            Body::Inline(_) => assert!(length <= INLINE_BYTES_MAX && version.width == 0 && written.body.is_none()),
            Body::Object(body) => {
                assert!(length > INLINE_BYTES_MAX && version.width == 6 || version.width == 3, "{}", version.width);
                assert_eq!(written.body.unwrap().ticket.content, body.content);
                assert!(body.root.len() <= RECORD_NODE_BYTES_MAX && body.layout_top.len() <= RECORD_NODE_BYTES_MAX);
            }
            Body::Marker => panic!("{version:?}"),
        }
        assert_eq!(read(&photos, &key).await.unwrap(), bytes, "{length} bytes");
        if length > 100 {
            assert!(!world.keeps(&bytes[40..72]), "{length} bytes stand somewhere as they are");
            let object = photos.open(key.as_bytes(), None).await.unwrap();
            let mut part = MemorySink::default();
            object.get(50..90, &mut part, &Progress::default()).await.unwrap();
            assert_eq!(part.0, bytes[50..90]);
            let beyond = object.get(0..length as u64 + 1, &mut part, &Progress::default()).await;
            assert_eq!(kind(beyond), ErrorKind::Invalid);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_buckets_are_led_to_by_their_records_alone() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let written = put(&photos, "k", &random_bytes(100_000)).await;
    let content = written.body.unwrap().ticket.content;
    for peer in world.network.peers() {
        let store = world.network.store(peer).unwrap();
        assert!(store.records(content).is_empty(), "a layout record stands beside the root");
        let published = storgo_object::ports::ShardStore::published(&**store, None, usize::MAX).await.unwrap();
        assert_eq!(published, [], "a node is to be published");
    }
    // What is too large for the record comes from peers.
    let mut bare = world.raw("photos", b"k").unwrap();
    let Body::Object(body) = &mut bare.body else { panic!() };
    assert!(!body.root.is_empty() && !body.layout_top.is_empty());
    (body.root, body.layout_top) = (Bytes::new(), Bytes::new());
    world.put_raw("photos", b"k", bare);
    assert!(read(&photos, "k").await.unwrap() == random_bytes(100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_object_survives_two_losses_and_is_repaired_by_its_record() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let bytes = random_bytes(2_000_000);
    put(&photos, "k", &bytes).await;
    let entry = photos.find(b"k", None).await.unwrap();
    assert_eq!(photos.stat(&entry).await.unwrap().unwrap().width.survives, 2);
    let lost: Vec<_> = world.network.peers().into_iter().take(2).collect();
    for peer in &lost {
        world.network.set_fault(*peer, Fault::Down);
    }
    assert!(read(&photos, "k").await.unwrap() == bytes);
    for peer in &lost {
        world.network.set_fault(*peer, Fault::None);
    }
    for peer in &lost {
        world.network.store(*peer).unwrap().wipe();
    }
    assert_eq!(photos.stat(&entry).await.unwrap().unwrap().width.survives, 0);
    let repaired = photos.repair(&entry, &Progress::default()).await.unwrap().unwrap();
    assert_eq!((repaired.after.survives, repaired.stripes_lost), (2, 0), "{repaired:?}");
    world.network.peers().into_iter().skip(4).for_each(|peer| world.network.set_fault(peer, Fault::Down));
    assert!(read(&photos, "k").await.unwrap() == bytes);
    put(&photos, "small", b"stands in its record").await;
    let small = photos.find(b"small", None).await.unwrap();
    assert!(photos.stat(&small).await.unwrap().is_none());
    assert!(photos.repair(&small, &Progress::default()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_hold_or_nothing_is_written() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let first = put_if(&photos, "k", b"1", Condition::Absent).await.unwrap();
    let stored = world.stored();
    for length in [1, 100_000] {
        let refused = put_if(&photos, "k", &random_bytes(length), Condition::Absent).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict);
        assert!(refused.to_string().contains(&first.version.to_string()), "{refused}");
    }
    assert_eq!(world.stored(), stored, "a body was put for nothing");
    let second = put_if(&photos, "k", b"2", Condition::Version(first.version)).await.unwrap();
    assert_eq!((second.object, second.replaced), (first.object, Some(first.version)));
    let stale = put_if(&photos, "k", b"3", Condition::Version(first.version)).await;
    assert_eq!(kind(stale), ErrorKind::Conflict);
    let stale = RemoveOptions { version: None, condition: Condition::Version(first.version) };
    assert_eq!(kind(photos.remove(b"k", stale).await), ErrorKind::Conflict);
    assert_eq!(read(&photos, "k").await.unwrap(), b"2");
    let newest = RemoveOptions { version: None, condition: Condition::Version(second.version) };
    assert!(!photos.remove(b"k", newest).await.unwrap().marker);
    assert_eq!(kind(read(&photos, "k").await), ErrorKind::NotFound);
    assert_eq!(kind(photos.remove(b"k", RemoveOptions::default()).await), ErrorKind::NotFound);
    // What comes after a deletion is another object: the old one may be elsewhere by now.
    assert_ne!(put_if(&photos, "k", b"4", Condition::Absent).await.unwrap().object, first.object);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_bucket_tell_what_was_done_to_its_keys() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let first = put(&photos, "k", b"1").await;
    let second = put(&photos, "k", b"2").await;
    let large = put(&photos, "large", &random_bytes(100_000)).await;
    photos.remove(b"k", RemoveOptions::default()).await.unwrap();
    // Another bucket's are its own.
    let other = world.names(1).create_bucket("other", &versioned()).await.unwrap();
    put(&other, "k", b"3").await;
    other.remove(b"k", RemoveOptions::default()).await.unwrap();
    let told = |events: Events| {
        let mut all: Vec<_> = events.events.into_iter().map(|event| (event.key, event.kind)).collect();
        all.sort_by_key(|(key, _)| key.clone());
        all
    };
    let events = photos.events(&EventsSince::Oldest).await.unwrap();
    let versions: BTreeSet<_> = events.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [first.version, second.version, large.version].into());
    let (k, large) = (Bytes::from("k"), Bytes::from("large"));
    let written = EventKind::Written;
    assert_eq!(
        told(events),
        [(k.clone(), written), (k.clone(), written), (k.clone(), EventKind::Removed), (large, written)]
    );
    assert_eq!(told(other.events(&EventsSince::Oldest).await.unwrap()), [(k.clone(), written), (k, EventKind::Marked)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_ceases_to_hold_while_the_body_is_put_is_the_groups_to_refuse() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    put(&photos, "other", b"faster").await;
    let other = world.raw("photos", b"other").unwrap();
    for length in [100, 100_000] {
        let (world, other, key) = (std::sync::Arc::clone(&world), other.clone(), format!("k{length}"));
        let bytes = random_bytes(length);
        // Somebody else writes between the look at the key and the command.
        let name = key.clone();
        let written = move || {
            world.put_raw("photos", name.as_bytes(), other);
        };
        let mut source = Meddling { bytes: &bytes, first: Some(written) };
        let options = PutNamedOptions { condition: Condition::Absent, ..PutNamedOptions::default() };
        let put = photos.put(key.as_bytes(), &mut source, &options, &Progress::default()).await;
        assert_eq!(kind(put), ErrorKind::Conflict);
        assert_eq!(read(&photos, &key).await.unwrap(), b"faster");
    }
}

/// Does something when it is first read.
struct Meddling<'a, F> {
    bytes: &'a [u8],
    first: Option<F>,
}

impl<F: FnOnce() + Unpin> tokio::io::AsyncRead for Meddling<'_, F> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if let Some(first) = self.first.take() {
            first();
        }
        std::pin::Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_keeps_versions_gives_each_of_them() {
    let (_, photos) = bucket(&versioned()).await;
    let large = random_bytes(50_000);
    let one = put(&photos, "k", b"one").await;
    let two = put(&photos, "k", &large).await;
    assert_eq!(one.object, two.object);
    let gone = photos.remove(b"k", RemoveOptions::default()).await.unwrap();
    assert!(gone.marker);
    assert_eq!(kind(read(&photos, "k").await), ErrorKind::NotFound);
    assert_eq!(kind(photos.remove(b"k", RemoveOptions::default()).await), ErrorKind::NotFound, "a second marker");
    assert_eq!(kind(read_version(&photos, "k", Some(gone.version)).await), ErrorKind::NotFound);
    assert_eq!(read_version(&photos, "k", Some(one.version)).await.unwrap(), b"one");
    assert_eq!(read_version(&photos, "k", Some(two.version)).await.unwrap(), large);
    let all = ListOptions { versions: true, ..ListOptions::default() };
    let ids = |page: &storgo_object::Page| page.entries.iter().map(|entry| entry.version.id()).collect::<Vec<_>>();
    assert_eq!(ids(&photos.list(&all).await.unwrap()), [gone.version, two.version, one.version]);
    assert!(photos.list(&ListOptions::default()).await.unwrap().entries.is_empty());
    // Without its marker the key is there again; without a version, the rest is.
    let removed = RemoveOptions { version: Some(gone.version), condition: Condition::Always };
    assert!(!photos.remove(b"k", removed).await.unwrap().marker);
    assert_eq!(read(&photos, "k").await.unwrap(), large);
    let removed = RemoveOptions { version: Some(two.version), condition: Condition::Always };
    photos.remove(b"k", removed).await.unwrap();
    assert_eq!(kind(photos.remove(b"k", removed).await), ErrorKind::NotFound);
    assert_eq!(read(&photos, "k").await.unwrap(), b"one");
    assert_eq!(kind(read_version(&photos, "k", Some(VersionId::from_bytes([7; 16]))).await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_ordered_over_all_groups_a_page_at_a_time() {
    let (_, photos) = bucket(&versioned()).await;
    let mut keys: Vec<String> = (0..40).map(|number| format!("p/{}", number * 7 % 40)).collect();
    for key in keys.iter().chain([&"other".to_owned()]) {
        put(&photos, key, key.as_bytes()).await;
    }
    put(&photos, "p/7", b"again").await;
    keys.sort();
    for (limit, versions, count) in [(1, false, 40), (7, false, 40), (1000, false, 40), (1, true, 41), (6, true, 41)] {
        let mut options = ListOptions { prefix: Bytes::from_static(b"p/"), limit, versions, ..ListOptions::default() };
        let mut found = Vec::new();
        loop {
            let page = photos.list(&options).await.unwrap();
            assert!(page.entries.len() <= limit && page.stale.is_some());
            found.extend(page.entries);
            match page.next {
                Some(next) => options.after = Some(next),
                None => break,
            }
        }
        assert_eq!(found.len(), count, "{limit} at a time");
        assert!(found.iter().all(|entry| entry.forged.is_none()));
        let mut names: Vec<_> = found.iter().map(|entry| String::from_utf8(entry.key.to_vec()).unwrap()).collect();
        names.dedup();
        assert_eq!(names, keys);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_keep_to_the_rule_of_their_bucket_and_are_refused_before_a_body_is_put() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let stored = world.stored();
    for key in [&b""[..], b"a\0b", b"\xff", &[b'k'; 1025]] {
        assert_eq!(kind(put_bytes(&photos, key, &random_bytes(100_000)).await), ErrorKind::Invalid, "{key:?}");
    }
    assert_eq!(world.stored(), stored);
    for (name, rule) in [("any", KeyRule::Redis), ("one", KeyRule::Tree)] {
        let options = BucketOptions { rule, ..BucketOptions::default() };
        let bucket = world.names(1).create_bucket(name, &options).await.unwrap();
        let keys: &[&[u8]] = if rule == KeyRule::Redis { &[b"", b"a\0\xff"] } else { &[b"dir/a", b"dir/b"] };
        for key in keys {
            put_bytes(&bucket, key, b"body").await.unwrap();
            assert_eq!(bucket.find(key, None).await.unwrap().version.size, 4);
        }
        let listed = bucket.list(&ListOptions::default()).await.unwrap();
        assert_eq!(listed.entries.iter().map(|entry| &entry.key[..]).collect::<Vec<_>>(), keys);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answered_may_be_written_and_says_so() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    world.set_weather(Weather::Deaf);
    assert_eq!(kind(put_if(&photos, "k", b"1", Condition::Absent).await), ErrorKind::Unavailable);
    world.set_weather(Weather::CutAfter(0));
    assert_eq!(kind(put_if(&photos, "other", b"1", Condition::Absent).await), ErrorKind::Unavailable);
    world.set_weather(Weather::Fair);
    assert_eq!(read(&photos, "k").await.unwrap(), b"1");
    assert_eq!(kind(read(&photos, "other").await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_the_body_go_before_those_of_the_bucket() {
    let options = BucketOptions { redundancy: Some("replicate:2".parse().unwrap()), ..BucketOptions::default() };
    let (_, photos) = bucket(&options).await;
    let bytes = random_bytes(50_000);
    let by_bucket = put(&photos, "a", &bytes).await.body.unwrap();
    assert_eq!(by_bucket.code.to_string(), "replicate:2");
    let body = PutOptions { code: Some("erasure:4+2".parse().unwrap()), ..PutOptions::default() };
    let options = PutNamedOptions { body, ..PutNamedOptions::default() };
    let by_hand = photos.put(b"b", &mut &*bytes, &options, &Progress::default()).await.unwrap().body.unwrap();
    assert_eq!(by_hand.code.to_string(), "erasure:4+2");
    assert_eq!(by_hand.ticket.content, by_bucket.ticket.content, "one secret, one content");
    let private = PutNamedOptions { body: PutOptions { private: true, ..PutOptions::default() }, ..options };
    let alone = photos.put(b"c", &mut &*bytes, &private, &Progress::default()).await.unwrap().body.unwrap();
    assert_ne!(alone.ticket.content, by_bucket.ticket.content);
    assert!(read(&photos, "c").await.unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_writes_nothing() {
    struct Failing(usize);
    impl tokio::io::AsyncRead for Failing {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            if self.0 == 0 {
                return std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
            }
            let now = self.0.min(buffer.remaining());
            buffer.put_slice(&vec![7; now]);
            self.0 -= now;
            std::task::Poll::Ready(Ok(()))
        }
    }
    let (world, photos) = bucket(&BucketOptions::default()).await;
    for length in [0, 10, 500_000] {
        let put = photos.put(b"k", &mut Failing(length), &PutNamedOptions::default(), &Progress::default()).await;
        assert!(matches!(put, Err(ObjectError::Local { .. })), "{put:?}");
    }
    assert_eq!(world.raw("photos", b"k"), None);
}
