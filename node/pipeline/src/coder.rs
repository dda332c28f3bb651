//! Reed–Solomon: parity of data shards, and lost shards from those that are left.
//!
//! The code is defined by the crate `reed-solomon-erasure`; `rusty_erasure` computes the same bytes several times faster
//! and picks its instructions at run time. A test holds the two equal. It knows shards of equal length and no hashes.

use bytes::{Bytes, BytesMut};
use rusty_erasure::Coder;
use rusty_erasure::compat::reed_solomon_erasure_matrix;
use storgo_protocol::{Code, ShardIndex};

use crate::error::PipelineError;

/// The parity shards of `code.data()` data shards of `shard_bytes` each.
pub(crate) fn parity(code: Code, data: &[&[u8]], shard_bytes: usize) -> Result<Vec<Bytes>, PipelineError> {
    if code.parity() == 0 {
        return Ok(Vec::new());
    }
    let mut parity = BytesMut::zeroed(code.parity() * shard_bytes);
    let mut places: Vec<&mut [u8]> = parity.chunks_exact_mut(shard_bytes).collect();
    coder(code)?.encode(data, &mut places).map_err(PipelineError::internal("coding"))?;
    Ok(split(parity, code.parity(), shard_bytes))
}

/// The `wanted` shards, computed from `code.data()` of those present: `shards` has a place for each of the stripe.
pub(crate) fn recover(
    code: Code,
    shards: &[Option<&[u8]>],
    wanted: &[ShardIndex],
    shard_bytes: usize,
) -> Result<Vec<Bytes>, PipelineError> {
    let mut rebuilt = BytesMut::zeroed(wanted.len() * shard_bytes);
    let mut places: Vec<&mut [u8]> = rebuilt.chunks_exact_mut(shard_bytes).collect();
    let numbers: Vec<usize> = wanted.iter().map(|index| index.get()).collect();
    coder(code)?.recover(shards, &numbers, &mut places).map_err(PipelineError::internal("decoding"))?;
    Ok(split(rebuilt, wanted.len(), shard_bytes))
}

fn coder(code: Code) -> Result<Coder, PipelineError> {
    let matrix = reed_solomon_erasure_matrix(code.data(), code.parity()).map_err(PipelineError::internal("coding"))?;
    rusty_erasure::coder(matrix).map_err(PipelineError::internal("coding"))
}

fn split(buffer: BytesMut, count: usize, shard_bytes: usize) -> Vec<Bytes> {
    let mut rest = buffer.freeze();
    (0..count).map(|_| rest.split_to(shard_bytes)).collect()
}

#[cfg(test)]
mod tests;
