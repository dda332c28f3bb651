//! All steps in a row, over bytes in memory: what a put does to a stream and a get undoes, network aside.
//!
//! `storgo bench codec` times these, so they must do exactly what the object engine does and compute every hash that it
//! computes. They hold no clock.

use bytes::{BufMut, Bytes};
use storgo_protocol::{ChunkRef, Code, ConvergenceSecret, ShardIndex, StripeHeader};

use crate::chunker::{Chunker, Chunking, RawChunk};
use crate::error::PipelineError;
use crate::open::open_chunk;
use crate::stripe::{Stripe, join};

/// How a stream is encoded.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// How it is cut.
    pub chunking: Chunking,
    /// What keys derive from.
    pub secret: ConvergenceSecret,
    /// How each chunk is coded.
    pub code: Code,
}

/// A chunk that went all the way.
#[derive(Debug)]
pub struct EncodedChunk {
    /// Opens it.
    pub reference: ChunkRef,
    /// Its coding.
    pub stripe: Stripe,
}

/// Packs, seals and codes one chunk.
///
/// # Errors
/// [`PipelineError::Internal`] if a library fails, which means that memory ran out.
pub fn encode_chunk(raw: RawChunk, encoding: &Encoding) -> Result<EncodedChunk, PipelineError> {
    let (reference, stripe) = raw.pack()?.seal(&encoding.secret)?.code(encoding.code)?;
    Ok(EncodedChunk { reference, stripe })
}

/// Joins shards and opens the chunk that they make.
///
/// # Errors
/// As [`join`] and [`open_chunk`].
pub fn decode_chunk(
    reference: &ChunkRef,
    header: &StripeHeader,
    shards: &[(ShardIndex, Bytes)],
) -> Result<Bytes, PipelineError> {
    open_chunk(reference, join(header, shards)?)
}

/// Encodes all of `bytes` as a put would encode a stream of them, copying them in as a read from a file does.
///
/// # Errors
/// As [`encode_chunk`]; chunks before the failing one have gone to `sink`.
pub fn encode_all(
    mut bytes: &[u8],
    encoding: &Encoding,
    sink: &mut dyn FnMut(EncodedChunk),
) -> Result<(), PipelineError> {
    let mut chunker = Chunker::new(encoding.chunking, &encoding.secret);
    while !bytes.is_empty() {
        let mut space = chunker.space();
        let (now, later) = bytes.split_at_checked(space.remaining_mut()).unwrap_or((bytes, &[]));
        space.put_slice(now);
        bytes = later;
        while let Some(raw) = chunker.next_chunk() {
            sink(encode_chunk(raw, encoding)?);
        }
    }
    while let Some(raw) = chunker.finish() {
        sink(encode_chunk(raw, encoding)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{code, mixed_bytes, secret};

    #[test]
    fn a_stream_comes_back_though_any_two_shards_of_each_chunk_are_lost() {
        let plain = mixed_bytes(1, (5 << 20) + 77);
        for chunking in [Chunking::ContentDefined, Chunking::Fixed] {
            let encoding = Encoding { chunking, secret: secret(), code: code(4, 2) };
            let (mut opened, mut chunks) = (Vec::new(), 0);
            encode_all(&plain, &encoding, &mut |chunk| {
                let lost = [chunks % 6, (chunks * 2 + 1) % 6];
                let shards = chunk.stripe.shards().iter().cloned().enumerate().filter(|(n, _)| !lost.contains(n));
                let shards: Vec<_> = shards.map(|(n, bytes)| (ShardIndex::new(n).unwrap(), bytes)).collect();
                opened.extend(decode_chunk(&chunk.reference, chunk.stripe.header(), &shards).unwrap());
                chunks += 1;
            })
            .unwrap();
            assert!(opened == plain && chunks >= 4, "{chunking:?}, {chunks} chunks");
        }
    }
}
