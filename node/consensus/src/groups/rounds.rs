//! Many reads, one question: whoever comes while a round is under way waits for the next, and all who wait share it.
//!
//! A round that began after a read came proves that read fresh; one that began earlier proves it as stale as that.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::error::GroupError;
use super::gather::Gather;

/// When a round began, and the index that it gave.
pub(super) type Round = (Instant, u64);

pub(super) type Told = Result<Round, GroupError>;

/// Tells all who wait for a round what came of it.
pub(super) fn tell(waiting: Vec<oneshot::Sender<Told>>, told: &Told) {
    for waits in waiting {
        // Who no longer waits needs no answer.
        drop(waits.send(told.clone()));
    }
}

/// The last round that succeeded.
#[derive(Debug, Default)]
pub(super) struct Last(Mutex<Option<Round>>);

impl Last {
    pub(super) fn get(&self) -> Option<Round> {
        *self.0.lock()
    }

    pub(super) fn note(&self, round: Round) {
        *self.0.lock() = Some(round);
    }
}

/// Rounds of one kind of question. Clones are the same.
#[derive(Debug, Default, Clone)]
pub(super) struct Rounds(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Gather<oneshot::Sender<Told>>,
    last: Last,
}

impl Rounds {
    /// The last round that succeeded.
    pub(super) fn last(&self) -> Option<Round> {
        self.0.last.get()
    }

    /// Waits for a round that begins from now on; `ask` asks. `None` if this node is stopping.
    pub(super) async fn next<F>(&self, tasks: &TaskTracker, ask: impl Fn() -> F + Send + 'static) -> Option<Told>
    where
        F: Future<Output = Result<u64, GroupError>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        if self.0.waiting.add(tell) {
            tasks.spawn(self.clone().run(ask));
        }
        told.await.ok()
    }

    /// Asks for those who wait, until nobody does.
    async fn run<F>(self, ask: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Result<u64, GroupError>> + Send,
    {
        while let Some(waiting) = self.0.waiting.take(|all| all.drain(..).collect()) {
            let began = Instant::now();
            let round = ask().await.map(|index| (began, index));
            if let Ok(round) = round {
                self.0.last.note(round);
            }
            tell(waiting, &round);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_round_serves_all_who_came_before_it_began_and_nobody_else() {
        let (rounds, tasks) = (Rounds::default(), TaskTracker::new());
        let (asked, go) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let wait = |_| {
            let (rounds, tasks, asked, go) = (rounds.clone(), tasks.clone(), Arc::clone(&asked), Arc::clone(&go));
            tokio::spawn(async move {
                let ask = move || {
                    let (number, go) = (asked.fetch_add(1, Ordering::SeqCst), Arc::clone(&go));
                    async move {
                        go.acquire().await.unwrap().forget();
                        Ok(number)
                    }
                };
                rounds.next(&tasks, ask).await.unwrap().unwrap().1
            })
        };
        let first = wait(0);
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // These come while the first round is under way.
        let later: Vec<_> = (0..20).map(wait).collect();
        while rounds.0.waiting.waiting() < 20 {
            tokio::task::yield_now().await;
        }
        go.add_permits(2);
        assert_eq!(first.await.unwrap(), 0);
        for wait in later {
            assert_eq!(wait.await.unwrap(), 1);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        assert_eq!(rounds.last().unwrap().1, 1);
    }
}
