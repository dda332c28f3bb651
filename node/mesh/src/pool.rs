//! The `shard` streams to one peer: few, reused, and handed out in turn.
//!
//! A stream carries one request and its answer at a time. Opening is done by one caller at a time, because the other
//! side can lose streams that arrive in a burst.

use std::time::{Duration, Instant};

use libp2p::{Stream, StreamProtocol};
use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{MESH_STREAM_IDLE_SECONDS_MAX, MESH_STREAMS_PER_PEER_MAX};
use storgo_protocol::message::SHARD_PROTOCOL;
use tokio::sync::{Mutex as TurnMutex, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::frame_io::FrameError;

/// The streams to one peer.
pub(crate) struct Pool {
    slots: Semaphore,
    opening: TurnMutex<libp2p_stream::Control>,
    idle: Mutex<Vec<(Stream, Instant)>>,
}

/// The right to use one stream.
pub(crate) struct Turn<'p>(SemaphorePermit<'p>);

impl Pool {
    pub(crate) fn new(control: libp2p_stream::Control) -> Self {
        Self {
            slots: Semaphore::new(MESH_STREAMS_PER_PEER_MAX),
            opening: TurnMutex::new(control),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Waits for a turn, first come, first served; `None` once the pool is closed.
    pub(crate) async fn turn(&self) -> Option<Turn<'_>> {
        self.slots.acquire().await.ok().map(Turn)
    }

    /// Takes an idle stream, or opens one.
    pub(crate) async fn stream(&self, peer: PeerId, wait: Duration) -> Result<Stream, FrameError> {
        let idle_max = Duration::from_secs(MESH_STREAM_IDLE_SECONDS_MAX);
        {
            let mut idle = self.idle.lock();
            // The oldest are at the front; the other side is about to close them.
            idle.retain(|(_, since)| since.elapsed() < idle_max);
            if let Some((stream, _)) = idle.pop() {
                return Ok(stream);
            }
        }
        let opened = timeout(wait, async {
            let mut control = self.opening.lock().await;
            open(&mut control, peer, SHARD_PROTOCOL).await
        });
        opened.await.map_err(|_| FrameError::Silent(wait))?
    }

    /// Gives a stream back after a whole answer.
    pub(crate) fn give_back(&self, stream: Stream, turn: Turn<'_>) {
        self.idle.lock().push((stream, Instant::now()));
        drop(turn.0);
    }

    /// Forgets idle streams after one of them turned out dead.
    pub(crate) fn clear(&self) {
        self.idle.lock().clear();
    }
}

/// Opens a stream to a connected peer.
pub(crate) async fn open(
    control: &mut libp2p_stream::Control,
    peer: PeerId,
    protocol: &'static str,
) -> Result<Stream, FrameError> {
    let target = crate::names::to_libp2p(peer)?;
    control.open_stream(target, StreamProtocol::new(protocol)).await.map_err(|error| match error {
        libp2p_stream::OpenStreamError::Io(error) => FrameError::Broken(error),
        other => FrameError::Broken(std::io::Error::other(other)),
    })
}
