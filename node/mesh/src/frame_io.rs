//! Frames on a stream: lengths first, checked before anything is allocated; each wait bounded by silence, not by size,
//! and the whole by a pace that is far below any link's.
//!
//! It knows no peers and no messages. Bytes come from a stream into one buffer of their exact length, and go from a
//! message's own payload to the stream.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use storgo_protocol::DecodeError;
use storgo_protocol::limits::{MESH_PACE_BYTES_PER_SECOND_MIN, MESH_PACE_SECONDS};
use storgo_protocol::message::{Frame, FrameLengths};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Bytes that are read at once of a payload that nobody wants.
const DISCARD_BYTES: usize = 16 * 1024;

/// Bytes of a payload that are cleared before they are read: so few that the caches still hold them then.
const PIECE_BYTES: usize = 16 * 1024;

/// Why a frame did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// No byte moved for this long.
    #[error("no byte moved for {0:?}")]
    Silent(Duration),
    /// Fewer bytes moved than the least pace asks for, over this time.
    #[error("hardly a byte moved for {0:?}")]
    Slow(Duration),
    /// The stream broke, or ended inside a frame.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// What came is no frame, or no message.
    #[error(transparent)]
    Nonsense(#[from] DecodeError),
}

/// Writes a frame whole and flushes it.
pub(crate) async fn write_frame<S>(stream: &mut S, frame: &Frame, silence: Duration) -> Result<(), FrameError>
where
    S: AsyncWrite + Unpin,
{
    // A small message leaves in one piece; bulk bytes are never copied for that.
    let mut start = Vec::with_capacity(FrameLengths::BYTES + frame.head.len());
    start.extend_from_slice(&frame.lengths());
    start.extend_from_slice(&frame.head);
    write_all(stream, &start, silence).await?;
    for piece in &frame.payload {
        write_all(stream, piece, silence).await?;
    }
    waited(silence, stream.flush()).await
}

/// Reads the lengths of the next frame, waiting `wait` for the first byte; `None` if the stream ends before it.
pub(crate) async fn read_lengths<S>(
    stream: &mut S,
    wait: Duration,
    silence: Duration,
) -> Result<Option<FrameLengths>, FrameError>
where
    S: AsyncRead + Unpin,
{
    let mut lengths = [0; FrameLengths::BYTES];
    let (first, rest) = lengths.split_at_mut(1);
    if waited(wait, stream.read(first)).await? == 0 {
        return Ok(None);
    }
    read_all(stream, rest, silence).await?;
    Ok(Some(FrameLengths::decode(lengths)?))
}

/// Reads the rest of a frame.
pub(crate) async fn read_rest<S>(stream: &mut S, lengths: FrameLengths, silence: Duration) -> Result<Frame, FrameError>
where
    S: AsyncRead + Unpin,
{
    let mut head = vec![0; lengths.head];
    read_all(stream, &mut head, silence).await?;
    let payload = read_payload(stream, lengths.payload, silence).await?;
    Ok(Frame::new(Bytes::from(head), payload))
}

/// Reads the rest of a frame and keeps nothing of it.
pub(crate) async fn discard_rest<S>(stream: &mut S, lengths: FrameLengths, silence: Duration) -> Result<(), FrameError>
where
    S: AsyncRead + Unpin,
{
    let mut piece = vec![0; DISCARD_BYTES];
    let mut left = lengths.head + lengths.payload;
    let mut advance = Advance::new(Instant::now());
    while left > 0 {
        let part = piece.split_at_mut(left.min(DISCARD_BYTES)).0;
        read_all(stream, part, silence).await?;
        left -= part.len();
        advance.moved(part.len(), left, Instant::now())?;
    }
    Ok(())
}

/// Reads a payload into a buffer of its length, of which each piece is cleared only before it is filled.
async fn read_payload<S>(stream: &mut S, bytes: usize, silence: Duration) -> Result<Bytes, FrameError>
where
    S: AsyncRead + Unpin,
{
    let mut payload = BytesMut::with_capacity(bytes);
    let mut filled = 0;
    let alarm = pin!(sleep(silence));
    let mut watch = Watch::new(silence, alarm);
    poll_fn(|cx| {
        while filled < bytes {
            if filled == payload.len() {
                payload.resize(bytes.min(filled + PIECE_BYTES), 0);
            }
            let rest = payload.get_mut(filled..).unwrap_or_default();
            match Pin::new(&mut *stream).poll_read(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
                Poll::Ready(read) => {
                    filled += read;
                    watch.moved(read, bytes - filled)?;
                }
                Poll::Pending => return watch.poll(cx).map(Err),
            }
        }
        Poll::Ready(Ok::<(), FrameError>(()))
    })
    .await?;
    Ok(payload.freeze())
}

async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8], silence: Duration) -> Result<(), FrameError> {
    let mut rest = bytes;
    let alarm = pin!(sleep(silence));
    let mut watch = Watch::new(silence, alarm);
    poll_fn(|cx| {
        while !rest.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                Poll::Ready(written) => {
                    rest = rest.split_at_checked(written).map_or(&[], |(_, rest)| rest);
                    watch.moved(written, rest.len())?;
                }
                Poll::Pending => return watch.poll(cx).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

async fn read_all<S: AsyncRead + Unpin>(stream: &mut S, into: &mut [u8], silence: Duration) -> Result<(), FrameError> {
    let mut filled = 0;
    let alarm = pin!(sleep(silence));
    let mut watch = Watch::new(silence, alarm);
    poll_fn(|cx| {
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *stream).poll_read(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
                Poll::Ready(read) => {
                    filled += read;
                    watch.moved(read, into.len() - filled)?;
                }
                Poll::Pending => return watch.poll(cx).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Sees that bytes keep moving, with one timer for all of a frame: one for each piece of it costs more than the piece.
struct Watch<'a> {
    silence: Duration,
    moved: Instant,
    advance: Advance,
    alarm: Pin<&'a mut Sleep>,
}

impl<'a> Watch<'a> {
    fn new(silence: Duration, alarm: Pin<&'a mut Sleep>) -> Self {
        let now = Instant::now();
        Self { silence, moved: now, advance: Advance::new(now), alarm }
    }

    /// Notes that bytes moved; an error if they are too few for the time, and others are to come.
    fn moved(&mut self, bytes: usize, left: usize) -> Result<(), FrameError> {
        self.moved = Instant::now();
        self.advance.moved(bytes, left, self.moved)
    }

    /// Ready when nothing has moved for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<FrameError> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let until = self.moved + self.silence;
            if Instant::now() >= until {
                return Poll::Ready(FrameError::Silent(self.silence));
            }
            self.alarm.as_mut().reset(until);
        }
        Poll::Pending
    }
}

/// Bytes of one part of a frame over time: who said a length must not take for ever to keep to it.
struct Advance {
    since: Instant,
    bytes: usize,
}

impl Advance {
    const fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0 }
    }

    /// Counts bytes; an error if fewer came than the least pace asks for, and some are left to come. What is complete
    /// is welcome however long it took: a few bytes over a lossy link are fewer than any pace asks for.
    fn moved(&mut self, bytes: usize, left: usize, now: Instant) -> Result<(), FrameError> {
        self.bytes += bytes;
        let span = Duration::from_secs(MESH_PACE_SECONDS);
        if left == 0 || now.duration_since(self.since) < span {
            return Ok(());
        }
        let least = MESH_PACE_BYTES_PER_SECOND_MIN * usize::try_from(MESH_PACE_SECONDS).unwrap_or(usize::MAX);
        if self.bytes < least {
            return Err(FrameError::Slow(span));
        }
        *self = Self::new(now);
        Ok(())
    }
}

async fn waited<T>(wait: Duration, step: impl Future<Output = io::Result<T>>) -> Result<T, FrameError> {
    timeout(wait, step).await.map_err(|_| FrameError::Silent(wait))?.map_err(FrameError::Broken)
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use storgo_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_frame_comes_back_whole() {
        let frame = Frame::new(Bytes::from_static(b"head"), Bytes::from(vec![7; 100_000]));
        let mut wire = Cursor::new(Vec::new());
        write_frame(&mut wire, &frame, SECOND).await.unwrap();
        wire.set_position(0);
        let lengths = read_lengths(&mut wire, SECOND, SECOND).await.unwrap().unwrap();
        assert_eq!(read_rest(&mut wire, lengths, SECOND).await.unwrap(), frame);
        assert!(read_lengths(&mut wire, SECOND, SECOND).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn too_large_a_frame_is_refused_before_it_is_read() {
        let mut wire =
            Cursor::new([[0; 4], (u32::try_from(FRAME_PAYLOAD_BYTES_MAX).unwrap() + 1).to_le_bytes()].concat());
        let refused = read_lengths(&mut wire, SECOND, SECOND).await;
        assert!(matches!(refused, Err(FrameError::Nonsense(DecodeError::TooMany { .. }))));
    }

    #[tokio::test]
    async fn a_frame_cut_short_is_broken() {
        let mut wire = Cursor::new([4, 0, 0, 0, 0, 0, 0, 0, 1, 2].to_vec());
        let lengths = read_lengths(&mut wire, SECOND, SECOND).await.unwrap().unwrap();
        assert!(matches!(read_rest(&mut wire, lengths, SECOND).await, Err(FrameError::Broken(_))));
    }

    #[test]
    fn one_byte_a_second_is_cut_off_and_the_slowest_link_is_not() {
        let start = Instant::now();
        let trickle = |bytes: usize, seconds: u64| {
            let mut advance = Advance::new(start);
            (1..=seconds).try_for_each(|second| advance.moved(bytes, 1, start + Duration::from_secs(second)))
        };
        assert!(trickle(1, MESH_PACE_SECONDS - 1).is_ok());
        assert!(matches!(trickle(1, MESH_PACE_SECONDS), Err(FrameError::Slow(_))));
        assert!(matches!(trickle(MESH_PACE_BYTES_PER_SECOND_MIN - 1, 600), Err(FrameError::Slow(_))));
        assert!(trickle(MESH_PACE_BYTES_PER_SECOND_MIN, 600).is_ok());
    }

    #[test]
    fn a_few_bytes_that_are_complete_are_no_trickle() {
        let start = Instant::now();
        let late = start + Duration::from_secs(MESH_PACE_SECONDS + 1);
        assert!(Advance::new(start).moved(500, 0, late).is_ok());
        assert!(matches!(Advance::new(start).moved(500, 1, late), Err(FrameError::Slow(_))));
    }

    #[tokio::test]
    async fn silence_ends_a_wait() {
        let (near, _far) = tokio::io::duplex(1);
        let mut near = tokio_util::compat::TokioAsyncReadCompatExt::compat(near);
        let soon = Duration::from_millis(20);
        assert!(matches!(read_lengths(&mut near, soon, SECOND).await, Err(FrameError::Silent(wait)) if wait == soon));
    }
}
