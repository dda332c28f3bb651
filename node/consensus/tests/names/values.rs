//! Values: read and written whole, one by one, and several of a slot together.

use std::sync::Arc;

use bytes::Bytes;
use storgo_object::{Becomes, Bucket, BucketOptions, ErrorKind, NameError, ObjectError, SetValue, ValueChange};
use storgo_protocol::limits::{BATCH_PARTS_MAX, INLINE_BYTES_MAX};
use storgo_protocol::meta::{Condition, KeyRule, VersionId};

use crate::world::{Weather, World, bucket, kind, put, random_bytes, read};

async fn redis(versioning: bool) -> (Arc<World>, Bucket) {
    bucket(&BucketOptions { rule: KeyRule::Redis, versioning, ..BucketOptions::default() }).await
}

fn write(key: &'static str, bytes: impl Into<Bytes>, condition: Condition) -> ValueChange {
    let (bytes, metadata) = (bytes.into(), Bytes::from_static(b"beside"));
    let becomes = Becomes::Value { bytes, metadata, expires_ms: u64::MAX, object: None };
    ValueChange { key: key.into(), becomes, condition }
}

fn stays(key: &'static str, condition: Condition) -> ValueChange {
    ValueChange { key: key.into(), becomes: Becomes::Same, condition }
}

fn goes(key: &'static str, condition: Condition) -> ValueChange {
    ValueChange { key: key.into(), becomes: Becomes::Nothing, condition }
}

async fn bytes(bucket: &Bucket, key: &str) -> Option<Bytes> {
    bucket.value(key.as_bytes()).await.unwrap().map(|value| value.bytes)
}

async fn set(bucket: &Bucket, key: &str, bytes: &'static str) -> VersionId {
    let set = SetValue { bytes: bytes.into(), ..SetValue::default() };
    bucket.set(key.as_bytes(), set).await.unwrap().version
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_length_come_back_with_what_is_beside_them() {
    let (world, values) = redis(false).await;
    for length in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 300_000] {
        let (key, body) = (format!("k{length}"), Bytes::from(random_bytes(length)));
        let metadata = Bytes::from_static(b"beside");
        let set =
            SetValue { bytes: body.clone(), metadata: metadata.clone(), expires_ms: u64::MAX, ..SetValue::default() };
        let written = values.set(key.as_bytes(), set).await.unwrap();
        assert_eq!(values.value(key.as_bytes()).await.unwrap(), Some(written.clone()));
        assert_eq!((written.bytes, written.metadata, written.expires_ms), (body.clone(), metadata, u64::MAX));
        // What another made of it is not what was kept here.
        assert!(read(&values, &key).await.unwrap() == body);
        put(&values, &key, b"other").await;
        assert_eq!(bytes(&values, &key).await, Some("other".into()));
        assert!(values.unset(key.as_bytes(), Condition::Always).await.unwrap());
        assert!(!values.unset(key.as_bytes(), Condition::Always).await.unwrap());
        assert_eq!(values.value(key.as_bytes()).await.unwrap(), None);
        assert!(length < 100 || !world.keeps(&body[40..72]), "{length} bytes stand somewhere as they are");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_slot_change_together_or_not_at_all() {
    for versioning in [false, true] {
        let (_, values) = redis(versioning).await;
        let long = Bytes::from(random_bytes(300_000));
        let first = set(&values, "{a}1", "one").await;
        set(&values, "{a}2", "two").await;
        let changes = |condition| {
            let absent = Condition::Absent;
            [
                write("{a}1", "1", condition),
                goes("{a}2", Condition::Always),
                stays("{a}3", absent),
                write("{a}4", long.clone(), absent),
            ]
        };
        let wrong = values.change_values(&changes(Condition::Version(VersionId::from_bytes([1; 16])))).await;
        assert!(matches!(wrong, Err(ObjectError::Name(NameError::Condition { current: Some(id), .. })) if id == first));
        assert_eq!(bytes(&values, "{a}1").await, Some("one".into()));
        assert_eq!((bytes(&values, "{a}2").await, bytes(&values, "{a}4").await), (Some("two".into()), None));

        let version = values.change_values(&changes(Condition::Version(first))).await.unwrap();
        assert_eq!(values.standing(b"{a}1").await.unwrap(), Condition::Version(version));
        assert!(matches!(values.standing(b"{a}2").await.unwrap(), Condition::AbsentSince(_)));
        let value = values.value(b"{a}1").await.unwrap().unwrap();
        assert_eq!((value.bytes, value.metadata, value.version), ("1".into(), "beside".into(), version));
        assert_eq!((bytes(&values, "{a}2").await, bytes(&values, "{a}3").await), (None, None));
        assert!(bytes(&values, "{a}4").await.unwrap() == long);
        assert!(read(&values, "{a}4").await.unwrap() == long);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_went_since_it_was_seen_not_to_be_there_keeps_all_as_it_is() {
    for versioning in [false, true] {
        let (_, values) = redis(versioning).await;
        let standing = async || values.standing(b"{a}1").await.unwrap();
        let never = standing().await;
        values.change_values(&[stays("{a}1", never), write("{a}2", "1", Condition::Always)]).await.unwrap();
        set(&values, "{a}1", "comes").await;
        assert!(values.unset(b"{a}1", Condition::Always).await.unwrap());
        let refused = values.change_values(&[stays("{a}1", never), write("{a}2", "2", Condition::Always)]).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ObjectError::Name(NameError::Condition { current: None, .. })), "{refused}");
        assert_eq!(bytes(&values, "{a}2").await, Some("1".into()));
        // Looked at anew it is as it is, markers and all.
        let again = standing().await;
        assert!(matches!((never, again), (Condition::AbsentSince(a), Condition::AbsentSince(b)) if a.index < b.index));
        values.change_values(&[stays("{a}1", again), write("{a}2", "3", Condition::Always)]).await.unwrap();
        assert_eq!(bytes(&values, "{a}2").await, Some("3".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_one_command_is_refused_before_it_is_sent() {
    let (_, values) = redis(false).await;
    let always = Condition::Always;
    assert_eq!(kind(values.change_values(&[]).await), ErrorKind::Invalid);
    assert_eq!(kind(values.change_values(&[stays("b", always), stays("c", always)]).await), ErrorKind::Invalid);
    let key = |n: usize| Bytes::from(format!("{{a}}{n:05}"));
    let many = |count| (0..count).map(|n| ValueChange { key: key(n), ..stays("", always) }).collect::<Vec<_>>();
    assert!(values.change_values(&many(BATCH_PARTS_MAX)).await.is_ok());
    assert_eq!(kind(values.change_values(&many(BATCH_PARTS_MAX + 1)).await), ErrorKind::Invalid);
    // Each stands in its record, and all of them are too much for one command.
    let long = |count| (0..count).map(|n| ValueChange { key: key(n), ..write("", vec![7; INLINE_BYTES_MAX], always) });
    let refused = values.change_values(&long(25).collect::<Vec<_>>()).await.unwrap_err();
    assert!(refused.to_string().contains("and one command at most"), "{refused}");
    assert_eq!(values.value(&key(0)).await.unwrap(), None);
    values.change_values(&long(23).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(values.value(&key(22)).await.unwrap().unwrap().bytes, vec![7; INLINE_BYTES_MAX]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_answered_is_not_told_that_nothing_was_done() {
    let (world, values) = redis(false).await;
    world.set_weather(Weather::Deaf);
    let changes = [write("{a}1", "1", Condition::Absent), write("{a}2", "2", Condition::Absent)];
    assert_eq!(kind(values.change_values(&changes).await), ErrorKind::Unavailable);
    world.set_weather(Weather::Fair);
    assert_eq!((bytes(&values, "{a}1").await, bytes(&values, "{a}2").await), (Some("1".into()), Some("2".into())));
}
