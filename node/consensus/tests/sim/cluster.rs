//! Who takes part: machines, groups, keys; what outlives a node, and what all know of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use rand::rngs::StdRng;
use storgo_consensus::{Groups, Metrics, Seat};
use storgo_object::ports::{Clock, Random};
use storgo_protocol::meta::{BucketConfig, BucketId, KeyRule, Slot};
use storgo_protocol::{GroupId, PeerId};
use storgo_store::disk::sim::SimDisk;
use storgo_store::records::Records;
use tokio::sync::mpsc;

use crate::trace::Trace;

/// One more than a group has seats, so that seats can move.
pub const NODES: u64 = 4;
pub const SEATS: usize = 3;
pub const GROUPS: [GroupId; 3] = [GroupId::new(1), GroupId::new(2), GroupId::new(3)];
pub const KEYS: u8 = 5;

/// Milliseconds since 1970 when a simulation begins.
pub const START_MS: u64 = 1_800_000_000_000;

/// What a running node is asked to do.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// To have stood still for so long: all of it is over at once.
    Stall(Duration),
    /// To give the lead of a group to another node, if it leads.
    Transfer(GroupId, u64),
    /// To stop as one does.
    Stop,
}

/// A node that runs.
#[derive(Debug, Clone)]
pub struct Running {
    pub groups: Groups,
    pub records: Records,
    pub orders: mpsc::Sender<Order>,
}

/// What of a node outlives it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub number: u64,
    pub disk: Arc<Mutex<SimDisk>>,
    pub skew_ms: Arc<AtomicI64>,
    /// How often it started: each start draws other numbers.
    pub starts: Arc<AtomicU64>,
    pub running: Arc<Mutex<Option<Running>>>,
    /// Why it ended, if it did by itself.
    pub ended: Arc<Mutex<Option<String>>>,
    /// Its log or its records were damaged since it ran: it may refuse to start.
    pub rotten: Arc<AtomicBool>,
}

/// What all nodes know of each other.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub seed: u64,
    pub trace: Trace,
    pub machines: Vec<Machine>,
    /// Milliseconds that the simulation has gone on for.
    pub elapsed_ms: Arc<AtomicU64>,
    /// The seat that each node has now.
    pub seats: Arc<Mutex<BTreeMap<u64, Seat>>>,
    /// The nodes that are to sit in each group.
    pub wanted: Arc<Mutex<BTreeMap<GroupId, BTreeSet<u64>>>>,
    /// Groups that have begun.
    pub founded: Arc<Mutex<BTreeSet<GroupId>>>,
    /// Buckets and slots are there: clients may begin.
    pub is_prepared: Arc<AtomicBool>,
    /// No slot moves any more, and none will.
    pub is_settled: Arc<AtomicBool>,
    /// Of all nodes.
    pub metrics: Metrics,
}

impl Cluster {
    pub fn new(seed: u64, trace: &Trace) -> Self {
        let machine = |number| Machine {
            number,
            disk: Arc::new(Mutex::new(SimDisk::new())),
            skew_ms: Arc::default(),
            starts: Arc::default(),
            running: Arc::default(),
            ended: Arc::default(),
            rotten: Arc::default(),
        };
        let all_but = |spare| (0..NODES).filter(|node| *node != spare).collect::<BTreeSet<u64>>();
        let wanted = GROUPS.into_iter().map(|group| (group, all_but(group.as_u64() % NODES))).collect();
        Self {
            seed,
            trace: trace.clone(),
            machines: (0..NODES).map(machine).collect(),
            elapsed_ms: Arc::default(),
            seats: Arc::default(),
            wanted: Arc::new(Mutex::new(wanted)),
            founded: Arc::default(),
            is_prepared: Arc::default(),
            is_settled: Arc::default(),
            metrics: Metrics::default(),
        }
    }

    pub fn machine(&self, number: u64) -> &Machine {
        &self.machines[number as usize]
    }

    pub fn running(&self, number: u64) -> Option<Running> {
        self.machine(number).running.lock().unwrap().clone()
    }

    /// The nodes that are to sit in a group.
    pub fn members(&self, group: GroupId) -> BTreeSet<u64> {
        self.wanted.lock().unwrap()[&group].clone()
    }

    /// The seats that are to vote in a group.
    pub fn voters(&self, group: GroupId) -> BTreeSet<Seat> {
        let seats = self.seats.lock().unwrap();
        self.members(group).iter().filter_map(|node| seats.get(node).copied()).collect()
    }

    pub fn clock(&self, machine: &Machine) -> Arc<dyn Clock> {
        Arc::new(Skewed(Arc::clone(&self.elapsed_ms), Arc::clone(&machine.skew_ms)))
    }

    pub fn order(&self, node: u64, order: Order) {
        if let Some(running) = self.running(node)
            && let Err(error) = running.orders.try_send(order)
        {
            self.trace.note("an order was lost", error.to_string().as_bytes());
        }
    }
}

pub fn name(number: u64) -> String {
    format!("node{number}")
}

pub fn peer(number: u64) -> PeerId {
    PeerId::from_bytes([number as u8 + 1; 32])
}

pub fn key(number: u8) -> Bytes {
    Bytes::from(vec![b'k', b'0' + number])
}

/// Another key in the slot of one, of which nothing is noted: what is acknowledged of it may be lost.
pub fn ahead_key(number: u8) -> Bytes {
    let slot = bucket().slot(&key(number));
    (0_u32..1000).map(|other| Bytes::from(format!("ahead{other}"))).find(|other| bucket().slot(other) == slot).unwrap()
}

pub fn bucket() -> BucketConfig {
    BucketConfig {
        bucket: BucketId::from_bytes([1; 16]),
        generation: 1,
        rule: KeyRule::Flat { spread: 4 },
        versioning: false,
        inline_bytes_max: 64,
        fenced: false,
        members: Vec::new(),
        unknown: Bytes::new(),
    }
}

/// The slots of all keys.
pub fn slots() -> BTreeSet<Slot> {
    (0..KEYS).map(|number| bucket().slot(&key(number))).collect()
}

/// The simulated time, wrong by so much.
#[derive(Debug)]
struct Skewed(Arc<AtomicU64>, Arc<AtomicI64>);

impl Clock for Skewed {
    fn now_seconds(&self) -> u64 {
        self.now_ms() / 1000
    }

    fn now_ms(&self) -> u64 {
        let elapsed = self.0.load(Ordering::Relaxed);
        (START_MS + elapsed).saturating_add_signed(self.1.load(Ordering::Relaxed))
    }

    fn suspended(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

#[derive(Debug)]
pub struct Seeded(pub Mutex<StdRng>);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}
