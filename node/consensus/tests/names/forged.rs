//! Records that nobody wrote who could: they show, and hide nothing else.

use bytes::Bytes;
use storgo_object::{Access, Bucket, BucketOptions, ErrorKind, ListOptions, RemoveOptions};
use storgo_protocol::meta::{Body, Version};
use storgo_protocol::{ContentId, LayoutId};

use crate::world::{World, bucket, card, identity, kind, put, random_bytes, read, versioned};

/// Puts a version that is like the newest of a key but for a change, signed by this user if it is signed anew.
fn forge(world: &World, key: &str, signer: Option<u8>, change: impl FnOnce(&mut Version)) {
    let mut version = world.raw("photos", key.as_bytes()).unwrap();
    change(&mut version);
    if let Some(signer) = signer {
        let bucket = world.row("photos").unwrap().bucket.config.bucket;
        version = version.signed(bucket, &identity(signer));
    }
    world.put_raw("photos", key.as_bytes(), version);
}

async fn shows(photos: &Bucket, key: &str, what: &str) {
    let error = read(photos, key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
}

/// What is changed of a record, who signs it then, and the change.
type Change = (&'static str, Option<u8>, fn(&mut Version));

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_record_shows_and_hides_no_other() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let changes: [Change; 5] = [
        ("unsigned", None, |version| version.signature = None),
        ("another body", None, |version| {
            let Body::Inline(body) = &mut version.body else { panic!() };
            body.sealed = Bytes::from(vec![0; body.sealed.len()]);
        }),
        ("another object", None, |version| version.object = storgo_protocol::meta::ObjectId::from_bytes([9; 16])),
        ("a stranger's", Some(9), |_| {}),
        ("another length", None, |version| version.size += 1),
    ];
    put(&photos, "z-honest", b"honest").await;
    for (what, signer, change) in changes {
        put(&photos, "k", b"what was written").await;
        forge(&world, "k", signer, change);
        shows(&photos, "k", what).await;
        let listed = photos.list(&ListOptions { versions: true, ..ListOptions::default() }).await.unwrap();
        let forged: Vec<_> = listed.entries.iter().map(|entry| entry.forged.is_some()).collect();
        // A length is not signed, but told by the body when that is read.
        assert_eq!(forged, [what != "another length", false], "{what}");
        // It is overwritten like any other, as another object if it is not believed, and so is it deleted.
        put(&photos, "k", b"written over it").await;
        assert_eq!(read(&photos, "k").await.unwrap(), b"written over it");
        forge(&world, "k", Some(9), |_| {});
        photos.remove(b"k", RemoveOptions::default()).await.unwrap();
    }
    assert_eq!(read(&photos, "z-honest").await.unwrap(), b"honest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_stranger_deleted_is_not_taken_for_gone() {
    let (world, photos) = bucket(&versioned()).await;
    put(&photos, "k", b"what was written").await;
    forge(&world, "k", Some(9), |version| version.body = Body::Marker);
    shows(&photos, "k", "deleted by a stranger").await;
    put(&photos, "k", b"written over it").await;
    assert_eq!(read(&photos, "k").await.unwrap(), b"written over it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_record_of_an_object_shows_too() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let bytes = random_bytes(100_000);
    put(&photos, "other", &random_bytes(90_000)).await;
    let Body::Object(other) = world.raw("photos", b"other").unwrap().body else { panic!() };
    for number in 0..7 {
        put(&photos, "k", &bytes).await;
        let other = other.clone();
        forge(&world, "k", None, |version| {
            let Body::Object(body) = &mut version.body else { panic!() };
            match number {
                0 => body.content = ContentId::from_bytes([1; 32]),
                1 => body.sealed_key[5] ^= 1,
                2 => body.sealed_key = other.sealed_key,
                3 => body.root = other.root,
                4 => (body.layout, body.layout_top) = (other.layout, other.layout_top),
                5 => body.layout = LayoutId::from_bytes([1; 32]),
                _ => version.size = 99_999,
            }
        });
        shows(&photos, "k", &number.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_former_writers_cannot_pass_for_writers() {
    let (world, photos) = bucket(&versioned()).await;
    let alice = world.names(1);
    alice.add_member("photos", &card(2), Access::Read).await.unwrap();
    alice.add_member("photos", &card(3), Access::Write).await.unwrap();
    put(&photos, "k", b"1").await;
    forge(&world, "k", Some(2), |_| {});
    shows(&photos, "k", "a reader's").await;
    forge(&world, "k", Some(3), |_| {});
    assert_eq!(read(&photos, "k").await.unwrap(), b"1", "a writer's");
    alice.remove_member("photos", identity(3).id()).await.unwrap();
    assert_eq!(read(&photos, "k").await.unwrap(), b"1", "what it wrote when it could");
    put(&photos, "k", b"2").await;
    forge(&world, "k", Some(3), |_| {});
    shows(&photos, "k", "a former writer's under a later key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_told_by_its_keys_not_by_its_name() {
    // A record of one bucket in another: the signature names the bucket, and so does the seal.
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let other = world.names(1).create_bucket("other", &BucketOptions::default()).await.unwrap();
    put(&other, "k", b"elsewhere").await;
    let stolen = world.raw("other", b"k").unwrap();
    world.put_raw("photos", b"k", stolen.clone());
    shows(&photos, "k", "another bucket's record").await;
    let bucket = world.row("photos").unwrap().bucket.config.bucket;
    world.put_raw("photos", b"k", stolen.signed(bucket, &identity(1)));
    shows(&photos, "k", "another bucket's body").await;
    put(&other, "large", &random_bytes(50_000)).await;
    let stolen = world.raw("other", b"large").unwrap().signed(bucket, &identity(1));
    world.put_raw("photos", b"large", stolen);
    shows(&photos, "large", "another bucket's object").await;
    assert_eq!(kind(photos.find(b"nothing", None).await), ErrorKind::NotFound);
}
