//! Which peers say that they hold which shards of some stripes.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use storgo_protocol::limits::IDS_PER_MESSAGE_MAX;
use storgo_protocol::{Code, LayoutEntry, PeerId, ShardSet, StripeId};

use crate::pool::{Pool, Standing};
use crate::remote::Remote;

/// A stripe, and who says to hold what of it.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) entry: LayoutEntry,
    /// Peers that placement prefers stand first.
    pub(crate) holders: Vec<(PeerId, ShardSet)>,
}

impl Located {
    /// The shards that somebody says to hold.
    pub(crate) fn shards(&self) -> ShardSet {
        self.holders.iter().map(|(_, set)| *set).collect()
    }
}

/// Asks about `entries` until all shards of each are found or nobody is left: first the peers where they should be, then
/// twice as many, and so on, so that a lookup in a large network asks few. Peers that are late are not waited for once
/// each stripe can be read without them.
pub(crate) async fn locate(remote: &Remote, pool: &Pool, entries: Vec<LayoutEntry>, code: Code) -> Vec<Located> {
    let first = code.total() + 2;
    Search::new(remote, pool, entries, code).run(first).await
}

/// As [`locate`], but asks every peer at once: who claims everything keeps nobody from being asked.
pub(crate) async fn locate_wide(remote: &Remote, pool: &Pool, entries: Vec<LayoutEntry>, code: Code) -> Vec<Located> {
    Search::new(remote, pool, entries, code).run(usize::MAX).await
}

/// Asks every peer about every stripe, and waits for each.
pub(super) async fn survey(remote: &Remote, pool: &Pool, entries: Vec<LayoutEntry>) -> Vec<Located> {
    let stripes: Vec<StripeId> = entries.iter().map(|entry| entry.stripe).collect();
    let mut located: Vec<Located> = entries.into_iter().map(|entry| Located { entry, holders: Vec::new() }).collect();
    let ask = |peer| {
        let stripes = &stripes;
        async move { (peer, remote.has(peer, stripes, &[], false).await) }
    };
    for (peer, answer) in join_all(pool.peers().into_iter().map(ask)).await {
        match answer {
            Ok(holdings) => {
                for (stripe, set) in located.iter_mut().zip(holdings.shards).filter(|(_, set)| !set.is_empty()) {
                    stripe.holders.push((peer, set));
                }
            }
            Err(miss) => pool.fail(peer, &miss),
        }
    }
    located
}

/// A look-up under way.
struct Search<'a> {
    remote: &'a Remote,
    pool: &'a Pool,
    code: Code,
    located: Vec<Located>,
    /// For each stripe all peers, those that placement prefers first.
    ranks: Vec<Vec<PeerId>>,
    /// Peers that have not answered yet, one for each question.
    pending: Vec<PeerId>,
}

/// What one peer was asked for, by position, and what it said.
type Said = (PeerId, Vec<usize>, Vec<ShardSet>);

impl<'a> Search<'a> {
    fn new(remote: &'a Remote, pool: &'a Pool, entries: Vec<LayoutEntry>, code: Code) -> Self {
        let ranks = entries.iter().map(|entry| pool.ranked(entry.stripe.as_bytes())).collect();
        let located = entries.into_iter().map(|entry| Located { entry, holders: Vec::new() }).collect();
        Self { remote, pool, code, located, ranks, pending: Vec::new() }
    }

    /// Asks the `first` peers of each rank, then as many again, and so on.
    async fn run(mut self, first: usize) -> Vec<Located> {
        let mut flying = FuturesUnordered::new();
        let (mut from, mut to) = (0, first);
        loop {
            let questions = self.questions(from..to);
            let nobody_left = questions.is_empty();
            for (peer, numbers) in questions {
                self.pending.push(peer);
                flying.push(ask(self.remote, self.pool, peer, self.stripes(&numbers), numbers));
            }
            let patience = tokio::time::sleep(self.remote.pace().question_patience());
            tokio::pin!(patience);
            while !flying.is_empty() && !self.done() {
                tokio::select! {
                    Some(said) = flying.next() => self.take(said),
                    // With nobody left to ask, and too little found, the late ones are needed.
                    () = &mut patience, if !nobody_left || self.readable() => {
                        self.pending.iter().for_each(|peer| self.pool.late(*peer));
                        break;
                    }
                }
            }
            if self.done() || nobody_left {
                return self.sorted();
            }
            (from, to) = (to, to.saturating_mul(2));
        }
    }

    fn take(&mut self, (peer, numbers, sets): Said) {
        if let Some(at) = self.pending.iter().position(|pending| *pending == peer) {
            self.pending.swap_remove(at);
        }
        for (number, set) in numbers.into_iter().zip(sets).filter(|(_, set)| !set.is_empty()) {
            if let Some(stripe) = self.located.get_mut(number) {
                stripe.holders.push((peer, set));
            }
        }
    }

    /// Whether no answer that is still to come is worth waiting for.
    fn done(&self) -> bool {
        let late = |peer: &PeerId| self.pool.standing(*peer) != Standing::Good;
        if self.pending.is_empty() {
            return self.located.iter().all(|stripe| stripe.shards().len() >= self.code.total());
        }
        self.pending.iter().all(late) && self.readable()
    }

    /// Whether enough shards of each stripe were found, with peers that were not caught at a lie.
    fn readable(&self) -> bool {
        let honest = |peer: PeerId| self.pool.standing(peer) != Standing::Caught;
        self.located.iter().all(|stripe| {
            let held = stripe.holders.iter().filter(|(peer, _)| honest(*peer)).map(|(_, set)| *set);
            held.collect::<ShardSet>().len() >= self.code.data()
        })
    }

    /// Who is to be asked about which stripes: those ranked within `window` for a stripe that is not wholly found yet.
    fn questions(&self, window: std::ops::Range<usize>) -> Vec<(PeerId, Vec<usize>)> {
        let mut questions = BTreeMap::<PeerId, Vec<usize>>::new();
        for (number, (stripe, ranked)) in self.located.iter().zip(&self.ranks).enumerate() {
            if stripe.shards().len() >= self.code.total() {
                continue;
            }
            for peer in ranked.iter().skip(window.start).take(window.len()) {
                questions.entry(*peer).or_default().push(number);
            }
        }
        questions.into_iter().collect()
    }

    fn stripes(&self, numbers: &[usize]) -> Vec<StripeId> {
        numbers.iter().filter_map(|number| self.located.get(*number)).map(|stripe| stripe.entry.stripe).collect()
    }

    /// What was found, with holders in the order of their ranks, however they answered.
    fn sorted(mut self) -> Vec<Located> {
        for (stripe, ranked) in self.located.iter_mut().zip(self.ranks) {
            let places: BTreeMap<PeerId, usize> = ranked.into_iter().zip(0..).collect();
            stripe.holders.sort_by_key(|(peer, _)| places.get(peer).copied());
        }
        self.located
    }
}

async fn ask(remote: &Remote, pool: &Pool, peer: PeerId, stripes: Vec<StripeId>, numbers: Vec<usize>) -> Said {
    let mut sets = Vec::with_capacity(numbers.len());
    for part in stripes.chunks(IDS_PER_MESSAGE_MAX) {
        match remote.has(peer, part, &[], false).await {
            Ok(holdings) => sets.extend(holdings.shards),
            Err(miss) => {
                pool.fail(peer, &miss);
                break;
            }
        }
    }
    (peer, numbers, sets)
}
