//! Verified ranges of a shard: the outboard that stands beside its payload, and slices cut with it.
//!
//! A [`ShardId`] is the root of a BLAKE3 tree over the payload. The *outboard* holds the tree's inner nodes down to
//! groups of [`VERIFY_GROUP_BYTES`]; a *slice* is the part of the tree and the groups that a range touches, and whoever
//! knows the id checks it group by group. Holders cut slices, readers open them; neither needs the rest of the shard.

use std::io;
use std::ops::Range;

use ::bytes::{Bytes, BytesMut};
use bao_tree::io::outboard::{PreOrderMemOutboard, PreOrderOutboard};
use bao_tree::io::sync::{DecodeResponseIter, ReadAt, encode_ranges_validated};
use bao_tree::io::{BaoContentItem, EncodeError};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};

use crate::limits::{SHARD_BYTES_MAX, SLICE_BYTES_MAX, VERIFY_GROUP_BYTES};
use crate::{DecodeError, ShardId};

/// Bytes that BLAKE3 hashes as one leaf.
const LEAF_BYTES: usize = 1024;

/// Groups of sixteen leaves.
const GROUP: BlockSize = BlockSize::from_chunk_log(4);

/// Bytes of one inner node: the hashes of its two children.
const PAIR_BYTES: usize = 64;

const _: () = assert!(LEAF_BYTES << 4 == VERIFY_GROUP_BYTES);

/// Hashes a payload once, for its id and for its outboard.
///
/// # Shape
/// Pairs of child hashes (64 bytes each) of the nodes above the groups, in pre-order; [`outboard_bytes`] in all, so
/// nothing for a payload of one group.
#[must_use]
pub fn outboard(payload: &[u8]) -> (ShardId, Vec<u8>) {
    let made = PreOrderMemOutboard::<Vec<u8>>::create(payload, GROUP);
    (ShardId::from_bytes(*made.root.as_bytes()), made.data)
}

/// Bytes of the outboard of a payload of `payload_bytes`.
#[must_use]
pub const fn outboard_bytes(payload_bytes: usize) -> usize {
    payload_bytes.div_ceil(VERIFY_GROUP_BYTES).saturating_sub(1) * PAIR_BYTES
}

/// The bytes of the whole groups that `range` touches: what a slice of it carries and what cutting one needs.
///
/// # Errors
/// [`DecodeError::Field`] for an empty range, or one that is not inside a payload of `payload_bytes`.
pub fn group_range(payload_bytes: usize, range: &Range<usize>) -> Result<Range<usize>, DecodeError> {
    if range.start >= range.end || range.end > payload_bytes || payload_bytes > SHARD_BYTES_MAX {
        return Err(DecodeError::field("range"));
    }
    let first = range.start / VERIFY_GROUP_BYTES * VERIFY_GROUP_BYTES;
    let end = range.end.div_ceil(VERIFY_GROUP_BYTES) * VERIFY_GROUP_BYTES;
    Ok(first..end.min(payload_bytes))
}

/// Cuts the slice for `range` out of a shard of `payload_bytes`, checking on the way what goes into it. `groups` are
/// the payload's bytes at [`group_range`], nothing else.
///
/// # Shape
/// In pre-order, for each node that the groups lie under: a pair of child hashes (64 bytes), or the group's bytes.
///
/// # Errors
/// [`DecodeError::Unverified`] if the groups or the outboard are not those of `id`, [`DecodeError::Field`] for a bad
/// range.
pub fn encode_slice(
    id: ShardId,
    payload_bytes: usize,
    outboard: &[u8],
    range: &Range<usize>,
    groups: &[u8],
) -> Result<Vec<u8>, DecodeError> {
    let covered = group_range(payload_bytes, range)?;
    if groups.len() != covered.len() {
        return Err(DecodeError::Truncated);
    }
    let source = PreOrderOutboard { root: (*id.as_bytes()).into(), tree: tree(payload_bytes), data: outboard };
    let window = Window { first: covered.start as u64, bytes: groups };
    let mut out = Vec::with_capacity(groups.len() + PAIR_BYTES * 32);
    encode_ranges_validated(&window, &source, &leaves(&covered), &mut out).map_err(|error| match error {
        EncodeError::ParentHashMismatch(_) | EncodeError::LeafHashMismatch(_) => {
            DecodeError::Unverified { what: "shard range" }
        }
        _ => DecodeError::Truncated,
    })?;
    Ok(out)
}

/// Opens a slice that anyone may have sent: gives exactly the bytes of `range`.
///
/// # Errors
/// [`DecodeError::Unverified`] if a hash does not lead to `id`; another [`DecodeError`] if the slice is cut short, goes
/// on too long, or the range is not inside a payload of `payload_bytes`.
pub fn decode_slice(
    id: ShardId,
    payload_bytes: usize,
    range: &Range<usize>,
    mut slice: &[u8],
) -> Result<Bytes, DecodeError> {
    if slice.len() > SLICE_BYTES_MAX {
        return Err(DecodeError::TooMany { count: slice.len(), max: SLICE_BYTES_MAX });
    }
    let covered = group_range(payload_bytes, range)?;
    let mut out = BytesMut::with_capacity(covered.len().min(slice.len()));
    let wanted = leaves(&covered);
    for item in DecodeResponseIter::new((*id.as_bytes()).into(), tree(payload_bytes), &mut slice, &wanted) {
        match item {
            Ok(BaoContentItem::Leaf(leaf)) => out.extend_from_slice(&leaf.data),
            Ok(BaoContentItem::Parent(_)) => {}
            Err(bao_tree::io::DecodeError::ParentHashMismatch(_) | bao_tree::io::DecodeError::LeafHashMismatch(_)) => {
                return Err(DecodeError::Unverified { what: "shard range" });
            }
            Err(_) => return Err(DecodeError::Truncated),
        }
    }
    if !slice.is_empty() {
        return Err(DecodeError::Trailing { bytes: slice.len() });
    }
    if out.len() != covered.len() {
        return Err(DecodeError::Truncated);
    }
    Ok(out.freeze().slice(range.start - covered.start..range.end - covered.start))
}

fn tree(payload_bytes: usize) -> BaoTree {
    BaoTree::new(payload_bytes as u64, GROUP)
}

fn leaves(covered: &Range<usize>) -> ChunkRanges {
    let (first, end) = (covered.start / LEAF_BYTES, covered.end.div_ceil(LEAF_BYTES));
    ChunkRanges::from(ChunkNum(first as u64)..ChunkNum(end as u64))
}

/// Some bytes of a payload, read at the payload's own offsets.
struct Window<'a> {
    first: u64,
    bytes: &'a [u8],
}

impl ReadAt for Window<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let behind = offset.checked_sub(self.first).and_then(|skip| usize::try_from(skip).ok());
        let found = behind.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default();
        let count = found.len().min(buffer.len());
        if let (Some(target), Some(source)) = (buffer.get_mut(..count), found.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        blake3::Hasher::new().update(&bytes.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    fn cut(payload: &[u8], range: &Range<usize>) -> (ShardId, Vec<u8>) {
        let (id, outboard) = outboard(payload);
        let covered = group_range(payload.len(), range).unwrap();
        (id, encode_slice(id, payload.len(), &outboard, range, &payload[covered]).unwrap())
    }

    #[test]
    fn an_outboard_is_as_long_as_announced_and_its_root_is_the_plain_hash() {
        for bytes in [1, 1023, 1024, 16 << 10, (16 << 10) + 1, 100_000, 262_144, 1_000_001] {
            let payload = payload(bytes);
            let (id, outboard) = outboard(&payload);
            assert_eq!(blake3::hash(&payload), *id.as_bytes(), "{bytes}");
            assert_eq!(outboard.len(), outboard_bytes(bytes), "{bytes}");
        }
    }

    #[test]
    fn every_range_opens_to_its_bytes() {
        for bytes in [1, 16 << 10, (16 << 10) + 1, 3 * (16 << 10), 100_000] {
            let payload = payload(bytes);
            for first in [0, 1, bytes / 3, (16 << 10) - 1, 16 << 10, bytes - 1] {
                for end in [first + 1, first + 1000, first + (16 << 10), bytes] {
                    if first < end && end <= bytes {
                        let (id, slice) = cut(&payload, &(first..end));
                        let opened = decode_slice(id, bytes, &(first..end), &slice).unwrap();
                        assert!(opened == payload[first..end], "{first}..{end} of {bytes}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_changed_cut_or_longer_slice_opens() {
        let payload = payload(50_000);
        let range = 20_000..20_010;
        let (id, slice) = cut(&payload, &range);
        for at in (0..slice.len()).step_by(97).chain([slice.len() - 1]) {
            let mut bad = slice.clone();
            bad[at] ^= 1;
            assert!(decode_slice(id, 50_000, &range, &bad).is_err(), "byte {at}");
            assert!(decode_slice(id, 50_000, &range, &slice[..at]).is_err(), "cut at {at}");
        }
        let longer = [slice.as_slice(), &[0]].concat();
        assert_eq!(decode_slice(id, 50_000, &range, &longer), Err(DecodeError::Trailing { bytes: 1 }));
    }

    #[test]
    fn nothing_damaged_is_cut() {
        let payload = payload(50_000);
        let (id, mut board) = outboard(&payload);
        let mut groups = payload[16_384..32_768].to_vec();
        groups[7] ^= 1;
        let refused = Err(DecodeError::Unverified { what: "shard range" });
        assert_eq!(encode_slice(id, 50_000, &board, &(20_000..20_010), &groups), refused);
        groups[7] ^= 1;
        board[3] ^= 1;
        assert_eq!(encode_slice(id, 50_000, &board, &(20_000..20_010), &groups), refused);
        assert!(encode_slice(id, 50_000, &[], &(20_000..20_010), &groups).is_err());
    }

    #[test]
    fn ranges_outside_are_refused() {
        for range in [0..0, 5..5, 0..50_001, 60_000..60_001] {
            assert_eq!(group_range(50_000, &range), Err(DecodeError::field("range")), "{range:?}");
        }
        #[expect(clippy::reversed_empty_ranges, reason = "a hostile request may look so")]
        let reversed = 9..3;
        assert!(group_range(50_000, &reversed).is_err());
    }
}
