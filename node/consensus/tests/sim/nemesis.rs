//! What goes wrong, and when, by the seed.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use storgo_store::Disk as _;
use storgo_store::disk::sim::{Fault, SimDisk};
use turmoil::Sim;

use crate::node::{Cluster, name};

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Crash,
    Flicker,
    Blackout,
    Cut,
    CutOneWay,
    Pause,
    Lossy,
    Slow,
    Skew,
    Wipe,
    Rot,
}

/// Breaks things for a while, and mends them again.
pub struct Nemesis {
    rng: StdRng,
    next: Duration,
    mends: Vec<(Duration, Mend)>,
    /// Nodes that are down.
    down: Vec<u64>,
    /// A disk was lost: one only, since a second one could be a majority.
    lost: bool,
}

#[derive(Debug, Clone, Copy)]
enum Mend {
    Start(u64),
    Links,
    Clock(u64),
}

impl Nemesis {
    pub fn new(rng: StdRng) -> Self {
        Self { rng, next: Duration::from_secs(3), mends: Vec::new(), down: Vec::new(), lost: false }
    }

    /// Does what is due at this moment.
    pub fn step(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        let now = sim.elapsed();
        let due: Vec<Mend> = self.mends.extract_if(.., |(at, _)| *at <= now).map(|(_, mend)| mend).collect();
        for mend in due {
            self.mend(mend, sim, cluster);
        }
        if now < self.next {
            return;
        }
        self.next = now + Duration::from_millis(self.rng.random_range(200..1500));
        let until = now + Duration::from_millis(self.rng.random_range(300..3000));
        let count = cluster.machines.len() as u64;
        let node = self.rng.random_range(0..count);
        let others = || (0..count).filter(move |other| *other != node).map(name);
        let acts = [
            Act::Crash,
            Act::Flicker,
            Act::Blackout,
            Act::Cut,
            Act::CutOneWay,
            Act::Pause,
            Act::Lossy,
            Act::Slow,
            Act::Skew,
            Act::Wipe,
            Act::Rot,
        ];
        let act = acts[self.rng.random_range(0..acts.len())];
        cluster.trace.note(&format!("{act:?} {node}"), &[]);
        match act {
            Act::Crash => self.crash(node, until, sim, cluster),
            Act::Flicker => {
                let soon = now + Duration::from_millis(self.rng.random_range(5..100));
                self.crash(node, soon, sim, cluster);
            }
            // The power of all goes at once, and comes back one by one. Not while a disk is filled anew: the others may
            // hold the only copies.
            Act::Blackout if !self.lost => {
                for node in 0..count {
                    let until = now + Duration::from_millis(self.rng.random_range(100..1500));
                    self.power_loss(node, until, sim, cluster);
                }
            }
            Act::Wipe | Act::Rot if !self.lost && self.down.is_empty() => {
                self.lost = true;
                self.crash(node, until, sim, cluster);
                self.lose(act, node, cluster);
            }
            Act::Wipe | Act::Rot | Act::Blackout => {}
            Act::Cut => {
                others().for_each(|other| sim.partition(name(node), other));
                self.mends.push((until, Mend::Links));
            }
            Act::CutOneWay => {
                let (from, to) = (self.rng.random_bool(0.5), others().next().unwrap_or_default());
                if from {
                    sim.partition_oneway(name(node), to);
                } else {
                    sim.partition_oneway(to, name(node));
                }
                self.mends.push((until, Mend::Links));
            }
            Act::Pause => {
                others().for_each(|other| sim.hold(name(node), other));
                self.mends.push((until, Mend::Links));
            }
            Act::Lossy => {
                sim.set_fail_rate(0.05);
                self.mends.push((until, Mend::Links));
            }
            Act::Slow => {
                sim.set_max_message_latency(Duration::from_millis(150));
                self.mends.push((until, Mend::Links));
            }
            Act::Skew => {
                let skew = self.rng.random_range(-60_000..60_000);
                cluster.machines[node as usize].skew_ms.store(skew, Ordering::Relaxed);
                self.mends.push((until, Mend::Clock(node)));
            }
        }
    }

    /// The power of one node goes, unless most others' is gone already.
    fn crash(&mut self, node: u64, until: Duration, sim: &mut Sim<'_>, cluster: &Cluster) {
        if 2 * (self.down.len() + 1) < cluster.machines.len() {
            self.power_loss(node, until, sim, cluster);
        }
    }

    /// The power goes: what was not synced is there, gone or torn, by the seed.
    fn power_loss(&mut self, node: u64, until: Duration, sim: &mut Sim<'_>, cluster: &Cluster) {
        if self.down.contains(&node) {
            return;
        }
        let machine = &cluster.machines[node as usize];
        let disk = machine.disk.lock().unwrap().clone();
        disk.plan(1, Fault::PowerLoss);
        // Whatever is dropped now finds that the power is off.
        drop(disk.list(Path::new("/")));
        machine.running.lock().unwrap().take();
        sim.crash(name(node));
        disk.restart(self.rng.random());
        self.down.push(node);
        self.mends.push((until, Mend::Start(node)));
    }

    /// A disk loses what was synced: all of it, or a byte in the middle of its log.
    fn lose(&mut self, act: Act, node: u64, cluster: &Cluster) {
        let machine = &cluster.machines[node as usize];
        if matches!(act, Act::Wipe) {
            *machine.disk.lock().unwrap() = SimDisk::new();
            return;
        }
        let disk = machine.disk.lock().unwrap().clone();
        let segments = disk.list(Path::new("/log")).unwrap_or_default();
        if let Some(first) = segments.first() {
            let at: usize = self.rng.random_range(0..1 << 20);
            let path = Path::new("/log").join(first);
            drop(disk.tamper(&path, |bytes| {
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at % len) {
                    *byte ^= 0x40;
                }
            }));
        }
    }

    fn mend(&mut self, mend: Mend, sim: &mut Sim<'_>, cluster: &Cluster) {
        match mend {
            Mend::Start(node) => {
                self.down.retain(|down| *down != node);
                sim.bounce(name(node));
            }
            Mend::Clock(node) => cluster.machines[node as usize].skew_ms.store(0, Ordering::Relaxed),
            Mend::Links => links(sim, cluster),
        }
    }

    /// Mends everything, for good.
    pub fn heal(&mut self, sim: &mut Sim<'_>, cluster: &Cluster) {
        for (_, mend) in std::mem::take(&mut self.mends) {
            self.mend(mend, sim, cluster);
        }
        links(sim, cluster);
        self.next = Duration::MAX;
    }
}

fn links(sim: &mut Sim<'_>, cluster: &Cluster) {
    let count = cluster.machines.len() as u64;
    for (node, other) in (0..count).flat_map(|node| (0..node).map(move |other| (node, other))) {
        sim.release(name(node), name(other));
        sim.repair(name(node), name(other));
    }
    sim.set_fail_rate(0.0);
    sim.set_max_message_latency(Duration::from_millis(20));
}
