//! Requests and answers between members, many groups in one frame.
//!
//! ```text
//!   call ─► lane of the peer ─► frame ═══► receive ─► who serves
//!     ▲                                                   │
//!     └── calls that wait ◄── receive ◄═══ frame ◄── lane ◄┘
//! ```
//!
//! What waits for one peer while a frame is on its way goes in the next one. Every call has a deadline, every queue a
//! bound; what is dropped is sent again by Raft. It must not know what requests mean.

mod calls;
mod lane;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_object::ports::Clock;
use storgo_protocol::limits::{ASKS_INBOUND_MAX, RAFT_INBOUND_MAX, RAFT_LANE_MAX};
use storgo_protocol::raft::{Envelope, Frame, Unable, envelope::Body};
use storgo_protocol::{GroupId, LogIncarnation, PeerId};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock_guard::{ClockGuard, Sample};
use crate::metrics::Metrics;
use crate::seat::{Seat, Seats};
use crate::transport::Transport;

use calls::Calls;
use lane::Queued;

/// The incarnation that a question names which is not for one log.
pub(crate) const ANY_LOG: LogIncarnation = LogIncarnation::new(0);

/// The group that a question names which is not for one group.
pub(crate) const NO_GROUP: GroupId = GroupId::new(u64::MAX);

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    /// The request did not leave, or is known not to have arrived.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable { peer: PeerId, reason: String },
    /// It went away before it answered: it may or may not have acted.
    #[error("{peer} went away before it answered")]
    Lost { peer: PeerId },
    /// No answer came in time.
    #[error("{peer} did not answer within {within:?}")]
    TimedOut { peer: PeerId, within: Duration },
    /// The other side could not act on it.
    #[error("{peer} is unable: {reason}")]
    Unable { peer: PeerId, reason: String },
}

/// Who acts on requests.
pub(crate) trait Serve: Send + Sync + 'static {
    /// Acts on a request of `from`; the answer.
    fn serve(&self, from: Seat, group: GroupId, request: Body) -> impl Future<Output = Body> + Send;
}

/// Sends and receives for one node.
#[derive(Debug)]
pub(crate) struct Courier {
    seats: Seats,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    pub(crate) guard: ClockGuard,
    pub(crate) metrics: Metrics,
    calls: Calls,
    lanes: Mutex<BTreeMap<PeerId, mpsc::Sender<Queued>>>,
    inbound: Arc<Semaphore>,
    asked: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Courier {
    pub(crate) fn new(
        seats: Seats,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Arc<Self> {
        // A million of them in each millisecond.
        let calls = Calls::numbered_from(clock.now_ms() << 20);
        Arc::new(Self {
            seats,
            transport,
            clock,
            guard: ClockGuard::default(),
            metrics,
            calls,
            lanes: Mutex::default(),
            inbound: Arc::new(Semaphore::new(RAFT_INBOUND_MAX)),
            asked: Arc::new(Semaphore::new(ASKS_INBOUND_MAX)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Who this node is.
    pub(crate) const fn peer(&self) -> PeerId {
        self.seats.log().peer
    }

    /// Who it is in each group.
    pub(crate) const fn seats(&self) -> &Seats {
        &self.seats
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// How long this machine was suspended, if that can be told.
    pub(crate) fn suspended(&self) -> Option<Duration> {
        self.clock.suspended()
    }

    /// Asks a member and waits for its answer.
    pub(crate) async fn call(
        self: &Arc<Self>,
        to: Seat,
        group: GroupId,
        request: Body,
        within: Duration,
    ) -> Result<Body, CallError> {
        self.ask(to, group, request, within, false).await
    }

    /// As [`Courier::call`], for what may wait up to [`RAFT_PATIENCE_MS`](storgo_protocol::limits::RAFT_PATIENCE_MS) on
    /// its way there and on its way back, to go together with others.
    pub(crate) async fn call_patiently(
        self: &Arc<Self>,
        to: Seat,
        group: GroupId,
        request: Body,
        within: Duration,
    ) -> Result<Body, CallError> {
        self.ask(to, group, request, within, true).await
    }

    async fn ask(
        self: &Arc<Self>,
        to: Seat,
        group: GroupId,
        request: Body,
        within: Duration,
        patient: bool,
    ) -> Result<Body, CallError> {
        let waiting = self.calls.begin(to, group);
        let sent = Instant::now();
        let envelope = Envelope { patient, ..self.envelope(to.incarnation, group, waiting.call, request) };
        self.enqueue(to.peer, envelope, Some(waiting.call))?;
        let peer = to.peer;
        let answered = tokio::time::timeout(within, waiting.answer()).await;
        let (body, clock_ms) = answered.map_err(|_| CallError::TimedOut { peer, within })??;
        if clock_ms > 0 {
            self.guard.note(peer, Sample { now_ms: self.now_ms(), theirs_ms: clock_ms, took: sent.elapsed() });
        }
        match body {
            Body::Unable(Unable { reason }) => Err(CallError::Unable { peer, reason }),
            answer => Ok(answer),
        }
    }

    fn envelope(&self, to: LogIncarnation, group: GroupId, call: u64, body: Body) -> Envelope {
        Envelope {
            group: group.as_u64(),
            call,
            from_incarnation: self.seats.of(group).incarnation.as_u64(),
            to_incarnation: to.as_u64(),
            body: Some(body),
            clock_ms: 0,
            patient: false,
        }
    }

    /// Puts a message on the lane to a peer.
    fn enqueue(self: &Arc<Self>, peer: PeerId, envelope: Envelope, call: Option<u64>) -> Result<(), CallError> {
        let unreachable = |reason: &str| CallError::Unreachable { peer, reason: reason.to_owned() };
        if self.stop.is_cancelled() {
            return Err(unreachable("this node is stopping"));
        }
        let mut lanes = self.lanes.lock();
        let lane = lanes.entry(peer).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(RAFT_LANE_MAX);
            self.tasks.spawn(lane::run(Arc::clone(self), peer, receiver));
            sender
        });
        lane.try_send(Queued { envelope, call }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => unreachable("too much waits for it"),
            mpsc::error::TrySendError::Closed(_) => unreachable("the way to it was closed"),
        })
    }

    /// Takes a frame from a peer, whose identity the connection proved. Answers go to those who wait for them; requests
    /// are worked on by tasks of their own.
    pub(crate) fn receive<S: Serve>(self: &Arc<Self>, from: PeerId, frame: Bytes, serve: &Arc<S>) {
        let envelopes = match Frame::read(frame) {
            Ok(frame) => frame.envelopes,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::warn!(peer = %from, error, "a frame that is none was dropped");
            }
        };
        for envelope in envelopes {
            let from = Seat { peer: from, incarnation: LogIncarnation::new(envelope.from_incarnation) };
            let group = GroupId::new(envelope.group);
            let Some(body) = envelope.body else { continue };
            let to = LogIncarnation::new(envelope.to_incarnation);
            let is_mine = to == self.seats.of(group).incarnation;
            if is_request(&body) {
                self.work_on(from, to, group, (envelope.call, envelope.patient), body, serve);
            } else if is_mine {
                self.calls.answer(envelope.call, from, group, body, envelope.clock_ms);
            }
        }
    }

    /// Hears that a peer's frames have come to an end: nobody waits for its answers any more, since who asks again asks
    /// others.
    pub(crate) fn lost(&self, peer: PeerId) {
        self.calls.lose(peer);
    }

    fn work_on<S: Serve>(
        self: &Arc<Self>,
        from: Seat,
        to: LogIncarnation,
        group: GroupId,
        (call, patient): (u64, bool),
        request: Body,
        serve: &Arc<S>,
    ) {
        // Clients have room of their own, so that they cannot keep members from each other.
        let is_ask = matches!(request, Body::Ask(_));
        let is_for_any = is_ask || matches!(request, Body::Promises(_));
        let room = if is_ask { &self.asked } else { &self.inbound };
        // Without room it is dropped: who asks times out and asks again.
        let Ok(room) = Arc::clone(room).try_acquire_owned() else { return };
        let (courier, serve) = (Arc::clone(self), Arc::clone(serve));
        let work = async move {
            let answer = if to == courier.seats.of(group).incarnation || (is_for_any && to == ANY_LOG) {
                serve.serve(from, group, request).await
            } else {
                // What is gone promised things that nobody here knows of.
                Body::Unable(Unable { reason: "what this peer keeps of the group is another life of it".to_owned() })
            };
            drop(room);
            let envelope = courier.envelope(from.incarnation, group, call, answer);
            let (from_incarnation, clock_ms) = (to.as_u64(), courier.now_ms());
            let envelope = Envelope { from_incarnation, clock_ms, patient, ..envelope };
            if let Err(error) = courier.enqueue(from.peer, envelope, None) {
                tracing::debug!(error = &error as &dyn std::error::Error, "an answer was not sent");
            }
        };
        self.spawn(work);
    }

    /// Runs a task until this node stops, which waits for it to end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }
}

const fn is_request(body: &Body) -> bool {
    matches!(
        body,
        Body::Append(_)
            | Body::Vote(_)
            | Body::PreVote(_)
            | Body::Transfer(_)
            | Body::SnapshotPage(_)
            | Body::ReadIndex(_)
            | Body::Promises(_)
            | Body::Ask(_)
    )
}

#[cfg(test)]
mod tests;
