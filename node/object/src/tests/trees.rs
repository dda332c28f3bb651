//! Trees over a network in memory: what a path names is found by reading little, and what was made wrong is refused.

use storgo_protocol::ObjectKind;
use storgo_protocol::limits::{TREE_PAGE_BYTES_MAX, TREE_TAIL_BYTES};
use storgo_protocol::tree::{
    TreeBuilder, TreeFile, TreeItem, TreeName, TreeNode, TreePath, TreeRoot, TreeTime, TreeTrailer,
};

use super::{Lab, lab};
use crate::{ErrorKind, ObjectError, PutOptions, Tree};

const TREE: PutOptions =
    PutOptions { code: None, private: false, strict: false, care: false, kind: ObjectKind::Tree, size_hint: None };

fn item(depth: u16, name: &str, node: TreeNode) -> TreeItem {
    TreeItem { depth, name: TreeName::new(name.as_bytes()).unwrap(), modified: TreeTime::default(), node }
}

fn directory(depth: u16, name: &str) -> TreeItem {
    item(depth, name, TreeNode::Directory { mode: 0o755 })
}

/// A file of one byte, the only one of the contents.
fn file(depth: u16, name: &str) -> TreeItem {
    item(depth, name, TreeNode::File(TreeFile { mode: 0o644, offset: 0, bytes: 1, hash: blake3::hash(b"x") }))
}

fn link(depth: u16, name: &str) -> TreeItem {
    item(depth, name, TreeNode::Link { target: b"elsewhere".as_slice().into() })
}

fn tree(items: Vec<TreeItem>) -> Vec<u8> {
    let mut builder = TreeBuilder::default();
    for item in items {
        builder.push(item).unwrap();
    }
    [b"x".to_vec(), builder.finish(TreeRoot { mode: 0o700, ..TreeRoot::default() }, 1).unwrap()].concat()
}

/// Three directories of 3,000 files, and one more file in between: some pages each.
fn large() -> Vec<u8> {
    let mut items = Vec::new();
    for name in ["a", "b", "c"] {
        items.push(directory(0, name));
        items.extend((0..3000).map(|number| file(1, &format!("file-{number:05}"))));
        items.push(file(0, &format!("{name}-behind")));
    }
    tree(items)
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text.as_bytes()).unwrap()
}

async fn open(lab: &Lab, bytes: &[u8]) -> Result<Tree, ObjectError> {
    let put = lab.put(bytes, &TREE).await.unwrap();
    let object = lab.engine.open(&put.ticket).await.unwrap();
    assert_eq!(object.kind(), ObjectKind::Tree);
    lab.engine.open_tree(object).await
}

async fn names(lab: &Lab, tree: &Tree, under: &str, recursive: bool) -> Result<Vec<String>, ObjectError> {
    let mut list = tree.list(&lab.engine, &path(under), recursive).await?;
    let mut names = Vec::new();
    while let Some(entries) = list.next().await? {
        assert!(!entries.is_empty());
        names.extend(entries.iter().map(|entry| entry.path.to_string()));
    }
    Ok(names)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_found_and_every_directory_listed() {
    let lab = lab(6);
    let items =
        vec![directory(0, "d"), directory(1, "e"), file(2, "f"), link(1, "l"), file(0, "d-f"), directory(0, "z")];
    let all = ["d", "d/e", "d/e/f", "d/l", "d-f", "z"];
    let tree = open(&lab, &tree(items.clone())).await.unwrap();
    assert_eq!(
        (tree.trailer().totals.files, tree.trailer().totals.directories, tree.trailer().root.mode),
        (2, 3, 0o700)
    );
    for (name, item) in all.iter().zip(&items) {
        assert_eq!(tree.item(&lab.engine, &path(name)).await.unwrap(), *item, "{name}");
    }
    for missing in ["a", "d/f", "d/e/f/g", "zz", "d/l/x"] {
        let error = tree.item(&lab.engine, &path(missing)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{missing}: {error}");
    }
    assert_eq!(names(&lab, &tree, "", true).await.unwrap(), all);
    assert_eq!(names(&lab, &tree, "", false).await.unwrap(), ["d", "d-f", "z"]);
    assert_eq!(names(&lab, &tree, "d", false).await.unwrap(), ["d/e", "d/l"]);
    assert_eq!(names(&lab, &tree, "d", true).await.unwrap(), ["d/e", "d/e/f", "d/l"]);
    assert!(names(&lab, &tree, "z", true).await.unwrap().is_empty());
    for no_directory in ["d/l", "d-f"] {
        let error = names(&lab, &tree, no_directory, false).await.unwrap_err();
        assert!(matches!(error, ObjectError::WrongKind { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_anything_is_a_tree_and_a_file_is_none() {
    let lab = lab(3);
    let empty = TreeBuilder::default().finish(TreeRoot::default(), 0).unwrap();
    let tree = open(&lab, &empty).await.unwrap();
    assert!(names(&lab, &tree, "", true).await.unwrap().is_empty());
    let put = lab.put(&empty, &PutOptions::default()).await.unwrap();
    let error = lab.engine.open_tree(lab.engine.open(&put.ticket).await.unwrap()).await.unwrap_err();
    assert!(matches!(error, ObjectError::WrongKind { is: "a file", .. }), "{error}");
    assert_ne!(put.ticket.content, tree.object().content(), "equal bytes, and not the same object");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_large_tree_little_is_read() {
    let lab = lab(6);
    let bytes = large();
    let read = async |under: Option<(&str, bool)>| {
        let tree = open(&lab, &bytes).await.unwrap();
        let found = match under {
            Some((under, recursive)) => names(&lab, &tree, under, recursive).await.unwrap().len(),
            None => usize::from(tree.item(&lab.engine, &path("b/file-01500")).await.is_ok()),
        };
        (found, tree.catalogue_report().bytes)
    };
    let (tail, page) = (TREE_TAIL_BYTES, TREE_PAGE_BYTES_MAX as u64);
    let (found, bytes_read) = read(None).await;
    assert!(found == 1 && bytes_read <= tail + page, "{bytes_read}");
    let (found, bytes_read) = read(Some(("", false))).await;
    assert!(found == 6 && bytes_read <= tail + 4 * page, "{found}, {bytes_read}");
    let (found, bytes_read) = read(Some(("b", true))).await;
    assert!(found == 3000 && bytes_read >= 4 * page, "{found}, {bytes_read}");
    let (found, bytes_read) = read(Some(("", true))).await;
    assert!(found == 9006 && bytes_read >= bytes.len() as u64 - tail, "{found}, {bytes_read}");
}

/// The large tree, changed.
fn forged(change: impl FnOnce(&mut TreeTrailer, &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = large();
    let end = bytes.len() - TreeTrailer::BYTES;
    let mut trailer = TreeTrailer::decode(&bytes[end..], bytes.len() as u64).unwrap();
    bytes.truncate(end);
    change(&mut trailer, &mut bytes);
    [bytes, trailer.encode()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_wrong_is_refused() {
    let lab = lab(3);
    let refused = async |bytes: &[u8], what: &str| {
        let error = match open(&lab, bytes).await {
            Ok(tree) => names(&lab, &tree, "", true).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.kind() == ErrorKind::Corrupt && error.to_string().contains(what), "{what}: {error}");
    };
    refused(b"", "trailer").await;
    refused(&[7; 1000], "trailer").await;
    refused(&forged(|trailer, _| trailer.contents += 1), "trailer").await;
    refused(&forged(|trailer, _| trailer.totals.links += 1), "catalogue").await;
    refused(&forged(|trailer, _| trailer.totals.bytes -= 1), "catalogue").await;
    refused(&forged(|trailer, _| trailer.pages += 1), "page table").await;
    // One byte from the pages to the contents: the table has another sum.
    let moved = forged(|trailer, _| (trailer.contents, trailer.catalogue) = (2, trailer.catalogue - 1));
    refused(&moved, "page table").await;
    // The first page's first name, changed in the page alone.
    let renamed = forged(|_, bytes| {
        let at = bytes.windows(2).position(|pair| pair == [1, b'a']).unwrap();
        bytes[at + 1] = b'A';
    });
    refused(&renamed, "a page").await;
    // A name in the middle of a page, behind the one that it must precede.
    let disordered = forged(|_, bytes| {
        let at = bytes.windows(10).position(|name| name == b"file-00100").unwrap();
        bytes[at + 5] = b'9';
    });
    refused(&disordered, "a page").await;
}
