//! Bytes from the thread that reads a directory to the task that puts them, a few blocks ahead.
//!
//! An end is said, not inferred: a thread that dies half-way must not leave half a tree that looks whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use storgo_protocol::limits::{TREE_BLOCK_BYTES, TREE_BLOCKS_MAX};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

/// What goes through.
#[derive(Debug)]
enum Block {
    Bytes(Bytes),
    End,
}

/// Nobody reads any more: the put failed or was given up.
#[derive(Debug, thiserror::Error)]
#[error("the put ended first")]
pub(super) struct Stopped;

/// The end that bytes go into, on a blocking thread.
#[derive(Debug)]
pub(super) struct PipeWriter {
    blocks: mpsc::Sender<Block>,
    open: BytesMut,
    written: u64,
}

/// The end that a put reads.
#[derive(Debug)]
pub(super) struct PipeReader {
    blocks: mpsc::Receiver<Block>,
    current: Bytes,
    ended: bool,
}

pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = mpsc::channel(TREE_BLOCKS_MAX);
    let writer = PipeWriter { blocks: sender, open: BytesMut::new(), written: 0 };
    (writer, PipeReader { blocks: receiver, current: Bytes::new(), ended: false })
}

impl PipeWriter {
    /// Bytes written so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Waits for room, and writes.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            self.open.reserve(TREE_BLOCK_BYTES - self.open.len());
            let room = TREE_BLOCK_BYTES - self.open.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.open.extend_from_slice(now);
            bytes = later;
            if self.open.len() >= TREE_BLOCK_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Says that this was all.
    pub(super) fn end(mut self) -> Result<(), Stopped> {
        self.flush()?;
        self.blocks.blocking_send(Block::End).map_err(|_| Stopped)
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        let block = self.open.split().freeze();
        if block.is_empty() { Ok(()) } else { self.blocks.blocking_send(Block::Bytes(block)).map_err(|_| Stopped) }
    }
}

#[cfg(test)]
impl PipeReader {
    /// Blocks that wait to be read.
    pub(super) fn waiting(&self) -> usize {
        self.blocks.len()
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pipe = self.get_mut();
        while pipe.current.is_empty() && !pipe.ended {
            match ready!(pipe.blocks.poll_recv(cx)) {
                Some(Block::Bytes(bytes)) => pipe.current = bytes,
                Some(Block::End) => pipe.ended = true,
                None => return Poll::Ready(Err(io::Error::other("the directory was not read to its end"))),
            }
        }
        let count = pipe.current.len().min(buffer.remaining());
        buffer.put_slice(&pipe.current.split_to(count));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in() {
        let (mut writer, mut reader) = pipe();
        let expected: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let bytes = expected.clone();
        let writing = tokio::task::spawn_blocking(move || {
            for part in bytes.chunks(70_001) {
                writer.write(part)?;
            }
            assert_eq!(writer.written(), bytes.len() as u64);
            writer.end()
        });
        let mut found = Vec::new();
        reader.read_to_end(&mut found).await.unwrap();
        writing.await.unwrap().unwrap();
        assert!(found == expected);
    }

    #[tokio::test]
    async fn a_writer_that_dies_is_no_end() {
        let (mut writer, mut reader) = pipe();
        writer.write(b"half").unwrap();
        drop(writer);
        assert!(reader.read_to_end(&mut Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn a_writer_learns_that_nobody_reads() {
        let (mut writer, reader) = pipe();
        drop(reader);
        let written = tokio::task::spawn_blocking(move || writer.write(&vec![0; TREE_BLOCK_BYTES]));
        assert!(written.await.unwrap().is_err());
    }
}
