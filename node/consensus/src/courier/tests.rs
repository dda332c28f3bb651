use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use prost::Message as _;
use storgo_object::ports::SystemClock;
use storgo_protocol::limits::{RAFT_ENVELOPES_MAX, RAFT_FRAME_BYTES_MAX};
use storgo_protocol::raft::{LogId, ReadIndex};
use tokio::sync::Notify;

use super::*;
use crate::transport::TransportError;

/// Carries frames to other couriers in this process, unless it is told to lose or hold them.
#[derive(Debug, Default)]
struct Wire {
    ends: Mutex<BTreeMap<PeerId, Served>>,
    frames: AtomicUsize,
    held: Mutex<Option<Arc<Notify>>>,
    cut: std::sync::atomic::AtomicBool,
}

/// A courier, and who answers its questions.
type Served = (Arc<Courier>, Arc<Echo>);

/// The end of a wire that one courier holds.
#[derive(Debug)]
struct End(PeerId, Arc<Wire>);

#[async_trait]
impl Transport for End {
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError> {
        self.1.frames.fetch_add(1, Ordering::Relaxed);
        let held = self.1.held.lock().clone();
        if let Some(held) = held {
            held.notified().await;
        }
        let end = self.1.ends.lock().get(&to).cloned();
        match end {
            Some((courier, serve)) if !self.1.cut.load(Ordering::Relaxed) => {
                courier.receive(self.0, frame, &serve);
                Ok(())
            }
            _ => Err(TransportError { peer: to, reason: "cut".to_owned() }),
        }
    }
}

/// Answers each question with its group.
#[derive(Debug, Default)]
struct Echo(Option<Arc<Notify>>);

impl Serve for Echo {
    async fn serve(&self, from: Seat, group: GroupId, _request: Body) -> Body {
        if let Some(wait) = &self.0 {
            wait.notified().await;
        }
        Body::Readable(LogId { term: from.incarnation.as_u64(), index: group.as_u64() })
    }
}

fn pair(answers_wait: Option<&Arc<Notify>>) -> (Arc<Wire>, Arc<Courier>, Arc<Courier>) {
    let wire = Arc::new(Wire::default());
    let [left, right] = [1, 2].map(|number| {
        let seat = Seat::from(number);
        let end = End(seat.peer, Arc::clone(&wire));
        let courier =
            Courier::new(Seats::new(seat, BTreeMap::new()), Arc::new(end), Arc::new(SystemClock), Metrics::default());
        wire.ends.lock().insert(seat.peer, (Arc::clone(&courier), Arc::new(Echo(answers_wait.cloned()))));
        courier
    });
    (wire, left, right)
}

const LONG: Duration = Duration::from_mins(1);

async fn ask(courier: &Arc<Courier>, to: u64, group: u64, within: Duration) -> Result<Body, CallError> {
    courier.call(Seat::from(to), GroupId::new(group), Body::ReadIndex(ReadIndex {}), within).await
}

#[tokio::test]
async fn questions_of_many_groups_share_frames_and_each_gets_its_answer() {
    let (wire, left, _right) = pair(None);
    let hold = Arc::new(Notify::new());
    *wire.held.lock() = Some(Arc::clone(&hold));
    let asks: Vec<_> = (0..100)
        .map(|group| {
            let left = Arc::clone(&left);
            tokio::spawn(async move { ask(&left, 2, group, LONG).await })
        })
        .collect();
    // The first frame is held until all others wait behind it.
    while left.calls.waiting() < 100 {
        tokio::task::yield_now().await;
    }
    *wire.held.lock() = None;
    hold.notify_waiters();
    for (group, asked) in (0..).zip(asks) {
        let Body::Readable(answer) = asked.await.unwrap().unwrap() else { panic!("another answer") };
        assert_eq!((answer.term, answer.index), (1, group));
    }
    let frames = wire.frames.load(Ordering::Relaxed);
    assert!(frames < 20, "{frames} frames for 100 questions and as many answers");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_said_so_at_once_and_who_is_silent_in_time() {
    let (wire, left, _right) = pair(Some(&Arc::new(Notify::new())));
    assert!(matches!(ask(&left, 2, 1, LONG).await, Err(CallError::TimedOut { .. })));
    wire.cut.store(true, Ordering::Relaxed);
    assert!(matches!(ask(&left, 2, 1, LONG).await, Err(CallError::Unreachable { .. })));
    assert_eq!(left.calls.waiting(), 0);
}

#[tokio::test]
async fn who_goes_away_is_waited_for_no_longer() {
    let (_wire, left, _right) = pair(Some(&Arc::new(Notify::new())));
    let asked = {
        let left = Arc::clone(&left);
        tokio::spawn(async move { ask(&left, 2, 1, LONG).await })
    };
    let other = left.calls.begin(Seat::from(3), GroupId::new(1));
    while left.calls.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    left.lost(Seat::from(2).peer);
    assert!(matches!(asked.await.unwrap(), Err(CallError::Lost { .. })));
    assert_eq!(left.calls.waiting(), 1, "of others it says nothing");
    drop(other);
}

#[tokio::test]
async fn who_lost_its_log_is_not_who_was_asked() {
    let (_wire, left, _right) = pair(None);
    let before = Seat { incarnation: LogIncarnation::new(77), ..Seat::from(2) };
    let asked = left.call(before, GroupId::new(1), Body::ReadIndex(ReadIndex {}), LONG).await;
    assert!(matches!(asked, Err(CallError::Unable { .. })), "{asked:?}");
}

#[tokio::test]
async fn nobody_answers_for_another() {
    let (_wire, left, _right) = pair(None);
    let waiting = left.calls.begin(Seat::from(2), GroupId::new(1));
    let answer = || Body::Readable(LogId::default());
    left.calls.answer(waiting.call, Seat::from(3), GroupId::new(1), answer(), 0);
    left.calls.answer(waiting.call, Seat::from(2), GroupId::new(2), answer(), 0);
    left.calls.answer(waiting.call, Seat::from(2), GroupId::new(1), Body::Readable(LogId { term: 7, index: 7 }), 0);
    let (body, _) = waiting.answer().await.unwrap();
    assert_eq!(body, Body::Readable(LogId { term: 7, index: 7 }));
}

#[tokio::test]
async fn a_lane_takes_no_more_than_its_room() {
    let (wire, left, _right) = pair(None);
    *wire.held.lock() = Some(Arc::new(Notify::new()));
    let queue = |n| {
        left.enqueue(
            Seat::from(2).peer,
            left.envelope(LogIncarnation::new(2), GroupId::new(1), n, Body::ReadIndex(ReadIndex {})),
            None,
        )
    };
    assert!((0..RAFT_LANE_MAX as u64).all(|n| queue(n).is_ok()));
    assert!(matches!(queue(0), Err(CallError::Unreachable { .. })));
}

#[tokio::test]
async fn what_comes_beyond_its_bounds_is_dropped() {
    let wait = Arc::new(Notify::new());
    let (_wire, left, _right) = pair(None);
    let serve = Arc::new(Echo(Some(wait)));
    let envelope = left.envelope(LogIncarnation::new(1), GroupId::new(1), 1, Body::ReadIndex(ReadIndex {}));
    let from = Seat::from(2).peer;
    let frame = |count| Bytes::from(Frame { envelopes: vec![envelope.clone(); count] }.encode_to_vec());
    let working = || RAFT_INBOUND_MAX - left.inbound.available_permits();
    left.receive(from, frame(RAFT_ENVELOPES_MAX + 1), &serve);
    left.receive(from, vec![0; RAFT_FRAME_BYTES_MAX + 1].into(), &serve);
    left.receive(from, Bytes::from_static(b"\xff\xff\xff"), &serve);
    assert_eq!(working(), 0);
    for _ in 0..=RAFT_INBOUND_MAX / RAFT_ENVELOPES_MAX {
        left.receive(from, frame(RAFT_ENVELOPES_MAX), &serve);
    }
    assert_eq!(working(), RAFT_INBOUND_MAX);
    // Clients have room of their own.
    let asking = || ASKS_INBOUND_MAX - left.asked.available_permits();
    let ask = left.envelope(LogIncarnation::new(0), GroupId::new(1), 1, Body::Ask(Bytes::new()));
    let frame = Bytes::from(Frame { envelopes: vec![ask; RAFT_ENVELOPES_MAX] }.encode_to_vec());
    for _ in 0..=ASKS_INBOUND_MAX / RAFT_ENVELOPES_MAX {
        left.receive(from, frame.clone(), &serve);
    }
    assert_eq!(asking(), ASKS_INBOUND_MAX);
}

#[tokio::test(start_paused = true)]
async fn an_idle_lane_is_forgotten_and_made_again() {
    let (_wire, left, _right) = pair(None);
    ask(&left, 2, 1, LONG).await.unwrap();
    assert_eq!(left.lanes.lock().len(), 1);
    tokio::time::advance(Duration::from_secs(2 * storgo_protocol::limits::RAFT_LANE_IDLE_SECONDS)).await;
    while !left.lanes.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    ask(&left, 2, 1, LONG).await.unwrap();
}
