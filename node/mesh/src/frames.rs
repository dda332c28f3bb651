//! Frames from peer to peer that nobody answers: what metadata groups say to each other.
//!
//! ```text
//!   send_frame ──► connect ──► lane ═══ raft stream ═══► receive ──► FrameInbox
//! ```
//!
//! One stream to each peer, opened by who sends, on which one frame follows the other. A frame that was sent may still
//! be lost, with the stream or for want of room on the other side: who needs an answer waits for a frame that brings it.
//! It knows nothing of what is in a frame.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use libp2p::Stream;
use parking_lot::Mutex;
use storgo_object::ports::PeerError;
use storgo_protocol::limits::{
    FRAME_HEAD_BYTES_MAX, MESH_ATTEMPTS_MAX, MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX, MESH_STREAM_IDLE_SECONDS_MAX,
    RAFT_FRAME_BYTES_MAX,
};
use storgo_protocol::message::{Frame, RAFT_PROTOCOL};
use storgo_protocol::{DecodeError, PeerId};
use tokio::sync::Mutex as TurnMutex;
use tokio::time::{Instant, timeout};

use crate::core::Core;
use crate::frame_io::{FrameError, discard_rest, read_lengths, read_rest, write_frame};
use crate::{inbound, pool};

/// Who takes frames in.
pub trait FrameInbox: Send + Sync + fmt::Debug {
    /// Takes a frame of at most [`RAFT_FRAME_BYTES_MAX`] bytes from a peer, whose identity the connection proved. It is
    /// called for one frame of a peer after the other, and must not block.
    fn receive(&self, from: PeerId, frame: Bytes);

    /// Hears that the stream on which a peer's frames came has ended, as it does with its connection: who waits for one of
    /// them waits in vain, as a rule. It must not block.
    fn lost(&self, from: PeerId);
}

/// The streams to those to whom frames were sent.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<PeerId, Arc<TurnMutex<Lane>>>>);

/// The stream to one peer, and when it was last used.
#[derive(Default)]
struct Lane(Option<(Stream, Option<Instant>)>);

impl Lanes {
    fn of(&self, peer: PeerId) -> Arc<TurnMutex<Lane>> {
        Arc::clone(self.0.lock().entry(peer).or_default())
    }

    /// Forgets a peer that is not linked any more.
    pub(crate) fn forget(&self, peer: PeerId) {
        self.0.lock().remove(&peer);
    }

    /// Closes streams on which nothing was sent for too long: before the other side does, which would cost a frame.
    pub(crate) fn sweep(&self, now: Instant) {
        let idle_max = Duration::from_secs(MESH_STREAM_IDLE_SECONDS_MAX);
        let fresh = |used: &Option<Instant>| used.is_some_and(|used| now.saturating_duration_since(used) < idle_max);
        self.0.lock().retain(|_, lane| match lane.try_lock() {
            Ok(lane) => lane.0.as_ref().is_some_and(|(_, used)| fresh(used)),
            Err(_) => true,
        });
    }
}

impl Core {
    /// Sends a frame: it has left when this returns, and may have arrived.
    pub(crate) async fn send_frame(self: &Arc<Self>, peer: PeerId, frame: Bytes) -> Result<(), PeerError> {
        if frame.len() > RAFT_FRAME_BYTES_MAX {
            let source = DecodeError::TooMany { count: frame.len(), max: RAFT_FRAME_BYTES_MAX };
            return Err(PeerError::Nonsense { peer, source });
        }
        let bytes = frame.len();
        // A small frame leaves in one piece.
        let frame = match bytes {
            0..=FRAME_HEAD_BYTES_MAX => Frame::new(frame, Bytes::new()),
            _ => Frame::new(Bytes::new(), frame),
        };
        self.connect(peer).await?;
        let lane = self.lanes.of(peer);
        let mut lane = lane.lock().await;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let fresh = lane.0.is_none();
            match lane.write(self, peer, &frame).await {
                Ok(()) => {
                    self.table.lock().count_bytes(peer, bytes, 0);
                    return Ok(());
                }
                // A stream that was kept may have been closed over there meanwhile.
                Err(FrameError::Broken(_)) if !fresh && attempt < MESH_ATTEMPTS_MAX => {}
                Err(FrameError::Broken(source)) => return Err(PeerError::Broken { peer, source }),
                Err(FrameError::Nonsense(source)) => return Err(PeerError::Nonsense { peer, source }),
                Err(FrameError::Silent(silence) | FrameError::Slow(silence)) => {
                    return Err(PeerError::TimedOut { peer, silence });
                }
            }
        }
    }
}

impl Lane {
    async fn write(&mut self, core: &Core, peer: PeerId, frame: &Frame) -> Result<(), FrameError> {
        let silence = core.config.silence();
        // Whatever ends this early, a frame may stand half on the stream, and then no other may follow.
        let mut stream = if let Some((stream, _)) = self.0.take() {
            stream
        } else {
            let mut control = core.control.clone();
            let opened = timeout(silence, pool::open(&mut control, peer, RAFT_PROTOCOL)).await;
            opened.map_err(|_| FrameError::Silent(silence))??
        };
        write_frame(&mut stream, frame, silence).await?;
        self.0 = Some((stream, Some(Instant::now())));
        Ok(())
    }
}

/// Takes the frames of one stream in, until it ends or stays idle. Frames for which there is no room are dropped.
pub(crate) async fn receive<S>(
    core: &Core,
    peer: PeerId,
    mut stream: S,
    inbox: &dyn FrameInbox,
) -> Result<(), FrameError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let idle = Duration::from_secs(MESH_STREAM_ACCEPT_IDLE_SECONDS_MAX);
    let silence = core.config.silence();
    while let Some(lengths) = read_lengths(&mut stream, idle, silence).await? {
        let bytes = lengths.head + lengths.payload;
        if bytes > RAFT_FRAME_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes, max: RAFT_FRAME_BYTES_MAX }.into());
        }
        if !inbound::admitted(core, peer).await {
            return Ok(());
        }
        let Some(_leave) = core.gate.enter(peer, lengths).await else {
            tracing::debug!(%peer, bytes, "there is no room for a frame");
            discard_rest(&mut stream, lengths, silence).await?;
            continue;
        };
        let frame = read_rest(&mut stream, lengths, silence).await?;
        core.table.lock().count_bytes(peer, 0, bytes);
        let (head, payload) = frame.into_parts();
        inbox.receive(peer, if payload.is_empty() { head } else { payload });
    }
    Ok(())
}
