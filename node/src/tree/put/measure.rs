//! How much there is to read, for a progress bar: a guess, made beside the work.

use std::fs;
use std::path::Path;

/// Bytes of all files below a directory. What cannot be read counts nothing: the walk that reads it says why.
pub(super) fn measure(root: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(root) else { return 0 };
    let bytes = entries.filter_map(Result::ok).filter_map(|entry| {
        let found = entry.metadata().ok()?;
        Some(if found.is_dir() { measure(&entry.path()) } else { u64::from(found.is_file()) * found.len() })
    });
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_count_and_links_do_not() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/file"), [0; 1000]).unwrap();
        fs::write(root.path().join("file"), [0; 24]).unwrap();
        symlink("/", root.path().join("a/root")).unwrap();
        assert_eq!(measure(root.path()), 1024);
        assert_eq!(measure(&root.path().join("nothing")), 0);
    }
}
