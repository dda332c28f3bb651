//! Many proposals, one batch: whoever comes while a batch is under way goes with the next one.
//!
//! One batch costs openraft, the log, the wire and the records little more than one proposal, and who is alone waits for
//! nobody. Stamps are given in the order in which commands are logged.
//!
//! ```text
//!   push ─► waiting ── take ──► batch: stamps ─► member ─► replies once all is applied ─► answers
//!                 └─ take_ahead ─► the next, if what is under way is foreseen ─► answers once it is on the own disk
//! ```
//!
//! Who asks for it ([`Acknowledge::Alone`]) is answered when the leader's own disk has the command, by the reply that is
//! foreseen, and batches go on meanwhile; [`AHEAD_MAX`] bounds how far.
//!
//! [`AHEAD_MAX`]: storgo_protocol::limits::AHEAD_MAX

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use storgo_protocol::GroupId;
use storgo_protocol::limits::{PROPOSED_AT_ONCE_MAX, RAFT_APPEND_BYTES_MAX};
use storgo_protocol::meta::{Proposal, Reply};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::GroupError;
use super::foreseen::Foreseen;
use super::gather::Gather;
use super::{Group, Groups};
use crate::metrics::{Came, Metrics};
use crate::raft::{OnOwnDisk, Replies};

type Told = Result<Reply, GroupError>;

/// When a command is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// When the group agreed on it, and it is applied.
    Agreed,
    /// When the disk of the leader has it, unless it is refused. It is lost with that disk, or if another member comes to lead
    /// before it has it. A leader that most have not acknowledged for the longest time to an election takes no proposals.
    Alone,
}

/// What waits to be proposed in one group.
#[derive(Debug, Default)]
pub(super) struct Proposals {
    waiting: Gather<Waiting>,
    /// Told who runs the batches, when one has come to its end or somebody came who need not wait for that.
    stirred: Notify,
}

#[derive(Debug)]
struct Waiting {
    command: Bytes,
    until: Instant,
    acknowledge: Acknowledge,
    tell: oneshot::Sender<Told>,
}

/// How much a batch may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) commands: usize,
    pub(super) bytes: usize,
}

impl Room {
    /// One batch.
    const BATCH: Self = Self { commands: PROPOSED_AT_ONCE_MAX, bytes: RAFT_APPEND_BYTES_MAX };

    pub(super) const fn without(self, bytes: usize) -> Self {
        Self { commands: self.commands.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) }
    }
}

impl Proposals {
    /// Lets a command wait for the next batch: where its answer will come, and whether somebody has to run the batches.
    fn push(&self, command: Bytes, until: Instant, acknowledge: Acknowledge) -> (oneshot::Receiver<Told>, bool) {
        let (tell, told) = oneshot::channel();
        let runs = self.waiting.add(Waiting { command, until, acknowledge, tell });
        if acknowledge == Acknowledge::Alone {
            self.stirred.notify_one();
        }
        (told, runs)
    }

    /// The next batch; `None` if nobody waits.
    fn take(&self) -> Option<Vec<Waiting>> {
        self.waiting.take(|waiting| first_of(waiting, Room::BATCH, usize::MAX))
    }

    /// The next batch beside those under way, with room for so much; empty if nobody waits who need not wait for those.
    fn take_ahead(&self, room: Room) -> Vec<Waiting> {
        self.waiting.take_more(|waiting| {
            if waiting.iter().all(|waiting| waiting.acknowledge == Acknowledge::Agreed) {
                return Vec::new();
            }
            let Room { commands, bytes } = Room::BATCH;
            let batch = Room { commands: room.commands.min(commands), bytes: room.bytes.min(bytes) };
            first_of(waiting, batch, room.bytes)
        })
    }
}

/// Those who wait longest, as far as there is room; the first even if it is longer, up to `longest` bytes.
fn first_of(waiting: &mut VecDeque<Waiting>, mut room: Room, longest: usize) -> Vec<Waiting> {
    let mut batch = Vec::new();
    while let Some(next) = waiting.pop_front() {
        // Whoever waits no more is not to find it done.
        if next.tell.is_closed() {
            continue;
        }
        let bytes = next.command.len();
        let fits = bytes <= room.bytes || (batch.is_empty() && bytes <= longest);
        if room.commands == 0 || !fits {
            waiting.push_front(next);
            break;
        }
        room = room.without(bytes);
        batch.push(next);
    }
    batch
}

/// One batch more is under way, until this is dropped.
struct UnderWay(Arc<AtomicUsize>, Arc<Group>);

impl UnderWay {
    fn begin(all: &Arc<AtomicUsize>, group: &Arc<Group>) -> Self {
        all.fetch_add(1, Ordering::Release);
        Self(Arc::clone(all), Arc::clone(group))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
        self.1.proposals.stirred.notify_one();
    }
}

/// A proposal under way.
struct Proposed {
    /// None once it was answered.
    tell: Option<oneshot::Sender<Told>>,
    /// The answer as soon as it is on the own disk.
    early: Option<(OnOwnDisk, Reply)>,
}

impl Groups {
    /// Has a command agreed on and applied, together with others that come at the same time.
    pub(super) async fn propose_with_others(
        &self,
        id: GroupId,
        group: &Arc<Group>,
        (command, acknowledge): (Bytes, Acknowledge),
        until: Instant,
    ) -> Option<Told> {
        let (told, runs) = group.proposals.push(command, until, acknowledge);
        if runs {
            self.0.courier.spawn(self.clone().run_batches(id, Arc::clone(group)));
        }
        tokio::time::timeout_at(until, told)
            .await
            .ok()
            .map(|told| told.unwrap_or(Err(GroupError::NotHere { group: id })))
    }

    /// Proposes for those who wait, until nobody does: one batch after the other, but for what is foreseen.
    async fn run_batches(self, id: GroupId, group: Arc<Group>) {
        let (under_way, mut foreseen) = (Arc::new(AtomicUsize::new(0)), None::<Foreseen>);
        loop {
            let batch = if under_way.load(Ordering::Acquire) == 0 {
                foreseen = None;
                let Some(batch) = group.proposals.take() else { return };
                batch
            } else {
                // What goes another way than foreseen has to end first.
                let holds = foreseen.as_ref().filter(|_| group.member.comes_as_expected());
                let room = holds.map(Foreseen::room);
                let batch = room.map(|room| group.proposals.take_ahead(room)).unwrap_or_default();
                if batch.is_empty() {
                    group.proposals.stirred.notified().await;
                    continue;
                }
                batch
            };
            let Some((proposed, replies)) = self.begin_batch(id, &group, batch, &mut foreseen).await else { continue };
            let metrics = self.0.courier.metrics.clone();
            if foreseen.is_none() {
                conclude(id, proposed, replies, &metrics).await;
                continue;
            }
            let under_way = UnderWay::begin(&under_way, &group);
            self.0.courier.spawn(async move {
                conclude(id, proposed, replies, &metrics).await;
                drop(under_way);
            });
        }
    }

    /// Stamps and proposes a batch; `None` if that could not be done and all were told so. What comes of it is foreseen if
    /// somebody in it, or before it, wants to know.
    async fn begin_batch(
        &self,
        id: GroupId,
        group: &Group,
        batch: Vec<Waiting>,
        foreseen: &mut Option<Foreseen>,
    ) -> Option<(Vec<Proposed>, Replies)> {
        let until = batch.iter().map(|waiting| waiting.until).max().unwrap_or_else(Instant::now);
        let Some(now_ms) = self.right_time(group, until).await else {
            for waiting in batch {
                answer(waiting.tell, Err(GroupError::ClockOff { group: id }));
            }
            return None;
        };
        let proposal =
            |waiting: &Waiting| Proposal { stamp: group.stamps.next(now_ms), command: waiting.command.clone() };
        let proposals: Vec<_> = batch.iter().map(proposal).collect();
        let mut replies = foresee(id, group, &batch, &proposals, foreseen).into_iter();
        // All are expected, in their order; who did not ask, and what is refused, is told of the end alone.
        let early = |waiting: &Waiting, proposal: &Proposal, reply: Reply| {
            let on_disk = group.member.expect(proposal.stamp);
            let is_early = waiting.acknowledge == Acknowledge::Alone && !matches!(reply, Reply::Refused(_));
            is_early.then_some((on_disk, reply))
        };
        let proposed: Vec<_> = batch
            .into_iter()
            .zip(&proposals)
            .map(|(waiting, proposal)| {
                let early = replies.next().and_then(|reply| early(&waiting, proposal, reply));
                Proposed { tell: Some(waiting.tell), early }
            })
            .collect();
        match group.member.propose(proposals).await {
            Ok(replies) => Some((proposed, replies)),
            Err(error) => {
                let error = error.of(id);
                for tell in proposed.into_iter().filter_map(|proposed| proposed.tell) {
                    answer(tell, Err(error.clone()));
                }
                None
            }
        }
    }
}

/// The replies to a batch, as far as they are foreseen: to all of it or to none.
fn foresee(
    id: GroupId,
    group: &Group,
    batch: &[Waiting],
    proposals: &[Proposal],
    foreseen: &mut Option<Foreseen>,
) -> Vec<Reply> {
    let is_wanted = batch.iter().any(|waiting| waiting.acknowledge == Acknowledge::Alone);
    let replies = {
        if foreseen.is_none() && is_wanted {
            *foreseen = Foreseen::begin(&group.member);
        }
        foreseen.as_mut().map(|foreseen| foreseen.replies(&group.member, id, proposals)).transpose()
    };
    match replies {
        Ok(replies) => replies.unwrap_or_default(),
        Err(error) => {
            // Whoever applies it meets the same, and stops.
            tracing::warn!(group = %id, error = &error as &dyn std::error::Error, "nothing can be foreseen");
            *foreseen = None;
            Vec::new()
        }
    }
}

/// Answers all of a batch: who wants to know as soon as it is on the own disk, the others in the order of their replies.
async fn conclude(id: GroupId, mut batch: Vec<Proposed>, mut replies: Replies, metrics: &Metrics) {
    let first = tokio::select! {
        biased;
        () = answer_early(&mut batch) => replies.next().await,
        first = replies.next() => first,
    };
    let mut first = Some(first);
    for Proposed { tell, early } in batch {
        let reply = match first.take() {
            Some(first) => first,
            None => replies.next().await,
        };
        let gone = || GroupError::Stopped { group: id, reason: "it ended before it answered".to_owned() };
        let told = reply.map_or_else(|| Err(gone()), |reply| reply.map_err(|error| error.of(id)));
        match (tell, early) {
            (Some(tell), _) => answer(tell, told),
            (None, Some((_, foreseen))) => {
                let came = match &told {
                    Ok(reply) if *reply == foreseen => Came::AsTold,
                    Ok(reply) => {
                        tracing::error!(group = %id, came = ?reply, told = ?foreseen, "another answer came than was told");
                        Came::Otherwise
                    }
                    Err(error) => {
                        let error = error as &dyn std::error::Error;
                        tracing::warn!(group = %id, error, "what was acknowledged by this member alone may be lost");
                        Came::Unknown
                    }
                };
                metrics.note_ahead(came);
            }
            // Nobody else is told before the end.
            (None, None) => {}
        }
    }
}

async fn answer_early(batch: &mut [Proposed]) {
    for proposed in batch {
        if let Some((on_disk, reply)) = &mut proposed.early
            && on_disk.await.is_ok()
            && let Some(tell) = proposed.tell.take()
        {
            answer(tell, Ok(reply.clone()));
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
        let push =
            |bytes: usize, marker: u8| proposals.push(Bytes::from(vec![marker; bytes]), until, Acknowledge::Agreed);
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

        // However many have gone, who still waits has its turn.
        let gone: Vec<_> = (0..=PROPOSED_AT_ONCE_MAX).map(|_| push(1, 1)).collect();
        let (_waits, _) = push(1, 2);
        drop(gone);
        assert_eq!(markers(proposals.take()), Some(vec![2]));

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
