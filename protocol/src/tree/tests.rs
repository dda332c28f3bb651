use super::*;
use crate::DecodeError;
use crate::limits::{TREE_LEVELS_MAX, TREE_PAGE_BYTES_MAX, TREE_PATH_BYTES_MAX, TREE_TABLE_BYTES_MAX};

fn item(depth: u16, name: &[u8], node: TreeNode) -> TreeItem {
    TreeItem { depth, name: TreeName::new(name).unwrap(), modified: TreeTime::default(), node }
}

fn directory(depth: u16, name: &str) -> TreeItem {
    item(depth, name.as_bytes(), TreeNode::Directory { mode: 0o755 })
}

fn file(depth: u16, name: &str, offset: u64, bytes: u64) -> TreeItem {
    let hash = blake3::hash(name.as_bytes());
    item(depth, name.as_bytes(), TreeNode::File(TreeFile { mode: 0o644, offset, bytes, hash }))
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text.as_bytes()).unwrap()
}

/// A page of these items, whatever they are.
fn raw_page(parent: &str, items: &[TreeItem]) -> Vec<u8> {
    page::encode(&path(parent), items)
}

fn refusal(items: &[TreeItem]) -> DecodeError {
    TreePage::decode(&raw_page("", items), 100).unwrap_err()
}

/// A tree of `count` directories with `each` files, its catalogue decoded.
fn many(count: u16, each: u16) -> (TreeTrailer, TreeTable, Vec<TreePage>) {
    let mut builder = TreeBuilder::default();
    for outer in 0..count {
        builder.push(directory(0, &format!("d{outer:05}"))).unwrap();
        for inner in 0..each {
            builder.push(file(1, &format!("file-{inner:05}"), 0, 1)).unwrap();
        }
    }
    let bytes = builder.finish(TreeRoot::default(), 1).unwrap();
    let (rest, trailer) = bytes.split_last_chunk::<{ TreeTrailer::BYTES }>().unwrap();
    let trailer = TreeTrailer::decode(trailer, 1 + bytes.len() as u64).unwrap();
    let (pages, table) = rest.split_at(trailer.catalogue as usize);
    let table = TreeTable::decode(table, trailer.pages).unwrap();
    let page = |row: &TreeRow| {
        TreePage::decode(&pages[row.range.start as usize..row.range.end as usize], trailer.contents).unwrap()
    };
    let pages = table.rows().iter().map(page).collect();
    (trailer, table, pages)
}

#[test]
fn names_that_lead_elsewhere_are_none() {
    for bad in [&b""[..], b".", b"..", b"/", b"a/b", b"/etc", b"../x", b"a\0", b"\0", &[b'a'; 256]] {
        assert_eq!(TreeName::new(bad), Err(DecodeError::field("name")), "{}", bad.escape_ascii());
    }
    for good in [&b"..."[..], b"~", b"-rf", b"\\", b"..\\x", b"\x1b[2J", b"\xff", b"C:", b" ", &[b'a'; 255]] {
        assert_eq!(TreeName::new(good).unwrap().as_bytes(), good);
    }
}

#[test]
fn paths_are_ordered_name_by_name() {
    let ordered = ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.", "aa", "b"].map(path);
    for (number, one) in ordered.iter().enumerate() {
        for (other_number, other) in ordered.iter().enumerate() {
            assert_eq!(one.cmp(other), number.cmp(&other_number), "{one:?} {other:?}");
        }
    }
    assert!(path("a/b").starts_with(&path("a")) && !path("ab").starts_with(&path("a")));
    assert_eq!(path("a/b/c").below(&path("a")), Some(path("b/c")));
    assert_eq!((path("a").below(&path("a")), path("a").below(&path("b"))), (Some(TreePath::root()), None));
    assert_eq!(path("a/b/c").split_last(), Some((path("a/b"), &b"c"[..])));
    assert_eq!((path("a").split_last(), TreePath::root().split_last()), (Some((TreePath::root(), &b"a"[..])), None));
}

#[test]
fn a_path_is_no_longer_and_no_deeper_than_its_bounds() {
    for bad in ["/", "a/", "/a", "a//b", "a/../b", "./a", "a\0"] {
        assert_eq!(TreePath::parse(bad.as_bytes()), Err(DecodeError::field("name")), "{bad}");
    }
    let deep = |levels: usize| vec!["a"; levels].join("/");
    assert_eq!(path(&deep(TREE_LEVELS_MAX)).levels(), TREE_LEVELS_MAX);
    assert_eq!(TreePath::parse(deep(TREE_LEVELS_MAX + 1).as_bytes()), Err(DecodeError::field("path")));
    let long = |bytes: usize| [vec!["b".repeat(255); 16].join("/"), "/".into(), "c".repeat(bytes - 4096)].concat();
    assert_eq!(long(4096 + 1).len(), TREE_PATH_BYTES_MAX + 1);
    assert!(TreePath::parse(long(4096 + 1).as_bytes()).is_err());
    // An item may not make such a path either.
    let mut walk = TreeWalk::below(path(&deep(TREE_LEVELS_MAX)));
    assert_eq!(walk.step(&file(TREE_LEVELS_MAX as u16, "x", 0, 0)), Err(DecodeError::field("path")));
    let mut walk = TreeWalk::below(path(&long(4096 + 1)[..TREE_PATH_BYTES_MAX - 1]));
    assert_eq!(walk.step(&file(16, "x", 0, 0)), Err(DecodeError::field("path")));
}

#[test]
fn items_out_of_order_or_place_are_refused() {
    let order = DecodeError::field("order");
    assert_eq!(refusal(&[file(0, "b", 0, 0), file(0, "a", 0, 0)]), order);
    assert_eq!(refusal(&[file(0, "a", 0, 0), file(0, "a", 0, 0)]), order, "named twice");
    assert_eq!(refusal(&[directory(0, "a"), file(1, "x", 0, 0), directory(0, "a")]), order, "named twice");
    let parent = DecodeError::field("parent");
    assert_eq!(refusal(&[file(0, "a", 0, 0), file(1, "x", 0, 0)]), parent, "in a file");
    let link = |name: &[u8]| item(0, name, TreeNode::Link { target: b"/etc".as_slice().into() });
    assert_eq!(refusal(&[link(b"a"), file(1, "x", 0, 0)]), parent, "in a link");
    assert_eq!(refusal(&[directory(0, "a"), file(2, "x", 0, 0)]), parent, "in what is not there");
    assert_eq!(refusal(&[file(1, "x", 0, 0)]), DecodeError::field("depth"));
    assert_eq!(refusal(&[]), DecodeError::field("item count"));
}

#[test]
fn what_an_item_says_is_checked() {
    assert!(TreePage::decode(&raw_page("", &[file(0, "a", 60, 40)]), 100).is_ok());
    for (offset, bytes) in [(60, 41), (101, 0), (u64::MAX, 2), (0, u64::MAX), (5, 0)] {
        assert_eq!(refusal(&[file(0, "a", offset, bytes)]), DecodeError::field("contents"), "{offset} {bytes}");
    }
    for mode in [0o1000, 0o2755, 0o4755, 0o7777, 0o100_644, u16::MAX] {
        assert_eq!(refusal(&[item(0, b"a", TreeNode::Directory { mode })]), DecodeError::field("mode"), "{mode:o}");
    }
    for target in [&b""[..], b"a\0b", &[b'a'; 4096]] {
        let link = item(0, b"a", TreeNode::Link { target: target.into() });
        assert_eq!(refusal(&[link]), DecodeError::field("link"));
    }
    let late = TreeItem { modified: TreeTime { seconds: 0, nanoseconds: 1_000_000_000 }, ..directory(0, "a") };
    assert_eq!(refusal(std::slice::from_ref(&late)), DecodeError::field("nanoseconds"));
    assert_eq!(TreeBuilder::default().push(late), Err(DecodeError::field("nanoseconds")));
    assert!(TreeBuilder::default().push(item(0, b"a", TreeNode::Directory { mode: 0o4755 })).is_err());
    assert!(TreeBuilder::default().push(item(0, b"a", TreeNode::Link { target: [].as_slice().into() })).is_err());
}

#[test]
fn a_catalogue_of_many_pages_is_walked_whole_and_each_path_found() {
    let (trailer, table, pages) = many(40, 100);
    assert!(pages.len() > 3, "{} pages", pages.len());
    let (mut walk, mut totals, mut last) = (TreeWalk::whole(), TreeTotals::default(), TreePath::root());
    for (number, page) in pages.iter().enumerate() {
        assert!(page.encode().len() <= TREE_PAGE_BYTES_MAX);
        walk.enter(page.parent()).unwrap();
        for (place, item) in page.items().iter().enumerate() {
            let path = walk.step(item).unwrap();
            assert!(*path > last);
            assert_eq!(table.page_of(path), Some(number));
            assert!(place > 0 || *path == table.rows()[number].first);
            last = path.clone();
            totals.add(item).unwrap();
        }
    }
    assert_eq!(totals, trailer.totals);
    assert_eq!((totals.files, totals.directories, totals.bytes), (4000, 40, 4000));
    assert_eq!(table.page_of(&path("a")), None, "before everything");
    assert_eq!(table.page_of(&path("z")), Some(pages.len() - 1));
}

#[test]
fn what_follows_a_directory_is_found_without_what_is_in_it() {
    let (_, table, pages) = many(3, 2000);
    let behind = |name: &str| table.page_behind(&path(name));
    let begins = |number: usize, name: &str| {
        let mut walk = TreeWalk::below(pages[number].parent().clone());
        pages[number].items().iter().any(|item| *walk.step(item).unwrap() == path(name))
    };
    assert!(behind("d00000") > 0 && begins(behind("d00000"), "d00001"));
    assert!(behind("d00001") > behind("d00000") && begins(behind("d00001"), "d00002"));
    assert_eq!(behind("d00002"), pages.len() - 1);
}

#[test]
fn a_page_of_another_place_cannot_follow() {
    let (_, _, pages) = many(3, 2000);
    let mut walk = TreeWalk::whole();
    for item in pages[0].items() {
        walk.step(item).unwrap();
    }
    let last = pages.last().unwrap();
    assert_eq!(walk.enter(last.parent()), Err(DecodeError::field("parent")));
    // The same page twice.
    walk.enter(pages[0].parent()).unwrap();
    assert_eq!(walk.step(&pages[0].items()[0]).unwrap_err(), DecodeError::field("order"));
}

#[test]
fn a_table_out_of_order_or_bounds_is_refused() {
    let table = |rows: &[(u32, &str)]| {
        let mut bytes = b"SGTT\x01".to_vec();
        for (page_bytes, first) in rows {
            bytes.extend(page_bytes.to_le_bytes());
            path(first).encode(&mut bytes);
        }
        TreeTable::decode(&bytes, rows.len() as u32)
    };
    assert_eq!(table(&[(5, "a"), (7, "b")]).unwrap().rows()[1].range, 5..12);
    assert_eq!(table(&[(5, "b"), (7, "a")]), Err(DecodeError::field("order")));
    assert_eq!(table(&[(5, "a"), (7, "a")]), Err(DecodeError::field("order")));
    assert_eq!(table(&[(5, "")]), Err(DecodeError::field("order")));
    for bytes in [0, TREE_PAGE_BYTES_MAX as u32 + 1, u32::MAX] {
        assert_eq!(table(&[(bytes, "a")]), Err(DecodeError::field("page bytes")));
    }
    assert_eq!(TreeTable::decode(b"SGTT\x01", 1), Err(DecodeError::Truncated));
    assert_eq!(TreeTable::decode(b"SGTT\x02", 1), Err(DecodeError::Version { found: 2, known: 1 }));
    let long = vec![0; TREE_TABLE_BYTES_MAX + 1];
    assert!(matches!(TreeTable::decode(&long, 1), Err(DecodeError::TooMany { .. })));
    let long = vec![0; TREE_PAGE_BYTES_MAX + 1];
    assert!(matches!(TreePage::decode(&long, 1), Err(DecodeError::TooMany { .. })));
}

#[test]
fn a_trailer_accounts_for_every_byte() {
    let (trailer, _, _) = many(3, 10);
    let object = trailer.object_bytes();
    let check = |trailer: TreeTrailer, object| TreeTrailer::decode(&trailer.encode(), object).map(drop);
    assert_eq!(check(trailer, object), Ok(()));
    assert_eq!(check(trailer, object + 1), Err(DecodeError::field("object bytes")));
    assert_eq!(check(TreeTrailer { contents: 2, ..trailer }, object), Err(DecodeError::field("object bytes")));
    let beyond = TreeTrailer { contents: u64::MAX, ..trailer };
    assert_eq!(check(beyond, beyond.object_bytes()), Err(DecodeError::field("object bytes")));
    assert_eq!(check(TreeTrailer { pages: 0, ..trailer }, object), Err(DecodeError::field("pages")));
    assert_eq!(check(TreeTrailer { pages: 34, ..trailer }, object), Err(DecodeError::field("pages")));
    let fat = TreeTrailer { catalogue: TREE_PAGE_BYTES_MAX as u64 + 1, ..trailer };
    assert_eq!(check(fat, fat.object_bytes()), Err(DecodeError::field("pages")));
    let fat = TreeTrailer { table: TREE_TABLE_BYTES_MAX as u64 + 1, ..trailer };
    assert_eq!(check(fat, fat.object_bytes()), Err(DecodeError::field("table bytes")));
    let root = TreeRoot { mode: 0o1777, ..trailer.root };
    assert_eq!(check(TreeTrailer { root, ..trailer }, object), Err(DecodeError::field("mode")));
}

#[test]
fn more_items_or_bytes_than_a_tree_may_have_are_refused() {
    let full = TreeTotals { files: crate::limits::TREE_ITEMS_MAX, ..TreeTotals::default() };
    let mut totals = full;
    assert!(matches!(totals.add(&directory(0, "a")), Err(DecodeError::TooMany { .. })));
    let mut totals = TreeTotals { bytes: crate::limits::OBJECT_BYTES_MAX, ..TreeTotals::default() };
    assert_eq!(totals.add(&file(0, "a", 0, 1)), Err(DecodeError::field("file bytes")));
    let mut bytes = Vec::new();
    TreeTotals { links: 1, ..full }.encode(&mut bytes);
    assert!(TreeTotals::decode(&mut crate::bytes::Reader::new(&bytes)).is_err());
}
