//! Shards for one peer that wait for each other: what is pushed while a push to it is under way goes together in the
//! next.
//!
//! ```text
//!   stripe 1 ─► shard ─┐ nothing is under way: it goes at once
//!   stripe 2 ─► shard ─┤
//!   stripe 3 ─► shard ─┼─ wait for the answer ─► go as one request, with one answer
//!   stripe 4 ─► shard ─┘
//! ```
//!
//! A request, its wake-ups, the peer's syncs and its answer cost as much as carrying half a megabyte, and are paid once
//! for all. They are sent by a task of its own, which ends when nothing waits: a caller that is not polled for a while, as
//! those of a stream are not while its reader does something else, holds up nobody. It knows neither streams nor what a
//! peer does with a shard.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{PUSH_BYTES_TOGETHER_MAX, PUSHES_TO_A_PEER_MAX, SHARDS_PER_PUSH_MAX};
use storgo_protocol::message::PushedShard;
use tokio::sync::oneshot;

use crate::miss::Miss;
use crate::ports::PeerError;

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
    /// Tasks that push.
    tasks: usize,
    waiting: VecDeque<(PushedShard, Caller)>,
}

/// Who waits for what comes of a shard.
type Caller = oneshot::Sender<Result<(), Miss>>;

/// A task that pushes.
struct Turn {
    lane: Arc<Lane>,
    ended: bool,
}

impl Batches {
    /// Sends a shard to a peer by `send`, alone or with others that wait; gives what came of it.
    pub(crate) async fn push<F>(
        &self,
        peer: PeerId,
        shard: PushedShard,
        send: impl Fn(Vec<PushedShard>) -> F + Send + 'static,
    ) -> Result<(), Miss>
    where
        F: Future<Output = Result<(), Miss>> + Send + 'static,
    {
        let lane = Arc::clone(self.peers.lock().entry(peer).or_default());
        let (caller, told) = oneshot::channel();
        let turn = lane.leave(shard, caller);
        if let Some(turn) = turn {
            tokio::spawn(turn.send_all(send));
        }
        // Nobody is left to tell when the program ends.
        told.await.unwrap_or(Err(Miss::Failed(PeerError::Stopped)))
    }
}

impl Lane {
    /// Leaves a shard here; gives a turn if another task may push.
    fn leave(self: &Arc<Self>, shard: PushedShard, caller: Caller) -> Option<Turn> {
        let mut state = self.state.lock();
        state.waiting.push_back((shard, caller));
        (state.tasks < PUSHES_TO_A_PEER_MAX).then(|| {
            state.tasks += 1;
            Turn { lane: Arc::clone(self), ended: false }
        })
    }
}

impl Turn {
    /// Pushes what waits, until nothing does. What nobody waits for any more is given up.
    async fn send_all<F>(mut self, send: impl Fn(Vec<PushedShard>) -> F)
    where
        F: Future<Output = Result<(), Miss>>,
    {
        while let Some((shards, mut callers)) = self.next() {
            tokio::select! {
                outcome = send(shards) => {
                    for caller in callers {
                        // Who does not wait any more need not know.
                        drop(caller.send(outcome.as_ref().map_err(Miss::again).copied()));
                    }
                }
                () = all_gone(&mut callers) => {}
            }
        }
    }

    /// The shards of the next push, and who waits for it; `None` if nothing waits, which ends the turn.
    fn next(&mut self) -> Option<(Vec<PushedShard>, Vec<Caller>)> {
        let mut state = self.lane.state.lock();
        let (mut shards, mut callers, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((shard, caller)) = state.waiting.pop_front() {
            if caller.is_closed() {
                continue;
            }
            bytes += shard.payload.len();
            if !shards.is_empty() && (bytes > PUSH_BYTES_TOGETHER_MAX || shards.len() >= SHARDS_PER_PUSH_MAX) {
                state.waiting.push_front((shard, caller));
                break;
            }
            shards.push(shard);
            callers.push(caller);
        }
        if shards.is_empty() {
            // Whoever leaves something from now on finds no turn taken: both are done under one lock.
            state.tasks -= 1;
            self.ended = true;
            return None;
        }
        Some((shards, callers))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The task was stopped, or panicked. Whoever waits is told by this.
        if !self.ended {
            let mut state = self.lane.state.lock();
            state.tasks -= 1;
            state.waiting.clear();
        }
    }
}

async fn all_gone(callers: &mut [Caller]) {
    for caller in callers {
        caller.closed().await;
    }
}

#[cfg(test)]
mod tests;
