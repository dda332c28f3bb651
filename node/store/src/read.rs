//! Reading files back, each checked on the way: whatever is given out was verified by its id.
//!
//! It must not know the index, and changes nothing. What it finds wrong it names; the committer decides again and acts.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::io::Errno;
use storgo_object::ports::StoreError;
use storgo_protocol::limits::{DISK_BLOCK_BYTES, LAYOUT_RECORDS_MAX, NODE_BYTES_MAX, SHARD_BYTES_MAX};
use storgo_protocol::slice::{self, group_range, outboard_bytes};
use storgo_protocol::{LayoutRecord, NodeId, ShardAddress, ShardFileHead, StripeHeader};

use crate::disk::{Disk, DiskFile};
use crate::item::Item;

/// Bytes of the longest shard file.
const SHARD_FILE_BYTES_MAX: usize =
    ShardFileHead::BYTES_MAX + outboard_bytes(SHARD_BYTES_MAX) + SHARD_BYTES_MAX + DISK_BLOCK_BYTES;

/// Why a file did not give its item.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no file.
    Missing,
    /// Its bytes are not those of its id.
    Damaged,
    /// The disk says that it cannot give them back: as good as damaged.
    Lost(io::Error),
    /// The attempt failed, and nothing is known of the file: too many open files, no permission, the disk unplugged.
    Failed(io::Error),
    /// The range that was asked for is not inside the shard: nothing is wrong with the file.
    Outside,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::IsADirectory => Self::Damaged,
            _ if is_lost(&error) => Self::Lost(error),
            _ => Self::Failed(error),
        }
    }
}

/// Whether an error is the medium's (a bad sector, a wrong checksum of the file system), not the moment's.
fn is_lost(error: &io::Error) -> bool {
    let lost = [Errno::IO, Errno::BADMSG, Errno::UCLEAN].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| lost.contains(&code))
}

/// The head of a shard file, compared with the file's name and length.
pub(crate) fn head(
    disk: &dyn Disk,
    root: &Path,
    shard: ShardAddress,
) -> Result<(Box<dyn DiskFile>, ShardFileHead), Fault> {
    let file = disk.open(&root.join(Item::Shard(shard).path()))?;
    let mut buffer = [0; ShardFileHead::BYTES_MAX];
    let count = file.read_at(0, &mut buffer)?;
    let head = ShardFileHead::decode(buffer.get(..count).unwrap_or_default()).map_err(|_| Fault::Damaged)?;
    if head.address() != shard || head.file_bytes() != file.bytes()? {
        return Err(Fault::Damaged);
    }
    Ok((file, head))
}

/// A whole shard.
pub(crate) fn shard(disk: &dyn Disk, root: &Path, shard: ShardAddress) -> Result<(StripeHeader, Bytes), Fault> {
    let Parts { head, payload, .. } = parts(disk, root, shard)?;
    if blake3::hash(&payload) != *head.id().as_bytes() {
        return Err(Fault::Damaged);
    }
    Ok((head.header().clone(), payload))
}

/// What stands in a shard file; the head was compared with the file's name and length, the padding with zeroes, the rest
/// with nothing.
struct Parts {
    head: ShardFileHead,
    outboard: Bytes,
    payload: Bytes,
}

fn parts(disk: &dyn Disk, root: &Path, shard: ShardAddress) -> Result<Parts, Fault> {
    let file = disk.open(&root.join(Item::Shard(shard).path()))?;
    let bytes = usize::try_from(file.bytes()?).ok().filter(|&bytes| bytes <= SHARD_FILE_BYTES_MAX);
    let mut whole = file.read_first(bytes.ok_or(Fault::Damaged)?)?;
    let head = ShardFileHead::decode(&whole).map_err(|_| Fault::Damaged)?;
    if head.address() != shard || head.file_bytes() != whole.len() as u64 {
        return Err(Fault::Damaged);
    }
    let mut rest = whole.split_off(whole.len() - head.padding_bytes() - head.payload_bytes() - head.outboard_bytes());
    let outboard = rest.split_to(head.outboard_bytes());
    let payload = rest.split_to(head.payload_bytes());
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Fault::Damaged);
    }
    Ok(Parts { head, outboard, payload })
}

/// A slice of a shard; reads its groups and the outboard, nothing else.
pub(crate) fn range(
    disk: &dyn Disk,
    root: &Path,
    shard: ShardAddress,
    range: &Range<usize>,
) -> Result<(StripeHeader, Bytes), Fault> {
    let (file, head) = head(disk, root, shard)?;
    let groups = group_range(head.payload_bytes(), range).map_err(|_| Fault::Outside)?;
    let outboard = read(&*file, head.outboard_first(), head.outboard_bytes())?;
    let bytes = read(&*file, head.payload_first() + groups.start as u64, groups.len())?;
    let slice =
        slice::encode_slice(head.id(), head.payload_bytes(), &outboard, range, &bytes).map_err(|_| Fault::Damaged)?;
    Ok((head.header().clone(), slice.into()))
}

/// A node.
pub(crate) fn node(disk: &dyn Disk, root: &Path, node: NodeId) -> Result<Bytes, Fault> {
    let bytes = small(disk, &root.join(Item::Node(node).path()), NODE_BYTES_MAX)?;
    if NodeId::of(&bytes) != node {
        return Err(Fault::Damaged);
    }
    Ok(bytes.into())
}

/// Bytes of the longest file of layout records.
pub(crate) const RECORDS_BYTES_MAX: usize = LAYOUT_RECORDS_MAX * LayoutRecord::BYTES + blake3::OUT_LEN;

/// The contents of a file of layout records.
///
/// # Shape
/// The records one behind the other, then BLAKE3 (32) of them: each is signed, but nothing else would tell that one is
/// missing.
pub(crate) fn encode_records(records: &[LayoutRecord]) -> Vec<u8> {
    let mut bytes: Vec<u8> = records.iter().flat_map(LayoutRecord::encode).collect();
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// The layout records beside a root: those that verify and are about it. `whole` is false if that is not all that was
/// written.
pub(crate) fn records(disk: &dyn Disk, root: &Path, node: NodeId) -> Result<(Vec<LayoutRecord>, bool), Fault> {
    let bytes = small(disk, &root.join(Item::Records(node).path()), RECORDS_BYTES_MAX)?;
    let (body, checksum) = bytes.split_last_chunk::<{ blake3::OUT_LEN }>().unwrap_or((&bytes, &[0; blake3::OUT_LEN]));
    let (chunks, rest) = body.as_chunks::<{ LayoutRecord::BYTES }>();
    let decoded = chunks.iter().filter_map(|record| LayoutRecord::decode(record).ok());
    let good: Vec<_> = decoded.filter(|record| NodeId::from(record.content) == node).collect();
    let whole = blake3::hash(body) == *checksum && rest.is_empty() && good.len() == chunks.len();
    Ok((good, whole))
}

/// Reads everything that belongs to an item and compares all of it, a shard's outboard too.
pub(crate) fn verify(disk: &dyn Disk, root: &Path, item: Item) -> Result<(), Fault> {
    let good = match item {
        Item::Shard(shard) => {
            let Parts { head, outboard, payload } = parts(disk, root, shard)?;
            let (id, found) = slice::outboard(&payload);
            id == head.id() && found == outboard
        }
        Item::Node(id) => node(disk, root, id).map(|_| true)?,
        Item::Records(id) => records(disk, root, id)?.1,
        Item::Mark(_) => disk.open(&root.join(item.path())).map(|_| true)?,
    };
    if good { Ok(()) } else { Err(Fault::Damaged) }
}

/// Looks whether a file is there with the length that it should have.
pub(crate) fn glance(disk: &dyn Disk, root: &Path, item: Item, bytes: u64) -> Result<(), Fault> {
    let found = disk.open(&root.join(item.path()))?.bytes()?;
    if found == bytes { Ok(()) } else { Err(Fault::Damaged) }
}

/// The error for an item whose every copy failed, each on its disk.
pub(crate) fn refusal(item: Item, faults: Vec<(PathBuf, Fault)>) -> StoreError {
    if faults.iter().any(|(_, fault)| matches!(fault, Fault::Outside)) {
        return StoreError::Mismatch { what: "range" };
    }
    if faults.iter().all(|(_, fault)| matches!(fault, Fault::Missing)) {
        return StoreError::NotFound;
    }
    // Such a copy may be good, and may be given the next time.
    for (disk, fault) in faults {
        if let Fault::Failed(source) = fault {
            return StoreError::Io { what: "reading a file", disk, source };
        }
    }
    let what = match item {
        Item::Shard(shard) => format!("shard {shard}"),
        Item::Node(node) => format!("node {node}"),
        Item::Records(node) | Item::Mark(node) => format!("what stands beside node {node}"),
    };
    StoreError::Corrupt { what }
}

fn read(file: &dyn DiskFile, first: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(first, &mut buffer)?;
    Ok(buffer)
}

fn small(disk: &dyn Disk, path: &Path, max: usize) -> Result<Vec<u8>, Fault> {
    let file = disk.open(path)?;
    let bytes = usize::try_from(file.bytes()?).ok().filter(|&bytes| bytes <= max).ok_or(Fault::Damaged)?;
    Ok(read(&*file, 0, bytes)?)
}
