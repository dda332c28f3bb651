//! Shards of one stripe onto peers: offer, push what is wanted, and go elsewhere when a peer fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use storgo_protocol::limits::{OFFER_SAMPLE, OFFERS_WANTED_IN_A_ROW};
use storgo_protocol::message::PushedShard;
use storgo_protocol::{PeerId, ShardAddress, ShardIndex, ShardSet, StripeHeader};

use crate::error::ObjectError;
use crate::miss::Miss;
use crate::pool::Pool;
use crate::straggler::ask_all;
use crate::writer::{Proof, Writer};

/// Spreads stripes over a pool of peers.
#[derive(Debug)]
pub(crate) struct Spreader {
    pub(crate) writer: Arc<Writer>,
    pub(crate) pool: Arc<Pool>,
    /// Refuses more than one shard of a stripe on a peer.
    pub(crate) strict: bool,
    pub(crate) novelty: Novelty,
}

/// Whether what is put seems to be new to the peers. Then it is pushed without being offered, but for a sample: an offer
/// is a question for each shard, and a push of what is there already is answered as well as one of what is not.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    wanted_in_a_row: AtomicUsize,
    turn: AtomicUsize,
}

impl Novelty {
    fn offers(&self) -> bool {
        self.wanted_in_a_row.load(Ordering::Relaxed) < OFFERS_WANTED_IN_A_ROW
            || self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(OFFER_SAMPLE)
    }

    fn answered(&self, have: &[bool]) {
        if have.contains(&true) {
            self.wanted_in_a_row.store(0, Ordering::Relaxed);
        } else {
            self.wanted_in_a_row.fetch_add(have.len(), Ordering::Relaxed);
        }
    }
}

/// Who holds a stripe in the end, and what that took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread {
    pub(crate) held: Vec<(PeerId, ShardSet)>,
    /// Shards that the peers had before.
    pub(crate) present: u64,
    /// Shards that were pushed.
    pub(crate) pushed: u64,
}

/// What became of the shards that one peer was to take.
#[derive(Debug, Default)]
struct Outcome {
    stored: ShardSet,
    present: u64,
    pushed: u64,
}

impl Spreader {
    /// Makes `shards` durable, each on some peer; `held` says where the stripe's other shards are.
    pub(crate) async fn spread(
        &self,
        header: &StripeHeader,
        shards: &[(ShardIndex, Bytes)],
        held: Vec<(PeerId, ShardSet)>,
        proof: &Proof,
    ) -> Result<Spread, ObjectError> {
        let wanted: ShardSet = shards.iter().map(|(index, _)| *index).collect();
        let mut spread = Spread { held, ..Spread::default() };
        let mut given_up = Vec::new();
        while !wanted.without(spread.shards()).is_empty() {
            let round = self.round(header, &spread.held, &given_up)?;
            let taking: Vec<PeerId> = round.iter().chain(&spread.held).map(|(peer, _)| *peer).collect();
            let push = |(peer, set)| (peer, self.push_set(peer, set, header, shards, proof));
            let spares = || self.pool.spares(|peer| taking.contains(&peer));
            let written = ask_all(round.into_iter().map(push), spares).await;
            for (peer, outcome) in written.done {
                let outcome = outcome.unwrap_or_else(|(miss, outcome)| {
                    self.pool.fail(peer, &miss);
                    outcome
                });
                spread.add(peer, &outcome);
            }
            written.late.iter().for_each(|peer| self.pool.late(*peer));
            given_up.extend(written.late);
        }
        Ok(spread)
    }

    /// Who takes which of the shards that have no place yet; not those that were given up for this stripe.
    fn round(
        &self,
        header: &StripeHeader,
        held: &[(PeerId, ShardSet)],
        given_up: &[PeerId],
    ) -> Result<Vec<(PeerId, ShardSet)>, ObjectError> {
        let total = header.code().total();
        if self.strict && self.pool.takers() < total {
            return Err(ObjectError::TooFewPeers { have: self.pool.takers(), need: total });
        }
        match self.pool.assign(header.id(), held, total, given_up) {
            round if round.is_empty() => Err(self.pool.exhausted(format!("a shard of chunk {}", header.chunk()))),
            round => Ok(round),
        }
    }

    async fn push_set(
        &self,
        peer: PeerId,
        set: ShardSet,
        header: &StripeHeader,
        shards: &[(ShardIndex, Bytes)],
        proof: &Proof,
    ) -> Result<Outcome, (Miss, Outcome)> {
        let mine: Vec<_> = shards.iter().filter(|(index, _)| set.contains(*index)).collect();
        let mut outcome = Outcome::default();
        match self.try_push(peer, header, &mine, proof, &mut outcome).await {
            Ok(()) => Ok(outcome),
            Err(miss) => Err((miss, outcome)),
        }
    }

    async fn try_push(
        &self,
        peer: PeerId,
        header: &StripeHeader,
        shards: &[&(ShardIndex, Bytes)],
        proof: &Proof,
        outcome: &mut Outcome,
    ) -> Result<(), Miss> {
        let addresses: Vec<_> =
            shards.iter().map(|(index, _)| ShardAddress { stripe: header.id(), index: *index }).collect();
        let have = if self.novelty.offers() {
            let have = self.writer.offer(peer, &addresses, proof).await?;
            self.novelty.answered(&have);
            have
        } else {
            vec![false; shards.len()]
        };
        for (shard, have) in shards.iter().zip(have) {
            if have {
                outcome.present += 1;
            } else {
                let (index, payload) = (shard.0, shard.1.clone());
                self.writer.push(peer, PushedShard { header: header.clone(), index, payload }, proof).await?;
                outcome.pushed += 1;
            }
            outcome.stored.insert(shard.0);
        }
        Ok(())
    }
}

impl Spread {
    fn shards(&self) -> ShardSet {
        self.held.iter().map(|(_, set)| *set).collect()
    }

    fn add(&mut self, peer: PeerId, outcome: &Outcome) {
        self.present += outcome.present;
        self.pushed += outcome.pushed;
        match self.held.iter_mut().find(|(holder, _)| *holder == peer) {
            Some((_, set)) => *set = set.union(outcome.stored),
            None if outcome.stored.is_empty() => {}
            None => self.held.push((peer, outcome.stored)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_offered_now_and_then_and_what_is_not_each_time() {
        let novelty = Novelty::default();
        for _ in 0..OFFERS_WANTED_IN_A_ROW {
            assert!(novelty.offers());
            novelty.answered(&[false]);
        }
        let offered = (0..10 * OFFER_SAMPLE).filter(|_| novelty.offers()).count();
        assert_eq!(offered, 10);
        novelty.answered(&[false, true]);
        assert!((0..10 * OFFER_SAMPLE).all(|_| novelty.offers()), "the sample met what is there");
    }
}
