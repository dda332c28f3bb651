//! What lets the writer work: a thread of its own, or, under simulation, a task, so that a seed decides its turns.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use super::error::Failure;
use super::writer::Writer;

/// What the writer does next.
enum Turn {
    Round,
    Sync,
    Finish,
    Wait(Option<Instant>),
}

impl Writer {
    fn turn(&self, state: &super::queue::State) -> Turn {
        if state.failed.is_some() {
            return Turn::Finish;
        }
        if self.has_work(state) {
            return Turn::Round;
        }
        if state.closed {
            return Turn::Finish;
        }
        match self.sync_due() {
            Some(due) if due <= Instant::now() => Turn::Sync,
            due => Turn::Wait(due),
        }
    }

    /// Works until the log is closed or fails.
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            match self.turn(&state) {
                Turn::Wait(None) => shared.woken.wait(&mut state),
                Turn::Wait(Some(due)) => {
                    let wait: Duration = due.saturating_duration_since(Instant::now());
                    shared.woken.wait_for(&mut state, wait);
                }
                turn => {
                    drop(state);
                    if self.take(&turn)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Does what is next; says whether it was the last.
    fn take(&mut self, turn: &Turn) -> Result<bool, Failure> {
        match turn {
            Turn::Round => self.round().map(|()| false),
            Turn::Sync => self.sync().inspect_err(|failure| self.shared.stop(failure)).map(|()| false),
            Turn::Finish => self.finish().map(|()| true),
            Turn::Wait(_) => Ok(false),
        }
    }
}

/// Starts the writer's thread. Should it panic, the log has stopped, and whoever waits is told.
pub(super) fn on_thread(mut writer: Writer) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("log".into()).spawn(move || {
        let shared = Arc::clone(&writer.shared);
        let worked = catch_unwind(AssertUnwindSafe(|| writer.run()));
        let failure = match worked {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::damaged("writing the log", "its writer panicked"),
        };
        shared.stop(&failure);
        tracing::error!(error = &failure.error() as &dyn std::error::Error, "the log has stopped");
    })
}

/// Starts the writer as a task of the runtime that this is called in.
#[cfg(any(test, feature = "sim"))]
pub(super) fn as_task(mut writer: Writer) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let shared = Arc::clone(&writer.shared);
            let turn = writer.turn(&shared.lock());
            match turn {
                Turn::Wait(None) => shared.notify.notified().await,
                Turn::Wait(Some(due)) => drop(tokio::time::timeout_at(due, shared.notify.notified()).await),
                turn => match writer.take(&turn) {
                    Ok(false) => tokio::task::yield_now().await,
                    Ok(true) => return,
                    Err(failure) => return shared.stop(&failure),
                },
            }
        }
    })
}
