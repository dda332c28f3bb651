//! Damage to the log of a member that does not run: what a crash can leave behind, and what a disk can do.
//!
//! A frame that was being written may have reached the disk in part: whoever finds it cuts it, and has lost nothing. A
//! bit that flips in a frame that was synced may have been acknowledged: whoever finds it has to begin anew. It knows
//! the files as `protocol/spec/log.md` has them, and nothing of the program.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use storgo_protocol::log::{LogFrame, LogFrameHead, LogManifest, LogSegmentHead};

const SECTOR_BYTES: usize = 512;

/// A segment that is in use.
struct Segment {
    path: PathBuf,
    bytes: Vec<u8>,
    /// The frames that a start reads.
    frames: Vec<Range<usize>>,
}

/// The segments of a log, the oldest first.
fn segments(data: &Path) -> Vec<Segment> {
    let log = data.join("meta/log");
    let manifest = LogManifest::decode(&fs::read(log.join("manifest")).unwrap()).unwrap();
    let mut segments: Vec<Segment> = Vec::new();
    for number in manifest.oldest..=manifest.newest {
        let path = log.join(format!("{number:016x}.segment"));
        let bytes = fs::read(&path).unwrap();
        let head = LogSegmentHead::decode(&bytes[..LogSegmentHead::BYTES]).unwrap();
        if let Some(before) = segments.last_mut() {
            let end = usize::try_from(head.previous_bytes).unwrap();
            before.frames.retain(|frame| frame.end <= end);
        }
        let frames = frames(&bytes);
        segments.push(Segment { path, bytes, frames });
    }
    segments
}

/// The whole frames of a segment.
fn frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut frames, mut at) = (Vec::new(), LogSegmentHead::BYTES);
    while let Some(head) = bytes.get(at..at + LogFrameHead::BYTES).and_then(|head| LogFrameHead::decode(head).ok()) {
        let end = at + usize::try_from(head.frame_bytes()).unwrap();
        if bytes.get(at..end).is_none_or(|frame| LogFrame::decode(frame).is_err()) {
            break;
        }
        frames.push(at..end);
        at = end;
    }
    frames
}

/// Leaves a frame behind the last whole one of which some sectors are on the disk and some are not: it was being written
/// when the power went.
pub fn tear(data: &Path, rng: &mut StdRng) {
    let newest = segments(data).pop().expect("there is a segment");
    let first = newest.frames.last().map_or(LogSegmentHead::BYTES, |last| last.end);
    let mut frame = vec![0; LogFrameHead::BYTES];
    for _ in 0..rng.random_range(1..4) {
        let mut record = vec![0; rng.random_range(2 * SECTOR_BYTES..8 * SECTOR_BYTES)];
        rng.fill_bytes(&mut record);
        frame.extend(u32::try_from(record.len()).unwrap().to_le_bytes());
        frame.extend(record);
    }
    LogFrame::finish(&mut frame, u32::try_from(first).unwrap(), 1).unwrap();
    let file = File::options().write(true).open(&newest.path).unwrap();
    let sectors = (first + frame.len()).div_ceil(SECTOR_BYTES) - first / SECTOR_BYTES;
    let (written, missing) = (rng.random_range(0..sectors), rng.random_range(1..sectors));
    for sector in 0..sectors {
        // One is there, another one is not; the rest is chance.
        let is_there = sector == written || (sector != (written + missing) % sectors && rng.random_bool(0.5));
        let begin = ((first / SECTOR_BYTES + sector) * SECTOR_BYTES).max(first);
        let end = ((first / SECTOR_BYTES + sector + 1) * SECTOR_BYTES).min(first + frame.len());
        if is_there {
            file.write_all_at(&frame[begin - first..end - first], begin as u64).unwrap();
        }
    }
}

/// Flips some bits in one frame, not the last: it was synced, or the one behind it would not be there.
pub fn flip(data: &Path, rng: &mut StdRng) {
    let mut segments = segments(data);
    segments.last_mut().expect("there is a segment").frames.pop();
    segments.retain(|segment| !segment.frames.is_empty());
    let segment = &segments[rng.random_range(0..segments.len())];
    let frame = segment.frames[rng.random_range(0..segment.frames.len())].clone();
    let file = File::options().write(true).open(&segment.path).unwrap();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(frame.clone());
        file.write_all_at(&[segment.bytes[at] ^ 1 << rng.random_range(0..8)], at as u64).unwrap();
    }
}

/// Removes what a member set aside, as its operator does; whether its log was among it.
pub fn clear_away(data: &Path) -> bool {
    let mut was_log = false;
    for entry in fs::read_dir(data.join("meta")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        was_log |= name.starts_with("log.aside-");
        if name.contains(".aside-") && entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        } else if name.contains(".aside-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    was_log
}
