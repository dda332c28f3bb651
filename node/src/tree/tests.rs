//! Directories that go through a network in memory and come back.

mod hostile;
mod interrupted;
mod seen;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use storgo_object::fake::{FakeNetwork, FixedClock, SeededRandom};
use storgo_object::ports::{Clock, Random};
use storgo_object::{Engine, ErrorKind, Progress, PutOptions, Tree, User};
use storgo_protocol::tree::TreePath;
use storgo_protocol::{ConvergenceSecret, Identity, Ticket};

use super::{TreeGetReport, TreePutReport, get_tree, put_tree};
use crate::error::NodeError;
use seen::{Seen, seen};

struct Lab {
    network: Arc<FakeNetwork>,
    engine: Engine,
}

fn lab(peers: u8) -> Lab {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(1_800_000_000));
    let network = FakeNetwork::new(peers, 1 << 40, &clock);
    let client = network.client(Identity::from_seed(&[77; 32]).id());
    let user = User { identity: Identity::from_seed(&[78; 32]), secret: ConvergenceSecret::from_bytes([79; 32]) };
    let engine = Engine::new(client, Arc::new(user), clock, Arc::new(SeededRandom::new(1)));
    Lab { network, engine }
}

impl Lab {
    async fn put(&self, directory: &Path) -> TreePutReport {
        put_tree(&self.engine, directory, &PutOptions::default(), &Progress::default()).await.unwrap()
    }

    async fn open(&self, ticket: &Ticket) -> Result<Tree, NodeError> {
        let object = self.engine.open(ticket).await?;
        Ok(self.engine.open_tree(object).await?)
    }

    async fn get(&self, ticket: &Ticket, under: &str, target: &Path) -> Result<TreeGetReport, NodeError> {
        let under = TreePath::parse(under.as_bytes()).unwrap();
        get_tree(&self.engine, &self.open(ticket).await?, &under, target, &Progress::default()).await
    }
}

/// On a file system in memory where there is one, so that no test waits for a disk that others keep busy.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRandom::new(seed).fill(&mut bytes);
    bytes
}

fn write(path: &Path, bytes: &[u8], mode: u32, modified: SystemTime) {
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Names that are allowed and that somebody may stumble over.
const ODD_NAMES: [&[u8]; 16] = [
    b"plain",
    b"with space",
    b" ",
    b"-rf",
    b"...",
    b"..x",
    b"~",
    b"\\",
    b"\n",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\xc0\xae\xc0\xae",
    b"%2e%2e%2f",
    b"C:",
    "gpj.\u{202e}exe".as_bytes(),
    &[b'x'; 255],
];

/// A directory with something of everything.
fn fill(root: &Path) {
    let old = UNIX_EPOCH - Duration::from_nanos(1_500_000_001);
    let new = UNIX_EPOCH + Duration::new(1_795_000_000, 123_456_789);
    fs::create_dir(root.join("odd")).unwrap();
    for (number, name) in ODD_NAMES.iter().enumerate() {
        write(&root.join("odd").join(OsStr::from_bytes(name)), format!("file {number}").as_bytes(), 0o644, new);
    }
    for mode in [0o000, 0o200, 0o400, 0o444, 0o600, 0o640, 0o755, 0o777] {
        write(&root.join(format!("mode-{mode:03o}")), format!("{mode}").as_bytes(), mode, old);
    }
    write(&root.join("nothing"), b"", 0o644, new);
    write(&root.join("large"), &random_bytes(1, 3_000_000), 0o644, new);
    let deep: std::path::PathBuf = std::iter::repeat_n("deep", 120).collect();
    fs::create_dir_all(root.join(&deep)).unwrap();
    write(&root.join(&deep).join("bottom"), b"found", 0o600, new);
    for (name, target) in [
        ("dangling", "nowhere/at all"),
        ("absolute", "/etc/passwd"),
        ("up", "../.."),
        ("self", "self"),
        ("to-odd", "odd"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    for (name, mode) in [("empty", 0o755), ("closed", 0o500), ("sealed", 0o000), ("open", 0o777)] {
        fs::create_dir(root.join(name)).unwrap();
        if mode & 0o200 == 0 && mode != 0 {
            write(&root.join(name).join("inside"), name.as_bytes(), 0o400, old);
        }
        File::open(root.join(name)).unwrap().set_modified(old).unwrap();
        fs::set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
    }
    File::open(root).unwrap().set_modified(old).unwrap();
    fs::set_permissions(root, Permissions::from_mode(0o750)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_comes_back_with_names_modes_times_and_links() {
    let (lab, scratch) = (lab(6), scratch());
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fill(&source);
    let put = lab.put(&source).await;
    assert!(put.pack.skipped.count == 0 && put.pack.changed.count == 0, "{:?}", put.pack);
    assert_eq!((put.pack.totals.directories, put.pack.totals.links), (125, 5));
    let target = scratch.path().join("target");
    let got = lab.get(&put.put.ticket, "", &target).await.unwrap();
    assert_eq!(got.totals, put.pack.totals);
    let (before, after) = (seen(&source), seen(&target));
    assert!(before.len() > 150 && before == after, "{:?}", seen::difference(&before, &after));
    let beside = scratch.path().read_dir().unwrap().count();
    assert_eq!(beside, 2, "nothing is left beside the target");
    // Put again, it is the same object.
    assert_eq!(lab.put(&target).await.put.ticket.content, put.put.ticket.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_files_are_stored_once() {
    let (lab, scratch) = (lab(6), scratch());
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let (small, large) = (random_bytes(1, 300_000), random_bytes(2, 2_500_000));
    let mut other = large.clone();
    other[2_499_999] ^= 1;
    for (name, bytes) in
        [("a", &small), ("b", &large), ("c", &small), ("d", &large), ("e", &other), ("f", &small), ("g", &large)]
    {
        fs::write(source.join(name), bytes).unwrap();
    }
    let put = lab.put(&source).await;
    assert_eq!((put.pack.shared_files, put.pack.shared_bytes), (4, 2 * 300_000 + 2 * 2_500_000));
    assert_eq!(put.pack.totals.bytes, 3 * 300_000 + 4 * 2_500_000);
    let stored = 300_000 + 2 * 2_500_000;
    assert!((stored..stored + 2_000).contains(&put.put.bytes), "{} bytes", put.put.bytes);
    let target = scratch.path().join("target");
    let got = lab.get(&put.put.ticket, "", &target).await.unwrap();
    assert!(got.get.bytes < stored + 70_000, "{} bytes were fetched", got.get.bytes);
    assert_eq!(seen(&source), seen(&target));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_left_out_and_named_and_no_bit_that_gives_rights_away_comes_back() {
    let (lab, scratch) = (lab(3), scratch());
    let source = scratch.path().join("source");
    fs::create_dir_all(source.join("shared")).unwrap();
    let _socket = UnixListener::bind(source.join("socket")).unwrap();
    mknodat(CWD, source.join("pipe\n"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    write(&source.join("runs-as-owner"), b"#!", 0o4755, UNIX_EPOCH);
    fs::set_permissions(source.join("shared"), Permissions::from_mode(0o3777)).unwrap();
    let put = lab.put(&source).await;
    let skipped = [("pipe\\n".to_owned(), "a pipe"), ("socket".to_owned(), "a socket")];
    assert_eq!((put.pack.skipped.count, put.pack.skipped.first.as_slice()), (2, &skipped[..]));
    assert_eq!((put.pack.totals.files, put.pack.totals.directories), (1, 1));
    let target = scratch.path().join("target");
    lab.get(&put.put.ticket, "", &target).await.unwrap();
    let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("runs-as-owner"), mode("shared")), (0o755, 0o777));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_tree_comes_back_alone() {
    let (lab, scratch) = (lab(3), scratch());
    let source = scratch.path().join("source");
    fs::create_dir_all(source.join("a/b/c")).unwrap();
    for (name, bytes) in [("a/one", "1"), ("a/b/two", "22"), ("a/b/c/three", "333"), ("a/b/one", "1"), ("z", "z")] {
        fs::write(source.join(name), bytes).unwrap();
    }
    symlink("../../z", source.join("a/b/link")).unwrap();
    let ticket = lab.put(&source).await.put.ticket;
    let target = scratch.path().join("part");
    let got = lab.get(&ticket, "a/b", &target).await.unwrap();
    assert_eq!((got.totals.files, got.totals.directories, got.totals.links), (3, 1, 1));
    assert_eq!(seen(&source.join("a/b")), seen(&target));
    for (under, kind) in [("z", ErrorKind::Invalid), ("a/b/link", ErrorKind::Invalid), ("a/x", ErrorKind::NotFound)] {
        match lab.get(&ticket, under, &scratch.path().join("nothing")).await {
            Err(NodeError::Object(error)) => assert_eq!(error.kind(), kind, "{under}: {error}"),
            other => panic!("{under}: {other:?}"),
        }
    }
    assert!(!scratch.path().join("nothing.storgo-part").try_exists().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_never_written_over() {
    let (lab, scratch) = (lab(3), scratch());
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), b"new").unwrap();
    let ticket = lab.put(&source).await.put.ticket;
    let inside = |name: &str| scratch.path().join(name);
    fs::create_dir(inside("directory")).unwrap();
    fs::write(inside("directory/file"), b"old").unwrap();
    fs::write(inside("file"), b"old").unwrap();
    symlink("nowhere", inside("link")).unwrap();
    let before = seen(scratch.path());
    for name in ["directory", "directory/", "file", "link", "."] {
        let refused = lab.get(&ticket, "", &inside(name)).await;
        assert!(matches!(refused, Err(NodeError::Exists { .. })), "{name}: {refused:?}");
    }
    assert_eq!(seen(scratch.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_read_is_no_put() {
    let (lab, scratch) = (lab(3), scratch());
    let missing = scratch.path().join("missing");
    let failed = put_tree(&lab.engine, &missing, &PutOptions::default(), &Progress::default()).await;
    assert!(matches!(failed, Err(NodeError::Io { what: "opening", .. })), "{failed:?}");
    let deep: std::path::PathBuf = std::iter::repeat_n("d", 257).collect();
    fs::create_dir_all(missing.join(deep)).unwrap();
    let failed = put_tree(&lab.engine, &missing, &PutOptions::default(), &Progress::default()).await;
    assert!(matches!(failed, Err(NodeError::Unfit { .. })), "{failed:?}");
}
