//! What a client is still to be told of that it listens to. It comes out between answers, and stops at a mark until the
//! answer is due that was given when the mark was set: so nothing comes before the word that it is listened to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use storgo_protocol::limits::{RESP_FLUSH_BYTES, RESP_OUTBOX_BYTES_MAX, RESP_OUTBOXES_BYTES_MAX};
use tokio::sync::Notify;

use super::super::reply::Protocol;
use super::message::Told;

/// What a message takes beside its bytes, about.
const ENTRY_BYTES: usize = 64;

/// The messages for one client.
#[derive(Debug)]
pub(in super::super) struct Outbox {
    /// Locked to put in or take out, never across an await.
    queue: Mutex<Queue>,
    comes: Notify,
    /// Bytes in the outboxes of all clients, and how many of those are used.
    all: Arc<All>,
}

/// What the outboxes of all clients hold together.
#[derive(Debug, Default)]
pub(super) struct All {
    bytes: AtomicUsize,
    /// Outboxes that hold something.
    used: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    protocol: Protocol,
    /// Marks that were set, and those that were passed.
    set: u64,
    passed: u64,
    is_closed: bool,
}

impl Queue {
    fn mark(&mut self) {
        self.set += 1;
        self.entries.push_back(Entry::Mark);
    }
}

#[derive(Debug)]
enum Entry {
    Message(Bytes),
    Mark,
}

impl Outbox {
    pub(super) fn new(all: Arc<All>) -> Self {
        Self { queue: Mutex::default(), comes: Notify::new(), all }
    }

    /// Puts a message in. False if that is too much for a client that takes too little: it is told nothing more then.
    pub(super) fn push(&self, told: &Told) -> bool {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return true;
        }
        let message = told.bytes(queue.protocol);
        let bytes = message.len() + ENTRY_BYTES;
        self.all.add(&mut queue, bytes);
        if self.all.is_too_much(queue.bytes) {
            queue.is_closed = true;
            queue.entries = VecDeque::new();
            self.all.take(&mut queue, usize::MAX);
            return false;
        }
        let was_empty = queue.entries.is_empty();
        queue.entries.push_back(Entry::Message(message));
        drop(queue);
        if was_empty {
            self.comes.notify_one();
        }
        true
    }

    /// Sets a mark: what comes behind it waits for the answer that is being made.
    pub(in super::super) fn mark(&self) {
        self.queue.lock().mark();
    }

    /// Marks that were set.
    pub(in super::super) fn marks(&self) -> u64 {
        self.queue.lock().set
    }

    /// From here on messages are as this version has them; behind the answer that says so.
    pub(in super::super) fn speak(&self, protocol: Protocol) {
        let mut queue = self.queue.lock();
        if std::mem::replace(&mut queue.protocol, protocol) != protocol {
            queue.mark();
        }
    }

    /// Takes messages out, up to the mark of the answer that is due, until there are enough to write. Whether there are more.
    pub(in super::super) fn take(&self, due: u64, out: &mut BytesMut) -> bool {
        self.draw(due, |message| {
            let has_room = out.len() < RESP_FLUSH_BYTES;
            if has_room {
                out.extend_from_slice(message);
            }
            has_room
        })
    }

    /// Takes one message out, whatever is due: for who tells each by itself, and answers nothing meanwhile.
    pub(in super::super) fn take_one(&self) -> Option<Bytes> {
        let mut one = None;
        self.draw(u64::MAX, |message| {
            let has_room = one.is_none();
            if has_room {
                one = Some(message.clone());
            }
            has_room
        });
        one
    }

    /// Takes messages out as long as they are taken, up to the mark of the answer that is due. Whether there are more.
    fn draw(&self, due: u64, mut takes: impl FnMut(&Bytes) -> bool) -> bool {
        let mut queue = self.queue.lock();
        loop {
            match queue.entries.front() {
                Some(Entry::Mark) if queue.passed < due => {
                    queue.passed += 1;
                    if queue.passed == due {
                        // Its answer comes first.
                        queue.entries.pop_front();
                        return false;
                    }
                }
                Some(Entry::Message(message)) => {
                    let bytes = message.len() + ENTRY_BYTES;
                    if !takes(message) {
                        return true;
                    }
                    self.all.take(&mut queue, bytes);
                }
                Some(Entry::Mark) | None => return false,
            }
            queue.entries.pop_front();
        }
    }

    /// Done when there is something to take.
    pub(in super::super) async fn filled(&self) {
        self.comes.notified().await;
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let queue = self.queue.get_mut();
        self.all.take(queue, usize::MAX);
    }
}

impl All {
    fn add(&self, queue: &mut Queue, bytes: usize) {
        if queue.bytes == 0 {
            self.used.fetch_add(1, Ordering::Relaxed);
        }
        queue.bytes += bytes;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take(&self, queue: &mut Queue, bytes: usize) {
        let bytes = bytes.min(queue.bytes);
        if bytes > 0 && bytes == queue.bytes {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
        queue.bytes -= bytes;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether an outbox of so many bytes holds more than one may, or more than its part where all hold too much.
    fn is_too_much(&self, bytes: usize) -> bool {
        let share = || RESP_OUTBOXES_BYTES_MAX / self.used.load(Ordering::Relaxed).max(1);
        bytes > RESP_OUTBOX_BYTES_MAX
            || (self.bytes.load(Ordering::Relaxed) > RESP_OUTBOXES_BYTES_MAX && bytes > share())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::super::message::{Kind, Message};
    use super::*;

    fn told(bytes: usize) -> Told {
        Message { kind: Kind::Channel, channel: Bytes::from_static(b"c"), payload: vec![b'x'; bytes].into() }.told()
    }

    fn taken(outbox: &Outbox, due: u64) -> usize {
        let mut out = BytesMut::new();
        assert!(!outbox.take(due, &mut out));
        out.windows(7).filter(|window| window == b"message").count()
    }

    #[test]
    fn what_comes_behind_a_mark_waits_for_its_answer() {
        let outbox = Outbox::new(Arc::default());
        assert!(outbox.filled().now_or_never().is_none());
        outbox.push(&told(1));
        outbox.mark();
        outbox.push(&told(1));
        outbox.push(&told(1));
        outbox.mark();
        outbox.push(&told(1));
        assert!(outbox.filled().now_or_never().is_some());
        assert_eq!(outbox.marks(), 2);
        assert_eq!([0, 0, 1, 1, 2, 2].map(|due| taken(&outbox, due)), [1, 0, 0, 2, 0, 1]);
        outbox.push(&told(1));
        outbox.speak(Protocol::Two);
        assert_eq!(outbox.marks(), 2);
        outbox.speak(Protocol::Three);
        outbox.push(&told(1));
        assert_eq!([2, 3, 3].map(|due| taken(&outbox, due)), [1, 0, 1]);
    }

    #[test]
    fn no_more_is_taken_at_once_than_is_written_at_once() {
        let outbox = Outbox::new(Arc::default());
        assert!((0..3).all(|_| outbox.push(&told(RESP_FLUSH_BYTES))));
        let mut out = BytesMut::new();
        let more = [(); 3].map(|()| {
            out.clear();
            outbox.take(0, &mut out)
        });
        assert_eq!(more, [true, true, false]);
    }

    #[test]
    fn who_is_told_one_by_one_waits_for_no_answer() {
        let all: Arc<All> = Arc::default();
        let outbox = Outbox::new(Arc::clone(&all));
        assert_eq!(outbox.take_one(), None);
        outbox.mark();
        let long = told(2 * RESP_FLUSH_BYTES);
        assert!(outbox.push(&told(1)) && outbox.push(&long));
        outbox.mark();
        assert!(outbox.push(&told(1)));
        let taken = [(); 4].map(|()| outbox.take_one());
        let short = told(1).bytes(Protocol::Two);
        assert_eq!(taken, [Some(short.clone()), Some(long.bytes(Protocol::Two)), Some(short), None]);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_takes_too_little_is_told_no_more() {
        let all: Arc<All> = Arc::default();
        let outbox = Outbox::new(Arc::clone(&all));
        let long = told(RESP_OUTBOX_BYTES_MAX / 4);
        let pushed: Vec<_> = (0..5).map(|_| outbox.push(&long)).collect();
        assert_eq!(pushed, [true, true, true, false, true]);
        assert_eq!((taken(&outbox, 0), all.bytes.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn where_all_hold_too_much_those_go_who_hold_most() {
        let all: Arc<All> = Arc::default();
        let long = told(RESP_OUTBOX_BYTES_MAX / 4);
        let outboxes: Vec<_> =
            (0..RESP_OUTBOXES_BYTES_MAX / (RESP_OUTBOX_BYTES_MAX / 2)).map(|_| Outbox::new(Arc::clone(&all))).collect();
        let small = Outbox::new(Arc::clone(&all));
        let fill = || outboxes.iter().map(|outbox| outbox.push(&long)).collect::<Vec<_>>();
        assert!(fill().into_iter().all(|pushed| pushed) && small.push(&told(1)));
        let pushed = fill();
        assert!(!pushed.iter().all(|pushed| *pushed), "all stay");
        assert!(pushed.iter().filter(|pushed| **pushed).count() > pushed.len() / 2, "too many go");
        assert!(small.push(&told(1)));
        assert!(all.bytes.load(Ordering::Relaxed) <= RESP_OUTBOXES_BYTES_MAX + RESP_OUTBOX_BYTES_MAX / 2);
        drop((outboxes, small));
        assert_eq!((all.bytes.load(Ordering::Relaxed), all.used.load(Ordering::Relaxed)), (0, 0));
    }
}
