//! The shards of one stripe being gathered: data shards first, others when those are missing, wrong or late.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use storgo_protocol::limits::{PEER_TABLE_MAX, STRIPE_SHARDS_MAX};
use storgo_protocol::{PeerId, ShardAddress, ShardIndex, ShardSet, StripeHeader};
use tokio::time::{Duration, Instant, sleep_until};

use super::fetcher::Fetcher;
use super::locate::{Located, locate_wide, survey};
use crate::miss::Miss;

/// A pull that came to an end.
type Pulled = (PeerId, ShardIndex, Result<(StripeHeader, Bytes), Miss>);

/// How far a stripe was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// With the peers that were found to hold it.
    Located,
    /// With everyone who answered soon.
    Wide,
    /// With everyone.
    Whole,
}

/// The shards of one stripe being gathered.
pub(super) struct Hunt<'a> {
    fetcher: &'a Fetcher,
    stripe: &'a Located,
    /// Bytes of a shard, if known.
    shard_bytes: Option<usize>,
    /// (shard, holder) pairs not tried yet, in the order in which they are worth it.
    untried: VecDeque<(ShardIndex, PeerId)>,
    /// How far the stripe was looked for.
    reach: Reach,
    flying: FuturesUnordered<BoxFuture<'a, Pulled>>,
    /// Since when a pull is waited for that is not late yet.
    awaited: Vec<(PeerId, ShardIndex, Instant)>,
    /// Pulls that are late: for each another was started, if there was one.
    overdue: usize,
    pub(super) good: Vec<(PeerId, ShardIndex, Bytes)>,
    pub(super) header: Option<StripeHeader>,
    /// Who gave a damaged shard, and which: it is not asked for again.
    pub(super) wrong: Vec<(ShardIndex, PeerId)>,
    pub(super) pulled: u64,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, stripe: &'a Located, shard_bytes: Option<usize>) -> Self {
        let mut hunt = Self {
            fetcher,
            stripe,
            shard_bytes,
            untried: VecDeque::new(),
            reach: Reach::Located,
            flying: FuturesUnordered::new(),
            awaited: Vec::new(),
            overdue: 0,
            good: Vec::new(),
            header: None,
            wrong: Vec::new(),
            pulled: 0,
        };
        hunt.plan(&stripe.holders);
        hunt
    }

    /// Pulls until `k` good shards are there or nobody is left to ask. For each pull that is late one more is started.
    pub(super) async fn gather(&mut self) {
        let data = self.fetcher.code.data();
        while self.good.len() < data {
            let wanted = |hunt: &Self| hunt.good.len() + hunt.flying.len() - hunt.overdue < data;
            while wanted(self) && self.launch() {}
            if self.flying.is_empty() {
                return;
            }
            let late_at = self.late_at();
            tokio::select! {
                Some(pulled) = self.flying.next() => self.land(pulled),
                () = wait_until(late_at) => self.note_late(),
            }
        }
    }

    /// Asks everyone who answers by now for the stripe: who was passed over because others claimed to hold it all, who
    /// failed before and is back, and who was not known. The first time without those who are late, the second time
    /// until each has answered or failed: nothing is given up for want of patience. False if that was done already.
    pub(super) async fn widen(&mut self) -> bool {
        let Fetcher { peers, remote, pool, code } = self.fetcher;
        let entries = vec![self.stripe.entry];
        let found = match self.reach {
            Reach::Located => {
                pool.refresh(peers.answering(PEER_TABLE_MAX).await, &peers.distrusted());
                self.reach = Reach::Wide;
                locate_wide(remote, pool, entries, *code).await
            }
            Reach::Wide => {
                pool.refresh(peers.answering(PEER_TABLE_MAX).await, &peers.distrusted());
                self.reach = Reach::Whole;
                survey(remote, pool, entries).await
            }
            Reach::Whole => return false,
        };
        for located in found {
            self.plan(&located.holders);
        }
        true
    }

    /// Drops shards that turned out wrong, and those who gave them.
    pub(super) fn blame(&mut self, wrong: ShardSet) {
        for (peer, index, _) in self.good.extract_if(.., |(_, index, _)| wrong.contains(*index)) {
            self.wrong.push((index, peer));
            let miss = self.fetcher.remote.lied(peer, "a wrong shard");
            self.fetcher.note(peer, &miss);
        }
    }

    /// Adds what these holders say to have to what is to be tried.
    fn plan(&mut self, holders: &[(PeerId, ShardSet)]) {
        // Data shards need no decoding, so they come first; of each shard first one holder, later the others.
        let mut pairs: Vec<(usize, ShardIndex, PeerId)> = Vec::new();
        let mut copies = [0_usize; STRIPE_SHARDS_MAX];
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

    /// Starts the next pull that is worth it, of those whose holders stand best; false if there is none.
    fn launch(&mut self) -> bool {
        let Fetcher { remote, pool, .. } = self.fetcher;
        let good = &self.good;
        self.untried.retain(|(index, peer)| !good.iter().any(|(_, good, _)| good == index) && !pool.is_gone(*peer));
        let best = (0..).zip(&self.untried).min_by_key(|(at, (_, peer))| (pool.standing(*peer), *at));
        let Some((index, peer)) = best.map(|(at, _)| at).and_then(|at| self.untried.remove(at)) else { return false };
        let shard = ShardAddress { stripe: self.stripe.entry.stripe, index };
        let pull = async move { (peer, index, remote.pull_claimed(peer, shard).await) };
        self.flying.push(Box::pin(pull));
        self.awaited.push((peer, index, Instant::now()));
        true
    }

    fn land(&mut self, (peer, index, answer): Pulled) {
        match self.awaited.iter().position(|(asked, shard, _)| (*asked, *shard) == (peer, index)) {
            Some(at) => drop(self.awaited.swap_remove(at)),
            None => self.overdue = self.overdue.saturating_sub(1),
        }
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

    /// When the next pull is late.
    fn late_at(&self) -> Option<Instant> {
        let first = self.awaited.iter().map(|(_, _, since)| *since).min()?;
        Some(first + self.patience())
    }

    fn note_late(&mut self) {
        let (now, patience) = (Instant::now(), self.patience());
        for (peer, ..) in self.awaited.extract_if(.., |(_, _, since)| *since + patience <= now) {
            self.fetcher.pool.late(peer);
            self.overdue += 1;
        }
    }

    fn patience(&self) -> Duration {
        let header = self.header.as_ref().map(StripeHeader::shard_bytes);
        self.fetcher.remote.pace().pull_patience(self.shard_bytes.or(header).unwrap_or(SHARD_BYTES_GUESS))
    }
}

/// What a shard is taken to have while nothing is known of it: that of an average chunk under the widest default code.
const SHARD_BYTES_GUESS: usize = 128 * 1024;

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
