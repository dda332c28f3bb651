//! Asking several peers at once without waiting for the slowest: when somebody else could take its share of a write, or
//! when a question can do without its answer.
//!
//! What half of them needed is the measure: a link that is slow for all makes nobody late. It knows peers only by id.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_protocol::PeerId;
use storgo_protocol::limits::STRAGGLER_MS;
use tokio::time::{Instant, sleep_until};

/// How many times as long as half of the others a peer may take, besides [`STRAGGLER_MS`].
const HALVES: u32 = 2;

/// What came of asking several peers.
#[derive(Debug)]
pub(crate) struct Asked<T> {
    pub(crate) done: Vec<(PeerId, T)>,
    /// Who was not waited for.
    pub(crate) late: Vec<PeerId>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Runs all to their end; but those that take much longer than half of them did to succeed are given up if `spares` says
/// that there are as many others to take their part.
pub(crate) async fn ask_all<T, E, F>(
    asks: impl IntoIterator<Item = (PeerId, F)>,
    spares: impl Fn() -> usize,
) -> Asked<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    let mut pending = BTreeSet::new();
    let mut flying: FuturesUnordered<_> = asks
        .into_iter()
        .map(|(peer, ask)| {
            pending.insert(peer);
            async move { (peer, ask.await) }
        })
        .collect();
    let (mut done, mut succeeded) = (Vec::new(), 0);
    let mut late_at: Option<Instant> = None;
    loop {
        let late = async {
            match late_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answered = flying.next() => {
                let Some((peer, outcome)) = answered else {
                    return Asked { done, late: Vec::new(), took: start.elapsed() };
                };
                pending.remove(&peer);
                // A quick refusal says nothing of how long an answer takes.
                succeeded += usize::from(outcome.is_ok());
                if succeeded > 0 && succeeded >= pending.len() {
                    late_at.get_or_insert_with(|| start + late_after(start.elapsed()));
                }
                done.push((peer, outcome));
            }
            () = late => {
                if spares() >= pending.len() {
                    return Asked { done, late: pending.into_iter().collect(), took: start.elapsed() };
                }
                late_at = Some(Instant::now() + Duration::from_millis(STRAGGLER_MS));
            }
        }
    }
}

/// As [`ask_all`] for questions that can do without the answer of anyone who is late.
pub(crate) async fn ask_those_in_time<T, E, F>(asks: impl IntoIterator<Item = (PeerId, F)>) -> Asked<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    ask_all(asks, || usize::MAX).await
}

/// After what time an answer is late, when half of the others took this long.
fn late_after(half: Duration) -> Duration {
    half * HALVES + Duration::from_millis(STRAGGLER_MS)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, pending, ready};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    type Ask = BoxFuture<'static, Result<(), ()>>;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    fn asks(of: impl IntoIterator<Item = Ask>) -> Vec<(PeerId, Ask)> {
        (0..).map(peer).zip(of).collect()
    }

    #[tokio::test]
    async fn a_straggler_is_given_up_when_another_can_take_its_part() {
        let start = Instant::now();
        let written = ask_all(asks([ready(Ok(())).boxed(), pending().boxed(), ready(Err(())).boxed()]), || 1).await;
        assert_eq!((written.done.len(), written.late), (2, vec![peer(1)]));
        assert!(start.elapsed() >= Duration::from_millis(STRAGGLER_MS));
    }

    #[tokio::test]
    async fn nobody_is_given_up_without_another_or_before_one_succeeded() {
        let late = Duration::from_millis(2 * STRAGGLER_MS);
        let alone = ask_all(asks([ready(Ok(())).boxed(), pending().boxed()]), || 0);
        let unmeasured = ask_all(asks([ready(Err(())).boxed(), pending().boxed()]), || 9);
        let (alone, unmeasured) = tokio::join!(timeout(late, alone), timeout(late, unmeasured));
        assert!(alone.is_err() && unmeasured.is_err());
        let done = ask_all(asks([ready(Ok(())).boxed(), ready(Ok(())).boxed()]), || 9);
        assert_eq!(timeout(DEADLINE, done).await.unwrap().done.len(), 2);
    }

    /// Two of six may be as slow as they like, but one fast peer among slow ones makes none of them late.
    #[tokio::test(start_paused = true)]
    async fn half_of_them_are_the_measure() {
        let after = |seconds: u64| {
            async move {
                // Nothing comes, until the paused clock has moved on.
                drop(timeout(Duration::from_secs(seconds), pending::<()>()).await);
                Ok(())
            }
            .boxed()
        };
        let start = Instant::now();
        let asked = ask_all(asks([after(1), after(1), after(3), after(3), after(3600), pending().boxed()]), || 2).await;
        assert_eq!((asked.done.len(), asked.late), (4, vec![peer(4), peer(5)]));
        assert_eq!(start.elapsed(), Duration::from_secs(7));
        let start = Instant::now();
        let asked = ask_all(asks([after(0), after(9), after(9), after(9)]), || 4).await;
        assert_eq!((asked.done.len(), start.elapsed()), (4, Duration::from_secs(9)));
    }

    #[test]
    fn a_link_that_is_slow_for_all_makes_nobody_late() {
        assert_eq!(late_after(Duration::from_secs(20)), Duration::from_secs(40) + Duration::from_millis(STRAGGLER_MS));
        assert_eq!(late_after(Duration::ZERO), Duration::from_millis(STRAGGLER_MS));
    }
}
