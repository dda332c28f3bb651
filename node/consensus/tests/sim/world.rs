//! One run of one seed: nodes, clients, conductor and nemesis, then peace, and what must be so then.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storgo_consensus::Came;
use turmoil::Sim;

use crate::caller::pass;
use crate::check::is_linearizable;
use crate::client::Client;
use crate::cluster::{Cluster, name};
use crate::conductor;
use crate::history::{History, Told};
use crate::nemesis::Nemesis;
use crate::node;
use crate::trace::Trace;
use crate::watch::{Watch, agree, begun, dump, wrong_records};

const CLIENTS: u64 = 3;

/// What a step of the simulation is long.
const TICK: Duration = Duration::from_millis(2);

/// How many steps lie between two looks at all nodes.
const LOOK_EVERY: u64 = 5;

/// How long clients act.
const WAR: Duration = Duration::from_secs(9);

/// How long nodes have to agree on everything afterwards.
const PEACE: Duration = Duration::from_mins(1);

/// What came of a run.
pub struct Outcome {
    pub acknowledged: usize,
    /// Operations that were answered by one disk alone, and came to that.
    pub ahead: u64,
    pub trace: String,
    pub fault: Option<String>,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    let trace = Trace::default();
    let history = History::new(trace.clone());
    let cluster = Cluster::new(seed, &trace);
    let acting = Rc::new(Cell::new(CLIENTS));
    let mut sim = simulation(seed, &cluster, &history, &acting);
    let fault = fight(seed, &mut sim, &cluster, &acting).or_else(|| wrong_records(&cluster));
    let fault = fault.or_else(|| history.wrong_stamp()).or_else(|| unexplained(&history));
    let otherwise = cluster.metrics.ahead(Came::Otherwise);
    let fault = fault.or_else(|| (otherwise > 0).then(|| format!("{otherwise} were told something else than came")));
    let acknowledged = history.operations().iter().filter(|operation| operation.told != Told::Nothing).count();
    Outcome { acknowledged, ahead: cluster.metrics.ahead(Came::AsTold), trace: trace.hash(), fault }
}

fn simulation(seed: u64, cluster: &Cluster, history: &History, acting: &Rc<Cell<u64>>) -> Sim<'static> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .enable_random_order()
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(20))
        .udp_capacity(1 << 16)
        .simulation_duration(Duration::from_hours(1))
        .build();
    for machine in cluster.machines.clone() {
        let cluster = cluster.clone();
        sim.host(name(machine.number), move || node::run(cluster.clone(), machine.clone()));
    }
    let (conducted, starts) = (cluster.clone(), AtomicU64::new(0));
    sim.host(conductor::NAME, move || conductor::run(conducted.clone(), starts.fetch_add(1, Ordering::Relaxed), WAR));
    for number in 0..CLIENTS {
        let (cluster, history, acting) = (cluster.clone(), history.clone(), Rc::clone(acting));
        sim.client(format!("client{number}"), async move {
            let mut client = Client::new(seed, number, history).await;
            client.wait(&cluster).await;
            while turmoil::sim_elapsed().unwrap_or_default() < WAR {
                client.act().await;
            }
            if number == 0 {
                while acting.get() > 1 || !cluster.is_settled.load(Ordering::Relaxed) {
                    pass(Duration::from_millis(10)).await;
                }
                client.look_at_all().await;
            }
            acting.set(acting.get() - 1);
            std::future::pending::<()>().await;
            Ok(())
        });
    }
    sim
}

/// War, then peace, until all is quiet; what went wrong.
fn fight(seed: u64, sim: &mut Sim<'_>, cluster: &Cluster, acting: &Cell<u64>) -> Option<String> {
    let mut nemesis = Nemesis::new(StdRng::seed_from_u64(seed ^ 0x5eed));
    let (mut watch, mut steps, mut healed) = (Watch::default(), 0, false);
    loop {
        cluster.elapsed_ms.store(sim.elapsed().as_millis() as u64, Ordering::Relaxed);
        if !healed && sim.elapsed() >= WAR {
            nemesis.heal(sim, cluster);
            healed = true;
        }
        let mut fault = nemesis.step(sim, cluster);
        fault = fault.or_else(|| sim.step().err().map(|error| format!("a host failed: {error}")));
        steps += 1;
        if steps % LOOK_EVERY == 0 {
            fault = fault.or_else(|| watch.look(cluster));
            if healed && acting.get() == 0 && agree(cluster) && begun(cluster).is_none() {
                return fault;
            }
        }
        if sim.elapsed() > WAR + PEACE {
            fault = fault.or_else(|| Some(format!("nodes do not agree in peace:\n{}", dump(cluster))));
        }
        if fault.is_some() {
            return fault;
        }
    }
}

/// A key whose operations no order explains.
fn unexplained(history: &History) -> Option<String> {
    let operations = history.operations();
    for key in operations.iter().map(|operation| operation.key).collect::<BTreeSet<_>>() {
        let of_key: Vec<_> = operations.iter().filter(|operation| operation.key == key).copied().collect();
        if !is_linearizable(&of_key) {
            let lines: Vec<_> = of_key.iter().map(|operation| format!("{operation:?}")).collect();
            return Some(format!("key {key} is not linearizable:\n{}", lines.join("\n")));
        }
    }
    None
}
