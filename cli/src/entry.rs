//! An item of a tree, as people and programs read it. Names are a stranger's, so they are escaped here.

use serde::Serialize;
use storgo_protocol::tree::{Printable, TreeFile, TreeItem, TreeNode, TreePath, TreeTime};
use time::OffsetDateTime;

use crate::amounts;

/// One line: kind and permissions, size, when it was changed last (UTC), path, and where a link leads.
pub(crate) fn line(path: &TreePath, item: &TreeItem) -> String {
    let (kind, mode, size, behind) = match &item.node {
        TreeNode::File(file) => ('-', file.mode, amounts::bytes(file.bytes), String::new()),
        TreeNode::Directory { mode } => ('d', *mode, "-".to_owned(), "/".to_owned()),
        TreeNode::Link { target } => ('l', 0o777, "-".to_owned(), format!(" -> {}", Printable(target))),
    };
    format!("{kind}{}  {size:>9}  {}  {path}{behind}", permissions(mode), moment(item.modified))
}

/// `rwxr-x---`.
fn permissions(mode: u16) -> String {
    let letters = "rwxrwxrwx".chars().enumerate();
    letters.map(|(place, letter)| if mode & (0o400 >> place) == 0 { '-' } else { letter }).collect()
}

/// `2026-11-21 05:13`; what no calendar has as seconds since 1970.
pub(crate) fn moment(time: TreeTime) -> String {
    match OffsetDateTime::from_unix_timestamp(time.seconds) {
        Ok(at) => {
            let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
            format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", at.hour(), at.minute())
        }
        Err(_) => format!("{:>16}", format!("@{}", time.seconds)),
    }
}

/// An item in `--json`. `path` is the path as it may be printed; `path_hex` has its bytes.
#[derive(Debug, Serialize)]
pub(crate) struct EntryJson {
    path: String,
    path_hex: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u16>,
    modified: TimeJson,
    #[serde(flatten)]
    file: Option<FileJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_hex: Option<String>,
}

#[derive(Debug, Serialize)]
struct TimeJson {
    seconds: i64,
    nanoseconds: u32,
}

#[derive(Debug, Serialize)]
struct FileJson {
    bytes: u64,
    blake3: String,
    offset: u64,
}

impl EntryJson {
    pub(crate) fn of(path: &TreePath, item: &TreeItem) -> Self {
        let (kind, mode, file, target) = match &item.node {
            TreeNode::File(file) => ("file", Some(file.mode), Some(FileJson::of(file)), None),
            TreeNode::Directory { mode } => ("directory", Some(*mode), None, None),
            TreeNode::Link { target } => ("link", None, None, Some(target)),
        };
        Self {
            path: path.to_string(),
            path_hex: hex(path.as_bytes()),
            kind,
            mode,
            modified: TimeJson { seconds: item.modified.seconds, nanoseconds: item.modified.nanoseconds },
            file,
            target: target.map(|target| Printable(target).to_string()),
            target_hex: target.map(|target| hex(target)),
        }
    }
}

impl FileJson {
    fn of(file: &TreeFile) -> Self {
        Self { bytes: file.bytes, blake3: file.hash.to_hex().to_string(), offset: file.offset }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ok = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use storgo_protocol::tree::TreeName;

    use super::*;

    fn item(seconds: i64, node: TreeNode) -> TreeItem {
        let name = TreeName::new(b"x").unwrap();
        TreeItem { depth: 0, name, modified: TreeTime { seconds, nanoseconds: 0 }, node }
    }

    #[test]
    fn an_item_is_one_line_whatever_its_name() {
        let path = TreePath::parse(b"a\n\x1b[31m/b").unwrap();
        let directory = line(&path, &item(1_795_000_000, TreeNode::Directory { mode: 0o750 }));
        assert_eq!(directory, "drwxr-x---          -  2026-11-18 11:06  a\\n\\u{1b}[31m/b/");
        let link = line(&path, &item(-1, TreeNode::Link { target: b"\xff".as_slice().into() }));
        assert_eq!(link, "lrwxrwxrwx          -  1969-12-31 23:59  a\\n\\u{1b}[31m/b -> \\xff");
        for seconds in [i64::MIN, i64::MAX] {
            let file = TreeFile { mode: 0o644, offset: 0, bytes: 1_234, hash: blake3::hash(b"") };
            assert!(line(&path, &item(seconds, TreeNode::File(file))).contains("1.23 kB"), "{seconds}");
        }
    }
}
