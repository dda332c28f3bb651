//! What bounds the work that other peers can cause here: requests, their bytes in memory, their streams.
//!
//! It counts and lets wait; it knows no streams and no messages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{
    MESH_INBOUND_STREAMS_PER_PEER_MAX, MESH_REQUEST_BYTES_MAX, MESH_REQUEST_BYTES_PER_PEER_MAX, MESH_REQUESTS_MAX,
    MESH_REQUESTS_PER_PEER_MAX, MESH_TURN_SECONDS_MAX,
};
use storgo_protocol::message::FrameLengths;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::core::Core;

/// Bytes that one permit of a byte budget stands for.
const PERMIT_BYTES: usize = 1024;

/// How long a request waits for its turn.
const TURN: Duration = Duration::from_secs(MESH_TURN_SECONDS_MAX);

/// What bounds the work that other peers can cause here.
pub(crate) struct Gate {
    requests: Arc<Semaphore>,
    request_bytes: Arc<Semaphore>,
    answer_bytes: Semaphore,
    // Held only for look-ups, never across an await.
    peers: Mutex<HashMap<PeerId, Share>>,
}

/// What one peer has of it all, for as long as it has a stream open.
struct Share {
    streams: usize,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Leave to answer one request, and the memory that it takes: of what one peer may cause, and of what all may.
pub(crate) struct Leave {
    _own_request: OwnedSemaphorePermit,
    own_bytes: OwnedSemaphorePermit,
    _request: OwnedSemaphorePermit,
    bytes: OwnedSemaphorePermit,
    own_budget: Arc<Semaphore>,
}

/// One open stream of a peer; dropped with its task, however that ends.
pub(crate) struct OpenStream {
    core: Arc<Core>,
    peer: PeerId,
}

impl OpenStream {
    /// Counts one more stream of a peer; `None` if it has too many.
    pub(crate) fn count(core: &Arc<Core>, peer: PeerId) -> Option<Self> {
        core.gate.stream_opened(peer).then(|| Self { core: Arc::clone(core), peer })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.core.gate.stream_closed(self.peer);
    }
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            requests: Arc::new(Semaphore::new(MESH_REQUESTS_MAX)),
            request_bytes: Arc::new(Semaphore::new(MESH_REQUEST_BYTES_MAX / PERMIT_BYTES)),
            answer_bytes: Semaphore::new(MESH_REQUEST_BYTES_MAX / PERMIT_BYTES),
            peers: Mutex::new(HashMap::new()),
        }
    }

    /// Waits until an answer of these lengths may be read. Its reader counts it from there on.
    pub(crate) async fn answer_bytes(&self, lengths: FrameLengths) -> Option<SemaphorePermit<'_>> {
        self.answer_bytes.acquire_many(permits(lengths.payload)).await.ok()
    }

    /// Takes a request of `peer` in if there is room for it soon. Who has used up its own share waits for itself, and
    /// holds nothing of what is for all meanwhile.
    pub(crate) async fn enter(&self, peer: PeerId, lengths: FrameLengths) -> Option<Leave> {
        let (own_requests, own_budget) = self.share(peer)?;
        let entered = timeout(TURN, async {
            let own_request = own_requests.acquire_owned().await.ok()?;
            let own_bytes = Arc::clone(&own_budget).acquire_many_owned(permits(lengths.payload)).await.ok()?;
            let request = Arc::clone(&self.requests).acquire_owned().await.ok()?;
            let bytes = Arc::clone(&self.request_bytes).acquire_many_owned(permits(lengths.payload)).await.ok()?;
            Some(Leave { _own_request: own_request, own_bytes, _request: request, bytes, own_budget })
        });
        entered.await.ok().flatten()
    }

    /// Reserves memory for what the answer can carry, if there is room for it soon.
    pub(crate) async fn reserve(&self, leave: &mut Leave, answer_bytes_max: usize) -> bool {
        let wanted = permits(answer_bytes_max);
        let reserved = timeout(TURN, async {
            let own = Arc::clone(&leave.own_budget).acquire_many_owned(wanted).await.ok()?;
            let all = Arc::clone(&self.request_bytes).acquire_many_owned(wanted).await.ok()?;
            Some((own, all))
        });
        let Some((own, all)) = reserved.await.ok().flatten() else { return false };
        leave.own_bytes.merge(own);
        leave.bytes.merge(all);
        true
    }

    fn share(&self, peer: PeerId) -> Option<(Arc<Semaphore>, Arc<Semaphore>)> {
        let peers = self.peers.lock();
        let share = peers.get(&peer)?;
        Some((Arc::clone(&share.requests), Arc::clone(&share.bytes)))
    }

    fn stream_opened(&self, peer: PeerId) -> bool {
        let mut peers = self.peers.lock();
        let share = peers.entry(peer).or_insert_with(Share::new);
        if share.streams >= MESH_INBOUND_STREAMS_PER_PEER_MAX {
            return false;
        }
        share.streams += 1;
        true
    }

    fn stream_closed(&self, peer: PeerId) {
        let mut peers = self.peers.lock();
        if let Some(share) = peers.get_mut(&peer) {
            share.streams = share.streams.saturating_sub(1);
            if share.streams == 0 {
                peers.remove(&peer);
            }
        }
    }
}

impl Share {
    fn new() -> Self {
        Self {
            streams: 0,
            requests: Arc::new(Semaphore::new(MESH_REQUESTS_PER_PEER_MAX)),
            bytes: Arc::new(Semaphore::new(MESH_REQUEST_BYTES_PER_PEER_MAX / PERMIT_BYTES)),
        }
    }
}

impl Leave {
    /// Gives back what was reserved for an answer and is not needed.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        for held in [&mut self.own_bytes, &mut self.bytes] {
            let surplus = held.num_permits().saturating_sub(permits(bytes) as usize);
            drop(held.split(surplus));
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use storgo_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;

    use super::*;

    const SMALL: FrameLengths = FrameLengths { head: 10, payload: 0 };
    const LARGE: FrameLengths = FrameLengths { head: 10, payload: FRAME_PAYLOAD_BYTES_MAX };

    fn peers(gate: &Gate, count: usize) -> Vec<PeerId> {
        let peers: Vec<PeerId> = (0..count).map(|n| PeerId::from_bytes([u8::try_from(n).unwrap(); 32])).collect();
        assert!(peers.iter().all(|peer| gate.stream_opened(*peer)));
        peers
    }

    /// As many leaves as are given at once, up to `count`.
    async fn enter(gate: &Gate, peer: PeerId, lengths: FrameLengths, count: usize) -> Vec<Leave> {
        let leaves = futures::future::join_all((0..count).map(|_| gate.enter(peer, lengths))).await;
        leaves.into_iter().flatten().collect()
    }

    #[tokio::test]
    async fn one_peer_has_no_more_requests_than_its_share_and_others_are_let_in() {
        let gate = Gate::new();
        let two = peers(&gate, 2);
        let own = enter(&gate, two[0], SMALL, MESH_REQUESTS_PER_PEER_MAX + 3).await;
        assert_eq!(own.len(), MESH_REQUESTS_PER_PEER_MAX);
        assert_eq!(enter(&gate, two[1], SMALL, 1).await.len(), 1);
        drop(own);
        assert_eq!(enter(&gate, two[0], SMALL, 1).await.len(), 1);
    }

    #[tokio::test]
    async fn one_peer_promises_no_more_bytes_than_its_share_and_others_are_let_in() {
        let gate = Gate::new();
        let two = peers(&gate, 2);
        let mut own = enter(&gate, two[0], LARGE, 16).await;
        assert_eq!(own.len(), MESH_REQUEST_BYTES_PER_PEER_MAX / FRAME_PAYLOAD_BYTES_MAX);
        assert!(!gate.reserve(&mut own[0], FRAME_PAYLOAD_BYTES_MAX).await, "an answer counts too");
        let mut other = enter(&gate, two[1], LARGE, 1).await;
        assert!(gate.reserve(&mut other[0], FRAME_PAYLOAD_BYTES_MAX).await);
        other[0].shrink(0);
        drop(own);
        assert_eq!(enter(&gate, two[0], LARGE, 1).await.len(), 1);
    }

    #[tokio::test]
    async fn all_together_have_no_more_than_there_is() {
        let gate = Gate::new();
        let many = peers(&gate, 2 * MESH_REQUESTS_MAX / MESH_REQUESTS_PER_PEER_MAX);
        let all = many.iter().map(|peer| enter(&gate, *peer, SMALL, MESH_REQUESTS_PER_PEER_MAX));
        let leaves: usize = futures::future::join_all(all).await.iter().map(Vec::len).sum();
        assert_eq!(leaves, MESH_REQUESTS_MAX);
        let all = many.iter().map(|peer| enter(&gate, *peer, LARGE, 3));
        let held = futures::future::join_all(all).await;
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), MESH_REQUEST_BYTES_MAX / FRAME_PAYLOAD_BYTES_MAX);
    }

    #[test]
    fn streams_are_counted_by_peer_and_forgotten_with_the_last() {
        let gate = Gate::new();
        let peer = PeerId::from_bytes([1; 32]);
        assert!((0..MESH_INBOUND_STREAMS_PER_PEER_MAX).all(|_| gate.stream_opened(peer)));
        assert!(!gate.stream_opened(peer) && gate.stream_opened(PeerId::from_bytes([2; 32])));
        (0..MESH_INBOUND_STREAMS_PER_PEER_MAX).for_each(|_| gate.stream_closed(peer));
        assert!(!gate.peers.lock().contains_key(&peer));
    }
}
