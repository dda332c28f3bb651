//! How many losses an object survives: arithmetic over who holds what.

use std::collections::BTreeMap;

use storgo_protocol::{PeerId, ShardSet};

use crate::report::{DomainKind, Width};

/// Finds the narrowest of an object's stripes and nodes, one after the other.
#[derive(Debug)]
pub(crate) struct WidthMeter {
    /// Shards that rebuild a stripe.
    data: usize,
    /// Data directories by peer: they are the domains when one peer holds everything.
    disks: BTreeMap<PeerId, u32>,
    stripes: Option<Width>,
    nodes: Option<Width>,
}

impl WidthMeter {
    pub(crate) fn new(data: usize, disks: BTreeMap<PeerId, u32>) -> Self {
        Self { data, disks, stripes: None, nodes: None }
    }

    /// Adds a stripe and who holds it.
    pub(crate) fn add_stripe(&mut self, held: &[(PeerId, ShardSet)]) {
        let width = stripe_width(self.data, held, &self.disks);
        self.stripes = Some(narrower(self.stripes, width));
    }

    /// Adds a node and who holds how many copies of it.
    pub(crate) fn add_node(&mut self, holders: &[(PeerId, u32)]) {
        let width = node_width(holders, &self.disks);
        self.nodes = Some(narrower(self.nodes, width));
    }

    /// The narrowest so far. Nodes are fewer than shards by design: beside stripes they count for what is survived.
    pub(crate) fn width(&self) -> Width {
        match (self.stripes, self.nodes) {
            (Some(stripes), Some(nodes)) => Width { survives: stripes.survives.min(nodes.survives), ..stripes },
            (one, other) => one.or(other).unwrap_or(NOTHING),
        }
    }
}

/// The width of what nobody holds.
pub(crate) const NOTHING: Width = Width { shards: 0, domains: 0, kind: DomainKind::Peer, survives: 0 };

fn narrower(a: Option<Width>, b: Width) -> Width {
    let a = a.unwrap_or(b);
    Width {
        shards: a.shards.min(b.shards),
        domains: a.domains.min(b.domains),
        kind: a.kind.min(b.kind),
        survives: a.survives.min(b.survives),
    }
}

/// One peer's disks are domains if it has several.
fn kind(disks: u32) -> DomainKind {
    if disks > 1 { DomainKind::Disk } else { DomainKind::Peer }
}

fn stripe_width(data: usize, held: &[(PeerId, ShardSet)], disks: &BTreeMap<PeerId, u32>) -> Width {
    let (kind, held): (_, Vec<ShardSet>) = match held {
        [(peer, set)] => {
            let disks = disks.get(peer).copied().unwrap_or(1);
            (kind(disks), over_disks(*set, disks))
        }
        held => (DomainKind::Peer, held.iter().map(|(_, set)| *set).filter(|set| !set.is_empty()).collect()),
    };
    let shards = union(&held).len();
    Width { shards, domains: held.len(), kind, survives: losses_survived(data, held) }
}

fn node_width(holders: &[(PeerId, u32)], disks: &BTreeMap<PeerId, u32>) -> Width {
    let (kind, copies) = match holders {
        [(peer, copies)] => {
            let disks = disks.get(peer).copied().unwrap_or(1);
            (kind(disks), (*copies).min(disks) as usize)
        }
        holders => (DomainKind::Peer, holders.iter().filter(|(_, copies)| *copies > 0).count()),
    };
    Width { shards: copies, domains: copies, kind, survives: copies.saturating_sub(1) }
}

/// How a node spreads a stripe's shards over its data directories: evenly.
fn over_disks(set: ShardSet, disks: u32) -> Vec<ShardSet> {
    let mut spread = vec![ShardSet::EMPTY; (disks.max(1) as usize).min(set.len())];
    let count = spread.len();
    for (number, index) in set.iter().enumerate() {
        if let Some(disk) = spread.get_mut(number % count.max(1)) {
            disk.insert(index);
        }
    }
    spread
}

fn union(held: &[ShardSet]) -> ShardSet {
    held.iter().copied().collect()
}

/// Domains that may be lost, always the one that hurts most, before fewer than `data` shards are left.
fn losses_survived(data: usize, mut held: Vec<ShardSet>) -> usize {
    let mut survived = 0;
    while !held.is_empty() {
        let without = |gone: usize| {
            let left: Vec<ShardSet> = held.iter().enumerate().filter(|(n, _)| *n != gone).map(|(_, s)| *s).collect();
            union(&left).len()
        };
        let Some(worst) = (0..held.len()).min_by_key(|gone| without(*gone)) else { break };
        if without(worst) < data {
            break;
        }
        held.swap_remove(worst);
        survived += 1;
    }
    survived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes([n; 32])
    }

    fn held(sets: &[u32]) -> Vec<(PeerId, ShardSet)> {
        (0..).zip(sets).map(|(n, bits)| (peer(n), ShardSet::from_bits(*bits))).collect()
    }

    const fn on_peers(shards: usize, domains: usize, survives: usize) -> Width {
        Width { shards, domains, kind: DomainKind::Peer, survives }
    }

    fn width(data: usize, stripes: &[&[u32]], nodes: &[&[(PeerId, u32)]], disks: u32) -> Width {
        let mut meter = WidthMeter::new(data, (0..9).map(|n| (peer(n), disks)).collect());
        for sets in stripes {
            meter.add_stripe(&held(sets));
        }
        for holders in nodes {
            meter.add_node(holders);
        }
        meter.width()
    }

    #[test]
    fn six_shards_on_six_peers_survive_two_losses() {
        assert_eq!(width(4, &[&[1, 2, 4, 8, 16, 32]], &[], 1), on_peers(6, 6, 2));
    }

    #[test]
    fn six_shards_on_three_peers_survive_one() {
        assert_eq!(width(4, &[&[0b11, 0b1100, 0b11_0000]], &[], 1), on_peers(6, 3, 1));
    }

    #[test]
    fn the_narrowest_stripe_and_the_scarcest_node_decide() {
        let stripes: [&[u32]; 2] = [&[1, 2, 4, 8, 16, 32], &[1, 2, 4, 8]];
        assert_eq!(width(4, &stripes, &[], 1), on_peers(4, 4, 0));
        assert_eq!(width(4, &stripes[..1], &[&[(peer(0), 1), (peer(1), 1)]], 1).survives, 1);
        assert_eq!(width(1, &[], &[&[(peer(0), 1), (peer(1), 1)]], 1).survives, 1);
    }

    #[test]
    fn on_one_peer_its_disks_are_the_domains() {
        assert_eq!(
            width(4, &[&[0b11_1111]], &[&[(peer(0), 3)]], 6),
            Width { kind: DomainKind::Disk, ..on_peers(6, 6, 2) }
        );
    }

    #[test]
    fn a_shard_held_twice_counts_once() {
        assert_eq!(width(1, &[&[1, 1, 2]], &[], 1), on_peers(2, 3, 2));
    }
}
