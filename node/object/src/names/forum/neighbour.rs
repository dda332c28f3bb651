//! What waits until it can be said to those who hear beside one member.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::cluster::Talk;
use storgo_protocol::limits::{
    MESSAGE_BYTES_MAX, TALK_BYTES_MAX, TALK_MESSAGES_MAX, TALK_WAITING_BYTES_MAX, TALK_WAITING_MAX,
};
use tokio::sync::Notify;

/// A member, and the messages for it.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) peer: PeerId,
    /// Locked to put in or take out, never across an await.
    waiting: Mutex<Waiting>,
    comes: Notify,
}

#[derive(Debug)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Whether somebody hears there; taken for granted until it is known otherwise.
    hears: bool,
}

impl Neighbour {
    pub(super) fn new(peer: PeerId) -> Self {
        let waiting = Waiting { messages: VecDeque::new(), bytes: 0, hears: true };
        Self { peer, waiting: Mutex::new(waiting), comes: Notify::new() }
    }

    /// Whether somebody hears there, as far as is known.
    pub(super) fn hears(&self) -> bool {
        self.waiting.lock().hears
    }

    /// Notes whether somebody hears there. If not, nothing waits for it.
    pub(super) fn set_hears(&self, hears: bool) {
        let mut waiting = self.waiting.lock();
        waiting.hears = hears;
        if !hears {
            (waiting.messages, waiting.bytes) = (VecDeque::new(), 0);
        }
    }

    /// Has a message wait, if somebody hears there; false if it is lost. What is said to this one alone has as much room again:
    /// somebody waits for what comes of it.
    pub(super) fn push(&self, message: &Bytes, is_for_all: bool) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.hears {
            return true;
        }
        let bytes = waiting.bytes + message.len();
        let room = if is_for_all { 1 } else { 2 };
        let is_full = waiting.messages.len() >= room * TALK_WAITING_MAX || bytes > room * TALK_WAITING_BYTES_MAX;
        if is_full || message.len() > MESSAGE_BYTES_MAX {
            return false;
        }
        waiting.bytes = bytes;
        waiting.messages.push_back(message.clone());
        drop(waiting);
        self.comes.notify_one();
        true
    }

    /// What waits, as much as fits one talk; once there is something.
    pub(super) async fn next(&self) -> Vec<Bytes> {
        loop {
            let messages = self.waiting.lock().take();
            if !messages.is_empty() {
                return messages;
            }
            self.comes.notified().await;
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Vec<Bytes> {
        let (mut taken, mut room) = (Vec::new(), TALK_BYTES_MAX - Talk::HEAD_BYTES);
        while taken.len() < TALK_MESSAGES_MAX
            && let Some(first) = self.messages.front()
            && let Some(left) = room.checked_sub(first.len() + Talk::MESSAGE_HEAD_BYTES)
        {
            (room, self.bytes) = (left, self.bytes - first.len());
            taken.extend(self.messages.pop_front());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use storgo_protocol::meta::HearerId;

    use super::*;

    fn neighbour() -> Neighbour {
        Neighbour::new(PeerId::from_bytes([1; 32]))
    }

    #[test]
    fn what_waits_for_a_neighbour_is_bounded_and_what_comes_beyond_is_lost() {
        let many = neighbour();
        let small = Bytes::from_static(b"small");
        assert!((0..TALK_WAITING_MAX).all(|_| many.push(&small, true)));
        assert!(!many.push(&small, true));
        assert!((0..TALK_WAITING_MAX).all(|_| many.push(&small, false)));
        assert!(!many.push(&small, false));
        let large = neighbour();
        let long = Bytes::from(vec![7; MESSAGE_BYTES_MAX]);
        assert!((0..TALK_WAITING_BYTES_MAX / MESSAGE_BYTES_MAX).all(|_| large.push(&long, true)));
        assert!(!large.push(&small, true));
        large.next().now_or_never().unwrap();
        assert!(large.push(&small, true));
        assert!(!neighbour().push(&Bytes::from(vec![7; MESSAGE_BYTES_MAX + 1]), true));
    }

    #[test]
    fn all_that_waits_goes_in_order_and_each_talk_is_in_its_bounds() {
        let neighbour = neighbour();
        let message = |n: usize| Bytes::from(vec![n.to_le_bytes()[0]; n * 1117 % MESSAGE_BYTES_MAX]);
        let said: Vec<_> = (0..200).map(message).chain(vec![Bytes::new(); 2 * TALK_MESSAGES_MAX]).collect();
        let said: Vec<_> = said.into_iter().filter(|message| neighbour.push(message, true)).collect();
        let mut heard = Vec::new();
        while let Some(messages) = neighbour.next().now_or_never() {
            let talk = Talk { speaker: HearerId::from_bytes([1; 16]), number: u64::MAX, messages };
            heard.extend(Talk::decode(talk.encode().into()).unwrap().messages);
        }
        assert!(said == heard && said.len() > 2 * TALK_MESSAGES_MAX);
    }

    #[test]
    fn nothing_waits_for_nobody() {
        let neighbour = neighbour();
        let message = Bytes::from_static(b"said");
        assert!(neighbour.hears() && neighbour.push(&message, true));
        neighbour.set_hears(false);
        assert!(neighbour.push(&message, true), "nobody misses it");
        assert!(neighbour.next().now_or_never().is_none());
        neighbour.set_hears(true);
        assert!(neighbour.push(&message, true));
        assert_eq!(neighbour.next().now_or_never(), Some(vec![message]));
    }
}
