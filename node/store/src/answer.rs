//! One answer for all that one request has to become durable, on however many disks.
//!
//! It knows neither disks nor items. Parts are answered by whoever did them; the caller hears once, when all are.

use std::sync::Arc;

use parking_lot::Mutex;
use storgo_object::ports::StoreError;
use tokio::sync::oneshot;

use crate::store::stopped;

/// What one part of a request owes its caller. Dropped without an answer, it says that the part was not done.
#[derive(Debug)]
pub(crate) struct Answer {
    parts: Arc<Parts>,
    given: bool,
}

/// The caller's side.
#[derive(Debug)]
pub(crate) struct Outcome(oneshot::Receiver<Result<(), StoreError>>);

#[derive(Debug)]
struct Parts {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The first refusal.
    outcome: Result<(), StoreError>,
    /// Whether a part was dropped without an answer. A refusal says more.
    forgotten: bool,
    caller: Option<oneshot::Sender<Result<(), StoreError>>>,
}

/// An answer that is owed, and who waits for it.
pub(crate) fn owed() -> (Answer, Outcome) {
    let (caller, outcome) = oneshot::channel();
    let state = State { outcome: Ok(()), forgotten: false, caller: Some(caller) };
    (Answer { parts: Arc::new(Parts { state: Mutex::new(state) }), given: false }, Outcome(outcome))
}

impl Answer {
    /// Answers this part.
    pub(crate) fn give(mut self, outcome: Result<(), StoreError>) {
        self.given = true;
        let mut state = self.parts.state.lock();
        if state.outcome.is_ok() {
            state.outcome = outcome;
        }
    }

    /// The same for another part: the caller then waits for both.
    pub(crate) fn and_another(&self) -> Self {
        Self { parts: Arc::clone(&self.parts), given: false }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.given {
            self.parts.state.lock().forgotten = true;
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let State { outcome, forgotten, caller } = self.state.get_mut();
        let outcome = match std::mem::replace(outcome, Ok(())) {
            Ok(()) if *forgotten => {
                Err(StoreError::Unavailable { reason: "the store stopped before it was done".into() })
            }
            outcome => outcome,
        };
        if let Some(caller) = caller.take() {
            // Who went away does not need the answer.
            let _ = caller.send(outcome);
        }
    }
}

impl Outcome {
    /// Waits until every part is answered; gives the first refusal.
    pub(crate) async fn wait(self) -> Result<(), StoreError> {
        self.0.await.map_err(stopped)?
    }

    /// What was answered by now; an error if not all was.
    #[cfg(test)]
    pub(crate) fn now(mut self) -> Result<(), StoreError> {
        self.0.try_recv().map_err(stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Result<(), StoreError> {
        Err(StoreError::NotFound)
    }

    #[tokio::test]
    async fn the_caller_hears_once_all_parts_are_done() {
        let (one, outcome) = owed();
        let other = one.and_another();
        one.give(Ok(()));
        let mut waiting = Box::pin(outcome.wait());
        assert!(futures_ready(&mut waiting).is_none());
        other.give(Ok(()));
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn no_part_that_was_refused_or_forgotten_is_missed() {
        for order in [[true, false], [false, true]] {
            let (one, outcome) = owed();
            let other = one.and_another();
            for (part, good) in [one, other].into_iter().zip(order) {
                part.give(if good { Ok(()) } else { refused() });
            }
            assert!(matches!(outcome.wait().await, Err(StoreError::NotFound)));
        }
        for refusal in [Ok(()), refused()] {
            let (one, outcome) = owed();
            drop(one.and_another());
            let alone = refusal.is_ok();
            one.give(refusal);
            let found = outcome.wait().await;
            assert_eq!(matches!(found, Err(StoreError::Unavailable { .. })), alone, "{found:?}");
            assert!(found.is_err());
        }
    }

    fn futures_ready<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
