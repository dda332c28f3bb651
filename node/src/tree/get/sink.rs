//! Takes runs of contents as they come, in order, and makes files of them.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_object::{Order, Piece, Sink};
use tokio::task::spawn_blocking;

use super::plan::Plan;
use super::restore::{OpenFile, Restorer};
use crate::error::NodeError;

/// Where the contents of a tree go.
#[derive(Debug)]
pub(super) struct TreeSink {
    /// Taken by a blocking thread while it writes; lost only if that dies.
    state: Option<State>,
    /// Why writing failed: the engine keeps only that it did.
    failed: Option<NodeError>,
}

#[derive(Debug)]
struct State {
    restorer: Restorer,
    /// What is still to come, the next at the end.
    wanted: Vec<usize>,
    open: Option<OpenFile>,
}

impl TreeSink {
    /// A sink for these files, by ascending offset.
    pub(super) fn new(restorer: Restorer, mut fetched: Vec<usize>) -> Self {
        fetched.reverse();
        Self { state: Some(State { restorer, wanted: fetched, open: None }), failed: None }
    }

    /// Why writing failed, if it did.
    pub(super) fn failure(&mut self) -> Option<NodeError> {
        self.failed.take()
    }

    /// The restoration, when all runs came; `None` if a file is not whole.
    pub(super) fn into_restorer(self) -> Option<Restorer> {
        self.state.filter(|state| state.wanted.is_empty()).map(|state| state.restorer)
    }
}

#[async_trait]
impl Sink for TreeSink {
    fn order(&self) -> Order {
        Order::Ascending
    }

    fn has(&self, _: &Piece) -> bool {
        false
    }

    async fn put(&mut self, piece: &Piece, bytes: Bytes) -> io::Result<()> {
        let mut state = self.state.take().ok_or_else(|| io::Error::other("writing failed before"))?;
        let offset = piece.offset;
        let writing = spawn_blocking(move || {
            let written = state.take(offset, &bytes);
            (state, written)
        });
        let (state, written) = writing.await.map_err(io::Error::other)?;
        match written {
            Ok(()) => {
                self.state = Some(state);
                Ok(())
            }
            Err(error) => {
                let told = error.to_string();
                self.failed = Some(error);
                Err(io::Error::other(told))
            }
        }
    }
}

impl State {
    /// Takes the contents from `offset` on.
    fn take(&mut self, mut offset: u64, mut bytes: &[u8]) -> Result<(), NodeError> {
        let plan: Arc<Plan> = Arc::clone(&self.restorer.plan);
        while let Some(job) = self.wanted.last().and_then(|number| plan.files.get(*number)) {
            let mut open = if let Some(open) = self.open.take() {
                open
            } else {
                let gap = job.file.offset.checked_sub(offset).ok_or_else(disorder)?;
                let rest = usize::try_from(gap).ok().and_then(|gap| bytes.get(gap..)).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(());
                }
                (bytes, offset) = (rest, job.file.offset);
                self.restorer.begin(job)?
            };
            let left = (job.file.offset + job.file.bytes).checked_sub(offset).ok_or_else(disorder)?;
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at_checked(now).unwrap_or((bytes, &[]));
            self.restorer.write(&mut open, job, part)?;
            (bytes, offset) = (rest, offset + part.len() as u64);
            if left > part.len() as u64 {
                self.open = Some(open);
                return Ok(());
            }
            self.restorer.end(&open, job)?;
            self.wanted.pop();
        }
        Ok(())
    }
}

fn disorder() -> NodeError {
    NodeError::Died { part: "the restoration", reason: "contents came out of order".to_owned() }
}
