//! The stripe header: one coding of one chunk, and the list of its shards.
//!
//! It travels with every shard and stands in every shard file, so 32 bytes (the [`StripeId`]) verify any shard from
//! anyone. It says nothing of owners, keys or places.

use std::fmt;
use std::sync::Arc;

use crate::bytes::{Reader, count_u8, count_u32};
use crate::limits::{CODE_PARAMETER_BYTES_MAX, SEALED_BYTES_MAX, STRIPE_SHARDS_MAX};
use crate::{ChunkId, Code, DecodeError, ShardId, ShardIndex, StripeId};

const MAGIC: [u8; 4] = *b"SGST";
const VERSION: u8 = 1;

/// One coding of one chunk.
///
/// # Shape
/// `"SGST"`, version 1, chunk id (32), sealed bytes (u32), code id (u8), parameter length (u8), parameters, shard
/// bytes (u32), shard count (u8), shard ids (32 each). The [`StripeId`] is the BLAKE3 of exactly these bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct StripeHeader {
    id: StripeId,
    chunk: ChunkId,
    sealed_bytes: u32,
    code: Code,
    shards: Arc<[ShardId]>,
}

impl StripeHeader {
    /// The header of a coding; `None` if the shard list does not fit the code or the length is out of range.
    #[must_use]
    pub fn new(chunk: ChunkId, sealed_bytes: usize, code: Code, shards: &[ShardId]) -> Option<Self> {
        if shards.len() != code.total() || sealed_bytes == 0 || sealed_bytes > SEALED_BYTES_MAX {
            return None;
        }
        let mut header = Self {
            id: StripeId::from_bytes([0; 32]),
            chunk,
            sealed_bytes: u32::try_from(sealed_bytes).ok()?,
            code,
            shards: shards.into(),
        };
        header.id = StripeId::from_bytes(*blake3::hash(&header.encode()).as_bytes());
        Some(header)
    }

    /// The stripe's id.
    #[must_use]
    pub const fn id(&self) -> StripeId {
        self.id
    }

    /// The chunk that was coded.
    #[must_use]
    pub const fn chunk(&self) -> ChunkId {
        self.chunk
    }

    /// Bytes of the sealed chunk.
    #[must_use]
    pub const fn sealed_bytes(&self) -> usize {
        self.sealed_bytes as usize
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Payload bytes of each shard.
    #[must_use]
    pub const fn shard_bytes(&self) -> usize {
        self.code.shard_bytes(self.sealed_bytes as usize)
    }

    /// The ids of the stripe's shards, in order.
    #[must_use]
    pub fn shards(&self) -> &[ShardId] {
        &self.shards
    }

    /// The id of one shard.
    #[must_use]
    pub fn shard(&self, index: ShardIndex) -> Option<ShardId> {
        self.shards.get(index.get()).copied()
    }

    /// Whether `payload` is the shard at `index`: its length and its hash.
    #[must_use]
    pub fn verifies(&self, index: ShardIndex, payload: &[u8]) -> bool {
        payload.len() == self.shard_bytes()
            && self.shard(index).is_some_and(|id| blake3::hash(payload) == *id.as_bytes())
    }

    /// The bytes whose hash is the stripe id.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.shards.len() * 32);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.extend_from_slice(self.chunk.as_bytes());
        out.extend_from_slice(&self.sealed_bytes.to_le_bytes());
        out.push(self.code.id());
        out.push(Code::PARAMETER_BYTES);
        out.extend_from_slice(&self.code.parameters());
        out.extend_from_slice(&count_u32(self.shard_bytes()));
        out.push(count_u8(self.shards.len()));
        self.shards.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
        out
    }

    /// Decodes a header that anyone may have sent.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one whole header whose lengths and code agree.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.header(MAGIC, VERSION)?;
        let chunk = ChunkId::from_bytes(reader.array()?);
        let sealed_bytes = reader.u32()? as usize;
        let code_id = reader.u8()?;
        let parameter_bytes = usize::from(reader.u8()?);
        if parameter_bytes > CODE_PARAMETER_BYTES_MAX {
            return Err(DecodeError::TooMany { count: parameter_bytes, max: CODE_PARAMETER_BYTES_MAX });
        }
        let code = Code::from_parameters(code_id, reader.take(parameter_bytes)?)?;
        let shard_bytes = reader.u32()? as usize;
        let count = usize::from(reader.u8()?);
        if count > STRIPE_SHARDS_MAX {
            return Err(DecodeError::TooMany { count, max: STRIPE_SHARDS_MAX });
        }
        let shards = (0..count).map(|_| reader.array().map(ShardId::from_bytes)).collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let header =
            Self::new(chunk, sealed_bytes, code, &shards).ok_or(DecodeError::field("shard count or sealed bytes"))?;
        if header.shard_bytes() != shard_bytes {
            return Err(DecodeError::field("shard bytes"));
        }
        Ok(header)
    }
}

impl fmt::Debug for StripeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeHeader")
            .field("id", &self.id)
            .field("chunk", &self.chunk)
            .field("sealed_bytes", &self.sealed_bytes)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
