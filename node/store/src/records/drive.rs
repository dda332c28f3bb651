//! What lets the writer work: a thread of its own, or, under simulation, a task, so that a seed decides its turns.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use storgo_protocol::limits::RECORDS_QUEUE_MAX;
use tokio::sync::mpsc;

use super::error::RecordsError;
use super::request::Request;
use super::writer::Writer;

impl Writer {
    /// Rounds for a request and all that wait behind it, until nothing is due any more.
    fn take_all(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) {
        self.round_of(first, requests);
        while self.shared.must_write() {
            self.round_of(Request::Write, requests);
        }
    }

    /// One round for a request and all that wait behind it.
    fn round_of(&mut self, first: Request, requests: &mut mpsc::Receiver<Request>) {
        let mut batch = vec![first];
        while batch.len() < RECORDS_QUEUE_MAX
            && let Ok(next) = requests.try_recv()
        {
            batch.push(next);
        }
        self.guarded(batch);
    }

    /// redb may panic over a damaged file: then the records have stopped, and who waits is told by the loss of the sender.
    fn guarded(&mut self, requests: Vec<Request>) {
        if catch_unwind(AssertUnwindSafe(|| self.round(requests))).is_err() {
            self.shared.memory().fail(&RecordsError::damaged("the database panicked over them"));
            self.shared.tell_written();
        }
    }
}

/// Starts the writer's thread, which ends when nobody can ask any more.
pub(super) fn on_thread(mut writer: Writer, mut requests: mpsc::Receiver<Request>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("records".into()).spawn(move || {
        while let Some(first) = requests.blocking_recv() {
            writer.take_all(first, &mut requests);
        }
        writer.guarded(vec![Request::WriteAll]);
    })
}

/// Starts the writer as a task of the runtime that this is called in.
#[cfg(any(test, feature = "sim"))]
pub(super) fn as_task(mut writer: Writer, mut requests: mpsc::Receiver<Request>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(first) = requests.recv().await {
            writer.take_all(first, &mut requests);
        }
        writer.guarded(vec![Request::WriteAll]);
    })
}
