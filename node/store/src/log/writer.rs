//! The one writer of a log: takes all that waits, writes it as a frame, syncs once, and then answers.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use storgo_object::ports::Random;
use storgo_protocol::limits::{LOG_FILL_BYTES, LOG_FRAME_BYTES_MAX, LOG_SEGMENTS_SPARE};
use storgo_protocol::log::{LOG_ALIGNMENT, LogFrameHead, LogManifest, LogSegmentHead};
use tokio::time::Instant;

use super::carry::Sweep;
use super::config::{LogConfig, SyncPolicy};
use super::directory::Directory;
use super::error::Failure;
use super::index::Location;
use super::queue::{Done, Pending, Queued, Shared, State};
use super::segment::{Place, Segment, framed_bytes};

/// The writer and what it alone knows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) directory: Directory,
    pub(super) manifest: LogManifest,
    segment: Arc<Segment>,
    /// Where the next frame goes in it.
    end: u64,
    /// So far its file is there, behind `end` with zeros.
    filled: u64,
    config: LogConfig,
    random: Arc<dyn Random>,
    pub(super) sweep: Option<Sweep>,
    /// Since when something written waits for a sync, where answers do not.
    pub(super) unsynced_since: Option<Instant>,
    buffer: Vec<u8>,
}

/// What one round makes durable: records, and who is told after how many of them.
#[derive(Default)]
struct Batch {
    records: Vec<Queued>,
    waiting: VecDeque<(usize, Pending)>,
}

impl Writer {
    /// Goes on behind `end` in the newest segment; `None` if that is not among those of `shared`.
    pub(super) fn new(
        shared: Arc<Shared>,
        directory: Directory,
        manifest: LogManifest,
        end: u64,
        config: LogConfig,
        random: Arc<dyn Random>,
    ) -> Option<Self> {
        let segment = Arc::clone(shared.lock().segments.get(&manifest.newest)?);
        let (sweep, unsynced_since, buffer) = (None, None, Vec::new());
        let filled = end;
        Some(Self { shared, directory, manifest, segment, end, filled, config, random, sweep, unsynced_since, buffer })
    }

    /// Whether there is something to write, or to clear away.
    pub(super) fn has_work(&self, state: &State) -> bool {
        state.wanted || self.is_sweep_due(state)
    }

    /// When what was written has to be synced, if nothing else makes it.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self.config.sync {
            SyncPolicy::Interval(after) => self.unsynced_since.map(|since| since + after),
            SyncPolicy::EveryBatch | SyncPolicy::Never => None,
        }
    }

    /// Whether the oldest segment is to be cleared away: nothing in it is needed, or the log holds more than twice what
    /// is needed and a segment, or far more segments than that takes.
    pub(super) fn is_sweep_due(&self, state: &State) -> bool {
        let (all, segments) = state.index.total();
        let oldest = self.manifest.oldest;
        oldest < self.segment.number
            && (state.index.usage(oldest).live == 0
                || all.bytes > 2 * all.live + self.config.segment_bytes
                || segments > LOG_SEGMENTS_SPARE + 2 * all.bytes / self.config.segment_bytes)
    }

    /// Takes what waits, makes it durable and answers. A failure stops the log and is told to all.
    pub(super) fn round(&mut self) -> Result<(), Failure> {
        let mut batch = Batch::default();
        let outcome = self.try_round(&mut batch);
        if let Err(failure) = &outcome {
            // Before anybody is told, so that nobody who was told can still use it.
            self.shared.stop(failure);
            for done in batch.waiting.into_iter().filter_map(|(_, pending)| pending.done) {
                done(Err(failure.error()));
            }
        }
        outcome
    }

    fn try_round(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let candidates = self.candidates()?;
        let emptied = {
            let mut guard = self.shared.lock();
            let state = &mut *guard;
            if let Some(failure) = &state.failed {
                return Err(failure.clone());
            }
            state.wanted = false;
            for mut pending in std::mem::take(&mut state.queue) {
                batch.records.append(&mut pending.records);
                batch.waiting.push_back((batch.records.len(), pending));
            }
            // In one go with taking the queue: what is no longer needed now is so by what is written in this round.
            self.select(state, candidates, &mut batch.records)
        };
        let mut written = 0;
        while written < batch.records.len() {
            let rest = batch.records.get(written..).unwrap_or_default();
            let chunk = rest.get(..fitting(rest)).unwrap_or_default();
            let places = self.write(chunk)?;
            {
                let mut state = self.shared.lock();
                for (queued, at) in chunk.iter().zip(places) {
                    state.index.place(&queued.record, queued.serial, at);
                }
            }
            written += chunk.len();
            answer(&mut batch.waiting, written);
        }
        answer(&mut batch.waiting, written);
        if emptied { self.drop_oldest() } else { Ok(()) }
    }

    /// Writes one frame, and syncs it if that is the policy.
    fn write(&mut self, chunk: &[Queued]) -> Result<Vec<Location>, Failure> {
        let records = || chunk.iter().map(|queued| &queued.record);
        let bytes: u64 = records().map(|record| framed_bytes(record) as u64).sum();
        let is_empty = self.end == LogSegmentHead::BYTES as u64;
        if !is_empty && self.end + bytes + LogFrameHead::BYTES as u64 > self.config.segment_bytes {
            self.rotate()?;
        }
        let places =
            self.segment.frame(self.end, records(), &mut self.buffer).map_err(Failure::during("sealing records"))?;
        self.fill_ahead().map_err(Failure::during("filling the log with zeros"))?;
        self.segment.file.write_at(self.end, &self.buffer).map_err(Failure::during("writing the log"))?;
        if self.config.sync == SyncPolicy::EveryBatch {
            self.sync()?;
        } else {
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        self.end += self.buffer.len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "frames are far smaller than 2^53")]
        let (count, length) = (chunk.len() as f64, self.buffer.len() as f64);
        self.config.metrics.frame_records.observe(count);
        self.config.metrics.frame_bytes.observe(length);
        self.shared.lock().index.wrote(self.segment.number, self.buffer.len() as u64);
        Ok(places)
    }

    /// Grows the file by many small frames at once: a sync that has no new length to keep costs half. Large frames grow
    /// it themselves.
    fn fill_ahead(&mut self) -> io::Result<()> {
        let needed = self.end + self.buffer.len() as u64;
        if needed > self.filled && self.buffer.len() < LOG_FILL_BYTES / 8 {
            let filled = (self.end + LOG_FILL_BYTES as u64).min(self.config.segment_bytes.max(needed));
            let zeros = usize::try_from(filled - self.filled).map_err(io::Error::other)?;
            self.segment.file.write_at(self.filled, &vec![0; zeros])?;
            self.filled = filled;
        }
        self.filled = self.filled.max(needed);
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        self.segment.file.sync().map_err(Failure::during("syncing the log"))?;
        self.config.metrics.sync_seconds.observe(began.elapsed().as_secs_f64());
        self.unsynced_since = None;
        self.shared.lock().syncs += 1;
        Ok(())
    }

    /// Ends this segment and begins the next.
    fn rotate(&mut self) -> Result<(), Failure> {
        // Where a segment ends stands in the next one's head, so all of it is durable before.
        if self.unsynced_since.is_some() {
            self.sync()?;
        }
        let place =
            Place { incarnation: self.manifest.incarnation, number: self.segment.number + 1, previous_bytes: self.end };
        let Directory { disk, path, .. } = &self.directory;
        let segment = Segment::create(&**disk, path, place, &self.config.key, &*self.random)
            .map_err(Failure::during("making a segment"))?;
        segment.file.sync().map_err(Failure::during("syncing a new segment"))?;
        disk.sync_dir(path).map_err(Failure::during("syncing a new segment's name"))?;
        self.put_manifest(LogManifest { newest: segment.number, ..self.manifest })?;
        self.segment = Arc::new(segment);
        self.end = LogSegmentHead::BYTES as u64;
        self.filled = self.end;
        let mut state = self.shared.lock();
        state.index.wrote(self.segment.number, self.end);
        state.segments.insert(self.segment.number, Arc::clone(&self.segment));
        Ok(())
    }

    pub(super) fn put_manifest(&mut self, manifest: LogManifest) -> Result<(), Failure> {
        self.directory.put_manifest(&manifest).map_err(Failure::during("writing the log's manifest"))?;
        self.manifest = manifest;
        Ok(())
    }

    /// What is left to do when nobody uses the log any more.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let idle = self.shared.lock().queue.is_empty();
        if !idle {
            self.round()?;
        }
        if self.unsynced_since.is_some() {
            self.sync().inspect_err(|failure| self.shared.stop(failure))?;
        }
        Ok(())
    }
}

/// How many of the records fit one frame: at least one, which always does.
fn fitting(records: &[Queued]) -> usize {
    let mut bytes = LOG_ALIGNMENT;
    let fit = records.iter().take_while(|queued| {
        bytes += framed_bytes(&queued.record);
        bytes <= LOG_FRAME_BYTES_MAX
    });
    fit.count().max(1)
}

/// Tells those whose records are all among the first `written`.
fn answer(waiting: &mut VecDeque<(usize, Pending)>, written: usize) {
    while let Some((_, pending)) = waiting.pop_front_if(|(end, _)| *end <= written) {
        let done: Option<Done> = pending.done;
        if let Some(done) = done {
            done(Ok(()));
        }
    }
}
