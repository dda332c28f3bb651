//! Bytes of an object that is read into one that is put.
//!
//! An end is said, not inferred: a get that fails half-way must not leave half an object that looks whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf as _, Bytes};
use storgo_protocol::limits::PIECES_COPIED_AHEAD_MAX;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::read::{Order, Piece, Sink};

/// The end that a get writes to.
#[derive(Debug)]
pub(super) struct PipeSink(mpsc::Sender<Block>);

/// The end that a put reads.
#[derive(Debug)]
pub(super) struct PipeReader {
    blocks: mpsc::Receiver<Block>,
    current: Bytes,
    ended: bool,
}

#[derive(Debug)]
enum Block {
    Bytes(Bytes),
    End,
}

pub(super) fn pipe() -> (PipeSink, PipeReader) {
    let (sender, blocks) = mpsc::channel(PIECES_COPIED_AHEAD_MAX);
    (PipeSink(sender), PipeReader { blocks, current: Bytes::new(), ended: false })
}

impl PipeSink {
    /// Says that all there was went through. Whoever reads no more has said why.
    pub(super) async fn end(self) {
        drop(self.0.send(Block::End).await);
    }
}

#[async_trait]
impl Sink for PipeSink {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _: &Piece) -> bool {
        false
    }

    async fn put(&mut self, _: &Piece, bytes: Bytes) -> io::Result<()> {
        let sent = self.0.send(Block::Bytes(bytes)).await;
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the put ended first"))
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.current.is_empty() && !this.ended {
            match ready!(this.blocks.poll_recv(context)) {
                Some(Block::Bytes(bytes)) => this.current = bytes,
                Some(Block::End) => this.ended = true,
                None => return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the get ended first"))),
            }
        }
        let now = this.current.len().min(buffer.remaining());
        buffer.put_slice(this.current.get(..now).unwrap_or_default());
        this.current.advance(now);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    const PIECE: Piece = Piece { number: 0, offset: 0, bytes: 5 };

    #[tokio::test]
    async fn what_ends_unsaid_is_no_end() {
        let (mut sink, mut reader) = pipe();
        sink.put(&PIECE, Bytes::from_static(b"whole")).await.unwrap();
        sink.end().await;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"whole");

        let (mut sink, mut reader) = pipe();
        sink.put(&PIECE, Bytes::from_static(b"half ")).await.unwrap();
        drop(sink);
        let error = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
