//! Files below a directory, and the shard files among them: what a disk keeps, seen from outside.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::node::Node;

/// A shard on a disk: `<stripe>.<index>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardFile {
    pub stripe: String,
    pub index: usize,
    pub path: PathBuf,
}

impl ShardFile {
    /// Flips one bit of the last byte of its payload.
    pub fn damage(&self) {
        let file = File::options().read(true).write(true).open(&self.path).expect("a shard file opens");
        let last = file.metadata().expect("it has a length").len() - 1;
        let mut byte = [0];
        file.read_exact_at(&mut byte, last).expect("it can be read");
        file.write_all_at(&[byte[0] ^ 1], last).expect("it can be written");
    }
}

/// The shards on a node's disks, in order.
pub fn shard_files(node: &Node) -> Vec<ShardFile> {
    let files = node.disks.iter().flat_map(|disk| files_below(&disk.join("shards")));
    let mut shards: Vec<_> = files.filter_map(parse).collect();
    shards.sort();
    shards
}

fn parse(path: PathBuf) -> Option<ShardFile> {
    let name = path.file_name()?.to_str()?;
    let (stripe, index) = name.split_once('.')?;
    Some(ShardFile { stripe: stripe.to_owned(), index: index.parse().ok()?, path })
}

/// All regular files below a directory; none if there is no such directory. What vanishes meanwhile is left out.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => files.extend(files_below(&path)),
            Ok(found) if found.is_file() => files.push(path),
            Ok(_) | Err(_) => {}
        }
    }
    files
}
