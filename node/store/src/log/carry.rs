//! Rewriting the oldest segment forward, so that it can go.
//!
//! Votes, marks and the live entries of groups that rest are all that keeps an old segment. They are copied into
//! frames that are written anyway, some MiB a round, and the segment is deleted once nothing in it is needed. Always the
//! oldest: then whatever a record voids stands before it, and can never come back.

use storgo_protocol::limits::LOG_CARRY_BYTES_MAX;
use storgo_protocol::log::{LogBody, LogManifest, LogRecord, LogSegmentHead};

use super::error::Failure;
use super::index::Location;
use super::queue::{Queued, State};
use super::recover::open_frame;
use super::replay::Read;
use super::segment::Segment;
use super::window::{Found, Window};
use super::writer::Writer;

/// How far the oldest segment was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    segment: u64,
    at: u64,
}

impl Writer {
    /// Records of the oldest segment that may still be needed, if it is time to look.
    pub(super) fn candidates(&mut self) -> Result<Vec<(LogRecord, Location)>, Failure> {
        let (segment, usage) = {
            let state = self.shared.lock();
            if !self.is_sweep_due(&state) {
                return Ok(Vec::new());
            }
            let usage = state.index.usage(self.manifest.oldest);
            (state.segments.get(&self.manifest.oldest).cloned(), usage)
        };
        let Some(segment) = segment.filter(|_| usage.live > 0) else { return Ok(Vec::new()) };
        let begin = Sweep { segment: segment.number, at: LogSegmentHead::BYTES as u64 };
        let mut sweep = self.sweep.filter(|sweep| sweep.segment == segment.number).unwrap_or(begin);
        let records = read_on(&segment, &mut sweep.at, usage.bytes)?;
        self.sweep = Some(sweep);
        Ok(records)
    }

    /// Adds those that are still needed to what this round writes; says whether nothing else in the oldest segment is.
    pub(super) fn select(
        &self,
        state: &State,
        candidates: Vec<(LogRecord, Location)>,
        records: &mut Vec<Queued>,
    ) -> bool {
        let due = self.is_sweep_due(state);
        let mut left = state.index.usage(self.manifest.oldest).live;
        for (record, at) in candidates {
            if let Some(serial) = state.index.live_serial(&record, at) {
                left = left.saturating_sub(at.occupied());
                records.push(Queued { serial, record: repeated(record) });
            }
        }
        due && left == 0
    }

    /// Deletes the oldest segment.
    pub(super) fn drop_oldest(&mut self) -> Result<(), Failure> {
        let oldest = self.manifest.oldest;
        if self.unsynced_since.is_some() {
            // What was carried must not be weaker than it was.
            self.sync()?;
        }
        self.put_manifest(LogManifest { oldest: oldest + 1, ..self.manifest })?;
        {
            let mut state = self.shared.lock();
            state.index.forget_segment(oldest);
            state.segments.remove(&oldest);
        }
        self.sweep = None;
        let path = Segment::path(&self.directory.path, oldest);
        self.directory.disk.remove(&path).map_err(Failure::during("deleting an old segment"))
    }
}

/// What says the same where it stands behind others.
fn repeated(record: LogRecord) -> LogRecord {
    match record.body {
        // Repeated as it is, it would void what came after it.
        LogBody::Gone(times) => LogRecord { group: record.group, body: LogBody::Left(times) },
        _ => record,
    }
}

/// Opens the records of the frames from `at` to `end`, some MiB of them.
fn read_on(segment: &Segment, at: &mut u64, end: u64) -> Result<Vec<(LogRecord, Location)>, Failure> {
    const WHAT: &str = "reading an old segment";
    let mut window = Window::new(&*segment.file).map_err(Failure::during(WHAT))?;
    let (first, mut records) = (*at, Vec::new());
    while *at < end && *at - first < LOG_CARRY_BYTES_MAX as u64 {
        let Found::Frame(frame, bytes) = window.frame(*at).map_err(Failure::during(WHAT))? else {
            return Err(Failure::damaged(WHAT, format!("segment {}, byte {at}: not a frame", segment.number)));
        };
        let count = usize::try_from(bytes).unwrap_or(usize::MAX);
        let bytes_read = window.bytes(*at, count).map_err(Failure::during(WHAT))?;
        let read = Read { first: *at, bytes: bytes_read, frame };
        records.append(&mut open_frame(segment, read).map_err(Failure::during(WHAT))?);
        *at += bytes;
    }
    if records.is_empty() && *at >= end {
        return Err(Failure::damaged(WHAT, format!("segment {} is read to its end and still needed", segment.number)));
    }
    Ok(records)
}
