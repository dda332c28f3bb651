//! The way to one peer: what waits goes together, in frames of a bounded size.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use storgo_protocol::PeerId;
use storgo_protocol::limits::{RAFT_ENVELOPES_MAX, RAFT_FRAME_BYTES_MAX, RAFT_LANE_IDLE_SECONDS, RAFT_PATIENCE_MS};
use storgo_protocol::raft::{Envelope, Frame};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{CallError, Courier};

/// A message that waits, and the call to tell if it does not leave.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) envelope: Envelope,
    pub(super) call: Option<u64>,
}

/// How often others get their turn before a frame goes.
const TURNS: usize = 4;

/// Bytes that Protobuf puts before an envelope.
const FIELD_BYTES_MAX: usize = 8;

pub(super) async fn run(courier: Arc<Courier>, peer: PeerId, mut queue: mpsc::Receiver<Queued>) {
    let idle = Duration::from_secs(RAFT_LANE_IDLE_SECONDS);
    let mut waiting = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            () = courier.stop.cancelled() => break,
            received = tokio::time::timeout(idle, queue.recv_many(&mut waiting, RAFT_ENVELOPES_MAX)) => received,
        };
        match received {
            Ok(0) => break,
            Ok(_) => gather(&courier, &mut queue, &mut waiting).await,
            Err(_) if closed_while_empty(&courier, peer, &queue) => break,
            Err(_) => continue,
        }
        let mut rest = std::mem::take(&mut waiting).into_iter().peekable();
        while rest.peek().is_some() {
            let (frame, calls) = fill(&mut rest);
            let sent = tokio::select! {
                biased;
                () = courier.stop.cancelled() => return,
                sent = courier.transport.send(peer, frame) => sent,
            };
            if let Err(error) = sent {
                let unreachable = CallError::Unreachable { peer, reason: error.reason };
                for call in calls {
                    courier.calls.fail(call, unreachable.clone());
                }
            }
        }
    }
}

/// Lets what waits go together with what others, who run at this moment, are about to add; and what is patient with more,
/// until something comes that is not.
async fn gather(courier: &Courier, queue: &mut mpsc::Receiver<Queued>, waiting: &mut Vec<Queued>) {
    // Who heard of the same frame answers in the same moment.
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        let room = RAFT_ENVELOPES_MAX.saturating_sub(waiting.len());
        if queue.is_empty() || room == 0 {
            break;
        }
        queue.recv_many(waiting, room).await;
    }
    let until = Instant::now() + Duration::from_millis(RAFT_PATIENCE_MS);
    while waiting.iter().all(|queued| queued.envelope.patient) && waiting.len() < RAFT_ENVELOPES_MAX {
        let room = RAFT_ENVELOPES_MAX - waiting.len();
        tokio::select! {
            biased;
            () = courier.stop.cancelled() => return,
            received = tokio::time::timeout_at(until, queue.recv_many(waiting, room)) => match received {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            },
        }
    }
}

/// Takes the lane away, unless something came meanwhile.
fn closed_while_empty(courier: &Courier, peer: PeerId, queue: &mpsc::Receiver<Queued>) -> bool {
    // Messages are added under the same lock.
    let mut lanes = courier.lanes.lock();
    queue.is_empty() && lanes.remove(&peer).is_some()
}

/// A frame of what waits, as much as it may hold, and the calls in it.
fn fill(waiting: &mut std::iter::Peekable<impl Iterator<Item = Queued>>) -> (bytes::Bytes, Vec<u64>) {
    let mut frame = Frame::default();
    let mut calls = Vec::new();
    let mut room = RAFT_FRAME_BYTES_MAX;
    while let Some(next) = waiting.peek() {
        let bytes = next.envelope.encoded_len() + FIELD_BYTES_MAX;
        // One that fits no frame goes alone, and is refused by the other side.
        if bytes > room && !frame.envelopes.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        let Some(Queued { envelope, call }) = waiting.next() else { break };
        frame.envelopes.push(envelope);
        calls.extend(call);
    }
    (frame.encode_to_vec().into(), calls)
}
