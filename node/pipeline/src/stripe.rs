//! Codes a sealed chunk into a stripe of shards; joins shards to the chunk again; rebuilds lost ones.
//!
//! It knows no keys: who repairs goes through here, and reads nothing. Data shards are slices of the sealed buffer, so
//! coding copies no byte; joining copies each once, into the buffer in which it is opened.

use std::fmt;

use bytes::{Bytes, BytesMut};
use storgo_protocol::{ChunkId, ChunkRef, Code, ShardId, ShardIndex, ShardSet, StripeHeader};

use crate::coder;
use crate::error::PipelineError;
use crate::seal::SealedChunk;

/// One coding of one chunk: the only thing that can be placed.
///
/// ```compile_fail
/// // Bytes that were not sealed cannot become a stripe.
/// fn code(raw: storgo_pipeline::RawChunk, code: storgo_protocol::Code) -> storgo_pipeline::Stripe {
///     raw.code(code).unwrap()
/// }
/// ```
pub struct Stripe {
    header: StripeHeader,
    shards: Vec<Bytes>,
}

/// A sealed chunk as it came back from peers: nothing of it is trusted until it was opened.
pub struct JoinedChunk<'p> {
    header: &'p StripeHeader,
    present: &'p [(ShardIndex, Bytes)],
    sealed: BytesMut,
}

impl SealedChunk {
    /// Codes the chunk. The reference opens it; the stripe does not.
    ///
    /// # Errors
    /// [`PipelineError::Internal`] if the coder refuses, which it does for no code that [`Code`] can be.
    pub fn code(self, code: Code) -> Result<(ChunkRef, Stripe), PipelineError> {
        let (reference, mut sealed) = self.into_parts();
        let sealed_bytes = sealed.len();
        let shard_bytes = code.shard_bytes(sealed_bytes);
        sealed.resize(shard_bytes * code.data(), 0);
        let mut rest = Bytes::from(sealed);
        let mut shards: Vec<Bytes> = (0..code.data()).map(|_| rest.split_to(shard_bytes)).collect();
        match shards.first() {
            // The code of one data shard is its repetition.
            Some(only) if code.data() == 1 => shards = vec![only.clone(); code.total()],
            _ => {
                let data: Vec<&[u8]> = shards.iter().map(AsRef::as_ref).collect();
                let parity = coder::parity(code, &data, shard_bytes)?;
                shards.extend(parity);
            }
        }
        let ids = shard_ids(code, &shards);
        let header = StripeHeader::new(reference.id, sealed_bytes, code, &ids)
            .ok_or_else(|| PipelineError::internal("coding")("the header refuses its shards"))?;
        Ok((reference, Stripe { header, shards }))
    }
}

impl Stripe {
    /// What stands beside each shard.
    #[must_use]
    pub const fn header(&self) -> &StripeHeader {
        &self.header
    }

    /// The shards in order, data first.
    #[must_use]
    pub fn shards(&self) -> &[Bytes] {
        &self.shards
    }

    /// Takes the stripe apart, to send each shard its way.
    #[must_use]
    pub fn into_parts(self) -> (StripeHeader, Vec<Bytes>) {
        (self.header, self.shards)
    }
}

impl JoinedChunk<'_> {
    /// Which chunk the stripe says that it is.
    #[must_use]
    pub const fn id(&self) -> ChunkId {
        self.header.chunk()
    }

    /// The sealed bytes, for whoever verifies them while opening.
    pub(crate) const fn sealed_mut(&mut self) -> &mut BytesMut {
        &mut self.sealed
    }

    /// Why this is not what it should be: shards that are not the stripe's, or else the chunk itself.
    pub(crate) fn blame(&self) -> PipelineError {
        blame(self.header, self.present).unwrap_or_else(|| PipelineError::corrupt("chunk", self.id()))
    }
}

/// Joins shards of a stripe to the sealed chunk. Needs `code.data()` distinct ones; decodes only what of the data is
/// missing. No hash is computed: opening verifies what was joined, and finds the shards that are to blame.
///
/// # Errors
/// [`PipelineError::NotEnoughShards`]; [`PipelineError::CorruptShards`] for shards of another length, or with more than
/// zeros behind the sealed bytes; [`PipelineError::Corrupt`] if those are what the header names.
pub fn join<'p>(
    header: &'p StripeHeader,
    present: &'p [(ShardIndex, Bytes)],
) -> Result<JoinedChunk<'p>, PipelineError> {
    let shards = arrange(header, present)?;
    let data = header.code().data();
    let missing: Vec<ShardIndex> = ShardSet::first(data).iter().filter(|index| !has(&shards, *index)).collect();
    let mut decoded = if missing.is_empty() { Vec::new() } else { solve(header, &shards, &missing)? }.into_iter();
    let mut sealed = BytesMut::with_capacity(header.shard_bytes() * data);
    for shard in shards.iter().take(data) {
        match shard {
            Some(bytes) => sealed.extend_from_slice(bytes),
            None => sealed.extend_from_slice(&decoded.next().unwrap_or_default()),
        }
    }
    let zeros = sealed.split_off(header.sealed_bytes().min(sealed.len()));
    let joined = JoinedChunk { header, present, sealed };
    if zeros.iter().all(|byte| *byte == 0) { Ok(joined) } else { Err(joined.blame()) }
}

/// Rebuilds the `wanted` shards of a stripe from any `code.data()` others, each verified against the header.
///
/// # Errors
/// As [`join`].
pub fn rebuild(
    header: &StripeHeader,
    present: &[(ShardIndex, Bytes)],
    wanted: ShardSet,
) -> Result<Vec<(ShardIndex, Bytes)>, PipelineError> {
    let shards = arrange(header, present)?;
    let wanted: Vec<ShardIndex> = wanted.iter().filter(|index| index.get() < header.code().total()).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rebuilt: Vec<_> = wanted.iter().copied().zip(solve(header, &shards, &wanted)?).collect();
    if rebuilt.iter().all(|(index, bytes)| header.verifies(*index, bytes)) {
        return Ok(rebuilt);
    }
    Err(blame(header, present).unwrap_or_else(|| PipelineError::corrupt("stripe", header.id())))
}

/// Which of the shards given is each of the stripe's, lengths checked.
fn arrange<'p>(
    header: &StripeHeader,
    present: &'p [(ShardIndex, Bytes)],
) -> Result<Vec<Option<&'p [u8]>>, PipelineError> {
    let code = header.code();
    let mut shards = vec![None; code.total()];
    for (index, bytes) in present {
        if bytes.len() != header.shard_bytes() {
            let shards = ShardSet::from_iter([*index]);
            return Err(PipelineError::CorruptShards { stripe: header.id(), shards });
        }
        if let Some(place) = shards.get_mut(index.get()) {
            *place = Some(bytes.as_ref());
        }
    }
    let have = shards.iter().flatten().count();
    if have < code.data() {
        return Err(PipelineError::NotEnoughShards { stripe: header.id(), have, need: code.data() });
    }
    Ok(shards)
}

fn has(shards: &[Option<&[u8]>], index: ShardIndex) -> bool {
    shards.get(index.get()).is_some_and(Option::is_some)
}

/// The wanted shards from those there are, not yet verified.
fn solve(header: &StripeHeader, shards: &[Option<&[u8]>], wanted: &[ShardIndex]) -> Result<Vec<Bytes>, PipelineError> {
    if header.code().data() == 1 {
        let copy = Bytes::copy_from_slice(shards.iter().flatten().next().copied().unwrap_or_default());
        return Ok(vec![copy; wanted.len()]);
    }
    coder::recover(header.code(), shards, wanted, header.shard_bytes())
}

/// The shards among `present` that are not what the header names, if any.
fn blame(header: &StripeHeader, present: &[(ShardIndex, Bytes)]) -> Option<PipelineError> {
    let bad: ShardSet =
        present.iter().filter(|(index, bytes)| !header.verifies(*index, bytes)).map(|(index, _)| *index).collect();
    (!bad.is_empty()).then(|| PipelineError::CorruptShards { stripe: header.id(), shards: bad })
}

/// Names the shards. Copies of one shard are hashed once.
fn shard_ids(code: Code, shards: &[Bytes]) -> Vec<ShardId> {
    let id = |bytes: &Bytes| ShardId::from_bytes(*blake3::hash(bytes).as_bytes());
    match shards.first() {
        Some(only) if code.data() == 1 => vec![id(only); code.total()],
        _ => shards.iter().map(id).collect(),
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("header", &self.header).finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinedChunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinedChunk").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
