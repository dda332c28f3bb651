//! What became of a directory's items: counts, and the first paths that somebody should hear of.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use storgo_object::PutReport;
use storgo_protocol::limits::TREE_PATHS_REPORTED_MAX;
use storgo_protocol::tree::{Printable, TreeTotals};

/// What putting a directory did.
#[derive(Debug, Clone)]
pub struct TreePutReport {
    /// What putting the object did.
    pub put: PutReport,
    /// What became of the directory.
    pub pack: PackReport,
}

/// What became of a directory's items.
#[derive(Debug, Clone, Default)]
pub struct PackReport {
    /// What is in the tree.
    pub totals: TreeTotals,
    /// Files whose contents were there already.
    pub shared_files: u64,
    /// Bytes of those.
    pub shared_bytes: u64,
    /// What is neither a file nor a directory nor a link, and not in the tree.
    pub skipped: Remarks,
    /// Files that changed or vanished meanwhile. What was read of them is in the tree.
    pub changed: Remarks,
}

/// Paths with what there is to say of each: the first of them, and how many in all.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    /// How many.
    pub count: u64,
    /// The first [`TREE_PATHS_REPORTED_MAX`], as they may be printed.
    pub first: Vec<(String, &'static str)>,
}

impl Remarks {
    pub(super) fn add(&mut self, path: &Path, what: &'static str) {
        self.count += 1;
        if self.first.len() < TREE_PATHS_REPORTED_MAX {
            self.first.push((Printable(path.as_os_str().as_bytes()).to_string(), what));
        }
    }
}
