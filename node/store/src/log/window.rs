//! Reading a segment's file from the front, a piece at a time.
//!
//! It knows frames and their checksums; what the records say is sealed, and not its business.

use std::io;

use storgo_protocol::log::{LogFrame, LogFrameHead};

use crate::disk::DiskFile;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A file, and the piece of it that was read last.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a dyn DiskFile,
    pub(super) file_bytes: u64,
    first: u64,
    piece: Vec<u8>,
}

/// What stands at a place where a frame should.
#[derive(Debug)]
pub(super) enum Found {
    /// A whole frame of so many bytes.
    Frame(LogFrame, u64),
    /// None: the head does not decode.
    NoHead,
    /// A head, and a body that does not match it or is not all there.
    NoBody(LogFrameHead),
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn DiskFile) -> io::Result<Self> {
        Ok(Self { file, file_bytes: file.bytes()?, first: 0, piece: Vec::new() })
    }

    /// The bytes from `at` on, `count` of them or as many as there are.
    pub(super) fn bytes(&mut self, at: u64, count: usize) -> io::Result<&mut [u8]> {
        let there = usize::try_from(self.file_bytes.saturating_sub(at)).unwrap_or(usize::MAX).min(count);
        let end = at + there as u64;
        if at < self.first || end > self.first + self.piece.len() as u64 {
            self.piece.resize(there.max(PIECE_BYTES), 0);
            let read = self.file.read_at(at, &mut self.piece)?;
            self.piece.truncate(read);
            self.first = at;
        }
        let skipped = usize::try_from(at - self.first).map_err(io::Error::other)?;
        self.piece.get_mut(skipped..skipped + there).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// What stands at `at`.
    pub(super) fn frame(&mut self, at: u64) -> io::Result<Found> {
        let head = match LogFrameHead::decode(self.bytes(at, LogFrameHead::BYTES)?) {
            Ok(head) if u64::from(head.offset) == at => head,
            _ => return Ok(Found::NoHead),
        };
        let bytes = usize::try_from(head.frame_bytes()).map_err(io::Error::other)?;
        Ok(match LogFrame::decode(self.bytes(at, bytes)?) {
            Ok(frame) => Found::Frame(frame, head.frame_bytes()),
            Err(_) => Found::NoBody(head),
        })
    }
}
