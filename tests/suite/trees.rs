//! Directories: put as one object, listed, got back whole or in part, past dead peers and after a kill.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Lab, MIB, Signal, assert_same, files_below, until};

/// Kind, mode, time and contents or target of all that is in a directory, by path.
fn seen(root: &Path) -> BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)> {
    let (mut all, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(path) = open.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let holds = if found.is_dir() {
            open.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if found.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else {
            blake3::hash(&fs::read(&path).unwrap()).as_bytes().to_vec()
        };
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        all.insert(name, (found.mode(), found.mtime(), holds));
    }
    all
}

#[test]
fn a_directory_comes_back_past_two_dead_peers_of_six() {
    let mut lab = Lab::new(6);
    let source = lab.path().join("source");
    fs::create_dir_all(source.join("sub/empty")).unwrap();
    let large = lab.bytes.take(5 * MIB + 11);
    fs::write(source.join("large"), &large).unwrap();
    fs::write(source.join("sub/copy"), &large).unwrap();
    for number in 0..300 {
        fs::write(source.join(format!("sub/{number:03}")), lab.bytes.take(1024)).unwrap();
    }
    fs::set_permissions(source.join("sub/007"), Permissions::from_mode(0o750)).unwrap();
    symlink("../large", source.join("sub/link")).unwrap();
    fs::write(source.join("new\nline\x1b[31m"), b"x").unwrap();

    let (alice, bob) = (lab.home("alice"), lab.home("bob"));
    let put = lab.put(&alice, &source, &["--redundancy", "erasure:4+2"]);
    let tree = &put.report["tree"];
    assert_eq!((&tree["files"], &tree["directories"], &tree["links"]), (&json!(303), &json!(2), &json!(1)));
    assert_eq!((&tree["shared_files"], &tree["shared_bytes"]), (&json!(1), &json!(large.len())));
    assert!(put.report["bytes"].as_u64().unwrap() < large.len() as u64 + 400_000, "{}", put.report["bytes"]);
    let held = put.data_holders(4);
    lab.kill(&held[0]);
    lab.kill(&held[1]);

    let via = lab.via();
    let run = |args: &[&str]| bob.run(&[args, &["--via", &via]].concat());
    let inside = |path: &str| format!("{}/{path}", put.ticket);
    let place = |name: &str| lab.path().join(name).display().to_string();
    let got = run(&["get", &put.ticket, "--json", "-o", &place("back")]).ok().json();
    assert_eq!(seen(&lab.path().join("back")), seen(&source));
    assert!(got["chunks_decoded"].as_u64() >= Some(1), "{got}");
    assert_same(&run(&["get", &inside("large"), "-o", "-"]).ok().stdout, &large);
    let part = run(&["get", &inside("sub/copy"), "--range", "1000..2000", "-o", "-"]).ok();
    assert_same(&part.stdout, &large[1000..2000]);
    run(&["get", &inside("sub/007"), "-o", &place("007")]).ok();
    assert_eq!(seen(&lab.path().join("007")), seen(&source.join("sub/007")));
    run(&["get", &inside("sub/"), "-o", &place("sub")]).ok();
    assert_eq!(seen(&lab.path().join("sub")), seen(&source.join("sub")));

    let list = run(&["ls", &put.ticket]).ok().text();
    let names: Vec<_> = list.lines().map(|line| line.split_once(':').unwrap().1[2..].trim()).collect();
    assert_eq!(names, ["large", "new\\nline\\u{1b}[31m", "sub/"], "{list}");
    let list = run(&["ls", &put.ticket, "-r", "--json"]).ok().text();
    assert_eq!(list.lines().count(), 306);
    let link: Value = serde_json::from_str(list.lines().last().unwrap()).unwrap();
    assert_eq!((&link["path"], &link["target"]), (&json!("sub/link"), &json!("../large")));
    let stat = run(&["stat", &inside("large"), "--json"]).ok().json();
    assert_eq!(stat["blake3"], blake3::hash(&large).to_hex().as_str());

    run(&["get", &put.ticket, "-o", "-"]).ended(2).says("-o DIR");
    run(&["get", &put.ticket, "-o", &place("x"), "--range", "0..1"]).ended(2).says("--range");
    run(&["get", &put.ticket, "-o", &place("007"), "--force"]).ended(2).says("replaces nothing");
    run(&["get", &put.ticket, "-o", &place("007")]).ended(9).says("exists already");
    run(&["get", &inside("sub/link"), "-o", "-"]).ended(2).says("symbolic link");
    run(&["get", &inside("sub/nothing"), "-o", "-"]).ended(3).says("not in the tree");
    run(&["ls", &inside("nothing")]).ended(3);
    let file = lab.put(&alice, &source.join("sub/008"), &[]);
    run(&["ls", &file.ticket]).ended(2).says("is a file");
    run(&["get", &format!("{}/x", file.ticket), "-o", "-"]).ended(2).says("is a file");
}

#[test]
fn a_get_that_was_killed_fetches_only_the_files_that_are_not_whole() {
    let mut lab = Lab::new(1);
    let source = lab.path().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..48 {
        fs::write(source.join(format!("{number:02}")), lab.bytes.take(MIB)).unwrap();
    }
    let put = lab.put(&lab.home("alice"), &source, &[]);
    let (reader, via) = (lab.home("reader"), lab.via());
    let target = lab.path().join("target");
    let args = ["get", &put.ticket, "--json", "-o", &target.display().to_string(), "--via", &via];
    let staging = lab.path().join("target.storgo-part");

    let getting = reader.start(&args);
    let whole = || files_below(&staging.join("tree"));
    until("some files are whole", || (whole().len() >= 2).then_some(()));
    // Nothing more comes, so that it is certainly cut off.
    lab.nodes[0].signal(Signal::STOP);
    let killed = getting.kill();
    lab.nodes[0].signal(Signal::CONT);
    assert_eq!(killed.code, None, "it was interrupted");
    assert!(!target.try_exists().unwrap(), "the target appears when it is whole");
    let left = whole();
    assert!(!left.is_empty() && left.len() < 48, "{} files were whole", left.len());
    for path in &left {
        assert_same(&fs::read(path).unwrap(), &fs::read(source.join(path.file_name().unwrap())).unwrap());
    }

    let report = reader.run(&args).ok().json();
    assert_eq!(report["files_resumed"], left.len());
    assert!(report["bytes_pulled"].as_u64() < Some(50 * MIB as u64 - (left.len() / 2 * MIB) as u64), "{report}");
    assert_eq!(seen(&target), seen(&source));
    assert!(!staging.try_exists().unwrap());
}
