//! One flipped byte in a data-shard file of a living peer, behind the peer's back.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use storgo_protocol::{ShardAddress, ShardFileHead};

use super::peers::DemoPeers;
use crate::error::CliError;

/// Where a node of the demo keeps its shards, below its data directory.
const DISK: &str = "disk";

/// A shard that was damaged.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) peer: String,
    pub(super) shard: ShardAddress,
    pub(super) file: PathBuf,
    pub(super) byte: u64,
}

/// Flips the middle byte of the largest data shard that a living peer holds: chunks have larger ones than nodes of
/// the index. `None` if nobody holds one.
pub(super) fn flip_a_byte(peers: &DemoPeers) -> Result<Option<Damage>, CliError> {
    let mut largest: Option<(ShardFileHead, PathBuf, String)> = None;
    for peer in &peers.living {
        let disk = peer.data.join(DISK);
        let found = data_shards(&disk).map_err(|error| CliError::io(format!("searching {}", disk.display()), error))?;
        for (head, file) in found {
            if largest.as_ref().is_none_or(|(most, ..)| head.payload_bytes() > most.payload_bytes()) {
                largest = Some((head, file, peer.name.clone()));
            }
        }
    }
    let Some((head, file, peer)) = largest else { return Ok(None) };
    let byte = head.payload_first() + head.payload_bytes() as u64 / 2;
    flip(&file, byte).map_err(|error| CliError::io(format!("damaging {}", file.display()), error))?;
    Ok(Some(Damage { peer, shard: head.address(), file, byte }))
}

/// All data shards below a disk, what was set aside left out.
fn data_shards(disk: &Path) -> io::Result<Vec<(ShardFileHead, PathBuf)>> {
    let (mut found, mut directories) = (Vec::new(), vec![disk.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() && entry.file_name() != "quarantine" => directories.push(entry.path()),
                kind if kind.is_file() => found.extend(read_head(&entry.path())?.map(|head| (head, entry.path()))),
                _ => {}
            }
        }
    }
    found.retain(|(head, _)| head.address().index.get() < head.header().code().data());
    Ok(found)
}

/// The head of a shard file; `None` for any other file.
fn read_head(path: &Path) -> io::Result<Option<ShardFileHead>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ShardFileHead::BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(ShardFileHead::decode(&bytes).ok())
}

fn flip(path: &Path, at: u64) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&byte.map(|byte| byte ^ 1), at)?;
    file.sync_all()
}
