//! The demo: green, refused when too many die, and without a trace when it is killed.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, kill_process};

use crate::harness::{Lab, MIB, Signal, assert_same, until};

#[test]
fn the_demo_holds_what_it_promises() {
    let mut lab = Lab::empty();
    let bytes = lab.bytes.take(8 * MIB);
    let file = lab.file("file", &bytes).display().to_string();
    let report = lab.home("alice").run(&["demo", &file, "--json"]).ok().json();
    let steps = report["steps"].as_array().unwrap();
    let step = |name: &str| &steps.iter().find(|step| step["step"] == name).unwrap()["details"];
    assert!(step("get after losses")["get"]["chunks_decoded"].as_u64() >= Some(1), "{report}");
    assert_eq!(step("get after losses")["killed"][0], "p1", "the one through which all joined");
    assert_eq!((&step("repair")["shards_before"], &step("repair")["shards_after"]), (&4.into(), &6.into()));
    assert_eq!(step("repair after damage")["shards_written"], 1);
    gone(&lab);
}

#[test]
fn a_demo_that_kills_too_many_ends_with_4_and_says_what_is_missing() {
    let mut lab = Lab::empty();
    let bytes = lab.bytes.take(4 * MIB);
    let file = lab.file("file", &bytes).display().to_string();
    let failed = lab.home("alice").run(&["demo", &file, "--kill", "3"]).ended(4);
    let says = |words| failed.stderr.contains(words);
    assert!(says("3 of the 4 that are needed") || says("0 copies"), "{}", failed.stderr);
    gone(&lab);
}

#[test]
fn a_killed_demo_leaves_no_process_and_no_directory() {
    let mut lab = Lab::empty();
    let bytes = lab.bytes.take(MIB);
    let file = lab.file("file", &bytes).display().to_string();
    for signal in [Signal::KILL, Signal::INT] {
        let demo = lab.home("alice").start(&["demo", &file]);
        // Six peers and the keeper of the directory.
        until("all peers run", || (processes(&temporary(&lab)).len() >= 7).then_some(()));
        demo.signal(signal);
        let ended = demo.finish();
        assert_ne!(ended.code, Some(0));
        gone(&lab);
    }
}

#[test]
fn a_kept_demo_goes_on_and_says_how_to_use_it() {
    let mut lab = Lab::empty();
    let bytes = lab.bytes.take(MIB);
    let file = lab.file("file", &bytes).display().to_string();
    let report = lab.home("alice").run(&["demo", &file, "--keep", "--json"]).ok().json();
    let kept = &report["kept"];
    let data = kept["data"][0].as_str().unwrap();
    let status = lab.home("operator").run(&["node", "status", "--json", "--node", data]).ok().json();
    let via = status["addresses"][0].as_str().unwrap();
    let ticket = report["ticket"].as_str().unwrap();
    let got = lab.home("reader").run(&["get", ticket, "-o", "-", "--via", via]).ok();
    assert_same(&got.stdout, &bytes);

    for process in kept["processes"].as_array().unwrap() {
        let id = i32::try_from(process.as_i64().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }
    until("the peers have stopped", || processes(&temporary(&lab)).is_empty().then_some(()));
    fs::remove_dir_all(kept["directory"].as_str().unwrap()).unwrap();
}

/// Where the demo makes its directory.
fn temporary(lab: &Lab) -> PathBuf {
    lab.path().join("tmp")
}

/// Waits until neither processes nor files of a demo are left.
fn gone(lab: &Lab) {
    let directory = temporary(lab);
    until("the demo's processes are gone", || processes(&directory).is_empty().then_some(()));
    until("the demo's directory is gone", || fs::read_dir(&directory).unwrap().next().is_none().then_some(()));
}

/// Processes whose command line names something in a directory.
fn processes(directory: &Path) -> Vec<PathBuf> {
    let wanted = directory.to_str().unwrap().as_bytes();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path().join("cmdline"));
    // A process that ended meanwhile has no command line any more.
    let names_it = |path: &PathBuf| fs::read(path).is_ok_and(|line| line.windows(wanted.len()).any(|w| w == wanted));
    entries.filter(names_it).collect()
}
