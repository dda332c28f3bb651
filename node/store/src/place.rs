//! Which disk of a node takes an item.
//!
//! Pure: it is given ids and counts. Disks are ranked by rendezvous, so that the same disks give the same ranking
//! whatever their order and paths; those that hold fewer shards of a stripe come first, so that the shards of one
//! stripe stand on different disks as far as there are.

use std::cmp::Reverse;
use std::fmt;

/// A data directory of this start, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u8);

/// A data directory for good: 16 random bytes that stand in it, so that it can move.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DiskId(pub(crate) [u8; 16]);

impl fmt::Debug for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskId({self})")
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The slots in the order in which they should take an item: fewest shards of its stripe first, then by rendezvous of
/// disk and id.
pub(crate) fn rank(disks: &[(Slot, DiskId)], id: &[u8; 32], held: impl Fn(Slot) -> usize) -> Vec<Slot> {
    let mut ranked: Vec<_> = disks.iter().map(|&(slot, disk)| (held(slot), Reverse(weight(disk, id)), slot)).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, slot)| slot).collect()
}

fn weight(disk: DiskId, id: &[u8; 32]) -> [u8; 32] {
    *blake3::Hasher::new_derive_key("storgo v1 disk rank").update(&disk.0).update(id).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks(count: u8) -> Vec<(Slot, DiskId)> {
        (0..count).map(|n| (Slot(n), DiskId([n; 16]))).collect()
    }

    #[test]
    fn a_ranking_depends_on_ids_only() {
        let mut turned = disks(6);
        turned.reverse();
        for n in 0..100 {
            assert_eq!(rank(&disks(6), &[n; 32], |_| 0), rank(&turned, &[n; 32], |_| 0));
        }
    }

    #[test]
    fn every_disk_comes_first_about_as_often() {
        let mut first = [0; 6];
        for n in 0..600_u32 {
            let id = *blake3::hash(&n.to_le_bytes()).as_bytes();
            first[usize::from(rank(&disks(6), &id, |_| 0)[0].0)] += 1;
        }
        assert!(first.iter().all(|count| (60..140).contains(count)), "{first:?}");
    }

    #[test]
    fn a_disk_that_holds_shards_of_the_stripe_comes_later() {
        let ranked = rank(&disks(3), &[1; 32], |slot| usize::from(slot != Slot(2)));
        assert_eq!(ranked[0], Slot(2));
    }
}
