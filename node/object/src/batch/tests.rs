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
    fn new(outcome: fn(usize) -> Result<(), Miss>) -> Self {
        Self { leave: Semaphore::new(0), pushes: Mutex::default(), outcome }
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

async fn push(batches: &Batches, to: &Peer, shard: PushedShard) -> Result<(), Miss> {
    batches.push(peer(1), shard, |shards| to.take(shards)).await
}

#[tokio::test]
async fn what_comes_while_a_push_is_under_way_goes_together_in_the_next() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    let pushes = join_all((1..=5).map(|number| push(&batches, &to, shard(number, 10))));
    let leave = async {
        tokio::task::yield_now().await;
        to.let_all();
    };
    let (outcomes, ()) = tokio::join!(pushes, leave);
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(to.pushes(), [vec![1], vec![2, 3, 4, 5]]);
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
    let outcomes = join_all((1..=4).map(|number| push(&batches, &to, shard(number, 10)))).await;
    let full = |outcome: &Result<(), Miss>| matches!(outcome, Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NoSpace);
    assert_eq!(outcomes.iter().map(full).collect::<Vec<_>>(), [false, true, true, true]);
    push(&batches, &to, shard(5, 10)).await.unwrap();
}

/// Whoever sends for others can be given up at any time; the others go again, and what nobody waits for is not sent.
#[tokio::test]
async fn who_is_given_up_takes_nobody_along() {
    let (batches, to) = (Batches::default(), Peer::new(|_| Ok(())));
    let mut first = Box::pin(push(&batches, &to, shard(1, 10)));
    let mut leader = Box::pin(push(&batches, &to, shard(2, 10)));
    let mut idle = Box::pin(push(&batches, &to, shard(3, 10)));
    let mut last = Box::pin(push(&batches, &to, shard(4, 10)));
    for push in [&mut first, &mut leader, &mut idle, &mut last] {
        assert!(push.now_or_never().is_none());
    }
    // The one under way, before its answer: the next goes, with all who wait.
    drop(first);
    assert!((&mut leader).now_or_never().is_none());
    assert_eq!(to.pushes(), [vec![1], vec![2, 3, 4]]);
    drop(idle);
    drop(leader);
    to.let_all();
    last.await.unwrap();
    assert_eq!(to.pushes(), [vec![1], vec![2, 3, 4], vec![4]]);
}

#[tokio::test]
async fn peers_do_not_wait_for_each_other() {
    let (batches, slow, fast) = (Batches::default(), Peer::new(|_| Ok(())), Peer::new(|_| Ok(())));
    fast.let_all();
    let mut waiting = Box::pin(push(&batches, &slow, shard(1, 10)));
    assert!((&mut waiting).now_or_never().is_none());
    batches.push(peer(2), shard(2, 10), |shards| fast.take(shards)).await.unwrap();
}
