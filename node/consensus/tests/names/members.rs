//! Members are let in and shut out, and each opens what it should.

use storgo_object::{Access, BucketOptions, ErrorKind, ListOptions, Names};
use storgo_protocol::WrappedKey;
use storgo_protocol::limits::BUCKET_KEYS_MAX;
use storgo_protocol::meta::Condition;

use crate::world::{bucket, card, identity, kind, put, put_if, random_bytes, read};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;

async fn let_in(alice: &Names, user: u8, access: Access) {
    alice.add_member("photos", &card(user), access).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_opens_what_was_there_before_and_writes_nothing() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let (alice, bob) = (world.names(ALICE), world.names(BOB));
    let large = random_bytes(60_000);
    put(&photos, "small", b"small").await;
    put(&photos, "large", &large).await;
    assert_eq!(kind(bob.bucket("photos").await), ErrorKind::NotFound);
    let_in(&alice, BOB, Access::Read).await;
    let seen = bob.bucket("photos").await.unwrap();
    assert_eq!(read(&seen, "small").await.unwrap(), b"small");
    assert!(read(&seen, "large").await.unwrap() == large);
    assert_eq!(kind(put_if(&seen, "k", b"1", Condition::Always).await), ErrorKind::Denied);
    assert_eq!(kind(seen.remove(b"small", storgo_object::RemoveOptions::default()).await), ErrorKind::Denied);
    // Nor does it change the bucket.
    assert_eq!(kind(bob.add_member("photos", &card(CAROL), Access::Read).await), ErrorKind::Denied);
    assert_eq!(kind(bob.remove_member("photos", identity(ALICE).id()).await), ErrorKind::Denied);
    assert_eq!(kind(bob.remove_bucket("photos").await), ErrorKind::Denied);
    // The owner's handle is older than the member, and still good; let in twice is let in once.
    put(&photos, "small", b"newer").await;
    let generation = world.row("photos").unwrap().bucket.config.generation;
    let_in(&alice, BOB, Access::Read).await;
    assert_eq!(world.row("photos").unwrap().bucket.config.generation, generation);
    assert_eq!(read(&seen, "small").await.unwrap(), b"newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_wrote_stays_good_when_it_is_shut_out() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let (alice, large) = (world.names(ALICE), random_bytes(70_000));
    let_in(&alice, BOB, Access::Write).await;
    let bobs = world.names(BOB).bucket("photos").await.unwrap();
    put(&bobs, "small", b"by bob").await;
    put(&bobs, "large", &large).await;
    put(&photos, "k", b"by alice").await;
    assert_eq!(read(&photos, "small").await.unwrap(), b"by bob");
    let row = alice.remove_member("photos", identity(BOB).id()).await.unwrap();
    assert_eq!((row.key_generation, row.keys.len(), row.keys[0].wrapped.len()), (2, 1, 2));
    assert_eq!(read(&photos, "small").await.unwrap(), b"by bob");
    assert!(read(&photos, "large").await.unwrap() == large);
    let page = photos.list(&ListOptions::default()).await.unwrap();
    assert!(page.entries.len() == 3 && page.entries.iter().all(|entry| entry.forged.is_none()));
    for denied in [read(&bobs, "k").await.map(drop), put_if(&bobs, "k", b"", Condition::Always).await.map(drop)] {
        assert!(matches!(kind(denied), ErrorKind::NotFound | ErrorKind::Denied));
    }
    assert_eq!(kind(alice.remove_member("photos", identity(BOB).id()).await), ErrorKind::NotFound);
    assert_eq!(kind(alice.remove_member("photos", identity(ALICE).id()).await), ErrorKind::Invalid);
    // A writer that becomes a reader is a former writer too; let in again it is none.
    let_in(&alice, CAROL, Access::Write).await;
    let carols = world.names(CAROL).bucket("photos").await.unwrap();
    put(&carols, "c", b"by carol").await;
    let_in(&alice, CAROL, Access::Read).await;
    assert_eq!(read(&carols, "c").await.unwrap(), b"by carol");
    assert_eq!(kind(put_if(&carols, "c", b"", Condition::Always).await), ErrorKind::Denied);
    let_in(&alice, CAROL, Access::Write).await;
    let former = world.row("photos").unwrap().bucket.former;
    assert_eq!(former.iter().map(|former| former.user).collect::<Vec<_>>(), [identity(BOB).id()]);
    put(&carols, "c", b"again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_shut_out_opens_nothing_new_even_through_a_broken_door() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let alice = world.names(ALICE);
    let_in(&alice, BOB, Access::Read).await;
    let_in(&alice, CAROL, Access::Read).await;
    put(&photos, "old", b"old").await;
    // The row as Bob knew it, for whoever asks; and nobody asks who reads.
    let bobs = world.names(BOB).bucket("photos").await.unwrap();
    let carols = world.names(CAROL).bucket("photos").await.unwrap();
    alice.remove_member("photos", identity(BOB).id()).await.unwrap();
    let large = random_bytes(80_000);
    put(&photos, "small", b"new").await;
    put(&photos, "large", &large).await;
    assert_eq!(read(&carols, "small").await.unwrap(), b"new", "who is left was handed the new key");
    assert!(read(&carols, "large").await.unwrap() == large);
    world.break_doors_with("photos", &bobs.row());
    assert_eq!(read(&bobs, "old").await.unwrap(), b"old", "what was known stays known");
    assert_eq!(kind(read(&bobs, "small").await), ErrorKind::Denied);
    assert_eq!(kind(read(&bobs, "large").await), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_at_once_are_both_made() {
    let (world, photos) = bucket(&BucketOptions::default()).await;
    let alice = world.names(ALICE);
    let carol = alice.add_member("photos", &card(CAROL), Access::Read).await.unwrap();
    alice.remove_member("photos", identity(CAROL).id()).await.unwrap();
    // Between the owner's look at the row and its write, another program of the owner lets Carol in.
    world.before_change(move |world| {
        let row = world.row("photos").unwrap();
        let mut other = row.bucket.clone();
        other.config.generation += 1;
        let at = other.config.members.partition_point(|member| member.user < identity(CAROL).id());
        let mut keys = carol.keys_of(identity(CAROL).id()).unwrap().clone();
        // For this test it does not matter whether she could use it.
        keys.wrapped.push(WrappedKey { generation: other.key_generation, ..keys.wrapped[0].clone() });
        other.config.members.insert(at, carol.config.members.iter().copied().find(|m| m.user == keys.user).unwrap());
        other.keys.insert(at, keys);
        world.set_row("photos", Some(&other), Some(row.revision)).unwrap();
    });
    let row = alice.add_member("photos", &card(BOB), Access::Write).await.unwrap();
    let mut expected = [ALICE, BOB, CAROL].map(|user| identity(user).id());
    expected.sort();
    assert_eq!(row.config.members.iter().map(|member| member.user).collect::<Vec<_>>(), expected);
    put(&photos, "k", b"1").await;
    assert_eq!(read(&world.names(BOB).bucket("photos").await.unwrap(), "k").await.unwrap(), b"1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_changed_too_often_is_not_changed_again() {
    let (world, _) = bucket(&BucketOptions::default()).await;
    let alice = world.names(ALICE);
    let_in(&alice, BOB, Access::Read).await;
    let row = world.row("photos").unwrap();
    let mut worn = row.bucket.clone();
    worn.key_generation = u32::try_from(BUCKET_KEYS_MAX).unwrap();
    for keys in &mut worn.keys {
        let of = |generation| WrappedKey { generation, ..keys.wrapped[0].clone() };
        keys.wrapped = (1..=worn.key_generation).map(of).collect();
    }
    world.set_row("photos", Some(&worn), Some(row.revision)).unwrap();
    assert_eq!(kind(alice.remove_member("photos", identity(BOB).id()).await), ErrorKind::Invalid);
    assert_eq!(world.row("photos").unwrap().bucket, worn);
}
