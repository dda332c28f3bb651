//! Shards for one peer that wait for each other: what is pushed while a push to it is under way goes together in the
//! next.
//!
//! ```text
//!   stripe 1 ─► shard ─┐ nobody is at it: goes at once, alone
//!   stripe 2 ─► shard ─┤
//!   stripe 3 ─► shard ─┼─ wait for the answer ─► go as one request, with one answer
//!   stripe 4 ─► shard ─┘
//! ```
//!
//! A request, its wake-ups, the peer's syncs and its answer cost as much as carrying half a megabyte, and are paid once
//! for all. There is no task of its own: one of those who wait sends for all of them, and should its caller drop it, the
//! others go again. It knows neither streams nor what a peer does with a shard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{PUSH_BYTES_TOGETHER_MAX, PUSHES_TO_A_PEER_MAX, SHARDS_PER_PUSH_MAX};
use storgo_protocol::message::PushedShard;
use tokio::sync::oneshot;

use crate::miss::Miss;

/// What is pushed to each peer in one operation.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    // Held only for look-ups, never across an await.
    peers: Mutex<BTreeMap<PeerId, Arc<Lane>>>,
}

/// Pushes to one peer.
#[derive(Debug, Default)]
struct Lane {
    // Held only for look-ups, never across an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Pushes that are under way.
    flying: usize,
    waiting: VecDeque<Waiter>,
}

/// A shard, and who waits for its answer.
#[derive(Debug)]
struct Waiter {
    shard: PushedShard,
    turn: oneshot::Sender<Turn>,
}

/// What one who waits is told.
#[derive(Debug)]
enum Turn {
    /// Its shard was sent with others: this came of it.
    Answered(Result<(), Miss>),
    /// To send these, its own first.
    Send(Flight, Vec<PushedShard>),
}

/// A push under way. Whatever becomes of it, the next can go when this is dropped.
#[derive(Debug)]
struct Flight {
    lane: Arc<Lane>,
    /// Who else waits for it.
    others: Vec<oneshot::Sender<Turn>>,
}

impl Batches {
    /// Sends a shard to a peer by `send`, alone or with others that wait; gives what came of it.
    pub(crate) async fn push<F>(
        &self,
        peer: PeerId,
        shard: PushedShard,
        send: impl Fn(Vec<PushedShard>) -> F,
    ) -> Result<(), Miss>
    where
        F: Future<Output = Result<(), Miss>>,
    {
        let lane = Arc::clone(self.peers.lock().entry(peer).or_default());
        loop {
            let (turn, told) = oneshot::channel();
            lane.state.lock().waiting.push_back(Waiter { shard: shard.clone(), turn });
            lane.go_on();
            match told.await {
                Ok(Turn::Answered(outcome)) => return outcome,
                Ok(Turn::Send(flight, shards)) => return flight.land(send(shards).await),
                // Who was to send it was dropped by its caller: again.
                Err(_) => {}
            }
        }
    }
}

impl Lane {
    /// Gives the turn to those who wait, as far as pushes may be under way.
    fn go_on(self: &Arc<Self>) {
        loop {
            let next = self.state.lock().next();
            let Some((leader, others, shards)) = next else { return };
            let flight = Flight { lane: Arc::clone(self), others };
            // A leader that was dropped meanwhile drops its flight, whose others then go again.
            drop(leader.send(Turn::Send(flight, shards)));
        }
    }
}

impl State {
    /// The next push: who sends it, who else waits for it, and its shards.
    fn next(&mut self) -> Option<(oneshot::Sender<Turn>, Vec<oneshot::Sender<Turn>>, Vec<PushedShard>)> {
        if self.flying >= PUSHES_TO_A_PEER_MAX {
            return None;
        }
        let (mut leader, mut others, mut shards, mut bytes) = (None, Vec::new(), Vec::new(), 0);
        while let Some(Waiter { shard, turn }) = self.waiting.pop_front() {
            // Its caller does not wait any more.
            if turn.is_closed() {
                continue;
            }
            bytes += shard.payload.len();
            if !shards.is_empty() && (bytes > PUSH_BYTES_TOGETHER_MAX || shards.len() >= SHARDS_PER_PUSH_MAX) {
                self.waiting.push_front(Waiter { shard, turn });
                break;
            }
            shards.push(shard);
            match leader {
                None => leader = Some(turn),
                Some(_) => others.push(turn),
            }
        }
        let leader = leader?;
        self.flying += 1;
        Some((leader, others, shards))
    }
}

impl Flight {
    /// Tells the others what came of it.
    fn land(mut self, outcome: Result<(), Miss>) -> Result<(), Miss> {
        for other in std::mem::take(&mut self.others) {
            // Who does not wait any more need not know.
            drop(other.send(Turn::Answered(outcome.as_ref().map_err(Miss::again).copied())));
        }
        outcome
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.lane.state.lock().flying -= 1;
        self.lane.go_on();
    }
}

#[cfg(test)]
mod tests;
