//! The peer table's rules, without a network.

use storgo_protocol::Identity;

use super::*;
use crate::names;

fn peer(seed: u8) -> PeerId {
    Identity::from_seed(&[seed; 32]).id()
}

fn address(text: &str) -> PeerAddress {
    text.parse().unwrap()
}

fn card(seed: u8, addresses: &[&str]) -> PeerCard {
    PeerCard {
        peer: peer(seed),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        zone: String::new(),
        capacity_bytes: 10,
        free_bytes: 5,
        weight: 100,
        disks: 1,
        agent: "storgo/test".to_owned(),
        stores: true,
        seen_seconds: 0,
        data_port: 0,
    }
}

/// A table in which the peers `1..=count` answer, connected from `path`.
fn table_of(count: u8, path: &str, now: Instant) -> PeerTable {
    let mut table = PeerTable::new(peer(0));
    for seed in 1..=count {
        table.set_paths(peer(seed), vec![address(path).into()]);
        table.hear_from(card(seed, &["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]), now);
    }
    table
}

#[test]
fn an_address_is_told_only_as_far_as_it_reaches() {
    let now = Instant::now();
    let table = table_of(1, "/ip4/127.0.0.1/tcp/9", now);
    for (scope, told) in [(Scope::Loopback, 3), (Scope::Private, 2), (Scope::Public, 1)] {
        let cards = table.tell(peer(9), scope, now);
        assert_eq!(cards[0].addresses.len(), told, "{scope:?}");
        assert!(cards[0].addresses.iter().all(|address| address.scope() >= scope));
    }
    // A peer without an address that may be told is not told of.
    let mut table = PeerTable::new(peer(0));
    table.set_paths(peer(1), vec![address("/ip4/127.0.0.1/tcp/9").into()]);
    table.hear_from(card(1, &["/ip4/127.0.0.1/tcp/1"]), now);
    assert!(table.tell(peer(9), Scope::Public, now).is_empty());
}

#[test]
fn the_widest_path_decides_what_a_caller_may_be_told() {
    let mut table = PeerTable::new(peer(0));
    assert_eq!(table.scope(peer(1)), Scope::Public);
    table.set_paths(peer(1), vec![address("/ip4/127.0.0.1/tcp/9").into(), address("/ip4/192.168.0.1/tcp/9").into()]);
    assert_eq!(table.scope(peer(1)), Scope::Private);
}

#[test]
fn hearsay_is_dialled_before_it_counts() {
    let now = Instant::now();
    let mut table = PeerTable::new(peer(0));
    table.hear_say(card(1, &["/ip4/127.0.0.1/tcp/1"]));
    table.hear_say(card(0, &["/ip4/127.0.0.1/tcp/1"]));
    assert!(table.answering(now).is_empty() && table.tell(peer(9), Scope::Loopback, now).is_empty());
    assert_eq!(table.candidates(now), [peer(1)]);
    assert!(matches!(table.standing(peer(1), now), Standing::Away(addresses) if addresses.len() == 1));

    table.set_paths(peer(1), vec![address("/ip4/127.0.0.1/tcp/1").into()]);
    assert_eq!(table.standing(peer(1), now), Standing::Greeting);
    assert!(!table.admits(peer(1)) && table.candidates(now).is_empty());

    table.hear_from(card(1, &["/ip4/127.0.0.1/tcp/1"]), now);
    assert_eq!(table.standing(peer(1), now), Standing::Answering);
    assert!(table.admits(peer(1)));
    // What others say of it later changes nothing.
    table.hear_say(PeerCard { free_bytes: 1_000_000, ..card(1, &["/ip4/127.0.0.1/tcp/2"]) });
    assert_eq!(table.answering(now)[0].free_bytes, 5);
}

#[test]
fn a_lost_connection_needs_a_new_hello() {
    let now = Instant::now();
    let mut table = table_of(1, "/ip4/127.0.0.1/tcp/9", now);
    table.set_paths(peer(1), Vec::new());
    assert!(!table.admits(peer(1)) && table.answering(now).is_empty());
    table.set_paths(peer(1), vec![address("/ip4/127.0.0.1/tcp/9").into()]);
    assert_eq!(table.standing(peer(1), now), Standing::Greeting);
}

#[test]
fn failures_back_off_once_each_and_a_hello_forgives() {
    let now = Instant::now();
    let mut table = PeerTable::new(peer(0));
    table.hear_of(peer(1), &[address("/ip4/127.0.0.1/tcp/1")]);
    // Many who shared one dial report the same failure.
    for _ in 0..10 {
        table.failed(peer(1), "refused".to_owned(), now);
    }
    assert_eq!(table.standing(peer(1), now), Standing::BackedOff("refused".to_owned()));
    let later = now + Duration::from_secs(MESH_BACKOFF_SECONDS_MIN);
    assert_eq!(table.candidates(later), [peer(1)]);
    table.failed(peer(1), "refused".to_owned(), later);
    assert!(table.candidates(later + Duration::from_secs(MESH_BACKOFF_SECONDS_MIN)).is_empty());
    table.set_paths(peer(1), vec![address("/ip4/127.0.0.1/tcp/1").into()]);
    table.hear_from(card(1, &[]), later);
    assert_eq!(table.standing(peer(1), later), Standing::Answering);
}

#[test]
fn an_address_that_was_not_tried_ends_the_wait_but_not_a_refusal() {
    let (now, old) = (Instant::now(), address("/ip4/127.0.0.1/tcp/1"));
    let mut table = PeerTable::new(peer(0));
    table.hear_of(peer(1), std::slice::from_ref(&old));
    table.failed(peer(1), "nobody listens".to_owned(), now);
    table.hear_of(peer(1), std::slice::from_ref(&old));
    assert!(table.candidates(now).is_empty(), "it is the address that failed");
    table.hear_say(card(1, &["/ip4/127.0.0.1/tcp/2"]));
    assert_eq!(table.candidates(now), [peer(1)]);

    table.refused(peer(1), "another network", now);
    table.hear_of(peer(1), &[address("/ip4/127.0.0.1/tcp/3")]);
    assert!(table.candidates(now).is_empty(), "it would refuse there too");
}

#[test]
fn who_was_caught_comes_last_until_it_is_forgiven_and_longer_the_next_time() {
    let now = Instant::now();
    let mut table = table_of(3, "/ip4/127.0.0.1/tcp/9", now);
    let first = table.answering(now)[0].peer;
    let row = |table: &PeerTable, at| table.rows(at).into_iter().find(|row| row.peer == first).unwrap();
    let mut caught = now;
    for (lies, seconds) in [(1, DISTRUST_SECONDS_MIN), (2, 2 * DISTRUST_SECONDS_MIN)] {
        table.distrust(first, "wrong bytes", caught);
        let last = caught + Duration::from_secs(seconds - 1);
        assert_eq!((table.answering(last)[2].peer, table.distrusted(last)), (first, vec![first]));
        assert_eq!((row(&table, last).lies, row(&table, last).distrust.as_deref()), (lies, Some("wrong bytes")));
        caught = last + Duration::from_secs(1);
        assert_eq!((table.answering(caught)[0].peer, table.distrusted(caught)), (first, Vec::new()));
        assert_eq!((row(&table, caught).lies, row(&table, caught).distrust), (lies, None));
    }
    (0..40).for_each(|_| table.distrust(first, "wrong bytes", caught));
    assert!(table.distrusted(caught + Duration::from_secs(DISTRUST_SECONDS_MAX)).is_empty());
}

#[test]
fn a_welcome_tells_the_most_recently_heard_and_no_more_than_its_bound() {
    let now = Instant::now();
    let mut table = table_of(u8::try_from(HELLO_PEERS_MAX).unwrap() + 5, "/ip4/127.0.0.1/tcp/9", now);
    let later = now + Duration::from_mins(1);
    table.pinged(peer(7), Duration::from_millis(1), later);
    let told = table.tell(peer(9), Scope::Loopback, later);
    assert_eq!(told.len(), HELLO_PEERS_MAX);
    assert_eq!((told[0].peer, told[0].seen_seconds, told[1].seen_seconds), (peer(7), 0, 60));
    assert!(told.iter().all(|card| card.peer != peer(9)));
}

#[test]
fn addresses_are_bounded_and_of_the_peer() {
    let mut table = PeerTable::new(peer(0));
    let many: Vec<PeerAddress> = (1..40).map(|port| address(&format!("/ip4/127.0.0.1/tcp/{port}"))).collect();
    table.hear_of(peer(1), &many);
    table.hear_of(peer(1), &[names::with_peer(many[0].as_multiaddr(), peer(2)).unwrap()]);
    match table.standing(peer(1), Instant::now()) {
        Standing::Away(addresses) => {
            assert_eq!(addresses.len(), PEER_ADDRESSES_MAX);
            assert!(addresses.iter().all(|address| names::peer_of(address) == Some(peer(1))));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_table_forgets_who_is_not_linked() {
    let now = Instant::now();
    let mut table = table_of(2, "/ip4/127.0.0.1/tcp/9", now);
    let id = |i: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(i as u64).to_le_bytes());
        PeerId::from_bytes(bytes)
    };
    for i in 0..PEER_TABLE_MAX + 10 {
        table.hear_of(id(i), &[address("/ip4/127.0.0.1/tcp/1")]);
    }
    assert_eq!(table.rows(now).len(), PEER_TABLE_MAX);
    assert_eq!(table.answering(now).len(), 2);
}

#[test]
fn a_relayed_peer_is_told_from_one_with_a_better_way() {
    let (mut table, now) = (PeerTable::new(peer(0)), Instant::now());
    let circuit = format!("/ip4/5.5.5.1/tcp/1/p2p/{}/p2p-circuit/p2p/{}", peer(2), peer(1));
    let relayed = Path::from(address(&circuit));
    assert_eq!(relayed.kind, PathKind::Relayed);
    table.set_paths(peer(1), vec![relayed.clone()]);
    assert!(table.only_relayed(peer(1)));
    let punched = Path { kind: PathKind::Punched, address: address("/ip4/5.5.5.9/tcp/1") };
    table.set_paths(peer(1), vec![relayed, punched]);
    assert!(!table.only_relayed(peer(1)));
    let row = table.rows(now).remove(0);
    assert_eq!((row.path, row.path_kind), (Some(address("/ip4/5.5.5.9/tcp/1")), Some(PathKind::Punched)));
    assert!(!table.only_relayed(peer(3)));
}

#[test]
fn a_dial_that_was_begun_before_another_try_was_asked_for_does_not_count_against_it() {
    let now = Instant::now();
    let mut table = table_of(0, "/ip4/127.0.0.1/tcp/9", now);
    table.hear_of(peer(1), &[address("/ip4/127.0.0.1/tcp/1")]);
    let later = now + Duration::from_millis(1);
    table.dial_failed(peer(1), "silent".to_owned(), now, later);
    assert!(matches!(table.standing(peer(1), later), Standing::BackedOff(_)));
    table.retry_now(peer(1), later);
    // Another one waited for the same dial, and says so only now.
    table.dial_failed(peer(1), "silent".to_owned(), now, later);
    assert!(matches!(table.standing(peer(1), later), Standing::Away(_)));
    table.dial_failed(peer(1), "silent".to_owned(), later, later);
    assert!(matches!(table.standing(peer(1), later), Standing::BackedOff(_)));
}
