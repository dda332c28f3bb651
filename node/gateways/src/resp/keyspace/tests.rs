use std::sync::atomic::{AtomicUsize, Ordering};

use storgo_protocol::limits::RESP_STEP_BYTES;

use super::super::settings::DoorConfig;
use super::super::shared::Shared;
use super::super::values::fake::Memory;
use super::*;

/// A door with values in memory, whose clients wait when so much is not sent.
fn door(answer_bytes_max: usize) -> Arc<Shared> {
    Shared::of_test(Arc::default(), DoorConfig { answer_bytes_max, ..DoorConfig::default() })
}

fn key(number: usize) -> Bytes {
    number.to_string().into()
}

/// Something that answers so many bytes, and counts how often it was done.
fn long(bytes: usize, done: &Arc<AtomicUsize>) -> Op {
    let (reply, done) = (Reply::bulk(vec![0; bytes]), Arc::clone(done));
    Op::look(move |_| {
        done.fetch_add(1, Ordering::Relaxed);
        reply.clone()
    })
}

#[tokio::test]
async fn nothing_is_made_beyond_what_a_client_may_have_unsent_until_that_is_sent() {
    const BYTES: usize = 100_000;
    let (shared, done) = (door(3 * BYTES), Arc::default());
    let unsent = shared.unsent();
    let submit = |number: usize| shared.keyspace.submit(key(number), long(BYTES, &done), &unsent, false);
    let mut waits = Vec::new();
    for answer in (0..40).map(submit).collect::<Vec<_>>() {
        if let Told::Later(key, op) = answer.await.unwrap() {
            waits.push((key, op));
        }
    }
    // Two fit, and what makes them too much is made too.
    assert_eq!((waits.len(), done.load(Ordering::Relaxed)), (37, 3));
    unsent.go_on();
    for (key, op) in waits {
        let told = shared.keyspace.submit(key, op, &unsent, true).await.unwrap();
        assert!(matches!(told, Told::Reply(Reply::Bulk(bytes)) if bytes.len() == BYTES));
    }
    assert_eq!(done.load(Ordering::Relaxed), 40);
}

#[tokio::test]
async fn a_step_ends_when_its_answers_are_long_and_what_waits_behind_it_waits_in_order() {
    let (shared, done) = (door(RESP_STEP_BYTES), Arc::default());
    let unsent = shared.unsent();
    let submit = |_| shared.keyspace.submit(key(0), long(RESP_STEP_BYTES / 10, &done), &unsent, false);
    let (mut made, mut later) = (0, 0);
    for answer in (0..50).map(submit).collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Told::Reply(_) if later == 0 => made += 1,
            Told::Reply(_) => panic!("one of a key was done behind one that waits"),
            Told::Later(..) => later += 1,
        }
    }
    // The first alone, and ten more in a step: then the client has enough.
    assert_eq!((made, later, done.load(Ordering::Relaxed)), (11, 39, 11));
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_read() {
    let (shared, done) = (door(1), Arc::default());
    let unsent = shared.unsent();
    drop(shared.keyspace.submit(key(0), long(1, &done), &unsent, false));
    let write = Op::overwrite(|slate| {
        slate.set("1", 0);
        Reply::OK
    });
    let written = shared.keyspace.submit(key(0), write, &unsent, false).await.unwrap();
    assert!(matches!(written, Told::Reply(Reply::Simple(_))));
    assert_eq!(done.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_glance_sees_what_was_and_what_is_over_is_asked_for_anew() {
    const NOW_MS: u64 = 1_000_000_000;
    let [fresh, old]: [Arc<Memory>; 2] = Default::default();
    let texts = [
        (&fresh, "k", "new", 0),
        (&fresh, "over", "longer", 0),
        (&fresh, "made", "since", 0),
        (&old, "k", "old", NOW_MS + 1),
        (&old, "over", "brief", NOW_MS),
    ];
    for (memory, key, text, expires_ms) in texts {
        let value = SetValue { bytes: text.into(), expires_ms, ..SetValue::default() };
        memory.set(key.as_bytes(), value).await.unwrap();
    }
    let shared = Shared::of_two([fresh, old], DoorConfig::default());
    let unsent = shared.unsent();
    let get = || Op::read_text(|text| text.cloned().map_or(Reply::Nil, Reply::Bulk));
    let said = async |told: oneshot::Receiver<Told>| match told.await.unwrap() {
        Told::Reply(reply) => reply,
        Told::Later(..) => panic!("there is room"),
    };
    for (key, glanced, is) in [("k", "old", "new"), ("over", "longer", "longer")] {
        assert_eq!(said(shared.keyspace.glance(key.into(), get(), &unsent)).await, Reply::bulk(glanced), "{key}");
        assert_eq!(said(shared.keyspace.submit(key.into(), get(), &unsent, false)).await, Reply::bulk(is), "{key}");
    }
    assert_eq!(said(shared.keyspace.glance("made".into(), get(), &unsent)).await, Reply::Nil);
}
