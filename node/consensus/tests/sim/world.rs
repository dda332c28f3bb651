//! One run of one seed: nodes, clients and nemesis, then peace, and what must be so then.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_consensus::Seat;
use storgo_store::disk::sim::SimDisk;

use crate::check::is_linearizable;
use crate::client::Client;
use crate::history::{History, Told};
use crate::nemesis::Nemesis;
use crate::node::{self, Cluster, GROUP, Machine, name};
use crate::trace::Trace;

const NODES: u64 = 3;
const CLIENTS: u64 = 3;

/// How long clients act.
const WAR: Duration = Duration::from_secs(20);

/// How long nodes have to agree on everything afterwards.
const PEACE: Duration = Duration::from_secs(40);

/// What came of a run.
pub struct Outcome {
    pub acknowledged: usize,
    pub trace: String,
    pub fault: Option<String>,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    let trace = Trace::default();
    let history = History::new(trace.clone());
    let cluster = cluster(seed, &trace);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .enable_random_order()
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .udp_capacity(1 << 16)
        .simulation_duration(Duration::from_hours(1))
        .build();
    for machine in cluster.machines.clone() {
        let cluster = cluster.clone();
        sim.host(name(machine.number), move || node::run(cluster.clone(), machine.clone()));
    }
    let acting = Rc::new(Cell::new(CLIENTS));
    for number in 0..CLIENTS {
        let (history, acting) = (history.clone(), Rc::clone(&acting));
        sim.client(format!("client{number}"), async move {
            let mut client = Client::new(seed, number, NODES, history).await;
            client.prepare().await;
            while turmoil::sim_elapsed().unwrap_or_default() < WAR {
                client.act().await;
            }
            acting.set(acting.get() - 1);
            std::future::pending::<()>().await;
            Ok(())
        });
    }
    let mut nemesis = Nemesis::new(StdRng::seed_from_u64(seed ^ 0x5eed));
    let (mut fault, mut watch) = (None, Watch::default());
    while fault.is_none() && sim.elapsed() < WAR {
        nemesis.step(&mut sim, &cluster);
        fault = sim.step().err().map(|error| format!("a node failed: {error}")).or_else(|| watch.look(&cluster));
    }
    nemesis.heal(&mut sim, &cluster);
    let deadline = sim.elapsed() + PEACE;
    while fault.is_none() {
        fault = sim.step().err().map(|error| format!("a node failed: {error}")).or_else(|| watch.look(&cluster));
        if acting.get() == 0 && agree(&cluster) {
            break;
        }
        if sim.elapsed() > deadline {
            fault = Some(format!("nodes do not agree in peace: {:?}", statuses(&cluster)));
        }
    }
    let operations = history.operations();
    for key in operations.iter().map(|operation| operation.key).collect::<std::collections::BTreeSet<_>>() {
        let of_key: Vec<_> = operations.iter().filter(|operation| operation.key == key).copied().collect();
        if fault.is_none() && !is_linearizable(&of_key) {
            let lines: Vec<_> = of_key.iter().map(|operation| format!("{operation:?}")).collect();
            fault = Some(format!("key {key} is not linearizable:\n{}", lines.join("\n")));
        }
    }
    let acknowledged = operations.iter().filter(|operation| operation.told != Told::Nothing).count();
    Outcome { acknowledged, trace: trace.hash(), fault }
}

/// What must be so at every moment.
#[derive(Default)]
struct Watch {
    leaders: BTreeMap<u64, Seat>,
    terms: BTreeMap<Seat, u64>,
}

impl Watch {
    /// One seat leads a term, and no seat forgets a term that it was in.
    fn look(&mut self, cluster: &Cluster) -> Option<String> {
        let running =
            cluster.machines.iter().filter_map(|machine| Some(machine.running.lock().unwrap().as_ref()?.0.clone()));
        for groups in running.collect::<Vec<_>>() {
            let (me, Ok(status)) = (groups.me(), groups.status(GROUP)) else { continue };
            let known = self.terms.entry(me).or_default();
            if status.term < *known {
                return Some(format!("{me} was in term {known}, and is in term {}", status.term));
            }
            *known = status.term;
            if let Some(reason) = status.stopped {
                return Some(format!("{me} stopped: {reason}"));
            }
            if status.leader == Some(me) && *self.leaders.entry(status.term).or_insert(me) != me {
                return Some(format!("two lead in term {}", status.term));
            }
        }
        None
    }
}

fn cluster(seed: u64, trace: &Trace) -> Cluster {
    let machine = |number| Machine {
        number,
        disk: Arc::new(Mutex::new(SimDisk::new())),
        skew_ms: Arc::default(),
        starts: Arc::default(),
        running: Arc::default(),
    };
    Cluster { seed, trace: trace.clone(), machines: (0..NODES).map(machine).collect(), seats: Arc::default() }
}

fn statuses(cluster: &Cluster) -> Vec<Option<storgo_consensus::MemberStatus>> {
    let status =
        |machine: &Machine| machine.running.lock().unwrap().as_ref().and_then(|(groups, _)| groups.status(GROUP).ok());
    cluster.machines.iter().map(status).collect()
}

/// Whether all nodes vote, have applied the same entries, and hold the same bytes.
fn agree(cluster: &Cluster) -> bool {
    let seats: std::collections::BTreeSet<_> = cluster.seats.lock().unwrap().values().copied().collect();
    let Some(statuses) = statuses(cluster).into_iter().collect::<Option<Vec<_>>>() else { return false };
    let Some(first) = statuses.first() else { return false };
    let same = |status: &storgo_consensus::MemberStatus| status.applied == first.applied && status.voters == seats;
    if !statuses.iter().all(same) || first.leader.is_none() {
        return false;
    }
    let contents: Vec<_> = cluster.machines.iter().map(contents).collect();
    let equal = contents.iter().all(|content| *content == contents[0]);
    assert!(equal, "the same log gave other bytes: {:?}", cluster.seed);
    true
}

/// Everything that a node's records hold.
fn contents(machine: &Machine) -> Vec<(Bytes, Bytes)> {
    let (_, records) = machine.running.lock().unwrap().clone().expect("it runs");
    let (view, mut all, mut after) = (records.group(GROUP).view().unwrap(), Vec::new(), Bytes::new());
    loop {
        let page = view.scan((Bound::Excluded(after.as_ref()), Bound::Unbounded), usize::MAX).unwrap();
        let Some((last, _)) = page.rows.last() else { return all };
        after = last.clone();
        all.extend(page.rows);
    }
}
