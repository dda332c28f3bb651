//! Buckets are made, listed and removed, and nothing of it loses a write.

use std::time::Duration;

use storgo_object::{BucketOptions, ErrorKind, ListOptions, RemoveOptions};
use storgo_protocol::cluster::{Level, ReadPreference, Replication};
use storgo_protocol::limits::BUCKETS_LISTED_MAX;
use storgo_protocol::meta::{Condition, KeyRule};

use crate::world::{World, bucket, kind, put, put_if, read, versioned};

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_as_it_was_asked_for_and_its_name_is_its_own() {
    let world = World::new(3);
    let names = world.names(1);
    let options = BucketOptions {
        rule: KeyRule::Flat { spread: 5 },
        versioning: true,
        inline_bytes_max: 100,
        redundancy: Some("erasure:2+1".parse().unwrap()),
        replication: Replication::Replicated,
        read_preference: ReadPreference::Bounded(250),
    };
    let row = names.create_bucket("photos", &options).await.unwrap().row();
    assert_eq!((row.config.rule, row.config.versioning, row.config.inline_bytes_max), (options.rule, true, 100));
    assert_eq!((row.redundancy, row.read_preference), (options.redundancy, options.read_preference));
    assert_eq!(world.row("photos").unwrap().bucket, row);
    assert_eq!(kind(names.create_bucket("photos", &BucketOptions::default()).await), ErrorKind::Conflict);
    assert_eq!(kind(world.names(2).create_bucket("photos", &BucketOptions::default()).await), ErrorKind::Conflict);
    assert_eq!(kind(world.names(2).bucket("photos").await), ErrorKind::NotFound, "unknown and forbidden differ");
    assert_eq!(kind(names.bucket("nothing").await), ErrorKind::NotFound);
    for name in ["", "ab", "Photos", "a..b", "-ab"] {
        assert_eq!(kind(names.create_bucket(name, &BucketOptions::default()).await), ErrorKind::Invalid, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_that_is_not_kept_is_not_made() {
    let names = World::new(3).names(1);
    let large = BucketOptions { inline_bytes_max: 16_385, ..BucketOptions::default() };
    assert_eq!(kind(names.create_bucket("photos", &large).await), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_bucket_acknowledges_what_all_members_have() {
    for replication in [Replication::Replicated, Replication::Durable] {
        let (world, photos) = bucket(&BucketOptions { replication, ..BucketOptions::default() }).await;
        put(&photos, "k", b"1").await;
        world.set_short_of_one(true);
        let wrote = put_if(&photos, "k", b"2", Condition::Always).await;
        let removed = photos.remove(b"k", RemoveOptions::default()).await;
        if replication == Replication::Replicated {
            assert!(wrote.is_ok() && removed.is_ok());
            continue;
        }
        assert_eq!((kind(wrote), kind(removed)), (ErrorKind::Unavailable, ErrorKind::Unavailable));
        world.set_short_of_one(false);
        // It stood all the same, as whoever is not answered has to expect.
        assert_eq!(kind(read(&photos, "k").await), ErrorKind::NotFound);
        put(&photos, "k", b"3").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_read_as_it_says_unless_a_reader_says_otherwise() {
    let bounded = Level::Bounded(Duration::from_millis(250));
    let options = BucketOptions { read_preference: ReadPreference::Bounded(250), ..BucketOptions::default() };
    let (world, photos) = bucket(&options).await;
    // What is read in order to write is read at the strongest.
    put(&photos, "k", b"1").await;
    assert_eq!(world.level(), Level::Linearizable);
    for (asked, level) in
        [(None, bounded), (Some(Level::Lease), Level::Lease), (Some(Level::Eventual), Level::Eventual)]
    {
        let photos = photos.clone().reading_at(asked);
        read(&photos, "k").await.unwrap();
        assert_eq!(world.level(), level);
        put(&photos, "k", b"2").await;
        assert_eq!(world.level(), Level::Linearizable);
        photos.list(&ListOptions::default()).await.unwrap();
        assert_eq!(world.level(), level);
    }
    let lease = BucketOptions { read_preference: ReadPreference::Lease, ..BucketOptions::default() };
    let (world, photos) = bucket(&lease).await;
    put(&photos, "k", b"1").await;
    read(&photos, "k").await.unwrap();
    assert_eq!(world.level(), Level::Lease);
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sees_their_own_buckets_a_page_at_a_time() {
    let world = World::new(0);
    let (alice, bob) = (world.names(1), world.names(2));
    let count = BUCKETS_LISTED_MAX + 3;
    for number in 0..count {
        alice.create_bucket(&format!("alice-{number:03}"), &BucketOptions::default()).await.unwrap();
    }
    bob.create_bucket("bob", &BucketOptions::default()).await.unwrap();
    let (first, more) = alice.buckets("").await.unwrap();
    assert!(more && first.len() == BUCKETS_LISTED_MAX);
    let (rest, more) = alice.buckets(&first.last().unwrap().name).await.unwrap();
    assert!(!more && rest.len() == 3 && rest.iter().all(|row| row.name.starts_with("alice")));
    let (all, more) = bob.buckets("").await.unwrap();
    assert_eq!((all.len(), all[0].name.as_str(), more), (1, "bob", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_bucket_is_removed_and_another_takes_writes_again() {
    let (world, photos) = bucket(&versioned()).await;
    let names = world.names(1);
    put(&photos, "k", b"1").await;
    assert_eq!(kind(names.remove_bucket("photos").await), ErrorKind::Conflict);
    put(&photos, "k", b"2").await;
    photos.remove(b"k", RemoveOptions::default()).await.unwrap();
    assert_eq!(kind(names.remove_bucket("photos").await), ErrorKind::Conflict, "old versions count");
    let all = storgo_object::ListOptions { versions: true, ..storgo_object::ListOptions::default() };
    for entry in photos.list(&all).await.unwrap().entries {
        let one = RemoveOptions { version: Some(entry.version.id()), condition: Condition::Always };
        photos.remove(&entry.key, one).await.unwrap();
    }
    names.remove_bucket("photos").await.unwrap();
    assert_eq!(kind(names.bucket("photos").await), ErrorKind::NotFound);
    assert_eq!(kind(put_if(&photos, "k", b"3", Condition::Always).await), ErrorKind::NotFound);
    // One of the same name is another bucket: nothing of the old one is in it.
    let again = names.create_bucket("photos", &BucketOptions::default()).await.unwrap();
    assert_ne!(again.row().config.bucket, photos.row().config.bucket);
    assert_eq!(kind(read(&again, "k").await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_meets_the_fence_of_a_removal_and_a_removal_that_was_interrupted_goes_on() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    // As if the remover had died behind its fence.
    let row = world.row("photos").unwrap();
    let mut fenced = row.bucket.clone();
    (fenced.config.fenced, fenced.config.generation) = (true, fenced.config.generation + 1);
    world.set_row("photos", Some(&fenced), Some(row.revision)).unwrap();
    // A writer that has not heard of it is told by the group, one that has by its own look.
    for _ in 0..2 {
        assert_eq!(kind(put_if(&photos, "k", b"1", Condition::Always).await), ErrorKind::Conflict);
    }
    assert_eq!(world.raw("photos", b"k"), None);
    world.names(1).remove_bucket("photos").await.unwrap();
    assert!(world.row("photos").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_cannot_look_leaves_the_bucket_as_it_was() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    put(&photos, "k", b"1").await;
    world.deafen_listings(true);
    assert_eq!(kind(world.names(1).remove_bucket("photos").await), ErrorKind::Unavailable);
    world.deafen_listings(false);
    put(&photos, "k", b"2").await;
    assert_eq!(read(&photos, "k").await.unwrap(), b"2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_somebody_unfenced_meanwhile_is_not_removed() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let names = world.names(1);
    // The fence goes up; before the row is removed, somebody finds the bucket not to be empty and takes it down again.
    world.before_change(move |world| {
        world.before_change(move |world| {
            let row = world.row("photos").unwrap();
            let mut open = row.bucket.clone();
            assert!(open.config.fenced);
            (open.config.fenced, open.config.generation) = (false, open.config.generation + 1);
            world.set_row("photos", Some(&open), Some(row.revision)).unwrap();
        });
    });
    assert_eq!(kind(names.remove_bucket("photos").await), ErrorKind::Conflict);
    put(&photos, "k", b"1").await;
    assert_eq!(read(&photos, "k").await.unwrap(), b"1");
}
