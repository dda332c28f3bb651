//! Access keys open for who keeps a door, as they were made and no wider.

use std::time::Duration;

use storgo_object::{Access, AccessKeyOptions, BucketOptions, ErrorKind, Names, OpenAccessKey};
use storgo_protocol::cluster::Bucket as Row;
use storgo_protocol::limits::{ACCESS_NOTE_BYTES_MAX, BUCKET_ACCESS_KEYS_MAX};

use crate::world::{NOW, World, bucket, card, identity, kind, put, read};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;

fn options(access: Access, lasts: Option<Duration>) -> AccessKeyOptions {
    AccessKeyOptions { access, lasts, note: "a program".into() }
}

async fn make(names: &Names, access: Access) -> OpenAccessKey {
    names.create_access_key("photos", &options(access, None)).await.unwrap()
}

/// What a door of a user knows: ids, whether they write, and secrets.
async fn known(names: &Names) -> Vec<(String, bool, Vec<u8>)> {
    let keys = names.bucket("photos").await.unwrap().access_keys().await.unwrap();
    keys.iter().map(told).collect()
}

fn told(key: &OpenAccessKey) -> (String, bool, Vec<u8>) {
    (key.terms.id.to_string(), key.terms.writes, key.secret.expose().to_vec())
}

/// Writes the row as somebody would who can write rows and has no key.
fn tamper(world: &World, change: impl FnOnce(&mut Row)) {
    let found = world.row("photos").unwrap();
    let mut row = found.bucket.clone();
    change(&mut row);
    world.set_row("photos", Some(&row), Some(found.revision)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_and_removed_by_the_owner_and_open_for_members() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let (alice, bob) = (world.names(ALICE), world.names(BOB));
    let (writes, reads) = (make(&alice, Access::Write).await, make(&alice, Access::Read).await);
    let mut both = [told(&writes), told(&reads)];
    both.sort();
    assert_eq!(known(&alice).await, both);
    assert_eq!((writes.terms.created_ms, writes.terms.expires_ms), (NOW * 1000, 0));
    let hour = alice.create_access_key("photos", &options(Access::Read, Some(Duration::from_hours(1)))).await.unwrap();
    assert_eq!(hour.terms.expires_ms, (NOW + 3600) * 1000);
    alice.remove_access_key("photos", hour.terms.id).await.unwrap();
    assert_eq!(kind(alice.remove_access_key("photos", hour.terms.id).await), ErrorKind::NotFound);
    // Nothing of a secret stands in the row.
    let row = world.row("photos").unwrap().bucket.encode();
    assert!(!row.windows(8).any(|window| writes.secret.expose().starts_with(window)));

    alice.add_member("photos", &card(BOB), Access::Write).await.unwrap();
    assert_eq!(known(&bob).await, both);
    assert_eq!(kind(bob.create_access_key("photos", &options(Access::Read, None)).await), ErrorKind::Denied);
    assert_eq!(kind(bob.remove_access_key("photos", reads.terms.id).await), ErrorKind::Denied);
    // What is said of the bucket besides is as it was.
    put(&photos, "k", b"1").await;
    assert_eq!(read(&bob.bucket("photos").await.unwrap(), "k").await.unwrap(), b"1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_widened_or_moved_opens_nothing() {
    let (world, _) = bucket(&BucketOptions::default()).await;
    let alice = world.names(ALICE);
    let key = make(&alice, Access::Read).await;
    let good = world.row("photos").unwrap().bucket.access_keys;
    tamper(&world, |row| row.access_keys[0].terms.writes = true);
    assert_eq!(known(&alice).await, []);
    tamper(&world, |row| row.access_keys[0].terms = good[0].terms.clone());
    assert_eq!(known(&alice).await, [told(&key)]);
    tamper(&world, |row| row.access_keys[0].terms.expires_ms = 1);
    assert_eq!(known(&alice).await, []);
    tamper(&world, |row| {
        row.access_keys.clone_from(&good);
        row.access_keys[0].sealed[40] ^= 1;
    });
    assert_eq!(known(&alice).await, []);
    // In another bucket of the same owner it is nothing either.
    let other = alice.create_bucket("other", &BucketOptions::default()).await.unwrap();
    let found = world.row("other").unwrap();
    let row = Row { access_keys: good, ..found.bucket };
    world.set_row("other", Some(&row), Some(found.revision)).unwrap();
    assert!(other.access_keys().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outlive_a_change_of_the_buckets_key() {
    let (world, _) = bucket(&BucketOptions::default()).await;
    let (alice, carol) = (world.names(ALICE), world.names(CAROL));
    for user in [BOB, CAROL] {
        alice.add_member("photos", &card(user), Access::Read).await.unwrap();
    }
    let key = make(&alice, Access::Write).await;
    let before = world.row("photos").unwrap().bucket.access_keys;
    alice.remove_member("photos", identity(BOB).id()).await.unwrap();
    let after = world.row("photos").unwrap().bucket.access_keys;
    assert_eq!((before[0].key_generation, after[0].key_generation), (1, 2));
    assert_ne!(before[0].sealed[..32], after[0].sealed[..32], "the salt is another one");
    for names in [&alice, &carol] {
        assert_eq!(known(names).await, [told(&key)]);
    }
    // One that does not open stands in nobody's way.
    tamper(&world, |row| row.access_keys[0].terms.writes = false);
    alice.remove_member("photos", identity(CAROL).id()).await.unwrap();
    assert_eq!(world.row("photos").unwrap().bucket.access_keys[0].key_generation, 2);
    alice.remove_access_key("photos", key.terms.id).await.unwrap();
    assert_eq!(known(&alice).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_has_no_more_keys_than_it_can_keep() {
    let (world, _) = bucket(&BucketOptions::default()).await;
    let alice = world.names(ALICE);
    for _ in 0..BUCKET_ACCESS_KEYS_MAX {
        make(&alice, Access::Read).await;
    }
    assert_eq!(kind(alice.create_access_key("photos", &options(Access::Read, None)).await), ErrorKind::Invalid);
    let long = AccessKeyOptions { note: "n".repeat(ACCESS_NOTE_BYTES_MAX + 1), ..options(Access::Read, None) };
    assert_eq!(kind(alice.create_access_key("photos", &long).await), ErrorKind::Invalid);
    assert_eq!(known(&alice).await.len(), BUCKET_ACCESS_KEYS_MAX);
}
