use std::collections::BTreeSet;
use std::time::Duration;

use storgo_protocol::limits::{LATE_SECONDS, PEER_PAUSE_SECONDS_MAX, PEER_PAUSE_SECONDS_MIN};
use storgo_protocol::message::{Refusal, RefusalKind};

use super::*;
use crate::ports::PeerError;

const ITEM: [u8; 32] = [7; 32];

fn card(number: u8, weight: u32) -> PeerCard {
    PeerCard {
        peer: PeerId::from_bytes([number; 32]),
        addresses: Vec::new(),
        zone: String::new(),
        capacity_bytes: 0,
        free_bytes: 0,
        weight,
        disks: 3,
        agent: String::new(),
        stores: true,
        seen_seconds: 0,
        data_port: 0,
    }
}

fn refused(kind: RefusalKind) -> Miss {
    Miss::Refused(Refusal::new(kind, "no"))
}

#[test]
fn a_peer_without_weight_is_asked_last_and_takes_nothing() {
    let pool = Pool::new(vec![card(1, 0), card(2, 100)], &[]).unwrap();
    let (idle, taker) = (card(1, 0).peer, card(2, 0).peer);
    assert_eq!(pool.ranked(&ITEM), [taker, idle]);
    assert_eq!(pool.ranked_takers(&ITEM, &BTreeMap::new()), [taker]);
    assert_eq!((pool.takers(), pool.domains()), (1, 3));
}

/// A node has few copies, and a zone may go with all its peers.
#[test]
fn copies_go_to_zones_that_have_none() {
    let zone = |number: u8| ["attic", "cellar", "shed"][usize::from(number) % 3];
    let cards: Vec<PeerCard> = (1..=9).map(|n| PeerCard { zone: zone(n).to_owned(), ..card(n, 100) }).collect();
    let zones: BTreeMap<PeerId, &str> = (1..=9).map(|n| (card(n, 0).peer, zone(n))).collect();
    let pool = Pool::new(cards, &[]).unwrap();
    for item in 0..50 {
        let of = |holders: &BTreeMap<PeerId, u32>| pool.ranked_takers(&[item; 32], holders);
        let order = of(&BTreeMap::new());
        for three in order.chunks(3) {
            assert_eq!(three.iter().map(|peer| zones[peer]).collect::<BTreeSet<_>>().len(), 3, "{order:?}");
        }
        // One is held by a peer that would have come late: the next goes elsewhere.
        let held = BTreeMap::from([(order[8], 1)]);
        let after = of(&held);
        assert_eq!(after[0], order[8], "who holds it comes first");
        assert!(after[1..3].iter().all(|peer| zones[peer] != zones[&order[8]]), "{after:?}");
    }
}

#[test]
fn a_full_peer_is_read_from_and_one_that_is_gone_is_not_until_it_answers() {
    let pool = Pool::new(vec![card(1, 100), card(2, 100)], &[]).unwrap();
    let (full, gone) = (card(1, 0).peer, card(2, 0).peer);
    pool.fail(full, &refused(RefusalKind::NoSpace));
    pool.fail(gone, &Miss::Failed(PeerError::Stopped));
    assert_eq!(pool.ranked(&ITEM), [full]);
    assert!(pool.ranked_takers(&ITEM, &BTreeMap::new()).is_empty());
    assert!(matches!(pool.exhausted("it"), ObjectError::NoSpace { .. }));
    pool.refresh(vec![card(1, 100), card(2, 100), card(3, 100)], &[]);
    assert_eq!(pool.peers(), [full, gone, card(3, 0).peer]);
    assert_eq!(pool.takers(), 2);
}

#[test]
fn a_peer_that_failed_is_tried_again_after_a_pause_that_grows() {
    let pool = Pool::new(vec![card(1, 100), card(2, 100)], &[]).unwrap();
    let (mut known, peer, mut now) = (pool.known.lock(), card(1, 0).peer, Instant::now());
    let silent = Miss::Failed(PeerError::Stopped);
    for pause in [PEER_PAUSE_SECONDS_MIN, 2 * PEER_PAUSE_SECONDS_MIN] {
        known.note_failure(peer, &silent, now);
        assert!(known.is_gone(peer, now + Duration::from_secs(pause - 1)), "{pause}");
        now += Duration::from_secs(pause);
        assert!(!known.is_gone(peer, now) && known.writable(now).count() == 2, "{pause}");
    }
    (0..20).for_each(|_| known.note_failure(peer, &silent, now));
    assert!(!known.is_gone(peer, now + Duration::from_secs(PEER_PAUSE_SECONDS_MAX)));
    drop(known);
    assert_eq!(pool.failed(), [peer], "it is told of in the end");
}

#[test]
fn who_was_late_or_caught_comes_after_the_others() {
    let cards: Vec<PeerCard> = (1..=6).map(|number| card(number, 100)).collect();
    let pool = Pool::new(cards.clone(), &[cards[0].peer]).unwrap();
    pool.late(cards[1].peer);
    let ranked = pool.ranked(&ITEM);
    assert_eq!(ranked[4..], [cards[1].peer, cards[0].peer]);
    assert_eq!(pool.ranked_takers(&ITEM, &BTreeMap::new()), ranked);
    assert_eq!(pool.spares(|peer| peer == cards[2].peer), 3);
    // What fits on the others goes there, and what does not goes to all but those that were given up.
    let stripe = StripeId::from_bytes(ITEM);
    let taking = |total, without: &[PeerId]| {
        let assigned = pool.assign(stripe, &[], total, without);
        assigned.into_iter().map(|(peer, _)| peer).collect::<BTreeSet<_>>()
    };
    assert!(taking(4, &[]).is_disjoint(&[cards[0].peer, cards[1].peer].into()));
    assert_eq!(taking(6, &[]).len(), 6);
    assert!(!taking(6, &[cards[3].peer]).contains(&cards[3].peer));
    let later = Instant::now() + Duration::from_secs(LATE_SECONDS);
    let known = pool.known.lock();
    assert_eq!(known.standing(cards[1].peer, later), Standing::Good);
    assert_eq!(known.standing(cards[0].peer, later), Standing::Caught);
}

#[test]
fn who_lies_is_out_until_all_are_asked_anew_and_last_then() {
    let pool = Pool::new(vec![card(1, 100), card(2, 100), card(3, 100)], &[]).unwrap();
    let liar = pool.ranked(&ITEM)[0];
    pool.fail(liar, &Miss::Lied { peer: liar, what: "a lie" });
    assert!(!pool.ranked(&ITEM).contains(&liar));
    pool.refresh(vec![card(1, 100), card(2, 100), card(3, 100)], &[]);
    assert_eq!(pool.ranked(&ITEM)[2], liar);
    assert_eq!(pool.lied(), [liar]);
}
