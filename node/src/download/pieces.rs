//! The record beside a partial file: which pieces of which object were put into it, and what they hash to.
//!
//! It knows no network and not the partial file: whoever adds an entry has synced the piece's bytes before, and whoever
//! loads entries reads those bytes back. A torn or lost write of it costs a piece that is fetched again, never one that
//! is taken for there and is not.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use storgo_protocol::ContentId;
use storgo_protocol::limits::DOWNLOAD_ENTRIES_MAX;

use super::entry::{ENTRY_BYTES, Entry};

const MAGIC: [u8; 4] = *b"SGPC";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;

/// What a download is of: a partial file of anything else is not continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The object.
    pub content: ContentId,
    /// Its first byte that is wanted.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
}

impl Wanted {
    /// Bytes of the file when it is whole.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Where in the file a run of the object's bytes lies; `None` if not all of it is wanted.
    pub(super) fn place(&self, offset: u64, bytes: u64) -> Option<u64> {
        let end = offset.checked_add(bytes)?;
        offset.checked_sub(self.from).filter(|_| end <= self.to)
    }
}

/// An open record of pieces.
///
/// # Shape
/// Header of 64 bytes: `"SGPC"`, version 1, 3 zero bytes, content id (32), from (u64 LE), to (u64 LE), 4 zero bytes,
/// CRC-32 (u32 LE) of all before it. Then entries of 40 bytes, see [`Entry`], in the order in which they were added;
/// one that fails its CRC says nothing, and of two of one piece the later holds.
#[derive(Debug)]
pub(super) struct PieceRecord {
    file: File,
    header_crc: u32,
    /// Where the next entry goes.
    end: u64,
}

impl PieceRecord {
    /// Reads the record of `wanted`, with its entries by ascending number; `None` if there is none, or one of something
    /// else.
    pub(super) fn load(path: &Path, wanted: &Wanted) -> io::Result<Option<(Self, Vec<Entry>)>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (header, header_crc) = header(wanted);
        let mut found = [0; HEADER_BYTES];
        match file.read_exact_at(&mut found, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
            Ok(()) if found.as_slice() != header => return Ok(None),
            Ok(()) => {}
        }
        let whole = (file.metadata()?.len().saturating_sub(HEADER_BYTES as u64)) / ENTRY_BYTES as u64;
        let count = whole.min(DOWNLOAD_ENTRIES_MAX);
        let entries = read_entries(&file, header_crc, count)?;
        let end = HEADER_BYTES as u64 + count * ENTRY_BYTES as u64;
        Ok(Some((Self { file, header_crc, end }, entries)))
    }

    /// Makes a record without entries; there must be none.
    pub(super) fn create(path: &Path, wanted: &Wanted) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let (header, header_crc) = header(wanted);
        file.write_all_at(&header, 0)?;
        Ok(Self { file, header_crc, end: HEADER_BYTES as u64 })
    }

    /// Adds pieces whose bytes were synced.
    pub(super) fn add(&mut self, entries: &[Entry]) -> io::Result<()> {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.encode(self.header_crc)).collect();
        self.file.write_all_at(&bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

fn read_entries(file: &File, header_crc: u32, count: u64) -> io::Result<Vec<Entry>> {
    let mut reader = BufReader::new(file);
    reader.read_exact(&mut [0; HEADER_BYTES])?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let mut bytes = [0; ENTRY_BYTES];
        reader.read_exact(&mut bytes)?;
        entries.extend(Entry::decode(&bytes, header_crc));
    }
    // The sort is stable, so the last that was added comes first among equals, and stays.
    entries.reverse();
    entries.sort_by_key(|entry| entry.piece.number);
    entries.dedup_by_key(|entry| entry.piece.number);
    Ok(entries)
}

fn header(wanted: &Wanted) -> (Vec<u8>, u32) {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&[VERSION, 0, 0, 0]);
    header.extend_from_slice(wanted.content.as_bytes());
    header.extend_from_slice(&wanted.from.to_le_bytes());
    header.extend_from_slice(&wanted.to.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    let crc = crc32fast::hash(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    (header, crc)
}

#[cfg(test)]
mod tests {
    use storgo_object::Piece;

    use super::*;

    fn wanted(to: u64) -> Wanted {
        Wanted { content: ContentId::from_bytes([5; 32]), from: 0, to }
    }

    fn entry(number: u64, byte: u8) -> Entry {
        Entry::of(Piece { number, offset: number * 3, bytes: 3 }, &[byte; 3])
    }

    fn load(path: &Path) -> (PieceRecord, Vec<Entry>) {
        PieceRecord::load(path, &wanted(9)).unwrap().unwrap()
    }

    #[test]
    fn entries_come_back_in_order_and_the_later_of_two_holds() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("pieces");
        let mut record = PieceRecord::create(&path, &wanted(9)).unwrap();
        assert_eq!(load(&path).1, []);
        record.add(&[entry(500, 1), entry(3, 2)]).unwrap();
        record.add(&[]).unwrap();
        drop(record);
        load(&path).0.add(&[entry(500, 3), entry(u64::MAX / 4, 4)]).unwrap();
        assert_eq!(load(&path).1, [entry(3, 2), entry(500, 3), entry(u64::MAX / 4, 4)]);
        assert!(PieceRecord::load(&path, &wanted(10)).unwrap().is_none());
        assert!(PieceRecord::load(&root.path().join("none"), &wanted(9)).unwrap().is_none());
    }

    #[test]
    fn whatever_byte_is_changed_or_cut_off_nothing_wrong_is_claimed_and_what_is_added_later_holds() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("pieces");
        let written = [entry(3, 1), entry(500, 2)];
        PieceRecord::create(&path, &wanted(9)).unwrap().add(&written).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let check = |at: usize, damaged: &[u8], left: usize| {
            std::fs::write(&path, damaged).unwrap();
            let Some((mut record, entries)) = PieceRecord::load(&path, &wanted(9)).unwrap() else {
                assert!(at < HEADER_BYTES, "byte {at}: the header is whole");
                return;
            };
            assert!(at >= HEADER_BYTES, "byte {at}: the header is damaged");
            assert_eq!(entries.len(), left, "byte {at}");
            assert!(entries.iter().all(|entry| written.contains(entry)), "byte {at}: {entries:?}");
            record.add(&[entry(7, 3)]).unwrap();
            assert!(load(&path).1.contains(&entry(7, 3)), "byte {at}");
            assert_eq!(load(&path).1.len(), left + 1, "byte {at}");
        };
        for at in 0..bytes.len() {
            for changed in [bytes[at] ^ 1, bytes[at] ^ 0x80, !bytes[at]] {
                let mut damaged = bytes.clone();
                damaged[at] = changed;
                check(at, &damaged, 1);
            }
            check(at, &bytes[..at], at.saturating_sub(HEADER_BYTES) / ENTRY_BYTES);
        }
    }
}
