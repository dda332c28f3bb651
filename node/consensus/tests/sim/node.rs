//! A node of the simulation: opens what its disk holds, serves members and clients, and keeps the group's seats.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storgo_consensus::planted::{Planted, is_planted};
use storgo_consensus::{Elections, Groups, GroupsConfig, Level, Seat, Snapshots, machine};
use storgo_object::ports::{Clock, Random};
use storgo_protocol::meta::{Body, BucketConfig, BucketId, KeyRule};
use storgo_protocol::{GroupId, LogIncarnation, PeerId};
use storgo_store::NodeKey;
use storgo_store::disk::sim::SimDisk;
use storgo_store::log::{Log, LogConfig, SyncPolicy};
use storgo_store::records::{Records, RecordsConfig};
use turmoil::net::UdpSocket;

use crate::net::{Datagrams, PORT, receive};
use crate::trace::Trace;

pub const GROUP: GroupId = GroupId::new(1);
pub const CLIENT_PORT: u16 = 8000;

/// Milliseconds since 1970 when a simulation begins.
pub const START_MS: u64 = 1_800_000_000_000;

/// What of a node outlives it.
#[derive(Debug, Clone)]
pub struct Machine {
    pub number: u64,
    pub disk: Arc<Mutex<SimDisk>>,
    pub skew_ms: Arc<AtomicI64>,
    /// How often it started: each start draws other numbers.
    pub starts: Arc<AtomicU64>,
    /// What runs on it, for the last look at the end.
    pub running: Arc<Mutex<Option<(Groups, Records)>>>,
}

/// What all nodes know of each other.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub seed: u64,
    pub trace: Trace,
    pub machines: Vec<Machine>,
    /// The seat that each node has now.
    pub seats: Arc<Mutex<BTreeMap<u64, Seat>>>,
}

pub fn name(number: u64) -> String {
    format!("node{number}")
}

pub fn peer(number: u64) -> PeerId {
    PeerId::from_bytes([number as u8 + 1; 32])
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

/// The simulated time, wrong by so much.
#[derive(Debug)]
struct Skewed(Arc<AtomicI64>);

impl Clock for Skewed {
    fn now_seconds(&self) -> u64 {
        self.now_ms() / 1000
    }

    fn now_ms(&self) -> u64 {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default().as_millis() as u64;
        (START_MS + elapsed).saturating_add_signed(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Seeded(Mutex<StdRng>);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}

/// Runs a node until it is crashed.
pub async fn run(cluster: Cluster, machine: Machine) -> turmoil::Result {
    let start = machine.starts.fetch_add(1, Ordering::Relaxed);
    let seed = cluster.seed.wrapping_mul(1000) + machine.number * 100 + start;
    let random: Arc<dyn Random> = Arc::new(Seeded(Mutex::new(StdRng::seed_from_u64(seed))));
    let disk: Arc<dyn storgo_store::Disk> = Arc::new(machine.disk.lock().unwrap().clone());
    let key = NodeKey::from_bytes([7; 32]);
    let sync = if is_planted(Planted::AcknowledgedBeforeSync) {
        SyncPolicy::Interval(Duration::from_millis(200))
    } else {
        SyncPolicy::EveryBatch
    };
    let config = LogConfig { segment_bytes: 16 * 1024, sync, ..LogConfig::new(key.clone()) };
    let (log, opening) = Log::open_simulated(&disk, Path::new("/log"), config, Arc::clone(&random))?;
    let config = RecordsConfig { cache_bytes: 1 << 20, unsynced_max: 8, ..RecordsConfig::new(key) };
    let (records, _) = Records::open_simulated(&disk, Path::new("/records"), config, random)?;
    // A node that lost its log has another incarnation.
    let incarnation = if is_planted(Planted::WipedVoterVotes) { LogIncarnation::new(7) } else { opening.incarnation };
    let me = Seat { peer: peer(machine.number), incarnation };
    let count = cluster.machines.len() as u64;
    let peers: BTreeMap<_, _> = (0..count).map(|n| (peer(n), name(n))).collect();
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
    let transport = Datagrams {
        me: name(machine.number),
        socket: Arc::clone(&socket),
        peers: peers.clone(),
        trace: cluster.trace.clone(),
    };
    let groups = Groups::new(GroupsConfig {
        me,
        log,
        records: records.clone(),
        transport: Arc::new(transport),
        clock: Arc::new(Skewed(Arc::clone(&machine.skew_ms))),
        elections: Elections::default(),
        snapshots: Snapshots { every: 24, log_kept: 6 },
        seed,
    });
    groups.open(GROUP).await?;
    *machine.running.lock().unwrap() = Some((groups.clone(), records));
    tokio::spawn(receive(socket, groups.clone(), peers));
    cluster.seats.lock().unwrap().insert(machine.number, me);
    tokio::spawn(keep_seats(cluster, groups.clone(), machine.number));
    serve(groups, Arc::clone(&machine.skew_ms)).await
}

/// Begins the group once all are there, and takes back in who lost its seat.
async fn keep_seats(cluster: Cluster, groups: Groups, number: u64) {
    let all = cluster.machines.len();
    let mut pause = tokio::time::interval(Duration::from_millis(200));
    loop {
        pause.tick().await;
        let seats = cluster.seats.lock().unwrap().clone();
        if seats.len() < all {
            continue;
        }
        let Ok(status) = groups.status(GROUP) else { return };
        if status.voters.is_empty() && number == 0 && seats.get(&0) == Some(&groups.me()) && status.term == 0 {
            // Refused where it has begun already.
            drop(groups.found(GROUP, seats.values().copied().collect()).await);
        }
        if status.leader == Some(groups.me()) {
            let wanted: BTreeSet<Seat> = seats.values().copied().collect();
            // One at a time: in place of the seat that its peer had.
            let Some(seat) = wanted.difference(&status.voters).next() else { continue };
            if groups.add_learner(GROUP, *seat, Duration::from_secs(5)).await.is_ok() {
                let voters = status.voters.iter().filter(|voter| voter.peer != seat.peer).copied();
                drop(groups.set_voters(GROUP, voters.chain([*seat]).collect(), Duration::from_secs(5)).await);
            }
        }
    }
}

/// Answers clients: `call (u64) 0 command` proposes, `call (u64) 1 key` reads. The answer repeats the call.
async fn serve(groups: Groups, skew_ms: Arc<AtomicI64>) -> turmoil::Result {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", CLIENT_PORT)).await?);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (bytes, from) = socket.recv_from(&mut buffer).await?;
        let request = Bytes::copy_from_slice(&buffer[..bytes]);
        let (groups, socket, skew_ms) = (groups.clone(), Arc::clone(&socket), Arc::clone(&skew_ms));
        tokio::spawn(async move {
            let within = Duration::from_secs(2);
            let answer = match request[8] {
                0 => match groups.propose(GROUP, request.slice(9..), within).await {
                    Ok(reply) => [&[0], reply.encode().as_ref()].concat(),
                    Err(_) => vec![1],
                },
                _ => match read(&groups, &request[9..], within, skew_ms).await {
                    Some(value) => [&[0], value.as_ref()].concat(),
                    None => vec![1],
                },
            };
            let answer = [&request[..8], &answer].concat();
            drop(socket.send_to(&answer, from).await);
        });
    }
}

/// The version id and the content of a key: empty if it is absent, `None` if it cannot be known.
async fn read(groups: &Groups, key: &[u8], within: Duration, skew_ms: Arc<AtomicI64>) -> Option<Bytes> {
    let look = |view: &dyn machine::View| machine::get(view, bucket().bucket, key, None);
    let found = groups.read(GROUP, Level::Linearizable, within, look).await.ok()?.value.ok()?;
    Some(match found {
        None => Bytes::new(),
        Some(version)
            if is_planted(Planted::ExpiryByLocalClock)
                && (1..=Skewed(skew_ms).now_ms()).contains(&version.expires_ms) =>
        {
            Bytes::new()
        }
        Some(version) => {
            let Body::Inline(body) = &version.body else { return Some(Bytes::new()) };
            [version.id().as_bytes().as_slice(), &body.sealed].concat().into()
        }
    })
}
