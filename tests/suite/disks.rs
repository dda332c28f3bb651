//! Disks under running nodes that decay, vanish, fail and stall: nothing wrong is given, nothing is acknowledged falsely,
//! the disk is named, the rest carries on, and repair heals.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Lab, MIB, Node, NodeOptions, assert_same, files_below, shard_files, until};

/// Everything that stands on two of six disks decays in some way, and what is beside the disks too.
#[test]
fn two_nodes_whose_every_file_decayed_are_healed_by_repair() {
    let mut lab = Lab::new(6);
    let bytes = lab.bytes.take(6 * MIB);
    let file = lab.file("file", &bytes);
    let put = lab.put(&lab.home("alice"), &file, &["--redundancy", "erasure:4+2"]);
    for victim in [1, 4] {
        lab.nodes[victim].kill();
        let disk = lab.nodes[victim].disks[0].clone();
        for (n, path) in files_below(&disk).into_iter().enumerate() {
            // Without its id a disk is not used at all, which another test shows.
            if path != disk.join("disk") {
                decay(&path, n);
            }
        }
        let shards = shard_files(&lab.nodes[victim]);
        if let [first, second, ..] = shards.as_slice() {
            swap(&first.path, &second.path);
        }
        for path in files_below(&lab.nodes[victim].data.join("index")) {
            decay(&path, 0);
        }
        lab.restart(victim);
    }
    lab.meet();
    let reader = lab.home("reader");
    assert_same(&lab.get(&reader, &put.ticket, &[]).ok().stdout, &bytes);
    lab.repair(&reader, &put.ticket);
    let stat = lab.stat(&reader, &put.ticket);
    assert_eq!(stat["width"], put.report["width"], "{stat}");
    assert_eq!((stat["stripes_degraded"].as_u64(), stat["root_copies"].as_u64()), (Some(0), Some(3)), "{stat}");
    assert_eq!(lab.repair(&reader, &put.ticket)["shards_written"], 0, "nothing is left to do");
    assert_same(&lab.get(&reader, &put.ticket, &[]).ok().stdout, &bytes);
}

/// Changes a file in one of a few ways.
fn decay(path: &Path, way: usize) {
    let file = File::options().read(true).write(true).open(path).expect("a file opens");
    let bytes = file.metadata().expect("it has a length").len();
    match way % 4 {
        _ if bytes == 0 => {}
        0 => flip(&file, bytes / 2),
        1 => file.set_len(bytes / 2).expect("it can be cut"),
        2 => file.write_all_at(&vec![0; usize::try_from(bytes.min(4096)).unwrap()], 0).expect("it can be written"),
        _ => flip(&file, 0),
    }
}

fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it can be read");
    file.write_all_at(&[byte[0] ^ 4], at).expect("it can be written");
}

fn swap(one: &Path, other: &Path) {
    let aside = one.with_extension("aside");
    for (from, to) in [(one, aside.as_path()), (other, one), (aside.as_path(), other)] {
        fs::rename(from, to).expect("it can be renamed");
    }
}

#[test]
fn a_disk_that_is_removed_while_its_node_runs_is_named_and_the_others_go_on() {
    let mut lab = Lab::empty();
    let disks: Vec<PathBuf> = (0..4).map(|n| lab.path().join(format!("disk{n}"))).collect();
    lab.add(NodeOptions { disks: disks.clone(), ..NodeOptions::default() });
    let (alice, reader) = (lab.home("alice"), lab.home("reader"));
    let before = lab.bytes.take(2 * MIB);
    let put_before = lab.put(&alice, &lab.file("before", &before), &["--redundancy", "erasure:2+1"]);
    fs::remove_dir_all(&disks[1]).expect("it can be removed");
    let after = lab.bytes.take(2 * MIB);
    let put_after = lab.put(&alice, &lab.file("after", &after), &["--redundancy", "erasure:2+1"]);
    for (put, bytes) in [(&put_before, &before), (&put_after, &after)] {
        assert_same(&lab.get(&reader, &put.ticket, &[]).ok().stdout, bytes);
    }
    assert!(!disks[1].try_exists().unwrap(), "nothing is written below a mount point");
    assert_named(&lab, &disks[1]);
    assert_eq!(fenced(&lab).iter().filter(|reason| reason.is_string()).count(), 1, "the others are used");
}

/// One sync on one of two disks of a real process fails, once, at another call each time.
#[test]
fn a_sync_that_fails_in_a_real_process_is_never_acknowledged() {
    let Some(mut world) = Traced::new() else { return };
    for (n, error) in (1..=6).zip(["EIO", "ENOSPC", "EIO", "ENOSPC", "EIO", "ENOSPC"]) {
        world.restart(&format!("fdatasync,syncfs:error={error}:when={n}"));
        for _ in 0..12 {
            world.put();
            if fenced(&world.lab)[0].is_string() {
                break;
            }
        }
        let reason = fenced(&world.lab)[0].as_str().map(str::to_owned);
        println!("{error} at sync {n}: {reason:?}");
        assert!(reason.is_some_and(|reason| reason.contains("sync")), "{error} at sync {n} costs the disk");
        assert_named(&world.lab, &world.disks[0]);
        // The other disk goes on.
        assert!(world.put(), "{error} at sync {n}");
        world.lab.nodes[0].kill();
        world.lab.nodes[0].started_by.clear();
        world.lab.restart(0);
        world.check();
        assert!(world.lab.nodes[0].terminate().success());
    }
    assert!(world.ledger.len() >= 6, "{} puts", world.ledger.len());
}

/// A disk that takes five seconds for a sync.
#[test]
fn a_disk_that_answers_late_is_named_and_gets_nothing_new() {
    let Some(mut world) = Traced::new() else { return };
    world.restart("fdatasync,syncfs:delay_enter=5000000:when=1");
    let bytes = world.lab.bytes.take(MIB);
    let file = world.lab.file("slow", &bytes).display().to_string();
    let alice = world.lab.home("alice");
    let slow = alice.start(&["put", &file, "--json", "--via", &world.lab.via(), "--redundancy", "replicate:2"]);
    until("the disk is said to be slow", || {
        fenced(&world.lab)[0].as_str().filter(|reason| reason.contains("not answered")).map(drop)
    });
    assert_named(&world.lab, &world.disks[0]);
    assert!(fenced(&world.lab)[1].is_null(), "the other is used");
    let put = slow.finish().ok();
    println!("{}", put.text());
    until("the disk is used again", || fenced(&world.lab)[0].is_null().then_some(()));
    world.check();
}

/// A node of two disks, of which the first can be made to fail by a tracer.
struct Traced {
    lab: Lab,
    disks: Vec<PathBuf>,
    ledger: Vec<(String, Vec<u8>)>,
}

impl Traced {
    /// Nothing where this machine has no tracer, or does not let one work.
    fn new() -> Option<Self> {
        let works = Command::new("strace").args(["-D", "-qq", "-o", "/dev/null", "true"]).status();
        if !works.is_ok_and(|status| status.success()) {
            println!("skipped: strace does not run here");
            return None;
        }
        let mut lab = Lab::empty();
        let disks: Vec<PathBuf> = (0..2).map(|n| lab.path().join(format!("disk{n}"))).collect();
        lab.add(NodeOptions { disks: disks.clone(), ..NodeOptions::default() });
        assert!(lab.nodes[0].terminate().success());
        Some(Self { lab, disks, ledger: Vec::new() })
    }

    /// Starts the node with a fault in what it does with the first disk's log and file system.
    fn restart(&mut self, fault: &str) {
        if self.lab.nodes[0].is_running() {
            assert!(self.lab.nodes[0].terminate().success());
        }
        let paths = ["leases", "disk"].map(|name| self.disks[0].join(name).display().to_string());
        let words = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", &paths[0], "-P", &paths[1]];
        let inject = ["-e".to_owned(), format!("inject={fault}")];
        self.lab.nodes[0].started_by = words.map(str::to_owned).into_iter().chain(inject).collect();
        self.lab.restart(0);
    }

    /// Puts a small file, one copy of it; says whether that was acknowledged.
    fn put(&mut self) -> bool {
        let count = 1 + self.lab.bytes.below(MIB);
        let bytes = self.lab.bytes.take(count);
        let (file, via) = (self.lab.file("file", &bytes).display().to_string(), self.lab.via());
        let args = ["put", &file, "--json", "--via", &via, "--redundancy", "replicate:1"];
        let output = self.lab.home("alice").run(&args);
        if output.code != Some(0) {
            return false;
        }
        let ticket = output.json()["ticket"].as_str().expect("a put prints its ticket").to_owned();
        self.ledger.push((ticket, bytes));
        true
    }

    fn check(&self) {
        for (ticket, bytes) in &self.ledger {
            assert_same(&self.lab.get(&self.lab.home("reader"), ticket, &[]).ok().stdout, bytes);
        }
    }
}

/// What the first node says of each of its disks.
fn fenced(lab: &Lab) -> Vec<Value> {
    let status = lab.ask(&lab.nodes[0], &["node", "status"]).ok().json();
    status["disks"].as_array().expect("disks").iter().map(|disk| disk["fenced"].clone()).collect()
}

/// The node's log says which disk it is.
fn assert_named(lab: &Lab, disk: &Path) {
    let node: &Node = &lab.nodes[0];
    let (log, path) = (fs::read_to_string(&node.log).expect("a log"), disk.display().to_string());
    assert!(log.lines().any(|line| (line.contains("WARN") || line.contains("ERROR")) && line.contains(&path)), "{log}");
}
