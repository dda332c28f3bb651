//! Objects by name, between real processes: members that keep the names, users with homes of their own, and every command
//! that takes a name.

use std::fs;

use storgo_protocol::limits::INLINE_BYTES_MAX;

use crate::harness::{Lab, Names};

#[test]
fn files_are_put_listed_read_renamed_and_deleted_by_name() {
    let mut names = Names::new(3);
    names.bucket(&["photos", "--versioning"]);
    let (small, large) = (names.lab.bytes.take(1000), names.lab.bytes.take(3_000_000));
    let (small_file, large_file) = (names.file("small", &small), names.file("large", &large));
    let first = names.alice(&["put", &small_file, "storgo://photos/a%20key"]).ok().text();
    let put = names.alice(&["put", &large_file, "storgo://photos/dir/", "--json"]).ok().json();
    assert_eq!((put["url"].as_str(), put["bytes"].as_u64()), (Some("storgo://photos/dir/large"), Some(3_000_000)));
    assert_eq!(names.alice(&["cat", "storgo://photos/a key"]).ok().stdout, small);
    let to = names.lab.path().join("back").display().to_string();
    names.alice(&["get", "storgo://photos/dir/large", "-o", &to]).ok();
    assert!(fs::read(&to).unwrap() == large);
    let part = names.alice(&["get", "storgo://photos/dir/large", "--range", "5..1000005", "-o", "-"]).ok().stdout;
    assert!(part == large[5..1_000_005]);

    names.alice(&["put", &large_file, "storgo://photos/a key", "--if-absent"]).ended(9);
    let second = names.alice(&["put", &large_file, "storgo://photos/a key", "--if-version", &first]).ok().text();
    names.alice(&["put", &small_file, "storgo://photos/a key", "--if-version", &first]).ended(9).says(&second);
    assert_eq!(names.alice(&["cat", "storgo://photos/a key", "--version", &first]).ok().stdout, small);

    names.alice(&["cp", "storgo://photos/a key", "storgo://photos/copy"]).ok();
    names.alice(&["cp", "storgo://photos/a key", "storgo://photos/copy"]).ended(9);
    names.alice(&["mv", "storgo://photos/copy", "storgo://photos/dir/moved"]).ok();
    names.alice(&["cat", "storgo://photos/copy"]).ended(3);
    let listed = names.alice(&["ls", "storgo://photos"]).ok().text();
    let keys: Vec<_> = listed.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(keys, ["a%20key", "dir/large", "dir/moved"]);
    let stat = names.alice(&["stat", "storgo://photos/dir/moved", "--json"]).ok().json();
    assert_eq!((stat["body"].as_str(), stat["stands"]["size"].as_u64()), (Some("object"), Some(3_000_000)), "{stat}");
    names.alice(&["repair", "storgo://photos/dir/moved"]).ok();

    names.alice(&["rm", "storgo://photos/a key"]).ok();
    names.alice(&["rm", "storgo://photos/a key"]).ended(3);
    let events = names.alice(&["bucket", "events", "photos"]).ok().text();
    let happened: Vec<_> = events.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let happened: Vec<_> = happened.iter().map(|words| (words[2], words[4])).collect();
    let (written, deleted) = ("written", "deleted");
    let (key, large, copy, moved) = ("a%20key", "dir/large", "copy", "dir/moved");
    let all = [
        (written, key),
        (written, large),
        (written, key),
        (written, copy),
        (written, moved),
        (deleted, copy),
        (deleted, key),
    ];
    assert_eq!(happened, all);
    assert!(events.contains(&first) && events.contains(&second));
    names.alice(&["bucket", "rm", "photos"]).ended(9);
    let all = names.alice(&["ls", "storgo://photos/", "--versions", "--json"]).ok().text();
    for line in all.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let (url, version) = (entry["url"].as_str().unwrap(), entry["version"].as_str().unwrap());
        names.alice(&["rm", url, "--version", version]).ok();
    }
    names.alice(&["bucket", "rm", "photos"]).ok();
    names.alice(&["ls", "storgo://photos"]).ended(3);
    assert!(names.alice(&["bucket", "ls"]).ok().text().is_empty());
}

#[test]
fn members_are_let_in_by_their_cards_and_shut_out() {
    let mut names = Names::new(1);
    names.bucket(&["shared"]);
    let bytes = names.lab.bytes.take(INLINE_BYTES_MAX + 1);
    let file = names.file("file", &bytes);
    let bob = names.lab.home("bob");
    let id = bob.run(&["id", "--json"]).ok().json();
    let (user, card) = (id["user"].as_str().unwrap(), id["member_card"].as_str().unwrap());
    assert_eq!(bob.run(&["id"]).ok().text(), card);
    names.alice(&["put", &file, "storgo://shared/old"]).ok();
    names.run(&bob, &["cat", "storgo://shared/old"]).ended(3);
    names.alice(&["bucket", "member", "add", "shared", card, "--read-only"]).ok();
    assert!(names.run(&bob, &["cat", "storgo://shared/old"]).ok().stdout == bytes);
    names.run(&bob, &["put", &file, "storgo://shared/bobs"]).ended(7);
    names.run(&bob, &["bucket", "member", "rm", "shared", user]).ended(7);
    names.alice(&["bucket", "member", "add", "shared", card]).ok();
    names.run(&bob, &["put", &file, "storgo://shared/bobs"]).ok();
    let members = names.alice(&["bucket", "member", "ls", "shared"]).ok().text();
    assert!(members.lines().count() == 2 && members.contains(user), "{members}");
    names.alice(&["bucket", "member", "rm", "shared", user]).ok();
    names.run(&bob, &["cat", "storgo://shared/old"]).ended(3);
    assert!(names.alice(&["cat", "storgo://shared/bobs"]).ok().stdout == bytes, "what a former member wrote");
}

#[test]
fn what_makes_no_sense_is_said_before_anybody_is_asked() {
    let lab = Lab::empty();
    let alice = lab.home("alice");
    let file = lab.file("file", b"bytes").display().to_string();
    for line in [
        &["put", &file, "storgo://Bad/k"][..],
        &["put", &file, "storgo://abc/%zz"],
        &["put", &file, "--if-absent"],
        &["put", "-", "storgo://abc/"],
        &["put", lab.path().to_str().unwrap(), "storgo://abc/dir"],
        &["get", "storgo://abc", "-o", "-"],
        &["rm", "storgo:abc"],
        &["cp", "storgo://abc/k", "file"],
        &["ls", "storgo:abc", "--versions"],
        &["bucket", "create", "abc", "--layout", "tree", "--spread", "3"],
    ] {
        alice.run(line).ended(2);
    }
}

#[test]
fn a_network_that_keeps_no_names_is_an_error_within_the_deadline() {
    let lab = Lab::new(1);
    let (alice, via) = (lab.home("alice"), lab.via());
    for line in [&["bucket", "ls"][..], &["cat", "storgo://abc/k"], &["bucket", "create", "abc"]] {
        alice.run(&[line, &["--via", &via]].concat()).ended(8).says("keeps no names");
    }
}
