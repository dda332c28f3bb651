//! A directory as it looks from outside: everything that a restoration must bring back, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What is seen of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    kind: &'static str,
    mode: u32,
    modified: (i64, i64),
    /// The hash of a file's bytes, or a link's target.
    holds: Vec<u8>,
}

impl Seen {
    pub(super) fn is_file(&self) -> bool {
        self.kind == "file"
    }

    /// Whether both hold the same bytes, whatever their modes and times.
    pub(super) fn holds_as(&self, other: &Self) -> bool {
        (self.kind, &self.holds) == (other.kind, &other.holds)
    }
}

/// All that is in a directory, and the directory itself, by path. Modes that hinder looking are lifted meanwhile.
pub(super) fn seen(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut all = BTreeMap::new();
    look(root, root, &mut all);
    all
}

fn look(root: &Path, path: &Path, all: &mut BTreeMap<Vec<u8>, Seen>) {
    let found = fs::symlink_metadata(path).unwrap();
    let (kind, holds) = if found.is_dir() {
        ("directory", Vec::new())
    } else if found.is_symlink() {
        ("link", fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec())
    } else if found.is_file() {
        ("file", readable(path, || blake3::hash(&fs::read(path).unwrap())).as_bytes().to_vec())
    } else {
        ("other", Vec::new())
    };
    let mode = if found.is_symlink() { 0 } else { found.mode() & 0o7777 };
    // When a link was made is restored too.
    let modified = (found.mtime(), found.mtime_nsec());
    let relative = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
    all.insert(relative, Seen { kind, mode, modified, holds });
    if found.is_dir() {
        let names: Vec<_> = readable(path, || path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect());
        let entered = enterable(path);
        for name in &names {
            look(root, name, all);
        }
        entered.restore(path);
    }
}

/// Does `work` while the owner may read.
fn readable<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    let lifted = enterable(path);
    let done = work();
    lifted.restore(path);
    done
}

struct Lifted(Option<fs::Permissions>);

fn enterable(path: &Path) -> Lifted {
    use std::os::unix::fs::PermissionsExt as _;
    let before = fs::metadata(path).unwrap().permissions();
    if before.mode() & 0o500 == 0o500 {
        return Lifted(None);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(before.mode() | 0o500)).unwrap();
    Lifted(Some(before))
}

impl Lifted {
    fn restore(self, path: &Path) {
        if let Some(before) = self.0 {
            fs::set_permissions(path, before).unwrap();
        }
    }
}

/// The first path at which two directories differ.
pub(super) fn difference(
    one: &BTreeMap<Vec<u8>, Seen>,
    other: &BTreeMap<Vec<u8>, Seen>,
) -> Option<(String, Option<Seen>, Option<Seen>)> {
    let paths = one.keys().chain(other.keys());
    let differs = |path: &&Vec<u8>| one.get(*path) != other.get(*path);
    let shown = |path: &Vec<u8>| (path.escape_ascii().to_string(), one.get(path).cloned(), other.get(path).cloned());
    paths.filter(differs).map(shown).next()
}
