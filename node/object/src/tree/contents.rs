//! Runs of a tree's contents, one after the other, and short ranges in memory.

use std::ops::Range;

use bytes::Bytes;

use crate::engine::Engine;
use crate::error::ObjectError;
use crate::progress::Progress;
use crate::read::{MemorySink, Object, Sink};
use crate::report::GetReport;

impl Engine {
    /// Gets several ranges of an object, one after the other, into one sink. Numbers of pieces can come again in the
    /// next range, so only their offsets tell them apart.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub async fn get_runs(
        &self,
        object: &Object,
        runs: &[Range<u64>],
        sink: &mut dyn Sink,
        progress: &Progress,
    ) -> Result<GetReport, ObjectError> {
        let outside = runs.iter().find(|run| run.start > run.end || run.end > object.size());
        if let Some(Range { start, end }) = outside {
            return Err(ObjectError::Range { from: *start, to: *end, size: object.size() });
        }
        progress.set_total(runs.iter().map(|run| run.end - run.start).sum());
        let mut report = GetReport { size: object.size(), ..GetReport::default() };
        for run in runs {
            report.add(&self.get_range(object, run.clone(), sink, progress).await?);
        }
        Ok(report)
    }

    /// A range of an object in memory, which the caller has bounded, and what it took.
    pub(super) async fn read(&self, object: &Object, range: Range<u64>) -> Result<(Bytes, GetReport), ObjectError> {
        let mut memory = MemorySink::default();
        let report = self.get(object, range, &mut memory, &Progress::default()).await?;
        Ok((memory.0.into(), report))
    }
}
