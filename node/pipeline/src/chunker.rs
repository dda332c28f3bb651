//! Cuts a stream of bytes into chunks, by content or by length.
//!
//! It knows nothing of what becomes of a chunk. Bytes are read straight into [`Chunker::space`] and leave as slices of
//! that same memory: none is copied, but for the tail that moves along when a new buffer is begun.

use std::fmt;

use bytes::buf::Limit;
use bytes::{BufMut, Bytes, BytesMut};
use storgo_protocol::ConvergenceSecret;
use storgo_protocol::limits::{
    CHUNK_AVERAGE_BYTES_MAX, CHUNK_AVERAGE_BYTES_MIN, CHUNK_BYTES_MAX, CHUNK_GROWTH_BYTES, CHUNK_READ_BYTES_MAX,
    CHUNK_READ_BYTES_MIN,
};

use crate::gear::Gear;

/// How a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// Where the content says, so that an insertion changes only the chunks around it.
    ContentDefined,
    /// After fixed lengths, which tell nothing of the content and cost nothing to find.
    Fixed,
}

/// The plaintext of one chunk: 1 to [`CHUNK_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct RawChunk {
    plain: Bytes,
}

impl RawChunk {
    /// Takes bytes as one chunk; `None` if there are none or too many.
    #[must_use]
    pub fn new(plain: Bytes) -> Option<Self> {
        (!plain.is_empty() && plain.len() <= CHUNK_BYTES_MAX).then_some(Self { plain })
    }

    /// The plaintext.
    #[must_use]
    pub const fn plain(&self) -> &Bytes {
        &self.plain
    }

    pub(crate) fn into_plain(self) -> Bytes {
        self.plain
    }
}

impl fmt::Debug for RawChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawChunk").field("plain_bytes", &self.plain.len()).finish()
    }
}

/// Cuts one stream.
///
/// The average length doubles as the stream's offset passes [`CHUNK_GROWTH_BYTES`], four times that, and so on: a
/// function of the offset alone, so a stream's length need not be known. A content-defined chunk has three
/// quarters to twice the average at its start, the last chunk aside.
///
/// # Source
/// Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems" (2020); the
/// gear table is changed by a seed from the secret.
pub struct Chunker {
    // Boxed: its tables would travel with every future that holds a chunker.
    gear: Option<Box<Gear>>,
    buffer: BytesMut,
    offset: u64,
}

impl Chunker {
    /// Starts at a stream's first byte. The same secret cuts the same content alike.
    #[must_use]
    pub fn new(chunking: Chunking, secret: &ConvergenceSecret) -> Self {
        let gear = match chunking {
            Chunking::ContentDefined => Some(Box::new(Gear::new(secret.gear_seed()))),
            Chunking::Fixed => None,
        };
        Self { gear, buffer: BytesMut::new(), offset: 0 }
    }

    /// Where the stream's next bytes go, at most [`CHUNK_READ_BYTES_MAX`] of them: never without room, if [`Chunker::next_chunk`] was called until `None`.
    pub fn space(&mut self) -> Limit<&mut BytesMut> {
        if self.buffer.capacity() - self.buffer.len() < CHUNK_READ_BYTES_MIN {
            let window = (self.average_bytes() * 4).max(CHUNK_AVERAGE_BYTES_MAX);
            self.buffer.reserve(window.saturating_sub(self.buffer.len()).max(CHUNK_READ_BYTES_MIN));
        }
        let room = self.buffer.capacity() - self.buffer.len();
        (&mut self.buffer).limit(room.min(CHUNK_READ_BYTES_MAX))
    }

    /// The next chunk whose end does not depend on bytes that are still to come.
    pub fn next_chunk(&mut self) -> Option<RawChunk> {
        let decided = match self.gear {
            Some(_) => 2 * self.average_bytes(),
            None => self.average_bytes(),
        };
        if self.buffer.len() < decided { None } else { self.cut() }
    }

    /// The next chunk, now that the stream has ended; `None` when all is cut.
    pub fn finish(&mut self) -> Option<RawChunk> {
        if self.buffer.is_empty() { None } else { self.cut() }
    }

    /// Bytes of the stream that have left as chunks.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    fn average_bytes(&self) -> usize {
        average_bytes_at(self.offset)
    }

    fn cut(&mut self) -> Option<RawChunk> {
        let average = self.average_bytes();
        let length = match &self.gear {
            Some(gear) => gear.cut(&self.buffer, average),
            None => average.min(self.buffer.len()),
        };
        self.offset += length as u64;
        RawChunk::new(self.buffer.split_to(length).freeze())
    }
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker")
            .field("offset", &self.offset)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

/// The average chunk at this offset of a stream.
fn average_bytes_at(offset: u64) -> usize {
    let (mut average, mut border) = (CHUNK_AVERAGE_BYTES_MIN, CHUNK_GROWTH_BYTES);
    while offset >= border && average < CHUNK_AVERAGE_BYTES_MAX {
        average *= 2;
        border = border.saturating_mul(4);
    }
    average
}

#[cfg(test)]
mod tests;
