//! What bounds the work that other peers can cause here: requests, their bytes in memory, their streams.
//!
//! It counts and lets wait; it knows no streams and no messages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{
    MESH_INBOUND_STREAMS_PER_PEER_MAX, MESH_REQUEST_BYTES_MAX, MESH_REQUESTS_MAX, MESH_TURN_SECONDS_MAX,
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
    streams: Mutex<HashMap<PeerId, usize>>,
}

/// Leave to answer one request, and the memory that it takes.
pub(crate) struct Leave {
    _request: OwnedSemaphorePermit,
    bytes: OwnedSemaphorePermit,
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
            streams: Mutex::new(HashMap::new()),
        }
    }

    /// Waits until an answer of these lengths may be read. Its reader counts it from there on.
    pub(crate) async fn answer_bytes(&self, lengths: FrameLengths) -> Option<SemaphorePermit<'_>> {
        self.answer_bytes.acquire_many(permits(lengths.payload)).await.ok()
    }

    /// Takes a request in if there is room for it soon.
    pub(crate) async fn enter(&self, lengths: FrameLengths) -> Option<Leave> {
        let entered = timeout(TURN, async {
            let request = Arc::clone(&self.requests).acquire_owned().await.ok()?;
            let bytes = Arc::clone(&self.request_bytes).acquire_many_owned(permits(lengths.payload)).await.ok()?;
            Some(Leave { _request: request, bytes })
        });
        entered.await.ok().flatten()
    }

    /// Reserves memory for what the answer can carry, if there is room for it soon.
    pub(crate) async fn reserve(&self, leave: &mut Leave, answer_bytes_max: usize) -> bool {
        let bytes = Arc::clone(&self.request_bytes).acquire_many_owned(permits(answer_bytes_max));
        match timeout(TURN, bytes).await {
            Ok(Ok(bytes)) => {
                leave.bytes.merge(bytes);
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    fn stream_opened(&self, peer: PeerId) -> bool {
        let mut streams = self.streams.lock();
        let open = streams.entry(peer).or_default();
        if *open >= MESH_INBOUND_STREAMS_PER_PEER_MAX {
            return false;
        }
        *open += 1;
        true
    }

    fn stream_closed(&self, peer: PeerId) {
        let mut streams = self.streams.lock();
        if let Some(open) = streams.get_mut(&peer) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                streams.remove(&peer);
            }
        }
    }
}

impl Leave {
    /// Gives back what was reserved for an answer and is not needed.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let surplus = self.bytes.num_permits().saturating_sub(permits(bytes) as usize);
        drop(self.bytes.split(surplus));
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX)
}
