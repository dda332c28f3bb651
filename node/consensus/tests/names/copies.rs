//! Copies and renames: what they share, what they keep, and what an interruption leaves.

use bytes::Bytes;
use storgo_object::fake::Fault;
use storgo_object::{
    Access, Bucket, BucketOptions, CopyOptions, ErrorKind, NameError, Names, ObjectError, Place, Progress, SetValue,
    Written,
};
use storgo_protocol::meta::{Body, Condition, KeyRule};

use crate::world::{Weather, World, bucket, card, kind, put, random_bytes, read, versioned};

struct Way<'a> {
    from: (&'a Bucket, &'a str),
    to: (&'a Bucket, &'a str),
    condition: Condition,
}

impl Way<'_> {
    fn options(&self) -> CopyOptions<'_> {
        CopyOptions {
            from: Place { bucket: self.from.0, key: self.from.1.as_bytes() },
            version: None,
            to: Place { bucket: self.to.0, key: self.to.1.as_bytes() },
            condition: self.condition,
        }
    }

    async fn copy(&self, names: &Names) -> Result<Written, ObjectError> {
        names.copy(self.options(), &Progress::default()).await
    }

    async fn rename(&self, names: &Names) -> Result<Written, ObjectError> {
        names.rename(self.options(), &Progress::default()).await
    }
}

fn within<'a>(photos: &'a Bucket, from: &'a str, to: &'a str) -> Way<'a> {
    Way { from: (photos, from), to: (photos, to), condition: Condition::Absent }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_its_bucket_shares_what_is_on_peers_and_is_another_object() {
    let (world, photos) = bucket(&versioned()).await;
    let (names, large) = (world.names(1), random_bytes(400_000));
    let small = put(&photos, "small", b"small").await;
    let first = put(&photos, "large", &large).await;
    put(&photos, "large", b"a newer one").await;
    let (stored, asked) = (world.stored(), world.network.requests());
    let way = within(&photos, "large", "copy");
    let old = CopyOptions { version: Some(first.version), ..way.options() };
    let copied = names.copy(old, &Progress::default()).await.unwrap();
    let small_copy = within(&photos, "small", "small copy").copy(&names).await.unwrap();
    assert_eq!((world.stored(), world.network.requests()), (stored, asked), "peers were asked for a copy");
    assert_ne!(copied.object, first.object);
    assert_ne!(small_copy.object, small.object);
    assert!(read(&photos, "copy").await.unwrap() == large);
    assert_eq!(read(&photos, "small copy").await.unwrap(), b"small");
    let (one, two) = (world.raw("photos", b"small").unwrap(), world.raw("photos", b"small copy").unwrap());
    assert_ne!(one.etag, two.etag, "a copy in a record shows that it is one");
    assert_eq!(kind(within(&photos, "small", "copy").copy(&names).await), ErrorKind::Conflict);
    let over = Way { condition: Condition::Version(copied.version), ..within(&photos, "small", "copy") };
    let over = over.copy(&names).await.unwrap();
    assert_eq!((over.object, over.replaced), (copied.object, Some(copied.version)), "an overwrite keeps the object");
    assert_eq!(read(&photos, "copy").await.unwrap(), b"small");
    assert_eq!(kind(within(&photos, "nothing", "x").copy(&names).await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_another_bucket_is_put_anew_under_its_keys() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let names = world.names(1);
    let public = names.create_bucket("public", &versioned()).await.unwrap();
    names.add_member("public", &card(2), Access::Read).await.unwrap();
    for (key, bytes) in
        [("small", random_bytes(10)), ("middle", random_bytes(50_000)), ("large", random_bytes(9_000_000))]
    {
        put(&photos, key, &bytes).await;
        let way = Way { from: (&photos, key), to: (&public, key), condition: Condition::Absent };
        way.copy(&names).await.unwrap();
        let theirs = world.names(2).bucket("public").await.unwrap();
        assert!(read(&theirs, key).await.unwrap() == bytes, "{key}");
        let (one, two) = (world.raw("photos", key.as_bytes()).unwrap(), world.raw("public", key.as_bytes()).unwrap());
        assert_ne!(one.body.commitment(), two.body.commitment(), "{key}: shows that both hold the same");
        let moved = Way { from: (&photos, key), to: (&public, "moved"), condition: Condition::Always };
        moved.rename(&names).await.unwrap();
        assert_eq!(kind(read(&photos, key).await), ErrorKind::NotFound);
        assert!(read(&public, "moved").await.unwrap() == bytes, "{key}");
    }
    assert_eq!(kind(world.names(2).bucket("photos").await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_source_breaks_off_is_none() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let names = world.names(1);
    let other = names.create_bucket("other", &BucketOptions::default()).await.unwrap();
    put(&photos, "k", &random_bytes(30_000_000)).await;
    for answered in [40_u64, 60, 80] {
        for peer in world.network.peers().into_iter().take(3) {
            world.network.set_fault(peer, Fault::DownAfter(answered));
        }
        let way = Way { from: (&photos, "k"), to: (&other, "k"), condition: Condition::Absent };
        match way.copy(&names).await {
            Ok(written) => assert_eq!(written.size, 30_000_000),
            Err(_) => assert_eq!(world.raw("other", b"k"), None, "half a copy stands"),
        }
        world.network.peers().into_iter().for_each(|peer| world.network.set_fault(peer, Fault::None));
        if let Some(version) = world.raw("other", b"k") {
            assert_eq!(version.size, 30_000_000);
            assert!(read(&other, "k").await.unwrap() == random_bytes(30_000_000));
            return;
        }
    }
    // Damage on the source's side, with the target's peers well.
    let stores = world.network.peers().into_iter().filter_map(|peer| world.network.store(peer));
    stores.for_each(|store| store.damage_shards());
    let way = Way { from: (&photos, "k"), to: (&other, "k"), condition: Condition::Absent };
    let error = way.copy(&names).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotEnough | ErrorKind::Corrupt), "{error}");
    assert_eq!(world.raw("other", b"k"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_keeps_the_object_and_its_sealed_body() {
    for options in [BucketOptions::default(), versioned()] {
        let (world, photos) = bucket(&options).await;
        let names = world.names(1);
        for (key, bytes) in [("small", random_bytes(20)), ("large", random_bytes(300_000))] {
            let before = put(&photos, key, &bytes).await;
            let body = world.raw("photos", key.as_bytes()).unwrap().body;
            let (stored, asked) = (world.stored(), world.network.requests());
            let renamed = within(&photos, key, "renamed").rename(&names).await.unwrap();
            assert_eq!((world.stored(), world.network.requests()), (stored, asked), "peers were asked for a rename");
            let after = world.raw("photos", b"renamed").unwrap();
            assert_eq!((renamed.object, after.object, &after.body), (before.object, before.object, &body));
            assert!(read(&photos, "renamed").await.unwrap() == bytes);
            assert_eq!(kind(read(&photos, key).await), ErrorKind::NotFound);
            assert_eq!(kind(within(&photos, key, "x").rename(&names).await), ErrorKind::NotFound);
            // What is put under the old name now is another object.
            assert_ne!(put(&photos, key, b"other").await.object, before.object);
            assert_eq!(kind(within(&photos, key, "renamed").rename(&names).await), ErrorKind::Conflict);
            let forced = Way { condition: Condition::Always, ..within(&photos, key, "renamed") };
            assert_eq!(forced.rename(&names).await.unwrap().replaced, Some(renamed.version));
            assert_eq!(read(&photos, "renamed").await.unwrap(), b"other");
            photos.remove(b"renamed", storgo_object::RemoveOptions::default()).await.unwrap();
        }
        put(&photos, "same", b"1").await;
        assert_eq!(kind(within(&photos, "same", "same").rename(&names).await), ErrorKind::Invalid);
        assert_eq!(read(&photos, "same").await.unwrap(), b"1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_was_interrupted_leaves_both_and_is_finished_by_the_next() {
    for bytes in [random_bytes(30), random_bytes(200_000)] {
        let (world, photos) = bucket(&BucketOptions::default()).await;
        let names = world.names(1);
        let before = put(&photos, "old", &bytes).await;
        for done in [0, 1] {
            world.set_weather(Weather::CutAfter(done));
            assert_eq!(kind(within(&photos, "old", "new").rename(&names).await), ErrorKind::Unavailable);
            world.set_weather(Weather::Fair);
            assert!(read(&photos, "old").await.unwrap() == bytes, "after {done} of its steps");
            assert_eq!(world.raw("photos", b"new").is_some(), done == 1);
        }
        let copied = world.raw("photos", b"new").unwrap();
        let renamed = within(&photos, "old", "new").rename(&names).await.unwrap();
        assert_eq!((renamed.object, renamed.version), (before.object, copied.id()), "it was written a second time");
        assert!(read(&photos, "new").await.unwrap() == bytes);
        assert_eq!(kind(read(&photos, "old").await), ErrorKind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_written_while_it_is_renamed_loses_nothing() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let names = world.names(1);
    put(&photos, "old", b"first").await;
    put(&photos, "other", b"second").await;
    let second = world.raw("photos", b"other").unwrap();
    world.before_delete(move |world: &World| {
        world.put_raw("photos", b"old", second);
    });
    let error = within(&photos, "old", "new").rename(&names).await.unwrap_err();
    assert!(matches!(error, ObjectError::Name(NameError::Conflict { .. })), "{error}");
    assert_eq!(read(&photos, "old").await.unwrap(), b"second");
    assert_eq!(read(&photos, "new").await.unwrap(), b"first");
    // The next one is of another body, so what stands at the new name is not taken for its own work.
    assert_eq!(kind(within(&photos, "old", "new").rename(&names).await), ErrorKind::Conflict);
    assert_eq!(read(&photos, "old").await.unwrap(), b"second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_an_old_version_opens_after_the_key_was_changed() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let (names, large) = (world.names(1), random_bytes(100_000));
    names.add_member("photos", &card(2), Access::Read).await.unwrap();
    put(&photos, "small", b"small").await;
    put(&photos, "large", &large).await;
    names.remove_member("photos", crate::world::identity(2).id()).await.unwrap();
    for key in ["small", "large"] {
        within(&photos, key, &format!("{key} copy")).copy(&names).await.unwrap();
    }
    let generation = |key: &[u8]| match world.raw("photos", key).unwrap().body {
        Body::Inline(body) => body.generation,
        Body::Object(body) => body.generation,
        Body::Marker => 0,
    };
    assert_eq!((generation(b"small copy"), generation(b"large copy")), (2, 1));
    assert!(read(&photos, "large copy").await.unwrap() == large);
    assert_eq!(read(&photos, "small copy").await.unwrap(), b"small");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_a_body_goes_with_it_into_another_bucket() {
    let (world, values) = bucket(&BucketOptions { rule: KeyRule::Redis, ..BucketOptions::default() }).await;
    let names = world.names(1);
    let other = names.create_bucket("other", &BucketOptions::default()).await.unwrap();
    for length in [10, 300_000] {
        let (bytes, metadata) = (Bytes::from(random_bytes(length)), Bytes::from_static(b"redis/hash"));
        let set = SetValue { bytes, metadata: metadata.clone(), expires_ms: u64::MAX, ..SetValue::default() };
        let written = values.set(b"k", set).await.unwrap();
        let way = |to: &'static str| Way { from: (&values, "k"), to: (&other, to), condition: Condition::Always };
        way("copy").copy(&names).await.unwrap();
        way("renamed").rename(&names).await.unwrap();
        for (key, expires_ms) in [(b"copy".as_slice(), 0), (b"renamed", u64::MAX)] {
            let value = other.value(key).await.unwrap().unwrap();
            assert!(value.bytes == written.bytes);
            assert_eq!((value.metadata, value.expires_ms), (metadata.clone(), expires_ms));
            assert_ne!(value.object, written.object);
        }
        assert_eq!(values.value(b"k").await.unwrap(), None);
        let width = world.raw("other", b"copy").unwrap().width;
        assert_eq!(width > 0, length > 1000, "{width}");
    }
}
