//! Bytes and secrets for tests: the same in every run.

use bytes::Bytes;
use storgo_protocol::{ChunkId, Code, ConvergenceSecret, ShardId, ShardIndex, StripeHeader};

use crate::chunker::RawChunk;
use crate::seal::SealedChunk;

pub(crate) fn secret() -> ConvergenceSecret {
    ConvergenceSecret::from_bytes([7; 32])
}

pub(crate) fn code(data: u8, parity: u8) -> Code {
    Code::new(data, parity).unwrap()
}

/// Bytes without any structure, different for each seed.
pub(crate) fn random_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Lines that compress well.
pub(crate) fn text_bytes(count: usize) -> Vec<u8> {
    let lines =
        (0u32..).flat_map(|n| format!("{{\"line\":{n},\"peer\":{},\"state\":\"stored\"}}\n", n * 7).into_bytes());
    lines.take(count).collect()
}

/// Random and compressible segments side by side.
pub(crate) fn mixed_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = random_bytes(seed, count);
    let text = text_bytes(count);
    for (n, (segment, text)) in bytes.chunks_mut(100_000).zip(text.chunks(100_000)).enumerate() {
        if n % 2 == 0 {
            segment.copy_from_slice(text);
        }
    }
    bytes
}

pub(crate) fn sealed(plain: &[u8]) -> SealedChunk {
    RawChunk::new(Bytes::copy_from_slice(plain)).unwrap().pack().unwrap().seal(&secret()).unwrap()
}

/// A stripe of one shard that says that these are the sealed bytes of a chunk.
pub(crate) fn alone(id: ChunkId, sealed: &[u8]) -> (StripeHeader, [(ShardIndex, Bytes); 1]) {
    let shard = ShardId::from_bytes(*blake3::hash(sealed).as_bytes());
    let header = StripeHeader::new(id, sealed.len(), code(1, 0), &[shard]).unwrap();
    (header, [(ShardIndex::new(0).unwrap(), Bytes::copy_from_slice(sealed))])
}
