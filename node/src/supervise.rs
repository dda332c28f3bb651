//! The tasks of a node and their end: one set, one token. A task that panics or ends on its own stops the node.
//!
//! It knows nothing of what tasks do; the order in which the parts behind them stop stands in [`Node`](crate::Node).

use std::time::Duration;

use storgo_protocol::limits::STOP_SECONDS_MAX;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::NodeError;

/// The tasks of a node.
#[derive(Debug)]
pub(crate) struct Supervisor {
    stop: CancellationToken,
    tasks: JoinSet<(&'static str, Result<(), NodeError>)>,
}

impl Supervisor {
    /// A supervisor whose tasks are asked to end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { stop, tasks: JoinSet::new() }
    }

    /// Starts a task that runs until the token it is given is cancelled.
    pub(crate) fn spawn<F>(&mut self, part: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), NodeError>> + Send + 'static,
    {
        let task = task(self.stop.clone());
        self.tasks.spawn(async move { (part, task.await) });
    }

    /// Waits until the token is cancelled, or a task ends before that.
    ///
    /// # Errors
    /// [`NodeError::Died`] when a task ended or panicked, or the error that it ended with.
    pub(crate) async fn watch(&mut self) -> Result<(), NodeError> {
        tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(early_end(ended)),
        }
    }

    /// Asks all tasks to end, and ends them after [`STOP_SECONDS_MAX`].
    ///
    /// # Errors
    /// The first error that a task ended with.
    pub(crate) async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.cancel();
        let mut result = Ok(());
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                result = std::mem::replace(&mut result, Ok(())).and(end(ended));
            }
        };
        if tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), all).await.is_err() {
            tracing::warn!("tasks did not end in time and are aborted");
        }
        self.tasks.shutdown().await;
        result
    }
}

fn early_end(ended: Result<(&'static str, Result<(), NodeError>), JoinError>) -> NodeError {
    match ended {
        Ok((part, Ok(()))) => NodeError::Died { part, reason: "it ended on its own".into() },
        other => end(other).err().unwrap_or(NodeError::Died { part: "a task", reason: "unknown".into() }),
    }
}

fn end(ended: Result<(&'static str, Result<(), NodeError>), JoinError>) -> Result<(), NodeError> {
    match ended {
        Ok((_, result)) => result,
        Err(error) => Err(NodeError::Died { part: "a task", reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stops_the_node() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("waiting", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        supervisor.spawn("panicking", |_| async { panic!("planted") });
        let error = supervisor.watch().await.unwrap_err();
        assert!(error.to_string().contains("planted"), "{error}");
        supervisor.stop().await.unwrap();
    }

    #[tokio::test]
    async fn an_early_end_is_an_error_and_an_asked_one_is_not() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.spawn("short", |_| async { Ok(()) });
        assert!(matches!(supervisor.watch().await, Err(NodeError::Died { part: "short", .. })));
        stop.cancel();
        supervisor.watch().await.unwrap();
        supervisor.stop().await.unwrap();
    }
}
