//! Frames, byte for byte, with nothing checked on the way out.

use bytes::Bytes;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Stream;
use std::io;
use storgo_protocol::message::{Frame, FrameLengths};

/// Reads one frame; `None` when the other side has ended.
pub async fn read_frame(stream: &mut Stream) -> io::Result<Option<Frame>> {
    let mut lengths = [0; FrameLengths::BYTES];
    if let Err(error) = stream.read_exact(&mut lengths).await {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let lengths = FrameLengths::decode(lengths).map_err(io::Error::other)?;
    let (mut head, mut payload) = (vec![0; lengths.head], vec![0; lengths.payload]);
    stream.read_exact(&mut head).await?;
    stream.read_exact(&mut payload).await?;
    Ok(Some(Frame::new(Bytes::from(head), Bytes::from(payload))))
}

/// The bytes of a frame.
pub fn encode(frame: &Frame) -> Vec<u8> {
    [&frame.lengths()[..], &frame.head, &frame.payload.concat()].concat()
}

/// The eight bytes before a frame that is to have these lengths.
pub fn lengths(head: usize, payload: usize) -> [u8; 8] {
    let [head, payload] = [head, payload].map(|bytes| u32::try_from(bytes).expect("a length"));
    (u64::from(head) | u64::from(payload) << 32).to_le_bytes()
}

/// Writes bytes and flushes them.
pub async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
