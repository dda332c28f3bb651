//! What goes wrong, and when, by the seed.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use storgo_store::disk::sim::Fault;
use turmoil::Sim;

use crate::cluster::{Cluster, GROUPS, NODES, Order, name};
use crate::conductor;
use crate::power::{Decay, Loss, cut, decay};

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Crash(Loss),
    Flicker,
    Blackout,
    Stop,
    Fail(Fault),
    Decay(Decay),
    Cut,
    CutOneWay,
    Stall,
    Lossy,
    Slow,
    Skew,
    Seats,
    Transfer,
    Conductor,
}

const ACTS: [Act; 20] = [
    Act::Crash(Loss::Unsynced),
    Act::Crash(Loss::None),
    Act::Flicker,
    Act::Blackout,
    Act::Stop,
    Act::Fail(Fault::InputOutput),
    Act::Fail(Fault::Full),
    Act::Decay(Decay::All),
    Act::Decay(Decay::Log),
    Act::Decay(Decay::Records),
    Act::Cut,
    Act::CutOneWay,
    Act::Stall,
    Act::Lossy,
    Act::Slow,
    Act::Skew,
    Act::Seats,
    Act::Transfer,
    Act::Transfer,
    Act::Conductor,
];

/// Breaks things for a while, and mends them again.
pub struct Nemesis {
    rng: StdRng,
    next: Duration,
    mends: Vec<(Duration, Mend)>,
    /// Nodes that are down, and what of their disks goes before they start.
    down: BTreeMap<u64, Option<Decay>>,
    /// How often each node stands still at this moment.
    held: BTreeMap<u64, u32>,
    /// A disk was lost: one only, since a second one could be a majority.
    lost: bool,
}

#[derive(Debug, Clone, Copy)]
enum Mend {
    Start(u64),
    Links,
    Wake(u64),
    Clock(u64),
    Conductor,
}

impl Nemesis {
    pub fn new(rng: StdRng) -> Self {
        Self { rng, next: Duration::ZERO, mends: Vec::new(), down: BTreeMap::new(), held: BTreeMap::new(), lost: false }
    }

    /// Does what is due at this moment; what went wrong that nobody did.
    pub fn step(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) -> Option<String> {
        let now = sim.elapsed();
        let due: Vec<Mend> = self.mends.extract_if(.., |(at, _)| *at <= now).map(|(_, mend)| mend).collect();
        for mend in due {
            self.mend(mend, sim, cluster);
        }
        if let Some(fault) = self.bury(sim, cluster) {
            return Some(fault);
        }
        if now >= self.next && cluster.is_prepared.load(Ordering::Relaxed) {
            self.next = now + self.random_ms(80..700);
            let act = ACTS[self.rng.random_range(0..ACTS.len())];
            self.act(act, sim, cluster);
        }
        None
    }

    fn random_ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    fn act(&mut self, act: Act, sim: &mut Sim<'_>, cluster: &Cluster) {
        let node = self.rng.random_range(0..NODES);
        let until = sim.elapsed() + self.random_ms(200..2000);
        let others = || (0..NODES).filter(move |other| *other != node).map(name);
        cluster.trace.note(&format!("{act:?} {node}"), &[]);
        match act {
            Act::Crash(loss) => self.crash(node, loss, until, sim, cluster),
            Act::Flicker => {
                let soon = sim.elapsed() + self.random_ms(5..100);
                self.crash(node, Loss::Unsynced, soon, sim, cluster);
            }
            // The power of all goes at once, and comes back one by one.
            Act::Blackout => {
                for node in 0..NODES {
                    let until = sim.elapsed() + self.random_ms(50..1000);
                    self.die(node, Loss::Unsynced, until, sim, cluster);
                }
            }
            Act::Stop if self.down.is_empty() => cluster.order(node, Order::Stop),
            Act::Fail(fault) if self.down.is_empty() => {
                let (call, disk) = (self.rng.random_range(1..60), cluster.machine(node).disk.lock().unwrap().clone());
                // Of a node that has not ended yet, the reason must not be forgotten.
                if disk.faulted().is_none() {
                    disk.plan(call, fault);
                }
            }
            Act::Decay(decay) if !self.lost && self.down.is_empty() => {
                self.lost = true;
                self.die(node, Loss::Unsynced, until, sim, cluster);
                self.down.insert(node, Some(decay));
            }
            Act::Stop | Act::Fail(_) | Act::Decay(_) => {}
            Act::Cut => {
                others().for_each(|other| sim.partition(name(node), other));
                self.mends.push((until, Mend::Links));
            }
            Act::CutOneWay => {
                let other = name((node + self.rng.random_range(1..NODES)) % NODES);
                sim.partition_oneway(name(node), other);
                self.mends.push((until, Mend::Links));
            }
            Act::Stall => self.stall(node, sim, cluster),
            Act::Lossy => {
                sim.set_fail_rate(0.05);
                self.mends.push((until, Mend::Links));
            }
            Act::Slow => {
                sim.set_max_message_latency(Duration::from_millis(150));
                self.mends.push((until, Mend::Links));
            }
            Act::Skew => {
                let far = if self.rng.random_bool(0.7) { 60_000 } else { 450 };
                let skew = self.rng.random_range(-far..far);
                cluster.machine(node).skew_ms.store(skew, Ordering::Relaxed);
                let until = until + self.random_ms(0..3000);
                self.mends.push((until, Mend::Clock(node)));
            }
            Act::Seats => {
                let group = GROUPS[self.rng.random_range(0..GROUPS.len())];
                let mut wanted = cluster.wanted.lock().unwrap();
                if let Some(members) = wanted.get_mut(&group) {
                    *members = (0..NODES).filter(|member| *member != node).collect();
                }
            }
            Act::Transfer => {
                let group = GROUPS[self.rng.random_range(0..GROUPS.len())];
                (0..NODES).for_each(|leader| cluster.order(leader, Order::Transfer(group, node)));
            }
            Act::Conductor => {
                sim.crash(conductor::NAME);
                let soon = sim.elapsed() + self.random_ms(5..600);
                self.mends.push((soon, Mend::Conductor));
            }
        }
    }

    /// A host stands still while time goes on: nothing comes or goes, and all of its time is over at once. Were it heard of
    /// before the others' time is over too, its clock would have gone faster than theirs.
    fn stall(&mut self, node: u64, sim: &mut Sim<'_>, cluster: &Cluster) {
        let time = self.random_ms(100..2500);
        (0..NODES).filter(|other| *other != node).for_each(|other| sim.hold(name(node), name(other)));
        cluster.order(node, Order::Stall(time));
        *self.held.entry(node).or_default() += 1;
        self.mends.push((sim.elapsed() + time, Mend::Wake(node)));
    }

    /// A node dies, unless another one is down already.
    fn crash(&mut self, node: u64, loss: Loss, until: Duration, sim: &mut Sim<'_>, cluster: &Cluster) {
        if self.down.is_empty() {
            self.die(node, loss, until, sim, cluster);
        }
    }

    fn die(&mut self, node: u64, loss: Loss, until: Duration, sim: &mut Sim<'_>, cluster: &Cluster) {
        if self.down.contains_key(&node) {
            return;
        }
        cut(cluster.machine(node), loss, &mut self.rng);
        cluster.machine(node).ended.lock().unwrap().take();
        sim.crash(name(node));
        self.down.insert(node, None);
        self.mends.push((until, Mend::Start(node)));
    }

    /// Sees to nodes that ended by themselves: they must have had a reason.
    fn bury(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) -> Option<String> {
        for node in 0..NODES {
            let machine = cluster.machine(node);
            let Some(reason) = machine.ended.lock().unwrap().take() else { continue };
            let faulted = machine.disk.lock().unwrap().faulted();
            let is_rotten = machine.rotten.swap(false, Ordering::Relaxed);
            if faulted.is_none() && !is_rotten && reason != "it was asked to" {
                return Some(format!("node {node} ended: {reason}"));
            }
            // What a failed sync lost is seen at the next start only if the system went down with it.
            let is_sync = faulted.is_some_and(|(call, _)| call.contains("sync"));
            let loss = if is_sync || self.rng.random_bool(0.5) { Loss::Unsynced } else { Loss::None };
            cut(machine, loss, &mut self.rng);
            // Who runs a node that refuses its disk gives it an empty one.
            self.down.insert(node, is_rotten.then_some(Decay::All));
            let until = sim.elapsed() + self.random_ms(50..1500);
            self.mends.push((until, Mend::Start(node)));
        }
        None
    }

    fn mend(&mut self, mend: Mend, sim: &mut Sim<'_>, cluster: &Cluster) {
        match mend {
            Mend::Start(node) => {
                if let Some(Some(lost)) = self.down.remove(&node) {
                    let machine = cluster.machine(node);
                    machine.rotten.store(!matches!(lost, Decay::All), Ordering::Relaxed);
                    decay(machine, lost, &mut self.rng);
                }
                sim.bounce(name(node));
            }
            Mend::Clock(node) => cluster.machine(node).skew_ms.store(0, Ordering::Relaxed),
            Mend::Links => self.links(sim),
            Mend::Wake(node) => {
                self.held.entry(node).and_modify(|times| *times = times.saturating_sub(1));
                self.links(sim);
            }
            Mend::Conductor => sim.bounce(conductor::NAME),
        }
    }

    /// Mends everything, for good; but in some runs one clock stays far off.
    pub fn heal(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        let (wakes, mends): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.mends).into_iter().partition(|(_, mend)| matches!(mend, Mend::Wake(_)));
        self.mends = wakes;
        for (_, mend) in mends {
            self.mend(mend, sim, cluster);
        }
        self.links(sim);
        for machine in &cluster.machines {
            machine.skew_ms.store(0, Ordering::Relaxed);
            let disk = machine.disk.lock().unwrap().clone();
            if disk.faulted().is_none() {
                disk.plan(u64::MAX, Fault::Scarce);
            }
        }
        if self.rng.random_bool(0.25) {
            let node = self.rng.random_range(0..NODES);
            cluster.machine(node).skew_ms.store(20_000, Ordering::Relaxed);
        }
        self.next = Duration::MAX;
    }

    /// Mends the links of all that do not stand still.
    fn links(&self, sim: &mut Sim<'_>) {
        let awake = |node: &u64| self.held.get(node).is_none_or(|times| *times == 0);
        for (node, other) in (0..NODES).flat_map(|node| (0..node).map(move |other| (node, other))) {
            if awake(&node) && awake(&other) {
                sim.release(name(node), name(other));
                sim.repair(name(node), name(other));
            }
        }
        sim.set_fail_rate(0.0);
        sim.set_max_message_latency(Duration::from_millis(20));
    }
}
