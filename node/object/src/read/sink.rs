//! Where a get's bytes go, and in what pieces.

use async_trait::async_trait;
use bytes::Bytes;

/// A run of an object's bytes that is fetched and delivered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The extent's number in the object.
    pub number: u64,
    /// The first byte's offset in the object.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u32,
}

/// In which order a sink takes pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By offset, as a pipe needs them.
    Ascending,
    /// As they come.
    Any,
}

/// Keeps what comes, one piece behind the other.
#[derive(Debug, Default)]
pub struct MemorySink(pub Vec<u8>);

#[async_trait]
impl Sink for MemorySink {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _: &Piece) -> bool {
        false
    }

    async fn put(&mut self, _: &Piece, bytes: Bytes) -> std::io::Result<()> {
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Where a get's bytes go.
#[async_trait]
pub trait Sink: Send {
    /// In which order pieces are to come.
    fn order(&self) -> Order;

    /// Whether a piece is there from an earlier, interrupted get.
    fn has(&self, piece: &Piece) -> bool;

    /// Takes a piece; its bytes were verified.
    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> std::io::Result<()>;
}
