//! Many proposals, one batch: whoever comes while a batch is under way goes with the next one.
//!
//! One batch costs openraft, the log, the wire and the records little more than one proposal, and who is alone waits for
//! nobody. Stamps are given in the order in which commands are logged.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{PROPOSED_AT_ONCE_MAX, RAFT_APPEND_BYTES_MAX};
use storgo_protocol::meta::{Proposal, Reply};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::GroupError;
use super::gather::Gather;
use super::{Group, Groups};

type Told = Result<Reply, GroupError>;

/// What waits to be proposed in one group.
#[derive(Debug, Default)]
pub(super) struct Proposals(Gather<Waiting>);

#[derive(Debug)]
struct Waiting {
    command: Bytes,
    until: Instant,
    tell: oneshot::Sender<Told>,
}

impl Proposals {
    /// Lets a command wait for the next batch: where its answer will come, and whether somebody has to run the batches.
    fn push(&self, command: Bytes, until: Instant) -> (oneshot::Receiver<Told>, bool) {
        let (tell, told) = oneshot::channel();
        let runs = self.0.add(Waiting { command, until, tell });
        (told, runs)
    }

    /// The next batch; `None` if nobody waits.
    fn take(&self) -> Option<Vec<Waiting>> {
        self.0.take(|waiting| {
            let (mut batch, mut room) = (Vec::new(), RAFT_APPEND_BYTES_MAX);
            while let Some(next) = waiting.front() {
                let bytes = next.command.len();
                if batch.len() == PROPOSED_AT_ONCE_MAX || (bytes > room && !batch.is_empty()) {
                    break;
                }
                room = room.saturating_sub(bytes);
                // Whoever waits no more is not to find it done.
                batch.extend(waiting.pop_front().filter(|waiting| !waiting.tell.is_closed()));
            }
            batch
        })
    }
}

impl Groups {
    /// Has a command agreed on and applied, together with others that come at the same time.
    pub(super) async fn propose_with_others(
        &self,
        id: GroupId,
        group: &Arc<Group>,
        command: Bytes,
        until: Instant,
    ) -> Option<Told> {
        let (told, runs) = group.proposals.push(command, until);
        if runs {
            self.0.courier.spawn(self.clone().run_batches(id, Arc::clone(group)));
        }
        tokio::time::timeout_at(until, told)
            .await
            .ok()
            .map(|told| told.unwrap_or(Err(GroupError::NotHere { group: id })))
    }

    /// Proposes for those who wait, until nobody does.
    async fn run_batches(self, id: GroupId, group: Arc<Group>) {
        while let Some(batch) = group.proposals.take() {
            self.run_batch(id, &group, batch).await;
        }
    }

    async fn run_batch(&self, id: GroupId, group: &Group, batch: Vec<Waiting>) {
        let until = batch.iter().map(|waiting| waiting.until).max().unwrap_or_else(Instant::now);
        let now_ms = self.right_time(group, until).await;
        let (commands, tells): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.command, waiting.tell)).unzip();
        let Some(now_ms) = now_ms else {
            return tells.into_iter().for_each(|tell| answer(tell, Err(GroupError::ClockOff { group: id })));
        };
        let proposals = commands.into_iter().map(|command| Proposal { stamp: group.stamps.next(now_ms), command });
        let mut replies = match group.member.propose(proposals.collect()).await {
            Ok(replies) => replies,
            Err(error) => {
                let error = error.of(id);
                return tells.into_iter().for_each(|tell| answer(tell, Err(error.clone())));
            }
        };
        for tell in tells {
            let reply = replies.next().await;
            let gone = || GroupError::Stopped { group: id, reason: "it ended before it answered".to_owned() };
            answer(tell, reply.map_or_else(|| Err(gone()), |reply| reply.map_err(|error| error.of(id))));
        }
    }
}

/// Who no longer waits needs no answer.
fn answer(tell: oneshot::Sender<Told>, told: Told) {
    drop(tell.send(told));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_batch_is_bounded_in_order_and_of_those_who_still_wait() {
        let proposals = Proposals::default();
        let until = Instant::now() + Duration::from_secs(9);
        let push = |bytes: usize, marker: u8| proposals.push(Bytes::from(vec![marker; bytes]), until);
        let (first, runs) = push(1, 0);
        assert!(runs);
        let (gone, runs) = push(1, 1);
        assert!(!runs, "two run the batches of one group");
        let (_third, _) = push(1, 2);
        drop(gone);
        let markers = |batch: Option<Vec<Waiting>>| {
            batch.map(|batch| batch.iter().map(|waiting| waiting.command[0]).collect::<Vec<_>>())
        };
        assert_eq!(markers(proposals.take()), Some(vec![0, 2]));
        drop(first);

        let kept: Vec<_> = (0..=PROPOSED_AT_ONCE_MAX).map(|_| push(1, 3)).collect();
        assert_eq!(markers(proposals.take()).map(|batch| batch.len()), Some(PROPOSED_AT_ONCE_MAX));
        assert_eq!(markers(proposals.take()).map(|batch| batch.len()), Some(1));
        drop(kept);
        let kept = [push(RAFT_APPEND_BYTES_MAX - 1, 4), push(2, 5), push(RAFT_APPEND_BYTES_MAX + 1, 6), push(1, 7)];
        let batches: Vec<_> = (0..5).map(|_| markers(proposals.take())).collect();
        assert_eq!(batches, [Some(vec![4]), Some(vec![5]), Some(vec![6]), Some(vec![7]), None]);
        drop(kept);
        assert!(push(1, 8).1, "nobody runs batches after a pause");
    }
}
