//! The bitmap beside a partial file: which pieces of which object are in it for good.
//!
//! It knows no network and not the bytes themselves: whoever sets a bit has synced the piece's bytes before. A torn or
//! lost write of it costs a piece that is fetched again, never one that is taken for there and is not.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use storgo_protocol::ContentId;
use storgo_protocol::limits::BITMAP_BLOCKS_MAX;

const MAGIC: [u8; 4] = *b"SGBM";
const VERSION: u8 = 1;

/// Bytes of the header and of a block: small enough that a disk writes either wholly or not at all.
const BLOCK_BYTES: usize = 64;

/// Bytes of bits in a block; its CRC takes the rest.
const BITS_BYTES: usize = 60;

/// Pieces of one block.
const BLOCK_PIECES: u64 = BITS_BYTES as u64 * 8;

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
}

/// An open bitmap file.
///
/// # Shape
/// Header of 64 bytes: `"SGBM"`, version 1, 3 zero bytes, content id (32), from (u64 LE), to (u64 LE), 4 zero bytes,
/// CRC-32 (u32 LE) of all before it. Then blocks of 64 bytes: 480 bits, lowest first, and the CRC-32 (u32 LE) of the
/// header's CRC, the block's number (u64 LE) and the bits. A block that fails its CRC has no bits.
#[derive(Debug)]
pub(super) struct Bitmap {
    file: File,
    header_crc: u32,
    blocks: BTreeMap<u64, [u8; BITS_BYTES]>,
}

impl Bitmap {
    /// Reads the bitmap of `wanted`; `None` if there is none, or one of something else.
    pub(super) fn load(path: &Path, wanted: &Wanted) -> io::Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (header, header_crc) = header(wanted);
        let mut found = [0; BLOCK_BYTES];
        match file.read_exact_at(&mut found, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
            Ok(()) if found != header => return Ok(None),
            Ok(()) => {}
        }
        let mut bitmap = Self { file, header_crc, blocks: BTreeMap::new() };
        bitmap.read_blocks()?;
        Ok(Some(bitmap))
    }

    /// Makes an empty bitmap; there must be none.
    pub(super) fn create(path: &Path, wanted: &Wanted) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let (header, header_crc) = header(wanted);
        file.write_all_at(&header, 0)?;
        Ok(Self { file, header_crc, blocks: BTreeMap::new() })
    }

    /// Whether a piece is there for good.
    pub(super) fn has(&self, piece: u64) -> bool {
        let (block, byte, bit) = place(piece);
        self.blocks.get(&block).and_then(|bits| bits.get(byte)).is_some_and(|bits| bits & bit != 0)
    }

    /// Notes pieces whose bytes were synced.
    pub(super) fn set(&mut self, pieces: &[u64]) -> io::Result<()> {
        let mut changed = Vec::new();
        for piece in pieces {
            let (block, byte, bit) = place(*piece);
            if let Some(bits) = self.blocks.entry(block).or_insert([0; BITS_BYTES]).get_mut(byte) {
                *bits |= bit;
            }
            changed.push(block);
        }
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().try_for_each(|block| self.write_block(block))
    }

    fn write_block(&self, number: u64) -> io::Result<()> {
        let Some(bits) = self.blocks.get(&number) else { return Ok(()) };
        let crc = self.block_crc(number, bits);
        let block: Vec<u8> = bits.iter().copied().chain(crc.to_le_bytes()).collect();
        self.file.write_all_at(&block, (number + 1) * BLOCK_BYTES as u64)
    }

    fn read_blocks(&mut self) -> io::Result<()> {
        let blocks = (self.file.metadata()?.len() / BLOCK_BYTES as u64).min(BITMAP_BLOCKS_MAX);
        for number in 1..blocks {
            let mut block = [0; BLOCK_BYTES];
            self.file.read_exact_at(&mut block, number * BLOCK_BYTES as u64)?;
            let Some((bits, crc)) = block.split_first_chunk::<BITS_BYTES>() else { continue };
            if self.block_crc(number - 1, bits).to_le_bytes() == crc {
                self.blocks.insert(number - 1, *bits);
            }
        }
        Ok(())
    }

    fn block_crc(&self, number: u64, bits: &[u8; BITS_BYTES]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.header_crc.to_le_bytes());
        crc.update(&number.to_le_bytes());
        crc.update(bits);
        crc.finalize()
    }
}

fn header(wanted: &Wanted) -> ([u8; BLOCK_BYTES], u32) {
    let mut body = Vec::with_capacity(BLOCK_BYTES);
    body.extend_from_slice(&MAGIC);
    body.extend_from_slice(&[VERSION, 0, 0, 0]);
    body.extend_from_slice(wanted.content.as_bytes());
    body.extend_from_slice(&wanted.from.to_le_bytes());
    body.extend_from_slice(&wanted.to.to_le_bytes());
    body.extend_from_slice(&[0; 4]);
    let crc = crc32fast::hash(&body);
    body.extend_from_slice(&crc.to_le_bytes());
    let mut header = [0; BLOCK_BYTES];
    header.iter_mut().zip(body).for_each(|(to, from)| *to = from);
    (header, crc)
}

/// Block, byte in the block, and bit in the byte of a piece.
const fn place(piece: u64) -> (u64, usize, u8) {
    let inside = piece % BLOCK_PIECES;
    (piece / BLOCK_PIECES, (inside / 8) as usize, 1 << (inside % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(to: u64) -> Wanted {
        Wanted { content: ContentId::from_bytes([5; 32]), from: 0, to }
    }

    #[test]
    fn bits_come_back_across_blocks() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bitmap");
        let pieces = [0, 7, 8, 479, 480, 481, 100_000];
        let mut bitmap = Bitmap::create(&path, &wanted(9)).unwrap();
        bitmap.set(&pieces).unwrap();
        drop(bitmap);
        let bitmap = Bitmap::load(&path, &wanted(9)).unwrap().unwrap();
        for piece in 0..100_500 {
            assert_eq!(bitmap.has(piece), pieces.contains(&piece), "piece {piece}");
        }
        assert!(Bitmap::load(&path, &wanted(10)).unwrap().is_none());
        assert!(Bitmap::load(&root.path().join("none"), &wanted(9)).unwrap().is_none());
    }

    #[test]
    fn whatever_byte_is_changed_no_bit_appears() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bitmap");
        let mut bitmap = Bitmap::create(&path, &wanted(9)).unwrap();
        bitmap.set(&[3, 500]).unwrap();
        drop(bitmap);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for changed in [bytes[at] ^ 1, bytes[at] ^ 0x80, !bytes[at]] {
                let mut damaged = bytes.clone();
                damaged[at] = changed;
                std::fs::write(&path, &damaged).unwrap();
                if let Some(bitmap) = Bitmap::load(&path, &wanted(9)).unwrap() {
                    let there: Vec<_> = (0..1000).filter(|piece| bitmap.has(*piece)).collect();
                    assert!(there.iter().all(|piece| [3, 500].contains(piece)), "byte {at}: {there:?}");
                }
            }
            std::fs::write(&path, &bytes[..at]).unwrap();
            let _cut = Bitmap::load(&path, &wanted(9)).unwrap();
        }
    }
}
