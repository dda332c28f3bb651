//! One segment: its file, and the key that seals its records.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use storgo_object::ports::Random;
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::log::{LogFrame, LogFrameHead, LogRecord, LogSegmentHead, SEALED_RECORD_HEAD_BYTES};
use storgo_protocol::{DecodeError, LogIncarnation};
use zeroize::Zeroizing;

use super::index::Location;
use crate::NodeKey;
use crate::disk::{Disk, DiskFile};
use crate::sealing::{Cipher, Refused};

/// What the key is derived for that seals a segment's key.
const WRAP: &str = "storgo v1 log segment key";

/// An open segment. Records are sealed with the offset at which they stand for a nonce: it counts up, and a segment is
/// written by one process only and never at one place twice.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    cipher: Cipher,
    pub(super) file: Box<dyn DiskFile>,
}

/// Where a segment stands among others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) incarnation: LogIncarnation,
    pub(super) number: u64,
    pub(super) previous_bytes: u64,
}

/// Why the head of a segment is not usable.
#[derive(Debug)]
pub(super) enum HeadFault {
    Io(io::Error),
    Decode(DecodeError),
    /// It is whole, and its key does not open.
    Sealed,
}

impl Segment {
    /// The file of a segment.
    pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
        dir.join(format!("{number:016x}.segment"))
    }

    /// The number in a file's name.
    pub(super) fn number_of(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".segment")?;
        let number = u64::from_str_radix(digits, 16).ok()?;
        (format!("{number:016x}") == digits).then_some(number)
    }

    /// Makes a segment under a fresh key. Nothing is synced.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        place: Place,
        key: &NodeKey,
        random: &dyn Random,
    ) -> io::Result<Self> {
        let Place { incarnation, number, previous_bytes } = place;
        let own = Zeroizing::new(random.array::<32>());
        let salt = random.array::<32>();
        let mut head = LogSegmentHead { incarnation, number, previous_bytes, salt, sealed_key: [0; 32 + TAG_BYTES] };
        let mut sealed = own.to_vec();
        key.derive(WRAP, &salt).seal(0, &head.bound(), &mut sealed, 0).map_err(refused)?;
        head.sealed_key = sealed.try_into().map_err(|_| refused(Refused))?;
        let file = disk.create(&Self::path(dir, number))?;
        file.write_at(0, &head.encode())?;
        Ok(Self { number, cipher: Cipher::new(&own), file })
    }

    /// Opens a segment's file; gives what its head says.
    pub(super) fn open(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        key: &NodeKey,
    ) -> Result<(Self, LogSegmentHead), HeadFault> {
        let file = disk.open_to_write(&Self::path(dir, number)).map_err(HeadFault::Io)?;
        let mut bytes = [0; LogSegmentHead::BYTES];
        let count = file.read_at(0, &mut bytes).map_err(HeadFault::Io)?;
        let head = LogSegmentHead::decode(bytes.get(..count).unwrap_or_default()).map_err(HeadFault::Decode)?;
        let mut sealed = head.sealed_key;
        let wrap = key.derive(WRAP, &head.salt);
        let own = wrap.open(0, &head.bound(), &mut sealed).map_err(|Refused| HeadFault::Sealed)?;
        let own = Zeroizing::new(<[u8; 32]>::try_from(own).map_err(|_| HeadFault::Sealed)?);
        Ok((Self { number, cipher: Cipher::new(&own), file }, head))
    }

    /// The bytes of a frame of these records at `offset`, and where each record will stand.
    pub(super) fn frame<'a>(
        &self,
        offset: u64,
        records: impl Iterator<Item = &'a LogRecord>,
        out: &mut Vec<u8>,
    ) -> io::Result<Vec<Location>> {
        let offset = u32::try_from(offset).map_err(io::Error::other)?;
        out.clear();
        out.resize(LogFrameHead::BYTES, 0);
        let mut places = Vec::with_capacity(records.size_hint().0);
        for record in records {
            let bytes = sealed_bytes(record);
            out.extend_from_slice(&number(bytes)?.to_le_bytes());
            let at = out.len();
            let first = offset.checked_add(number(at)?).ok_or_else(|| io::Error::other("a segment is too long"))?;
            record.encode_to(out);
            self.cipher.seal(u64::from(first), &[], out, at).map_err(refused)?;
            places.push(Location { segment: self.number, first, bytes: number(bytes)? });
        }
        LogFrame::finish(out, offset, number(places.len())?).map_err(io::Error::other)?;
        Ok(places)
    }

    /// Opens the sealed record that stood at `first`.
    pub(super) fn open_record(&self, first: u32, sealed: &mut [u8]) -> io::Result<LogRecord> {
        let plain = self.cipher.open(u64::from(first), &[], sealed).map_err(refused)?;
        LogRecord::decode(&Bytes::copy_from_slice(plain)).map_err(|error| damaged(error.into()))
    }

    /// Reads one record back.
    pub(super) fn read(&self, at: Location) -> io::Result<LogRecord> {
        let mut sealed = vec![0; at.bytes as usize];
        self.file.read_exact_at(u64::from(at.first), &mut sealed)?;
        self.open_record(at.first, &mut sealed)
    }
}

/// Bytes of a record once it is sealed.
pub(super) fn sealed_bytes(record: &LogRecord) -> usize {
    record.encoded_bytes() + TAG_BYTES
}

/// What a record adds to a frame.
pub(super) fn framed_bytes(record: &LogRecord) -> usize {
    SEALED_RECORD_HEAD_BYTES + sealed_bytes(record)
}

fn number(count: usize) -> io::Result<u32> {
    u32::try_from(count).map_err(io::Error::other)
}

fn refused(_: Refused) -> io::Error {
    damaged("a sealed record does not open".into())
}

fn damaged(reason: Box<dyn std::error::Error + Send + Sync>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
