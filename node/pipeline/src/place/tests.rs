use super::*;
use storgo_protocol::limits::STRIPE_SHARDS_MAX;

fn peer(number: u16) -> PeerId {
    PeerId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn item(number: u32) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

fn candidate(number: u16, weight: u32, zone: &str) -> Candidate<'_> {
    Candidate { peer: peer(number), weight, zone, disks: 1 }
}

fn equal(count: u16) -> Vec<Candidate<'static>> {
    (0..count).map(|number| candidate(number, 100, "")).collect()
}

fn peers(set: &[Share]) -> Vec<PeerId> {
    set.iter().map(|share| share.peer).collect()
}

#[test]
fn the_order_is_what_every_version_computes() {
    let candidates: Vec<_> = (0..6).map(|number| candidate(number, 10 + u32::from(number), "z")).collect();
    let order = |number| -> Vec<usize> {
        let ranked = rank(&item(number), &candidates);
        ranked.iter().map(|ranked| candidates.iter().position(|c| c.peer == ranked.peer).unwrap()).collect()
    };
    assert_eq!([order(0), order(1), order(2)], GOLDEN_ORDERS, "peers of different versions would look elsewhere");
}

#[test]
fn the_logarithm_is_exact_where_it_is_known_and_falls_steadily() {
    const ONE: u64 = 1 << 32;
    assert_eq!(cost(u64::MAX), 1);
    assert_eq!(cost((1 << 63) - 1), ONE);
    assert_eq!(cost((1 << 62) - 1), 2 * ONE);
    assert_eq!(cost(0), 64 * ONE);
    for step in 1..10_000u64 {
        let h = step * (u64::MAX / 10_000);
        let exact = -((h as f64 + 1.0) / 2f64.powi(64)).log2() * ONE as f64;
        assert!((cost(h) as f64 - exact).abs() <= 2.0 + exact * 1e-9, "{h}: {} is not {exact}", cost(h));
        assert!(cost(h) <= cost(h - 1));
    }
}

#[test]
fn equal_peers_get_equal_parts() {
    let candidates = equal(10);
    let mut wins = [0f64; 10];
    for number in 0..10_000 {
        let best = rank(&item(number), &candidates)[0].peer;
        wins[candidates.iter().position(|c| c.peer == best).unwrap()] += 1.0;
    }
    // Nine degrees of freedom: above 33.7 in one of ten thousand draws, and this draw is always the same.
    let chi: f64 = wins.iter().map(|wins| (wins - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi < 33.7, "{chi}: {wins:?}");
}

#[test]
fn parts_follow_the_weights() {
    let candidates = [candidate(0, 1, ""), candidate(1, 2, ""), candidate(2, 5, ""), candidate(3, 0, "")];
    let mut wins = [0f64; 4];
    for number in 0..16_000 {
        let best = rank(&item(number), &candidates)[0].peer;
        wins[candidates.iter().position(|c| c.peer == best).unwrap()] += 1.0;
    }
    for (wins, expected) in wins.iter().zip([2000.0, 4000.0, 10_000.0]) {
        assert!((wins - expected).abs() < 200.0, "{wins} where {expected} are due");
    }
    assert!(wins[3] == 0.0, "a peer of no weight gets nothing");
    assert_eq!(rank(&item(0), &candidates).len(), 3);
}

#[test]
fn a_peer_that_joins_or_leaves_moves_only_its_own() {
    let (before, after) = (equal(12), equal(13));
    for number in 0..500 {
        let old = peers(&choose(&item(number), &before, 6));
        let new = peers(&choose(&item(number), &after, 6));
        let joined = new.contains(&peer(12));
        let kept = new.iter().filter(|peer| old.contains(peer)).count();
        assert_eq!(kept, if joined { 5 } else { 6 }, "item {number}");
    }
}

#[test]
fn shards_spread_over_zones_first() {
    let zones = ["a", "a", "a", "a", "a", "b", "b", "c"];
    let candidates: Vec<_> = zones.iter().enumerate().map(|(n, zone)| candidate(n as u16, 100, zone)).collect();
    for number in 0..200 {
        let set = choose(&item(number), &candidates, 6);
        let of = |zone| set.iter().filter(|s| candidates.iter().any(|c| c.peer == s.peer && c.zone == zone)).count();
        assert_eq!((of("a"), of("b"), of("c")), (3, 2, 1), "item {number}");
        let three = choose(&item(number), &candidates, 3);
        assert!(
            ["a", "b", "c"]
                .iter()
                .all(|z| three.iter().any(|s| candidates.iter().any(|c| c.peer == s.peer && c.zone == *z)))
        );
    }
}

#[test]
fn no_peer_gets_more_than_its_even_part() {
    for count in 1..=8u16 {
        for shards in 0..=STRIPE_SHARDS_MAX {
            // All but one in one zone: the cap goes before the zones.
            let candidates: Vec<_> = (0..count).map(|n| candidate(n, 100, if n == 0 { "a" } else { "b" })).collect();
            let set = choose(&item(1), &candidates, shards);
            assert_eq!(set.iter().map(|share| share.shards).sum::<usize>(), shards);
            assert!(set.iter().all(|share| share.shards <= shards.div_ceil(usize::from(count))), "{set:?}");
            assert_eq!(assign(&set, &[], shards).len(), shards);
        }
    }
    assert!(choose(&item(1), &[], 6).is_empty());
}

#[test]
fn a_second_shard_goes_to_a_peer_with_a_directory_to_spare() {
    let mut candidates = equal(4);
    candidates[2].disks = 6;
    for number in 0..50 {
        let set = choose(&item(number), &candidates, 5);
        assert_eq!(set.iter().find(|share| share.shards == 2).map(|share| share.peer), Some(peer(2)));
    }
}

#[test]
fn a_shard_stays_where_it_is_while_its_peer_is_chosen() {
    let set: Vec<Share> = [4, 1, 3, 0].map(|n| Share { peer: peer(n), shards: 1 }).into();
    let held = [
        (peer(0), ShardSet::from_bits(0b0100)),
        (peer(1), ShardSet::from_bits(0b0001)),
        (peer(2), ShardSet::from_bits(0b0010)),
    ];
    // 0 and 1 keep theirs, 2 is gone, 4 and 3 take what is free in the order of the set.
    assert_eq!(assign(&set, &held, 4), [peer(1), peer(4), peer(0), peer(3)]);
    assert_eq!(assign(&set, &[], 4), [4, 1, 3, 0].map(peer));
    assert_eq!(assign(&set, &held, 2).len(), 2);
}

#[test]
fn a_shard_held_twice_stays_at_one_and_a_peer_keeps_no_more_than_its_share() {
    let set: Vec<Share> = [0, 1].map(|n| Share { peer: peer(n), shards: 2 }).into();
    let held = [(peer(1), ShardSet::from_bits(0b1111)), (peer(0), ShardSet::from_bits(0b1000))];
    assert_eq!(assign(&set, &held, 4), [peer(1), peer(1), peer(0), peer(0)]);
}

const GOLDEN_ORDERS: [[usize; 6]; 3] = [[4, 0, 1, 5, 2, 3], [0, 3, 5, 2, 4, 1], [4, 5, 2, 1, 3, 0]];
