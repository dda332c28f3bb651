//! Trees that a stranger made by hand, with every name that ever led somewhere else, next to a canary of which nothing
//! may change.
//!
//! Nothing here goes through storgo's encoders: the bytes are put together from the tables of `protocol/spec/tree.md`.

use storgo_object::ObjectError;
use storgo_protocol::ObjectKind;

use super::*;

const CONTENTS: &[u8] = b"evil";

const NAMES: [&[u8]; 64] = [
    b"",
    b".",
    b"..",
    b"/",
    b"//",
    b"../..",
    b"../canary/file",
    b"../../canary/file",
    b"a/../../canary/file",
    b"/etc/storgo-was-here",
    b"/tmp/../storgo-was-here",
    b"\0",
    b"..\0",
    b"a\0b",
    b"..\0/../canary",
    b"..\\..\\canary\\file",
    b"\\..\\canary",
    b"C:\\canary",
    b"C:",
    b"\\\\server\\share",
    b"%2e%2e%2fcanary",
    b"%2e%2e/canary",
    b"..%2fcanary",
    b"%252e%252e%252fcanary",
    b"..%00",
    b"..;",
    b"....",
    b"...",
    b".. ",
    b" ..",
    b"..\n",
    b"\n..",
    b"..\r",
    b"..\t",
    b".\x08.",
    b"~",
    b"~root",
    b"~/canary",
    b"$HOME",
    b"$(touch canary)",
    b"`touch canary`",
    b"; touch canary",
    b"| touch canary",
    b"-rf",
    b"--",
    b"*",
    b"CON",
    b"NUL.txt",
    b"x.",
    b"x ",
    b"\x1b]0;canary\x07",
    b"\x7f",
    b"\xc0\xae\xc0\xae",
    b"\xc0\xae\xc0\xae\xc0\xafcanary",
    b"\xe0\x80\xae\xe0\x80\xae",
    b"\xff",
    "\u{2024}\u{2024}".as_bytes(),
    "\u{ff0e}\u{ff0e}\u{ff0f}canary".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{feff}..".as_bytes(),
    b"of",
    b"new",
    b"tree",
    &[b'n'; 255],
];

/// Each of them, and each with what people put around such names.
fn names() -> Vec<Vec<u8>> {
    let around: [(&[u8], &[u8]); 5] = [(b"", b""), (b"../", b""), (b"/", b""), (b"", b"/.."), (b"canary/", b"")];
    let mut names: Vec<Vec<u8>> =
        NAMES.iter().flat_map(|name| around.map(|(before, behind)| [before, name, behind].concat())).collect();
    names.retain(|name| name.len() <= 255);
    names
}

/// What is made under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    File,
    /// With a file in it.
    Directory,
    /// To the canary, by its absolute path.
    Link,
    /// To the canary, with a file in what it leads to.
    LinkWithFile,
    /// A file that runs as its owner.
    SetUid,
}

const SHAPES: [Shape; 5] = [Shape::File, Shape::Directory, Shape::Link, Shape::LinkWithFile, Shape::SetUid];

fn item(kind: u8, depth: u16, mode: u16, name: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut item = vec![kind];
    item.extend(depth.to_le_bytes());
    item.extend(mode.to_le_bytes());
    item.extend([0; 12]);
    item.push(name.len() as u8);
    item.extend(name);
    item.extend(rest);
    item
}

fn file(depth: u16, mode: u16, name: &[u8]) -> Vec<u8> {
    let range = [0u64, CONTENTS.len() as u64].map(u64::to_le_bytes).concat();
    item(1, depth, mode, name, &[&range, blake3::hash(CONTENTS).as_bytes().as_slice()].concat())
}

fn link(depth: u16, name: &[u8], target: &[u8]) -> Vec<u8> {
    item(3, depth, 0, name, &[&(target.len() as u16).to_le_bytes(), target].concat())
}

fn path(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

/// A tree of these items, the first of which has this path; [files, directories, links].
fn tree(first: &[u8], items: &[Vec<u8>], counts: [u64; 3]) -> Vec<u8> {
    let count = (items.len() as u16).to_le_bytes();
    let page = [b"SGTP\x01".as_slice(), &path(b""), &count, &items.concat()].concat();
    let table = [b"SGTT\x01".as_slice(), &(page.len() as u32).to_le_bytes(), &path(first)].concat();
    let lengths = [CONTENTS.len() as u64, page.len() as u64, table.len() as u64].map(u64::to_le_bytes).concat();
    let [files, directories, links] = counts;
    let totals = [files, directories, links, files * CONTENTS.len() as u64].map(u64::to_le_bytes).concat();
    let head = [b"SGTR\x01\0".as_slice(), &0o755u16.to_le_bytes(), &[0; 12], &1u32.to_le_bytes()].concat();
    [CONTENTS, &page, &table, &head, &lengths, &totals].concat()
}

/// A tree in which `name` stands for `shape`: at the top, or in a directory, where neither the table nor the order of
/// names gets in its way.
fn forged(name: &[u8], shape: Shape, inside: bool, canary: &Path) -> Vec<u8> {
    let depth = u16::from(inside);
    let canary = canary.as_os_str().as_bytes();
    let (mut items, mut counts) = match shape {
        Shape::File => (vec![file(depth, 0o644, name)], [1, 0, 0]),
        Shape::SetUid => (vec![file(depth, 0o4755, name)], [1, 0, 0]),
        Shape::Directory => (vec![item(2, depth, 0o777, name, &[]), file(depth + 1, 0o644, b"file")], [1, 1, 0]),
        Shape::Link => (vec![link(depth, name, canary)], [0, 0, 1]),
        Shape::LinkWithFile => (vec![link(depth, name, canary), file(depth + 1, 0o644, b"file")], [1, 0, 1]),
    };
    if inside {
        items.insert(0, item(2, 0, 0o755, b"d", &[]));
        counts[1] += 1;
    }
    tree(if inside { b"d" } else { name }, &items, counts)
}

async fn get(lab: &Lab, bytes: &[u8], target: &Path) -> Result<TreeGetReport, NodeError> {
    let options = PutOptions { kind: ObjectKind::Tree, ..PutOptions::default() };
    let put = lab.engine.put(&mut &*bytes, &options, &Progress::default()).await.unwrap();
    lab.get(&put.ticket, "", target).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_link_or_mode_leads_outside_of_the_target() {
    let (lab, scratch) = (lab(1), scratch());
    // The canary stands wherever one or two steps up, or an absolute name, could lead.
    let (canary, out) = (scratch.path().join("canary"), scratch.path().join("out"));
    for directory in ["canary/sub", "out/canary"] {
        fs::create_dir_all(scratch.path().join(directory)).unwrap();
    }
    for file in ["canary/file", "canary/sub/file", "out/canary/file", "file", "out/file"] {
        fs::write(scratch.path().join(file), b"alive").unwrap();
    }
    let elsewhere = [Path::new("/etc/storgo-was-here"), Path::new("/storgo-was-here"), Path::new("/canary")];
    let names = names();
    assert!(names.len() >= 300, "only {} names", names.len());
    let (mut restored, mut refused) = (0, 0);
    for (number, name) in names.iter().enumerate() {
        for (shape, inside) in SHAPES.iter().flat_map(|shape| [(*shape, false), (*shape, true)]) {
            let case = format!("{} as {shape:?}, inside {inside}", name.escape_ascii());
            let target = out.join(format!("{number}"));
            let before = untouched(scratch.path());
            match get(&lab, &forged(name, shape, inside, &canary), &target).await {
                Ok(_) => {
                    restored += 1;
                    assert!(!matches!(shape, Shape::LinkWithFile | Shape::SetUid), "{case}");
                    check(&target, name, shape, inside, &case);
                    fs::remove_dir_all(&target).unwrap();
                }
                Err(NodeError::Object(ObjectError::Corrupt { .. })) => {
                    refused += 1;
                    assert!(!target.try_exists().unwrap(), "{case}");
                    let staging = out.join(format!("{number}.storgo-part"));
                    if staging.try_exists().unwrap() {
                        fs::remove_dir_all(staging).unwrap();
                    }
                }
                Err(error) => panic!("{case}: {error:?}"),
            }
            assert_eq!(seen::difference(&before, &untouched(scratch.path())), None, "{case}");
            assert!(elsewhere.iter().all(|path| !path.try_exists().unwrap()), "{case}");
        }
    }
    println!("{} names: {restored} restored inside, {refused} refused", names.len());
    assert!(restored > 200 && refused > 1500, "{restored} restored, {refused} refused");
}

/// Everything below the scratch directory, times of directories aside: those change with what is made in them.
fn untouched(scratch: &Path) -> std::collections::BTreeMap<Vec<u8>, Seen> {
    let mut all = seen(scratch);
    all.remove(b"out".as_slice());
    all
}

/// Whether what was allowed is exactly where it should be, under its name byte for byte.
fn check(target: &Path, name: &[u8], shape: Shape, inside: bool, case: &str) {
    assert!(!name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b"..", "{case}");
    let directory = if inside { target.join("d") } else { target.to_owned() };
    let made: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, [OsStr::from_bytes(name)], "{case}");
    let path = directory.join(OsStr::from_bytes(name));
    let found = fs::symlink_metadata(&path).unwrap();
    match shape {
        Shape::Directory => assert_eq!(fs::read(path.join("file")).unwrap(), CONTENTS, "{case}"),
        Shape::Link => assert!(found.is_symlink(), "{case}"),
        _ => assert_eq!(fs::read(&path).unwrap(), CONTENTS, "{case}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_overlap_lie_or_run_out_are_refused() {
    let (lab, scratch) = (lab(1), scratch());
    let range = |offset: u64, bytes: u64, hash: &[u8]| {
        let numbers = [offset, bytes].map(u64::to_le_bytes).concat();
        [&numbers, blake3::hash(hash).as_bytes().as_slice()].concat()
    };
    let two = |one: Vec<u8>, other: Vec<u8>| {
        let items = [item(1, 0, 0o644, b"a", &one), item(1, 0, 0o644, b"b", &other)];
        tree(b"a", &items, [2, 0, 0])
    };
    let good = two(range(0, 4, b"evil"), range(0, 4, b"evil"));
    get(&lab, &good, &scratch.path().join("good")).await.unwrap();
    for (number, bad) in [
        two(range(0, 4, b"evil"), range(0, 4, b"other")),
        two(range(0, 5, b"evil"), range(0, 3, b"evi")),
        two(range(0, 4, b"evil"), range(u64::MAX, 4, b"evil")),
        two(range(0, 6, b"evil"), range(0, 2, b"ev")),
        two(range(0, 3, b"evi"), range(2, 5, b"il")),
        two(range(0, 4, b"good"), range(0, 4, b"good")),
    ]
    .into_iter()
    .enumerate()
    {
        let target = scratch.path().join(format!("bad-{number}"));
        let refused = get(&lab, &bad, &target).await;
        let corrupt = matches!(&refused, Err(NodeError::Object(error)) if error.kind() == ErrorKind::Corrupt);
        assert!(corrupt && !target.try_exists().unwrap(), "{number}: {refused:?}");
    }
}
