//! A switch in user space: one thread that takes frames from TAP devices, does to them what the weather wants, and
//! writes them to the devices that they are for.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Segment;
use super::frame::{self, FRAME_BYTES_MAX, Mac};
use super::weather::{Dice, Fate, Weather};

/// How soon the thread notices a new port or its end.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Frames taken from one device before the others have their turn.
const FRAMES_PER_TURN: usize = 64;

/// How long a frame may wait for a slow wire before it is dropped, as by a router with a buffer of this length.
const BUFFER: Duration = Duration::from_millis(60);

/// A place at the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port(usize);

/// A running switch.
#[derive(Debug)]
pub struct Switch {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    ports: Vec<Plugged>,
    all: Weather,
    pairs: HashMap<(Port, Port), Weather>,
    lost: u64,
    corrupted: u64,
}

#[derive(Debug)]
struct Plugged {
    segment: Segment,
    device: Arc<File>,
    bits_per_second: u64,
    sent: u64,
    /// When the wire out of the namespace is free again, and the wire into it.
    free: [Instant; 2],
}

/// A frame on its way, ordered by when it arrives.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    due: Instant,
    number: u64,
    to: usize,
    /// Whether it has passed the wire into the namespace.
    landed: bool,
    bytes: Vec<u8>,
}

/// What only the thread knows.
struct Worker {
    dice: Dice,
    macs: HashMap<(Segment, Mac), usize>,
    flying: BinaryHeap<Reverse<Flying>>,
    number: u64,
}

impl Switch {
    pub fn start(seed: u64) -> Self {
        let (state, stop) = (Arc::<Mutex<State>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let mut worker = Worker { dice: Dice::new(seed), macs: HashMap::new(), flying: BinaryHeap::new(), number: 0 };
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                worker.turn(&shared);
            }
        });
        Self { state, stop, thread: Some(thread) }
    }

    pub fn add(&self, segment: Segment, device: Arc<File>) -> Port {
        let mut state = lock(&self.state);
        let free = [Instant::now(); 2];
        state.ports.push(Plugged { segment, device, bits_per_second: 0, sent: 0, free });
        Port(state.ports.len() - 1)
    }

    pub fn set_pair(&self, from: Port, to: Port, weather: Weather) {
        lock(&self.state).pairs.insert((from, to), weather);
    }

    pub fn set_all(&self, weather: Weather) {
        lock(&self.state).all = weather;
    }

    pub fn heal(&self) {
        let mut state = lock(&self.state);
        state.pairs.clear();
        state.all = Weather::default();
    }

    pub fn limit(&self, port: Port, bits_per_second: u64) {
        lock(&self.state).ports[port.0].bits_per_second = bits_per_second;
    }

    pub fn sent(&self, port: Port) -> u64 {
        lock(&self.state).ports[port.0].sent
    }

    pub fn harmed(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.lost, state.corrupted)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the switch panicked");
        }
    }
}

impl Worker {
    /// Waits for frames or for the next that is due, and moves both on.
    fn turn(&mut self, shared: &Mutex<State>) {
        let devices: Vec<_> = lock(shared).ports.iter().map(|port| Arc::clone(&port.device)).collect();
        let now = Instant::now();
        let next = self.flying.peek().map_or(LOOK_AGAIN, |Reverse(frame)| frame.due.saturating_duration_since(now));
        let wait = Timespec::try_from(next.min(LOOK_AGAIN)).expect("a short time");
        let mut polled: Vec<_> =
            devices.iter().map(|device| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN)).collect();
        if polled.is_empty() {
            thread::park_timeout(LOOK_AGAIN);
            return;
        }
        // A signal that comes meanwhile is a reason to look again, no more.
        let _ready = poll(&mut polled, Some(&wait));
        let ready: Vec<bool> = polled.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
        let state = &mut *lock(shared);
        for (from, device) in devices.iter().enumerate().filter(|(from, _)| ready[*from]) {
            self.take(state, from, device);
        }
        self.deliver(state, &devices);
    }

    fn take(&mut self, state: &mut State, from: usize, mut device: &File) {
        let mut buffer = [0; FRAME_BYTES_MAX];
        for _ in 0..FRAMES_PER_TURN {
            // Empty, or its namespace is gone.
            let Ok(length) = device.read(&mut buffer) else { return };
            let bytes = &buffer[..length];
            state.ports[from].sent += length as u64;
            let (Some(sender), Some(receiver)) = (frame::sender(bytes), frame::receiver(bytes)) else { continue };
            let segment = state.ports[from].segment;
            self.macs.insert((segment, sender), from);
            let Some(leaves) = state.ports[from].pass(0, Instant::now(), length) else {
                continue;
            };
            let known = self.macs.get(&(segment, receiver)).copied().filter(|_| !frame::is_for_many(receiver));
            let all = (0..state.ports.len()).filter(|to| *to != from && state.ports[*to].segment == segment);
            let to: Vec<usize> = known.map_or_else(|| all.collect(), |to| vec![to]);
            for to in to {
                self.send(state, (from, to), leaves, bytes.to_vec());
            }
        }
    }

    fn send(&mut self, state: &mut State, (from, to): (usize, usize), leaves: Instant, mut bytes: Vec<u8>) {
        let weather = state.pairs.get(&(Port(from), Port(to))).copied().unwrap_or(state.all);
        match self.dice.fate(&weather, &mut bytes) {
            Fate::Lost => state.lost += 1,
            Fate::Arrives { after, corrupted } => {
                state.corrupted += u64::from(corrupted);
                self.fly(Flying { due: leaves + after, number: 0, to, landed: false, bytes });
            }
        }
    }

    fn fly(&mut self, frame: Flying) {
        self.number += 1;
        self.flying.push(Reverse(Flying { number: self.number, ..frame }));
    }

    fn deliver(&mut self, state: &mut State, devices: &[Arc<File>]) {
        let now = Instant::now();
        while let Some(Reverse(frame)) = self.flying.peek_mut().filter(|top| top.0.due <= now).map(PeekMut::pop) {
            if frame.landed {
                // A device that is full or gone loses the frame, as a network may.
                let _sent = devices.get(frame.to).map(|device| device.as_ref().write(&frame.bytes));
            } else if let Some(due) = state.ports[frame.to].pass(1, frame.due, frame.bytes.len()) {
                self.fly(Flying { due, landed: true, ..frame });
            }
        }
    }
}

impl Plugged {
    /// When a frame that comes at `now` has passed a wire of this port; `None` if too much waits for that wire.
    fn pass(&mut self, way: usize, now: Instant, bytes: usize) -> Option<Instant> {
        if self.bits_per_second == 0 {
            return Some(now);
        }
        let takes = Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / self.bits_per_second);
        let start = self.free[way].max(now);
        if start - now > BUFFER {
            return None;
        }
        let done = start + takes;
        self.free[way] = done;
        Some(done)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whoever panicked has said so; the numbers in here are whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
