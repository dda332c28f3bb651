//! What a restoration has to do: made of a catalogue's entries alone, before anything is touched.

use std::collections::BTreeMap;
use std::ops::Range;

use storgo_object::{ObjectError, TreeEntry};
use storgo_protocol::limits::TREE_GAP_BYTES_MAX;
use storgo_protocol::tree::{TreeFile, TreeNode, TreePath, TreeTime, TreeTotals};

/// A file to be restored.
#[derive(Debug, Clone)]
pub(super) struct FileJob {
    pub(super) path: TreePath,
    pub(super) file: TreeFile,
    pub(super) modified: TreeTime,
}

/// A directory that was made, and what it is to be like in the end.
#[derive(Debug, Clone)]
pub(super) struct DirectoryJob {
    pub(super) path: TreePath,
    pub(super) mode: u16,
    pub(super) modified: TreeTime,
}

/// A link to be made.
#[derive(Debug, Clone)]
pub(super) struct LinkJob {
    pub(super) path: TreePath,
    pub(super) target: Box<[u8]>,
    pub(super) modified: TreeTime,
}

/// Everything that is to be restored; paths are seen from the directory that is made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of paths, so that each stands behind the one it is in.
    pub(super) directories: Vec<DirectoryJob>,
    pub(super) files: Vec<FileJob>,
    pub(super) links: Vec<LinkJob>,
    pub(super) totals: TreeTotals,
}

/// Which files are fetched, and which are copied from one that was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Files to fetch, by offset; they do not overlap. Numbers into the plan's files.
    pub(super) fetched: Vec<usize>,
    /// Files with the contents of another: its number, and that of the one that is there by then.
    pub(super) copied: Vec<(usize, usize)>,
}

impl Plan {
    /// Adds an entry, seen from `under`.
    pub(super) fn add(&mut self, entry: TreeEntry, under: &TreePath) -> Result<(), ObjectError> {
        let TreeEntry { path, item } = entry;
        let Some(path) = path.below(under) else { return Err(wrong("an item of another directory")) };
        self.totals.add(&item).map_err(|error| damaged(error.into()))?;
        let modified = item.modified;
        match item.node {
            TreeNode::File(file) => self.files.push(FileJob { path, file, modified }),
            TreeNode::Directory { mode } => self.directories.push(DirectoryJob { path, mode, modified }),
            TreeNode::Link { target } => self.links.push(LinkJob { path, target, modified }),
        }
        Ok(())
    }

    /// Says where the files come from that are not `there` already. Files share a range as a whole or not at all.
    pub(super) fn sources(&self, there: impl Fn(usize) -> bool) -> Result<Sources, ObjectError> {
        let mut sources = Sources::default();
        // By offset: the file that others are copied from.
        let mut owners = BTreeMap::<u64, usize>::new();
        let with_bytes = |wanted: bool| {
            let there = &there;
            let files = self.files.iter().enumerate().filter(|(_, job)| job.file.bytes > 0);
            files.filter(move |(number, _)| there(*number) == wanted)
        };
        for (number, job) in with_bytes(true) {
            owners.entry(job.file.offset).or_insert(number);
        }
        for (number, job) in with_bytes(false) {
            let TreeFile { offset, bytes, hash, .. } = job.file;
            let owner = owners.get(&offset).and_then(|owner| Some((*owner, self.files.get(*owner)?.file)));
            match owner {
                Some((owner, file)) if (file.bytes, file.hash) == (bytes, hash) => sources.copied.push((number, owner)),
                Some(_) => return Err(wrong("two files of one offset that are not the same")),
                None => {
                    owners.insert(offset, number);
                    sources.fetched.push(number);
                }
            }
        }
        let end = |number: &usize| self.files.get(*number).map_or(0, |job| job.file.offset + job.file.bytes);
        let overlap = owners.iter().zip(owners.iter().skip(1)).any(|((_, before), (start, _))| end(before) > *start);
        if overlap {
            return Err(wrong("files that overlap"));
        }
        sources.fetched.sort_by_key(|number| self.files.get(*number).map_or(0, |job| job.file.offset));
        Ok(sources)
    }

    /// The ranges of contents that hold the fetched files, seen as parts of the object: its contents come first.
    pub(super) fn runs(&self, fetched: &[usize]) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for job in fetched.iter().filter_map(|number| self.files.get(*number)) {
            let range = job.file.offset..job.file.offset + job.file.bytes;
            match runs.last_mut() {
                Some(run) if range.start - run.end <= TREE_GAP_BYTES_MAX => run.end = range.end,
                _ => runs.push(range),
            }
        }
        runs
    }
}

/// What a catalogue says cannot be.
fn wrong(what: &'static str) -> ObjectError {
    damaged(what.into())
}

fn damaged(source: Box<dyn std::error::Error + Send + Sync>) -> ObjectError {
    ObjectError::Corrupt { what: "the catalogue of the tree".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use super::*;

    fn job(name: &str, offset: u64, bytes: u64, contents: &[u8]) -> FileJob {
        let file = TreeFile { mode: 0o644, offset, bytes, hash: blake3::hash(contents) };
        FileJob { path: TreePath::parse(name.as_bytes()).unwrap(), file, modified: TreeTime::default() }
    }

    fn plan(files: Vec<FileJob>) -> Plan {
        Plan { files, ..Plan::default() }
    }

    #[test]
    fn what_is_there_is_not_fetched_and_equal_files_are_fetched_once() {
        let plan = plan(vec![
            job("a", 0, 10, b"one"),
            job("b", 10, 5, b"two"),
            job("c", 0, 10, b"one"),
            job("d", 0, 0, b""),
            job("e", 15, 5, b"three"),
        ]);
        let sources = plan.sources(|_| false).unwrap();
        assert_eq!(sources, Sources { fetched: vec![0, 1, 4], copied: vec![(2, 0)] });
        assert!(plan.runs(&sources.fetched).iter().eq(once(&(0..20))));
        let sources = plan.sources(|number| number == 2).unwrap();
        assert_eq!(sources, Sources { fetched: vec![1, 4], copied: vec![(0, 2)] });
        assert!(plan.runs(&[0, 4]).iter().eq(once(&(0..20))), "a small gap is fetched along");
    }

    #[test]
    fn runs_end_at_wide_gaps() {
        let far = 10 + TREE_GAP_BYTES_MAX;
        let plan =
            plan(vec![job("a", 0, 10, b"1"), job("b", far, 5, b"2"), job("c", far + 6 + TREE_GAP_BYTES_MAX, 1, b"3")]);
        assert_eq!(plan.runs(&[0, 1, 2]), [0..far + 5, far + 6 + TREE_GAP_BYTES_MAX..far + 7 + TREE_GAP_BYTES_MAX]);
    }

    #[test]
    fn overlaps_and_two_hashes_of_one_range_are_refused() {
        for files in [
            vec![job("a", 0, 10, b"1"), job("b", 9, 5, b"2")],
            vec![job("a", 0, 10, b"1"), job("b", 2, 3, b"2")],
            vec![job("a", 0, 10, b"1"), job("b", 0, 9, b"1")],
            vec![job("a", 0, 10, b"1"), job("b", 0, 10, b"2")],
            vec![job("a", 5, 10, b"1"), job("b", 0, 6, b"2")],
        ] {
            for there in [usize::MAX, 0, 1] {
                assert!(plan(files.clone()).sources(|number| number == there).is_err(), "{files:?}");
            }
        }
    }
}
