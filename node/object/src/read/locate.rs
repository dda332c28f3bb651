//! Which peers say that they hold which shards of some stripes.

use futures::future::join_all;
use storgo_protocol::limits::IDS_PER_MESSAGE_MAX;
use storgo_protocol::{LayoutEntry, PeerId, ShardSet, StripeId};

use crate::pool::Pool;
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

/// Asks about `entries` until all `width` shards of each are found or nobody is left: first the peers where they should
/// be, then twice as many, and so on, so that a lookup in a large network asks few.
pub(crate) async fn locate(remote: &Remote, pool: &Pool, entries: Vec<LayoutEntry>, width: usize) -> Vec<Located> {
    let ranks: Vec<Vec<PeerId>> = entries.iter().map(|entry| pool.ranked(entry.stripe.as_bytes())).collect();
    let mut located: Vec<Located> = entries.into_iter().map(|entry| Located { entry, holders: Vec::new() }).collect();
    let (mut from, mut to) = (0, width + 2);
    loop {
        let questions = questions(&located, &ranks, from..to, width);
        if questions.is_empty() {
            return located;
        }
        for (peer, numbers, sets) in ask(remote, pool, &located, questions).await {
            for (number, set) in numbers.into_iter().zip(sets).filter(|(_, set)| !set.is_empty()) {
                if let Some(stripe) = located.get_mut(number) {
                    stripe.holders.push((peer, set));
                }
            }
        }
        (from, to) = (to, to * 2);
    }
}

/// Asks every peer about every stripe, and lets it check its disks if told to.
pub(crate) async fn survey(remote: &Remote, pool: &Pool, entries: Vec<LayoutEntry>, verify: bool) -> Vec<Located> {
    let stripes: Vec<StripeId> = entries.iter().map(|entry| entry.stripe).collect();
    let mut located: Vec<Located> = entries.into_iter().map(|entry| Located { entry, holders: Vec::new() }).collect();
    let ask = |peer| {
        let stripes = &stripes;
        async move { (peer, remote.has(peer, stripes, &[], verify).await) }
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

/// Who is to be asked about which stripes: those ranked within `window` for a stripe that is not wholly found yet.
fn questions(
    located: &[Located],
    ranks: &[Vec<PeerId>],
    window: std::ops::Range<usize>,
    width: usize,
) -> Vec<(PeerId, Vec<usize>)> {
    let mut questions = std::collections::BTreeMap::<PeerId, Vec<usize>>::new();
    for (number, (stripe, ranked)) in located.iter().zip(ranks).enumerate() {
        if stripe.shards().len() >= width {
            continue;
        }
        for peer in ranked.iter().skip(window.start).take(window.len()) {
            questions.entry(*peer).or_default().push(number);
        }
    }
    questions.into_iter().collect()
}

async fn ask(
    remote: &Remote,
    pool: &Pool,
    located: &[Located],
    questions: Vec<(PeerId, Vec<usize>)>,
) -> Vec<(PeerId, Vec<usize>, Vec<ShardSet>)> {
    let ask = |(peer, numbers): (PeerId, Vec<usize>)| async move {
        let mut sets = Vec::with_capacity(numbers.len());
        for part in numbers.chunks(IDS_PER_MESSAGE_MAX) {
            let stripes: Vec<StripeId> =
                part.iter().filter_map(|number| located.get(*number)).map(|stripe| stripe.entry.stripe).collect();
            match remote.has(peer, &stripes, &[], false).await {
                Ok(holdings) => sets.extend(holdings.shards),
                Err(miss) => {
                    pool.fail(peer, &miss);
                    break;
                }
            }
        }
        (peer, numbers, sets)
    };
    join_all(questions.into_iter().map(ask)).await
}
