use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::join_all;
use storgo_protocol::message::{Refusal, RefusalKind};
use storgo_protocol::{ChunkId, Code, ShardId, ShardIndex, StripeHeader};
use tokio::sync::Semaphore;

use super::*;

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn shard(number: u8, bytes: usize) -> PushedShard {
    let code = Code::new(1, 0).unwrap();
    let header =
        StripeHeader::new(ChunkId::from_bytes([number; 32]), bytes, code, &[ShardId::from_bytes([number; 32])])
            .unwrap();
    PushedShard { header, index: ShardIndex::default(), payload: Bytes::from(vec![number; bytes]) }
}

/// A peer that answers as often as it is let, and remembers what came together.
struct Peer {
    leave: Semaphore,
    pushes: Mutex<Vec<Vec<u8>>>,
    outcome: fn(usize) -> Result<(), Miss>,
}

impl Peer {
    fn new(outcome: fn(usize) -> Result<(), Miss>) -> Arc<Self> {
        Arc::new(Self { leave: Semaphore::new(0), pushes: Mutex::default(), outcome })
    }

    async fn take(&self, shards: Vec<PushedShard>) -> Result<(), Miss> {
        let number = {
            let mut pushes = self.pushes.lock();
            pushes.push(shards.iter().map(|shard| shard.payload[0]).collect());
            pushes.len()
        };
        // An answer takes a while, in which others come.
        tokio::task::yield_now().await;
        self.leave.acquire().await.unwrap().forget();
        (self.outcome)(number)
    }

    fn let_all(&self) {
        self.leave.add_permits(1000);
    }

    fn pushes(&self) -> Vec<Vec<u8>> {
        self.pushes.lock().clone()
    }
}

async fn push(batches: &Batches, to: &Arc<Peer>, shard: PushedShard) -> Result<(), Miss> {
    push_to(batches, peer(1), to, shard).await
}

async fn push_to(batches: &Batches, id: PeerId, to: &Arc<Peer>, shard: PushedShard) -> Result<(), Miss> {
    let to = Arc::clone(to);
    let send = move |shards| {
        let to = Arc::clone(&to);
        async move { to.take(shards).await }
    };
    batches.push(id, shard, send).await
}

/// Lets other tasks run until `found`.
async fn until(mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !found() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_comes_while_a_push_is_under_way_goes_together_in_the_next() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    let first = push(&batches, &to, shard(1, 10));
    let others = async {
        until(|| to.pushes().len() == 1).await;
        let others = join_all((2..=5).map(|number| push(&batches, &to, shard(number, 10))));
        let leave = async { to.let_all() };
        tokio::join!(others, leave).0
    };
    let (first, others) = tokio::join!(first, others);
    assert!(others.into_iter().chain([first]).all(|outcome| outcome.is_ok()));
    assert_eq!(to.pushes(), [vec![1], vec![2, 3, 4, 5]]);
}

/// As a stream's elements are not, while its reader waits for something else.
#[tokio::test]
async fn a_caller_that_is_not_polled_holds_up_nobody() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    to.let_all();
    let mut idle = Box::pin(push(&batches, &to, shard(1, 10)));
    assert!((&mut idle).now_or_never().is_none());
    let mut waiting = Box::pin(push(&batches, &to, shard(2, 10)));
    assert!((&mut waiting).now_or_never().is_none());
    let other = tokio::time::timeout(Duration::from_secs(30), push(&batches, &to, shard(3, 10)));
    other.await.unwrap().unwrap();
    idle.await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn no_push_is_larger_than_its_bounds() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    to.let_all();
    let small = (0..60).map(|number| push(&batches, &to, shard(number, 10)));
    let large = (100..105).map(|number| push(&batches, &to, shard(number, PUSH_BYTES_TOGETHER_MAX / 2)));
    let giant = (200..202).map(|number| push(&batches, &to, shard(number, PUSH_BYTES_TOGETHER_MAX + 1)));
    let (small, large, giant) = tokio::join!(join_all(small), join_all(large), join_all(giant));
    assert!([small, large, giant].into_iter().flatten().all(|outcome| outcome.is_ok()));
    let pushes = to.pushes();
    assert_eq!(pushes.iter().map(Vec::len).sum::<usize>(), 67);
    assert_eq!(pushes.iter().map(Vec::len).max(), Some(SHARDS_PER_PUSH_MAX));
    for push in pushes {
        let large = push.iter().filter(|number| (100..200).contains(*number)).count();
        let giant = push.iter().filter(|number| **number >= 200).count();
        assert!(large <= 2 && (giant == 0 || push.len() == 1), "{push:?}");
    }
}

#[tokio::test]
async fn what_became_of_a_push_is_told_to_all_who_waited_for_it() {
    let refused = |number| match number {
        2 => Err(Miss::Refused(Refusal::new(RefusalKind::NoSpace, "full"))),
        _ => Ok(()),
    };
    let (batches, to) = (Batches::default(), Peer::new(refused));
    to.let_all();
    let first = push(&batches, &to, shard(1, 10));
    let others = async {
        until(|| to.pushes().len() == 1).await;
        join_all((2..=4).map(|number| push(&batches, &to, shard(number, 10)))).await
    };
    let (first, others) = tokio::join!(first, others);
    let outcomes: Vec<_> = [first].into_iter().chain(others).collect();
    let full = |outcome: &Result<(), Miss>| matches!(outcome, Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NoSpace);
    assert_eq!(outcomes.iter().map(full).collect::<Vec<_>>(), [false, true, true, true]);
    push(&batches, &to, shard(5, 10)).await.unwrap();
}

/// What everybody who waited for it gave up is not waited for, and what nobody waits for is not sent.
#[tokio::test]
async fn who_is_given_up_takes_nobody_along() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    let mut first = Box::pin(push(&batches, &to, shard(1, 10)));
    assert!((&mut first).now_or_never().is_none());
    until(|| to.pushes().len() == 1).await;
    let mut pushes: Vec<_> = (2..=4).map(|number| Box::pin(push(&batches, &to, shard(number, 10)))).collect();
    assert!(pushes.iter_mut().all(|push| push.now_or_never().is_none()));
    drop(pushes.remove(1));
    // The peer never answered the first; the next goes all the same, without what was given up.
    drop(first);
    until(|| to.pushes().len() == 2).await;
    // One of two who wait goes: the other is answered.
    drop(pushes.remove(0));
    to.let_all();
    pushes.remove(0).await.unwrap();
    assert_eq!(to.pushes(), [vec![1], vec![2, 4]]);
}

#[tokio::test]
async fn peers_do_not_wait_for_each_other() {
    let (batches, slow, fast) = (Batches::default(), Peer::new(|_| Ok(())), Peer::new(|_| Ok(())));
    fast.let_all();
    let mut waiting = Box::pin(push(&batches, &slow, shard(1, 10)));
    assert!((&mut waiting).now_or_never().is_none());
    push_to(&batches, peer(2), &fast, shard(2, 10)).await.unwrap();
}
