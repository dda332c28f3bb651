//! What became of the items of a directory that was put.

use serde::Serialize;
use storgo_node::{PackReport, Remarks};

use crate::amounts;
use crate::output::note;

/// Tells people what the tree holds, and what it does not.
pub(super) fn tell(pack: &PackReport) {
    let totals = &pack.totals;
    let mut parts = vec![
        amounts::count(totals.files, "file"),
        amounts::count(totals.directories, "directory").replace("directorys", "directories"),
        amounts::count(totals.links, "link"),
    ];
    if pack.shared_files > 0 {
        let files = amounts::count(pack.shared_files, "file");
        parts.push(format!("{files} ({}) equal to others and stored once", amounts::bytes(pack.shared_bytes)));
    }
    note(&parts.join(", "));
    for (what, remarks) in [("left out", &pack.skipped), ("warning", &pack.changed)] {
        for (path, remark) in &remarks.first {
            note(&format!("{what}: {path}: {remark}"));
        }
        let more = remarks.count - remarks.first.len() as u64;
        if more > 0 {
            note(&format!("{what}: {more} more"));
        }
    }
}

/// [`PackReport`] in `--json`. Paths are written as they may be printed.
#[derive(Debug, Serialize)]
pub(super) struct PackJson {
    files: u64,
    directories: u64,
    links: u64,
    bytes: u64,
    shared_files: u64,
    shared_bytes: u64,
    skipped: RemarksJson,
    changed: RemarksJson,
}

#[derive(Debug, Serialize)]
struct RemarksJson {
    count: u64,
    first: Vec<RemarkJson>,
}

#[derive(Debug, Serialize)]
struct RemarkJson {
    path: String,
    what: &'static str,
}

impl PackJson {
    pub(super) fn of(pack: &PackReport) -> Self {
        Self {
            files: pack.totals.files,
            directories: pack.totals.directories,
            links: pack.totals.links,
            bytes: pack.totals.bytes,
            shared_files: pack.shared_files,
            shared_bytes: pack.shared_bytes,
            skipped: RemarksJson::of(&pack.skipped),
            changed: RemarksJson::of(&pack.changed),
        }
    }
}

impl RemarksJson {
    fn of(remarks: &Remarks) -> Self {
        let first = remarks.first.iter().map(|(path, what)| RemarkJson { path: path.clone(), what }).collect();
        Self { count: remarks.count, first }
    }
}
