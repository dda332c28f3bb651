//! Work that takes long, or much memory: no more of it at once than leaves room for what is short.

use storgo_object::{NameError, ObjectError};
use storgo_protocol::limits::RESP_WORKED_BYTES_MAX;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes that are counted as one.
const UNIT_BYTES: usize = 1024;

/// What there is of turns and memory.
#[derive(Debug)]
pub(super) struct LongWork {
    /// How much is done at once: others have the rest of the processors.
    turns: Semaphore,
    /// Units of memory that are free.
    room: Semaphore,
}

/// Memory that is somebody's until this goes.
#[derive(Debug)]
pub(super) struct Room<'a> {
    _units: Option<SemaphorePermit<'a>>,
}

impl Default for LongWork {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (turns, room) = (processors.div_ceil(2), RESP_WORKED_BYTES_MAX / UNIT_BYTES);
        Self { turns: Semaphore::new(turns), room: Semaphore::new(room) }
    }
}

impl LongWork {
    /// Room for so many bytes, when others have given theirs back. Who has some must not ask for more: it would wait for
    /// others who do the same.
    ///
    /// # Errors
    /// [`NameError::Invalid`] for more than [`RESP_WORKED_BYTES_MAX`].
    pub(super) async fn room(&self, bytes: usize) -> Result<Room<'_>, ObjectError> {
        if bytes > RESP_WORKED_BYTES_MAX {
            let reason =
                format!("their values have more than {RESP_WORKED_BYTES_MAX} bytes, and are not changed together");
            return Err(NameError::Invalid { what: "the keys".to_owned(), reason }.into());
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        // Nobody closes it.
        Ok(Room { _units: self.room.acquire_many(units).await.ok() })
    }

    /// Runs something here, or where it holds nobody up if it `is_long`.
    pub(super) async fn run<T>(&self, is_long: bool, work: impl FnOnce() -> T) -> T {
        if !is_long {
            return work();
        }
        let _turn = self.turns.acquire().await;
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_wants_more_than_there_is_waits_and_who_wants_too_much_is_told() {
        let long = LongWork::default();
        assert!(long.room(RESP_WORKED_BYTES_MAX + 1).await.is_err());
        let most = long.room(RESP_WORKED_BYTES_MAX).await.unwrap();
        assert!(long.room(1).now_or_never().is_none());
        drop(most);
        assert!(long.room(1).now_or_never().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_holds_up_no_thread_of_the_runtime() {
        let (long, (end, ended)) = (Arc::new(LongWork::default()), mpsc::sync_channel(1));
        let work = Arc::clone(&long);
        // It ends only when another task of the same thread has run.
        let working = tokio::spawn(async move { work.run(true, move || ended.recv()).await });
        let other = tokio::spawn(async move { end.send(7) });
        assert!(other.await.unwrap().is_ok());
        assert_eq!(working.await.unwrap(), Ok(7));
        assert_eq!(long.run(false, || 8).await, 8);
    }
}
