//! Writing to several peers at once without waiting for the slowest when somebody else could take its share.
//!
//! What a fast peer needed is the measure: a link that is slow for all makes nobody late. It knows peers only by id.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_protocol::PeerId;
use storgo_protocol::limits::PUSH_LATE_MS_MIN;
use tokio::time::{Instant, sleep_until};

/// How many times as long as the first a write may take.
const FIRSTS: u32 = 3;

/// What came of writes to several peers.
#[derive(Debug)]
pub(crate) struct Written<T> {
    pub(crate) done: Vec<(PeerId, T)>,
    /// Who was not waited for.
    pub(crate) late: Vec<PeerId>,
}

/// Runs all writes to their end; but those that take much longer than the first that succeeded are given up if `spares`
/// says that there are as many other peers to take their part.
pub(crate) async fn write_all<T, E, F>(
    writes: impl IntoIterator<Item = (PeerId, F)>,
    spares: impl Fn() -> usize,
) -> Written<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    let mut pending = BTreeSet::new();
    let mut flying: FuturesUnordered<_> = writes
        .into_iter()
        .map(|(peer, write)| {
            pending.insert(peer);
            async move { (peer, write.await) }
        })
        .collect();
    let mut done = Vec::new();
    let mut late_at: Option<Instant> = None;
    loop {
        let late = async {
            match late_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            written = flying.next() => {
                let Some((peer, outcome)) = written else { return Written { done, late: Vec::new() } };
                pending.remove(&peer);
                // A quick refusal says nothing of how long a write takes.
                if outcome.is_ok() {
                    late_at.get_or_insert_with(|| start + late_after(start.elapsed()));
                }
                done.push((peer, outcome));
            }
            () = late => {
                if spares() >= pending.len() {
                    return Written { done, late: pending.into_iter().collect() };
                }
                late_at = Some(Instant::now() + Duration::from_millis(PUSH_LATE_MS_MIN));
            }
        }
    }
}

/// After what time a write is late, when the first that succeeded took this long.
fn late_after(first: Duration) -> Duration {
    (first * FIRSTS).max(Duration::from_millis(PUSH_LATE_MS_MIN))
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::{BoxFuture, pending, ready};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    type Write = BoxFuture<'static, Result<(), ()>>;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    fn writes(of: impl IntoIterator<Item = Write>) -> Vec<(PeerId, Write)> {
        (0..).map(peer).zip(of).collect()
    }

    #[tokio::test]
    async fn a_straggler_is_given_up_when_another_can_take_its_part() {
        let start = Instant::now();
        let written = write_all(writes([ready(Ok(())).boxed(), pending().boxed(), ready(Err(())).boxed()]), || 1).await;
        assert_eq!((written.done.len(), written.late), (2, vec![peer(1)]));
        assert!(start.elapsed() >= Duration::from_millis(PUSH_LATE_MS_MIN));
    }

    #[tokio::test]
    async fn nobody_is_given_up_without_another_or_before_one_succeeded() {
        let late = Duration::from_millis(2 * PUSH_LATE_MS_MIN);
        let alone = write_all(writes([ready(Ok(())).boxed(), pending().boxed()]), || 0);
        let unmeasured = write_all(writes([ready(Err(())).boxed(), pending().boxed()]), || 9);
        let (alone, unmeasured) = tokio::join!(timeout(late, alone), timeout(late, unmeasured));
        assert!(alone.is_err() && unmeasured.is_err());
        let done = write_all(writes([ready(Ok(())).boxed(), ready(Ok(())).boxed()]), || 9);
        assert_eq!(timeout(DEADLINE, done).await.unwrap().done.len(), 2);
    }

    #[test]
    fn a_link_that_is_slow_for_all_makes_nobody_late() {
        assert_eq!(late_after(Duration::from_secs(20)), Duration::from_mins(1));
        assert_eq!(late_after(Duration::ZERO), Duration::from_millis(PUSH_LATE_MS_MIN));
    }
}
