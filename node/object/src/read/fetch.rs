//! One stripe from its holders, whole or in part, and what is made of it.
//!
//! Whole stripes are gathered by a [`Hunt`]; ranges come from the data shards that hold them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::future::try_join_all;
use storgo_pipeline::{PipelineError, open_segments, sealed_range};
use storgo_protocol::{ChunkRef, PeerId, ShardAddress, ShardIndex, StripeHeader};
use tokio::time::timeout;

use super::fetcher::Fetcher;
use super::hunt::Hunt;
use super::locate::Located;
use crate::error::ObjectError;
use crate::pool::Standing;

/// What was made of a stripe, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// Whether a data shard had to be decoded.
    pub(crate) decoded: bool,
    /// Shards that were damaged.
    pub(crate) bad: u64,
    /// Payload bytes that came, proofs included.
    pub(crate) pulled: u64,
}

impl Fetcher {
    /// Pulls shards until `work` makes something of `k` of them; `work` runs on a blocking thread. Shards that it
    /// finds wrong are left out, their givers distrusted, and others pulled. `sealed` is the chunk's length, if known.
    pub(crate) async fn fetch<T, W>(
        &self,
        stripe: &Located,
        sealed: Option<usize>,
        what: &str,
        work: W,
    ) -> Result<Fetched<T>, ObjectError>
    where
        T: Send + 'static,
        W: Fn(&StripeHeader, &[(ShardIndex, Bytes)]) -> Result<T, PipelineError> + Clone + Send + 'static,
    {
        let mut hunt = Hunt::new(self, stripe, sealed.map(|bytes| self.code.shard_bytes(bytes)));
        loop {
            hunt.gather().await;
            let Some(header) = hunt.header.clone().filter(|_| hunt.good.len() >= self.code.data()) else {
                if hunt.widen().await {
                    continue;
                }
                return Err(ObjectError::NotEnough {
                    what: what.to_owned(),
                    have: hunt.good.len(),
                    need: self.code.data(),
                });
            };
            let shards: Vec<(ShardIndex, Bytes)> =
                hunt.good.iter().map(|(_, index, payload)| (*index, payload.clone())).collect();
            let decoded = shards.iter().any(|(index, _)| index.get() >= self.code.data());
            let task = work.clone();
            let made = tokio::task::spawn_blocking(move || task(&header, &shards)).await;
            match made.map_err(|died| ObjectError::Internal(Box::new(died)))? {
                Ok(value) => return Ok(Fetched { value, decoded, bad: hunt.wrong.len() as u64, pulled: hunt.pulled }),
                Err(PipelineError::CorruptShards { shards, .. }) => hunt.blame(shards),
                Err(error) => return Err(ObjectError::corrupt(what, error)),
            }
        }
    }

    /// Some segments of a chunk, from those bytes of its data shards that hold them, all asked for at once. `None` when
    /// one of them cannot be had, or not soon: then the whole stripe has to be fetched.
    pub(crate) async fn fetch_segments(
        &self,
        stripe: &Located,
        reference: &ChunkRef,
        segments: Range<usize>,
    ) -> Result<Option<Fetched<Bytes>>, ObjectError> {
        let Some(sealed) = sealed_range(reference, segments.clone()) else { return Ok(None) };
        let shard_bytes = self.code.shard_bytes(reference.sealed_bytes as usize);
        let parts = parts(sealed.clone(), shard_bytes);
        let pulls = parts
            .into_iter()
            .map(|(number, range)| async move { self.pull_range(stripe, number, range).await.ok_or(NotSoon) });
        let Ok(parts) = try_join_all(pulls).await else { return Ok(None) };
        let (mut joined, mut pulled) = (BytesMut::with_capacity(sealed.len()), 0);
        for (part, came) in parts {
            joined.extend_from_slice(&part);
            pulled += came;
        }
        let reference = reference.clone();
        let opened = tokio::task::spawn_blocking(move || open_segments(&reference, segments, joined)).await;
        match opened.map_err(|died| ObjectError::Internal(Box::new(died)))? {
            Ok(value) => Ok(Some(Fetched { value, decoded: false, bad: 0, pulled })),
            Err(error) => Err(ObjectError::corrupt("a chunk", error)),
        }
    }

    /// A range of one data shard from the first holder that gives it in time, and how many bytes came for it.
    async fn pull_range(&self, stripe: &Located, number: usize, range: Range<usize>) -> Option<(Bytes, u64)> {
        let index = ShardIndex::new(number)?;
        let shard = ShardAddress { stripe: stripe.entry.stripe, index };
        let (first, bytes) = (u32::try_from(range.start).ok()?, u32::try_from(range.len()).ok()?);
        let mut holders: Vec<PeerId> =
            stripe.holders.iter().filter(|(_, set)| set.contains(index)).map(|(peer, _)| *peer).collect();
        holders.sort_by_key(|peer| self.pool.standing(*peer));
        for peer in holders {
            if self.pool.is_gone(peer) || self.pool.standing(peer) == Standing::Late {
                continue;
            }
            let patience = self.remote.pace().pull_patience(range.len());
            match timeout(patience, self.remote.pull_range(peer, shard, first, bytes)).await {
                Ok(Ok(slice)) => return Some(slice),
                Ok(Err(miss)) => self.note(peer, &miss),
                Err(_) => self.pool.late(peer),
            }
        }
        None
    }
}

/// A range that nobody gave in time.
struct NotSoon;

/// Which bytes of which data shards make a range of a sealed chunk, in order.
fn parts(sealed: Range<usize>, shard_bytes: usize) -> Vec<(usize, Range<usize>)> {
    let mut parts = Vec::new();
    let mut at = sealed.start;
    while at < sealed.end && shard_bytes > 0 {
        let (number, first) = (at / shard_bytes, at % shard_bytes);
        let bytes = (sealed.end - at).min(shard_bytes - first);
        parts.push((number, first..first + bytes));
        at += bytes;
    }
    parts
}
