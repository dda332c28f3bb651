//! Shards of one stripe onto peers: offer, push what is wanted, and go elsewhere when a peer fails.

use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::{PeerId, ShardAddress, ShardIndex, ShardSet, StripeHeader};

use crate::error::ObjectError;
use crate::miss::Miss;
use crate::pool::Pool;
use crate::straggler::write_all;
use crate::writer::{Proof, Writer};

/// Spreads stripes over a pool of peers.
#[derive(Debug)]
pub(crate) struct Spreader {
    pub(crate) writer: Arc<Writer>,
    pub(crate) pool: Arc<Pool>,
    /// Refuses more than one shard of a stripe on a peer.
    pub(crate) strict: bool,
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
            let written = write_all(round.into_iter().map(push), spares).await;
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
        let have = self.writer.offer(peer, &addresses, proof).await?;
        for (shard, have) in shards.iter().zip(have) {
            if have {
                outcome.present += 1;
            } else {
                self.writer.push(peer, header, shard, proof).await?;
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
