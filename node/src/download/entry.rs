//! One entry of the record beside a partial file: where a piece lies, and what its bytes hash to.
//!
//! It knows neither which object the pieces are of nor where in the record the entry stands. Its bytes come from the
//! record, and what they claim is believed only of bytes that were read back.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use storgo_object::Piece;
use storgo_protocol::limits::DOWNLOAD_READ_BYTES;

use super::pieces::Wanted;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 40;

const HASH_BYTES: usize = 16;

/// A piece whose bytes were verified and written.
///
/// # Shape
/// Number (u64 LE), offset in the object (u64 LE), length (u32 LE), the first 16 bytes of the BLAKE3 of its bytes, and
/// the CRC-32 (u32 LE) of the record's header's CRC (u32 LE) and all that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Which piece.
    pub(super) piece: Piece,
    hash: [u8; HASH_BYTES],
}

impl Entry {
    /// The entry of a piece with its verified bytes.
    pub(super) fn of(piece: Piece, bytes: &[u8]) -> Self {
        Self { piece, hash: short(&blake3::hash(bytes)) }
    }

    /// Its bytes in the record whose header has that CRC.
    pub(super) fn encode(&self, header_crc: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRY_BYTES);
        out.extend_from_slice(&self.piece.number.to_le_bytes());
        out.extend_from_slice(&self.piece.offset.to_le_bytes());
        out.extend_from_slice(&self.piece.bytes.to_le_bytes());
        out.extend_from_slice(&self.hash);
        let crc = crc(header_crc, &out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// The entry that the bytes are; `None` if they are torn, damaged or of another record.
    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES], header_crc: u32) -> Option<Self> {
        let (covered, check) = bytes.split_last_chunk()?;
        if crc(header_crc, covered) != u32::from_le_bytes(*check) {
            return None;
        }
        let (number, rest) = covered.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (length, hash) = rest.split_first_chunk()?;
        let (number, offset) = (u64::from_le_bytes(*number), u64::from_le_bytes(*offset));
        let piece = Piece { number, offset, bytes: u32::from_le_bytes(*length) };
        Some(Self { piece, hash: hash.try_into().ok()? })
    }

    /// Whether the partial file holds the bytes. Reads them through `buffer`, which is not empty.
    fn is_in(&self, part: &File, wanted: &Wanted, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(mut place) = wanted.place(self.piece.offset, u64::from(self.piece.bytes)) else { return Ok(false) };
        let mut left = self.piece.bytes as usize;
        let mut hasher = blake3::Hasher::new();
        while left > 0 {
            let run = left.min(buffer.len());
            let read = buffer.get_mut(..run).ok_or(io::ErrorKind::InvalidInput)?;
            part.read_exact_at(read, place)?;
            hasher.update(read);
            place += run as u64;
            left -= run;
        }
        Ok(short(&hasher.finalize()) == self.hash)
    }
}

/// The pieces whose bytes the partial file of `wanted`, of full length, holds; reads all of them.
pub(super) fn those_in(part: &File, wanted: &Wanted, claimed: &[Entry]) -> io::Result<Vec<Piece>> {
    let (mut held, mut buffer) = (Vec::new(), vec![0; DOWNLOAD_READ_BYTES]);
    for entry in claimed {
        if entry.is_in(part, wanted, &mut buffer)? {
            held.push(entry.piece);
        }
    }
    Ok(held)
}

fn short(hash: &blake3::Hash) -> [u8; HASH_BYTES] {
    let mut short = [0; HASH_BYTES];
    short.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    short
}

fn crc(header_crc: u32, covered: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header_crc.to_le_bytes());
    crc.update(covered);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_and_no_changed_one_does() {
        let piece = Piece { number: 7, offset: u64::MAX, bytes: 3 };
        let entry = Entry::of(piece, b"abc");
        let encoded: [u8; ENTRY_BYTES] = entry.encode(9).try_into().unwrap();
        assert_eq!(Entry::decode(&encoded, 9), Some(entry));
        assert_eq!(Entry::decode(&encoded, 8), None, "of another record");
        assert_eq!(Entry::decode(&[0; ENTRY_BYTES], 0), None, "a hole");
        for bit in 0..ENTRY_BYTES * 8 {
            let mut changed = encoded;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::decode(&changed, 9), None, "bit {bit}");
        }
    }

    #[test]
    fn bytes_are_compared_through_a_buffer_of_any_size_and_only_inside_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        let wanted = Wanted { content: storgo_protocol::ContentId::from_bytes([1; 32]), from: 100, to: 110 };
        let at = |offset, bytes: &[u8]| Entry::of(Piece { number: 0, offset, bytes: bytes.len() as u32 }, bytes);
        for buffer in 1..12 {
            let is_in = |entry: Entry| entry.is_in(&file, &wanted, &mut vec![0; buffer]).unwrap();
            assert!(is_in(at(103, b"34567")) && is_in(at(100, b"0123456789")));
            assert!(!is_in(at(103, b"34568")) && !is_in(at(104, b"34567")));
            assert!(!is_in(at(99, b"0")) && !is_in(at(109, b"9x")) && !is_in(at(u64::MAX, b"9")));
        }
    }
}
