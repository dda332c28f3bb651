//! The head of a shard file: what a disk needs to know of the payload behind it, and nothing of owners.
//!
//! Payload and outboard follow the head in the file; they are verified by the shard's id, which stands in the stripe
//! header, which the stripe's id verifies. The checksum guards the rest of the head and tells damage from a lie.

use crate::bytes::{Reader, count_u16};
use crate::limits::{DIRECT_BYTES_MIN, DISK_BLOCK_BYTES, STRIPE_HEADER_BYTES_MAX};
use crate::slice::outboard_bytes;
use crate::{DecodeError, ShardAddress, ShardId, ShardIndex, StripeHeader};

const MAGIC: [u8; 4] = *b"SGSF";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 32;

/// The head of a shard file.
///
/// # Shape
/// `"SGSF"`, version 1, shard index (u8), stripe header length (u16), [`StripeHeader`], BLAKE3 (32) of all before. Then
/// follow the outboard ([`outboard_bytes`] of the payload), the payload, and in a file of [`DIRECT_BYTES_MIN`] or more
/// zeroes up to a multiple of [`DISK_BLOCK_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFileHead {
    header: StripeHeader,
    index: ShardIndex,
    id: ShardId,
    bytes: usize,
}

impl ShardFileHead {
    /// Bytes of the longest head: reading that many from a file's start always gives a whole one.
    pub const BYTES_MAX: usize = 8 + STRIPE_HEADER_BYTES_MAX + CHECKSUM_BYTES;

    /// The head for one shard of a stripe; `None` if the stripe has no such shard.
    #[must_use]
    pub fn new(header: StripeHeader, index: ShardIndex) -> Option<Self> {
        let id = header.shard(index)?;
        let bytes = 8 + header.encode().len() + CHECKSUM_BYTES;
        Some(Self { header, index, id, bytes })
    }

    /// The stripe's header.
    #[must_use]
    pub const fn header(&self) -> &StripeHeader {
        &self.header
    }

    /// The shard's place in its stripe.
    #[must_use]
    pub const fn index(&self) -> ShardIndex {
        self.index
    }

    /// What the payload's hash must be.
    #[must_use]
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// Where the shard is found.
    #[must_use]
    pub const fn address(&self) -> ShardAddress {
        ShardAddress { stripe: self.header.id(), index: self.index }
    }

    /// The first byte of the outboard in the file.
    #[must_use]
    pub const fn outboard_first(&self) -> u64 {
        self.bytes as u64
    }

    /// Bytes of the outboard.
    #[must_use]
    pub const fn outboard_bytes(&self) -> usize {
        outboard_bytes(self.payload_bytes())
    }

    /// The first byte of the payload in the file.
    #[must_use]
    pub const fn payload_first(&self) -> u64 {
        self.outboard_first() + self.outboard_bytes() as u64
    }

    /// Bytes of the payload.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        self.header.shard_bytes()
    }

    /// Bytes of zeroes behind the payload.
    #[must_use]
    pub const fn padding_bytes(&self) -> usize {
        padding_bytes(self.bytes + self.outboard_bytes() + self.payload_bytes())
    }

    /// Bytes of the whole file.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.payload_first() + (self.payload_bytes() + self.padding_bytes()) as u64
    }

    /// The head's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let header = self.header.encode();
        let mut out = Vec::with_capacity(self.bytes);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.push(self.index.as_u8());
        out.extend_from_slice(&count_u16(header.len()));
        out.extend_from_slice(&header);
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// Decodes the head at the start of a file; what follows it in `bytes` is left alone.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole head whose checksum holds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let index = usize::from(reader.u8()?);
        let header_bytes = usize::from(reader.u16()?);
        if header_bytes > STRIPE_HEADER_BYTES_MAX {
            return Err(DecodeError::TooMany { count: header_bytes, max: STRIPE_HEADER_BYTES_MAX });
        }
        let header = reader.take(header_bytes)?;
        let checksum = reader.array::<CHECKSUM_BYTES>()?;
        let covered = bytes.get(..8 + header_bytes).ok_or(DecodeError::Truncated)?;
        if blake3::hash(covered) != checksum {
            return Err(DecodeError::Unverified { what: "shard file head" });
        }
        let index = ShardIndex::new(index).ok_or(DecodeError::field("shard index"))?;
        Self::new(StripeHeader::decode(header)?, index).ok_or(DecodeError::field("shard index"))
    }
}

/// What is missing to whole blocks in a file with so many bytes of content.
const fn padding_bytes(content: usize) -> usize {
    if content < DIRECT_BYTES_MIN { 0 } else { content.next_multiple_of(DISK_BLOCK_BYTES) - content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkId, Code};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn head(data: u8, parity: u8, sealed_bytes: usize, index: usize) -> ShardFileHead {
        let code = Code::new(data, parity).unwrap();
        let shards: Vec<_> = (0..code.total()).map(|n| ShardId::from_bytes([u8::try_from(n).unwrap(); 32])).collect();
        let header = StripeHeader::new(ChunkId::from_bytes([9; 32]), sealed_bytes, code, &shards).unwrap();
        ShardFileHead::new(header, ShardIndex::new(index).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn a_head_decodes_to_itself(
            data in 1_u8..17, parity in 0_u8..16, sealed in 1_usize..2_000_000, index in any::<usize>(), tail in 0_usize..40
        ) {
            let head = head(data, parity, sealed, index % usize::from(data + parity));
            let mut bytes = head.encode();
            prop_assert_eq!(bytes.len() as u64, head.outboard_first());
            prop_assert!(bytes.len() <= ShardFileHead::BYTES_MAX);
            bytes.resize(bytes.len() + tail, 0xaa);
            prop_assert_eq!(ShardFileHead::decode(&bytes), Ok(head));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(ShardFileHead::decode(&bytes).is_err());
        }
    }

    #[test]
    fn large_files_are_whole_blocks_and_small_ones_end_with_their_payload() {
        let block = DISK_BLOCK_BYTES as u64;
        for sealed in [1, 1000, 1 << 18, 4 * 262_144, 4 * 300_032, 4 * 300_033] {
            let head = head(4, 2, sealed, 0);
            let content = head.payload_first() + head.payload_bytes() as u64;
            let large = content >= DIRECT_BYTES_MIN as u64;
            assert!(head.file_bytes() - content < block);
            assert_eq!(head.file_bytes(), if large { content.next_multiple_of(block) } else { content }, "{sealed}");
        }
        let edge = DIRECT_BYTES_MIN;
        assert_eq!([edge - 1, edge, edge + 1].map(padding_bytes), [0, 0, DISK_BLOCK_BYTES - 1]);
    }

    #[test]
    fn no_changed_byte_and_no_cut_passes() {
        let whole = head(4, 2, 1 << 20, 5).encode();
        for at in 0..whole.len() {
            assert!(ShardFileHead::decode(&whole[..at]).is_err(), "cut at {at}");
            for flip in 1..=u8::MAX {
                let mut bad = whole.clone();
                bad[at] ^= flip;
                assert!(ShardFileHead::decode(&bad).is_err(), "byte {at} changed by {flip:#04x}");
            }
        }
    }
}
