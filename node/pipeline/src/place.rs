//! Places shards: which peers should hold a stripe or a node, and which of them which shard.
//!
//! Weighted rendezvous hashing, in integers only, so that every machine agrees: each peer's score for an item depends
//! on the two alone, hence a peer that joins or leaves moves only what it wins or held. It knows neither addresses nor
//! who answers; the caller passes the candidates it means.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use storgo_protocol::{PeerId, ShardIndex, ShardSet};

/// A peer that could hold shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'m> {
    /// The peer.
    pub peer: PeerId,
    /// Its share of the whole relative to others; 0 gets nothing.
    pub weight: u32,
    /// What fails together with it.
    pub zone: &'m str,
    /// Data directories that fail apart from one another.
    pub disks: u32,
}

/// A peer chosen for an item, and how many of its shards it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The peer.
    pub peer: PeerId,
    /// Shards for it, at least one.
    pub shards: usize,
}

/// All candidates of some weight, the best for `item` (a stripe's or a node's id) first.
#[must_use]
pub fn rank<'c, 'm>(item: &[u8; 32], candidates: &'c [Candidate<'m>]) -> Vec<&'c Candidate<'m>> {
    let mut ranked: Vec<(Score, &Candidate<'_>)> = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0)
        .map(|candidate| (Score::of(item, candidate), candidate))
        .collect();
    ranked.sort_unstable_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.peer.cmp(&right.peer)));
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The peers for `shards` shards of an item, in order of rank among those of equal claim.
///
/// No peer gets more than its even part, ⌈shards / peers⌉. Within that, each shard goes where the fewest are: to the
/// peer with the fewest, then to one with a directory to spare, then to the zone with the fewest, then by rank.
#[must_use]
pub fn choose(item: &[u8; 32], candidates: &[Candidate<'_>], shards: usize) -> Vec<Share> {
    let ranked = rank(item, candidates);
    let mut zones: HashMap<&str, usize> = HashMap::new();
    let mut taken = vec![0usize; ranked.len()];
    let mut order = Vec::new();
    for _ in 0..shards {
        let best = ranked.iter().zip(&taken).enumerate().min_by_key(|(rank, (candidate, taken))| {
            let crowded = **taken >= candidate.disks as usize;
            (**taken, crowded, zones.get(candidate.zone).copied().unwrap_or(0), *rank)
        });
        let Some((place, (candidate, _))) = best else { break };
        *zones.entry(candidate.zone).or_default() += 1;
        if let Some(taken) = taken.get_mut(place) {
            *taken += 1;
            if *taken == 1 {
                order.push(place);
            }
        }
    }
    let share = |place: usize| Some(Share { peer: ranked.get(place)?.peer, shards: *taken.get(place)? });
    order.into_iter().filter_map(share).collect()
}

/// Which peer of the set holds which of `total` shards: the peer of shard 0, of shard 1, and so on.
///
/// A shard that a peer of the set holds stays there, as long as the peer takes that many; the others go, in order, to
/// those that have room. Shorter than `total` if the set takes fewer.
#[must_use]
pub fn assign(set: &[Share], held: &[(PeerId, ShardSet)], total: usize) -> Vec<PeerId> {
    let mut room: Vec<Share> = set.to_vec();
    let mut places: Vec<Option<PeerId>> = vec![None; total];
    for share in &mut room {
        let holds: ShardSet = held.iter().filter(|(peer, _)| *peer == share.peer).map(|(_, shards)| *shards).collect();
        for index in holds.iter().map(ShardIndex::get) {
            if let Some(place @ None) = places.get_mut(index)
                && share.shards > 0
            {
                *place = Some(share.peer);
                share.shards -= 1;
            }
        }
    }
    // Round by round, so that a peer's second shard comes after every peer's first.
    room.sort_by_key(|share| Reverse(share.shards));
    for place in places.iter_mut().filter(|place| place.is_none()) {
        if let Some(share) = first_with_most_room(&mut room) {
            *place = Some(share.peer);
            share.shards -= 1;
        }
    }
    places.into_iter().map_while(|place| place).collect()
}

fn first_with_most_room(room: &mut [Share]) -> Option<&mut Share> {
    let most = room.iter().map(|share| share.shards).max().filter(|most| *most > 0)?;
    room.iter_mut().find(|share| share.shards == most)
}

/// A peer's claim on an item: weight / -log₂(h), h a hash of the two between 0 and 1.
///
/// # Source
/// Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (2005): the chance to win is the weight's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Score {
    weight: u32,
    /// -log₂(h) with 32 fractional bits, at least 1.
    cost: u64,
}

impl Score {
    fn of(item: &[u8; 32], candidate: &Candidate<'_>) -> Self {
        let hash = blake3::Hasher::new().update(item).update(candidate.peer.as_bytes()).finalize();
        let h = u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]));
        Self { weight: candidate.weight, cost: cost(h) }
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.weight) * u128::from(other.cost);
        left.cmp(&(u128::from(other.weight) * u128::from(self.cost)))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// -log₂((h + 1) / 2⁶⁴) with 32 fractional bits, at least 1: bit by bit, by squaring the mantissa.
fn cost(h: u64) -> u64 {
    let value = u128::from(h) + 1;
    let whole = value.ilog2();
    // The mantissa, from 1 up to 2, with 63 fractional bits.
    let mut mantissa = if whole > 63 { value >> (whole - 63) } else { value << (63 - whole) };
    let mut log = u64::from(whole);
    for _ in 0..32 {
        mantissa = (mantissa * mantissa) >> 63;
        log <<= 1;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            log |= 1;
        }
    }
    ((64 << 32) - log).max(1)
}

#[cfg(test)]
mod tests;
