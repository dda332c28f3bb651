//! Reads a segment from its first frame to its end, and tells what was being written when the power went from damage.
//!
//! A frame is synced before the next is written, so only the last one can be unfinished, and then its disk holds some
//! of its sectors as they were before: zeros, or none. Frames never have a sector that is all zeros. So:
//!
//! | at the end of the last segment | is |
//! |---|---|
//! | nothing, or zeros | the end |
//! | a frame of which some sector is zeros or missing, and no whole frame behind it | torn: cut |
//! | anything else | damage |

use std::io;

use storgo_protocol::log::{LOG_ALIGNMENT, LogFrame, LogFrameHead, LogSegmentHead};

use super::window::{Found, Window};

/// What disks write at once at the least.
const SECTOR_BYTES: u64 = 512;

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    /// What is there is not what was written.
    Damaged(String),
}

/// What stands behind the last whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    Clean,
    /// So many bytes of a frame that was not finished.
    Torn(u64),
}

/// The frames of a segment, in order.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    window: Window<'a>,
    number: u64,
    at: u64,
    /// Where the segment ends, if that is known; in the last one it is found out.
    end: Option<u64>,
}

/// One frame and its bytes.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) first: u64,
    pub(super) bytes: &'a mut [u8],
    pub(super) frame: LogFrame,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl<'a> Frames<'a> {
    pub(super) fn new(window: Window<'a>, number: u64, end: Option<u64>) -> Result<Self, Fault> {
        let first = LogSegmentHead::BYTES as u64;
        let frames = Self { window, number, at: first, end };
        match end {
            Some(end) if end < first || end > frames.window.file_bytes => {
                Err(frames.damage(&format!("it should have {end} bytes and has {}", frames.window.file_bytes)))
            }
            _ => Ok(frames),
        }
    }

    /// Where the next frame begins: behind the last, the end of what was acknowledged.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The next whole frame, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Read<'_>>, Fault> {
        if self.end.is_some_and(|end| self.at >= end) {
            return if self.end == Some(self.at) { Ok(None) } else { Err(self.damage("a frame crosses its end")) };
        }
        match self.window.frame(self.at)? {
            Found::Frame(frame, bytes) => {
                let first = self.at;
                self.at += bytes;
                let count = usize::try_from(bytes).map_err(io::Error::other)?;
                Ok(Some(Read { first, bytes: self.window.bytes(first, count)?, frame }))
            }
            _ if self.end.is_some() => Err(self.damage("a frame is not whole")),
            _ => Ok(None),
        }
    }

    /// What stands behind the last whole frame of the last segment.
    pub(super) fn tail(&mut self) -> Result<Tail, Fault> {
        let behind = self.first_written(self.at)?;
        if behind.is_none() {
            return Ok(Tail::Clean);
        }
        let left = self.window.file_bytes - self.at;
        let search = match self.window.frame(self.at)? {
            Found::Frame(..) => return Err(self.damage("its last frame was not read")),
            Found::NoBody(head) => {
                let end = self.at + head.frame_bytes();
                if !self.is_torn(self.at, end)? {
                    return Err(self.damage("its last frame does not match its checksum"));
                }
                if self.first_written(end)?.is_some() {
                    return Err(self.damage("its last frame is not whole, and something stands behind it"));
                }
                self.window.file_bytes
            }
            Found::NoHead => {
                let end = self.at + LogFrameHead::BYTES as u64;
                if !self.is_torn(self.at, end)? {
                    return Err(self.damage("the head of its last frame does not match its checksum"));
                }
                end
            }
        };
        let mut at = search.min(self.window.file_bytes);
        while at < self.window.file_bytes {
            if matches!(self.window.frame(at)?, Found::Frame(..) | Found::NoBody(_)) {
                return Err(self.damage("a frame is not whole, and another stands behind it"));
            }
            at += LOG_ALIGNMENT as u64;
        }
        Ok(Tail::Torn(left))
    }

    /// Whether some sector between the two is missing or all zeros there.
    fn is_torn(&mut self, first: u64, end: u64) -> Result<bool, Fault> {
        if end > self.window.file_bytes {
            return Ok(true);
        }
        let mut at = first;
        while at < end {
            let next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
            let count = usize::try_from(next.min(end) - at).map_err(io::Error::other)?;
            if self.window.bytes(at, count)?.iter().all(|&byte| byte == 0) {
                return Ok(true);
            }
            at = next;
        }
        Ok(false)
    }

    /// The first byte from `at` on that is not zero.
    fn first_written(&mut self, mut at: u64) -> Result<Option<u64>, Fault> {
        while at < self.window.file_bytes {
            let piece = self.window.bytes(at, 1 << 16)?;
            if let Some(skipped) = piece.iter().position(|&byte| byte != 0) {
                return Ok(Some(at + skipped as u64));
            }
            at += piece.len() as u64;
        }
        Ok(None)
    }

    fn damage(&self, what: &str) -> Fault {
        Fault::Damaged(format!("segment {}, byte {}: {what}", self.number, self.at))
    }
}
