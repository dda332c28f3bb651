//! One stripe from its holders: data shards first, others when those are missing, wrong or slow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_pipeline::{PipelineError, open_segments, sealed_range};
use storgo_protocol::limits::{HEDGE_AFTER_MS, PEER_TABLE_MAX};
use storgo_protocol::{ChunkRef, Code, PeerId, ShardAddress, ShardIndex, ShardSet, StripeHeader};

use super::locate::{Located, survey};
use crate::error::ObjectError;
use crate::miss::Miss;
use crate::pool::Pool;
use crate::ports::Peers;
use crate::remote::Remote;

/// Gets stripes from a pool of peers.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) remote: Remote,
    pub(crate) pool: Arc<Pool>,
    pub(crate) code: Code,
}

/// What was made of a stripe, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Fetched<T> {
    pub(crate) value: T,
    /// Whether a data shard had to be decoded.
    pub(crate) decoded: bool,
    /// Shards that were damaged.
    pub(crate) bad: u64,
    /// Payload bytes that came.
    pub(crate) pulled: u64,
}

/// A pull that came to an end.
type Pulled = (PeerId, ShardIndex, Result<(StripeHeader, Bytes), Miss>);

impl Fetcher {
    /// Pulls shards until `work` makes something of `k` of them; `work` runs on a blocking thread. Shards that it
    /// finds wrong are left out, their givers distrusted, and others pulled.
    pub(crate) async fn fetch<T, W>(&self, stripe: &Located, what: &str, work: W) -> Result<Fetched<T>, ObjectError>
    where
        T: Send + 'static,
        W: Fn(&StripeHeader, &[(ShardIndex, Bytes)]) -> Result<T, PipelineError> + Clone + Send + 'static,
    {
        let mut hunt = Hunt::new(self, stripe);
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

    /// Some segments of a chunk, from those bytes of its data shards that hold them. `None` when one of them cannot be
    /// had: then the whole stripe has to be fetched.
    pub(crate) async fn fetch_segments(
        &self,
        stripe: &Located,
        reference: &ChunkRef,
        segments: std::ops::Range<usize>,
    ) -> Result<Option<Fetched<Bytes>>, ObjectError> {
        let Some(sealed) = sealed_range(reference, segments.clone()) else { return Ok(None) };
        let shard_bytes = self.code.shard_bytes(reference.sealed_bytes as usize);
        let mut joined = BytesMut::with_capacity(sealed.len());
        let mut at = sealed.start;
        while at < sealed.end {
            let (number, first) = (at / shard_bytes, at % shard_bytes);
            let bytes = (sealed.end - at).min(shard_bytes - first);
            let Some(part) = self.pull_range(stripe, number, first, bytes).await else { return Ok(None) };
            joined.extend_from_slice(&part);
            at += bytes;
        }
        let (reference, pulled) = (reference.clone(), joined.len() as u64);
        let opened = tokio::task::spawn_blocking(move || open_segments(&reference, segments, joined)).await;
        match opened.map_err(|died| ObjectError::Internal(Box::new(died)))? {
            Ok(value) => Ok(Some(Fetched { value, decoded: false, bad: 0, pulled })),
            Err(error) => Err(ObjectError::corrupt("a chunk", error)),
        }
    }

    async fn pull_range(&self, stripe: &Located, number: usize, first: usize, bytes: usize) -> Option<Bytes> {
        let index = ShardIndex::new(number)?;
        let shard = ShardAddress { stripe: stripe.entry.stripe, index };
        let (first, bytes) = (u32::try_from(first).ok()?, u32::try_from(bytes).ok()?);
        for (peer, _) in stripe.holders.iter().filter(|(_, set)| set.contains(index)) {
            match self.remote.pull_range(*peer, shard, first, bytes).await {
                Ok((_, slice)) => return Some(slice),
                Err(miss) => self.note(*peer, &miss),
            }
        }
        None
    }

    fn note(&self, peer: PeerId, miss: &Miss) {
        if miss.is_peer_gone() {
            self.pool.fail(peer, miss);
        }
    }
}

/// The shards of one stripe being gathered.
struct Hunt<'a> {
    fetcher: &'a Fetcher,
    stripe: &'a Located,
    /// (shard, holder) pairs not tried yet, in the order in which they are worth it.
    untried: VecDeque<(ShardIndex, PeerId)>,
    /// Whether everyone within reach was asked for the stripe.
    widened: bool,
    flying: FuturesUnordered<futures::future::BoxFuture<'a, Pulled>>,
    good: Vec<(PeerId, ShardIndex, Bytes)>,
    header: Option<StripeHeader>,
    /// Who gave a damaged shard, and which: it is not asked for again.
    wrong: Vec<(ShardIndex, PeerId)>,
    pulled: u64,
}

impl<'a> Hunt<'a> {
    fn new(fetcher: &'a Fetcher, stripe: &'a Located) -> Self {
        let mut hunt = Self {
            fetcher,
            stripe,
            untried: VecDeque::new(),
            widened: false,
            flying: FuturesUnordered::new(),
            good: Vec::new(),
            header: None,
            wrong: Vec::new(),
            pulled: 0,
        };
        hunt.plan(&stripe.holders);
        hunt
    }

    /// Adds what these holders say to have to what is to be tried.
    fn plan(&mut self, holders: &[(PeerId, ShardSet)]) {
        // Data shards need no decoding, so they come first; of each shard first one holder, later the others.
        let mut pairs: Vec<(usize, ShardIndex, PeerId)> = Vec::new();
        let mut copies = [0_usize; storgo_protocol::limits::STRIPE_SHARDS_MAX];
        let total = ShardSet::first(self.fetcher.code.total());
        for (peer, set) in holders {
            for index in set.iter().filter(|index| total.contains(*index)) {
                if self.wrong.contains(&(index, *peer)) {
                    continue;
                }
                let copy = copies.get_mut(index.get());
                let rank = copy.map_or(0, |copy| std::mem::replace(copy, *copy + 1));
                pairs.push((rank, index, *peer));
            }
        }
        pairs.sort_by_key(|(copy, index, _)| (*copy, *index));
        self.untried.extend(pairs.into_iter().map(|(_, index, peer)| (index, peer)));
    }

    /// Asks everyone who answers by now for the stripe, once: who was passed over because others claimed to hold it
    /// all, who failed before and is back, and who was not known. False if that was done already.
    async fn widen(&mut self) -> bool {
        if std::mem::replace(&mut self.widened, true) {
            return false;
        }
        let Fetcher { peers, remote, pool, .. } = self.fetcher;
        pool.refresh(peers.answering(PEER_TABLE_MAX).await);
        for located in survey(remote, pool, vec![self.stripe.entry], false).await {
            self.plan(&located.holders);
        }
        true
    }

    /// Pulls until `k` good shards are there or nobody is left to ask. A shard more is asked for whenever the others
    /// take long.
    async fn gather(&mut self) {
        while self.good.len() < self.fetcher.code.data() {
            while self.good.len() + self.flying.len() < self.fetcher.code.data() && self.launch() {}
            if self.flying.is_empty() {
                return;
            }
            tokio::select! {
                Some(pulled) = self.flying.next() => self.land(pulled),
                () = tokio::time::sleep(Duration::from_millis(HEDGE_AFTER_MS)) => {
                    self.launch();
                }
            }
        }
    }

    /// Starts the next pull that is worth it; false if there is none.
    fn launch(&mut self) -> bool {
        while let Some((index, peer)) = self.untried.pop_front() {
            let have = self.good.iter().any(|(_, good, _)| *good == index);
            if have || self.fetcher.pool.is_gone(peer) {
                continue;
            }
            let remote = &self.fetcher.remote;
            let shard = ShardAddress { stripe: self.stripe.entry.stripe, index };
            let pull = async move { (peer, index, remote.pull(peer, shard).await) };
            self.flying.push(Box::pin(pull));
            return true;
        }
        false
    }

    fn land(&mut self, (peer, index, answer): Pulled) {
        match answer {
            Ok((header, payload)) => {
                self.pulled += payload.len() as u64;
                self.header.get_or_insert(header);
                if !self.good.iter().any(|(_, good, _)| *good == index) {
                    self.good.push((peer, index, payload));
                }
            }
            Err(miss) => {
                if miss.is_damage() {
                    self.wrong.push((index, peer));
                }
                self.fetcher.note(peer, &miss);
            }
        }
    }

    /// Drops shards that turned out wrong.
    fn blame(&mut self, wrong: ShardSet) {
        self.good.retain(|(peer, index, _)| {
            if wrong.contains(*index) {
                self.wrong.push((*index, *peer));
                self.fetcher.peers.distrust(*peer, "a wrong shard");
            }
            !wrong.contains(*index)
        });
    }
}
