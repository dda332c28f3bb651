//! The ways between members are cut, in both directions and in one, members stand still and their clocks go wrong, with
//! clients on every side; every answer is explained.
//!
//! ```text
//!   member 0, client 0 ──┐
//!   member 1, client 1 ──┼── a switch that can cut any way between two sides
//!   member 2, client 2 ──┘
//! ```
//!
//! `STORGO_CUTS` says how often something is done.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Runtime;

use super::clients::Clients;
use super::members::{Keys, Members};
use crate::harness::{Net, NodeOptions, Port, Segment, Signal, Site, Space, Weather, until};

const SIDES: usize = 3;
const CUTS: usize = 8;

/// Clients on each side.
const CLIENTS: usize = 4;

/// What a member says that leads nothing for its clock.
const CLOCK_OFF: &str = "this node's clock differs from most others'";

const WIRE: Segment = Segment(0);

/// A member on each side of a switch, and clients beside it. Fields are dropped in this order.
struct Sides {
    network: Members,
    net: Net,
    /// The ports of the member and of the clients on each side.
    ports: [[Port; 2]; SIDES],
    clocks: [PathBuf; SIDES],
    spaces: [Space; SIDES],
    _member_spaces: Vec<Space>,
}

impl Sides {
    /// `None` where the machine allows no namespaces.
    fn new(seed: u64) -> Option<Self> {
        let mut network = Members::empty();
        let net = Net::new(seed)?;
        let mut member_spaces = Vec::new();
        let clocks = [0, 1, 2].map(|side| network.lab.path().join(format!("clock{side}")));
        let spaces = [(); SIDES].map(|()| Space::new());
        let mut ports = Vec::new();
        for (side, (space, clock)) in spaces.iter().zip(&clocks).enumerate() {
            let member = Space::new();
            let plugged = net.plug(&member, WIRE, &format!("10.0.0.{}/24", side + 1));
            ports.push([plugged, net.plug(space, WIRE, &format!("10.0.0.{}/24", side + 101))]);
            let listen = vec![format!("/ip4/10.0.0.{}/tcp/4820", side + 1)];
            let site = Some(Site { space: member.path().to_owned(), listen, mdns: false });
            network.add_with(4, NodeOptions { site, clock: Some(clock.clone()), ..NodeOptions::default() });
            member_spaces.push(member);
        }
        network.settled();
        let ports = ports.try_into().expect("as many as sides");
        Some(Self { network, net, ports, clocks, spaces, _member_spaces: member_spaces })
    }

    /// Cuts what goes from one side to another.
    fn cut(&self, from: usize, to: usize) {
        for (from, to) in self.ports[from].iter().flat_map(|from| self.ports[to].iter().map(move |to| (*from, *to))) {
            self.net.set(from, to, Weather { cut: true, ..Weather::default() });
        }
    }

    /// Cuts what goes between two sides in both directions.
    fn part(&self, one: usize, other: usize) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Has a member's clock be wrong by so much.
    fn set_clock(&self, side: usize, wrong_ms: i64) {
        let new = self.clocks[side].with_extension("new");
        fs::write(&new, wrong_ms.to_string()).unwrap();
        fs::rename(&new, &self.clocks[side]).unwrap();
    }

    fn heal(&self) {
        self.net.heal();
        for side in 0..SIDES {
            self.set_clock(side, 0);
            self.network.lab.nodes[side].signal(Signal::CONT);
        }
    }
}

/// Does something to one side; what it was.
fn strike(sides: &Sides, rng: &mut StdRng, kind: usize) -> &'static str {
    let one = rng.random_range(0..SIDES);
    let others = [(one + 1) % SIDES, (one + 2) % SIDES];
    match kind {
        0 => {
            for other in &others {
                sides.part(one, *other);
            }
            "one side was cut off"
        }
        1 => {
            for other in &others {
                sides.cut(*other, one);
            }
            "one side heard nothing"
        }
        2 => {
            for other in &others {
                sides.cut(one, *other);
            }
            "one side was not heard"
        }
        3 => {
            sides.part(one, others[0]);
            "two sides met at the third only"
        }
        4 => {
            sides.cut(others[0], one);
            "one way between two sides was cut"
        }
        5 => {
            sides.network.lab.nodes[one].signal(Signal::STOP);
            "a member stood still"
        }
        6 => {
            let (wrong_ms, log) = (rng.random_range(1_000..60_000), &sides.network.lab.nodes[one].log);
            let noticed = || fs::read_to_string(log).unwrap().matches(CLOCK_OFF).count();
            let before = noticed();
            sides.set_clock(one, if rng.random_bool(0.5) { wrong_ms } else { -wrong_ms });
            if cfg!(debug_assertions) {
                until("a member knows that its clock is wrong", || (noticed() > before).then_some(()));
            } else {
                println!("skipped: this program's clock cannot be set wrong");
            }
            "a clock was wrong"
        }
        _ => {
            sides.set_clock(one, rng.random_range(-450..450));
            for other in &others {
                sides.part(one, *other);
            }
            "one side was cut off, and its clock a little wrong"
        }
    }
}

#[test]
fn every_answer_can_be_explained_on_whatever_side_it_was_given() {
    let seed = std::env::var("STORGO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    let cuts = std::env::var("STORGO_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("STORGO_CUTS is a number"));
    println!("STORGO_SEED={seed}");
    let Some(sides) = Sides::new(seed) else { return };
    let mut rng = StdRng::seed_from_u64(seed);
    let runtimes: Vec<Runtime> = sides.spaces.iter().map(Space::runtime).collect();
    let via: Vec<String> = sides.network.lab.running().map(|node| node.address().to_owned()).collect();
    let home = sides.network.lab.path().join("homes/user");
    let open = |runtime: &Runtime| {
        let opened = runtime.spawn(Keys::open(home.clone(), via.clone(), "registers".to_owned()));
        Arc::new(runtime.block_on(opened).expect("a client joins"))
    };
    let keys: Vec<Arc<Keys>> = runtimes.iter().map(open).collect();
    let asking: Vec<_> = (0..SIDES * CLIENTS)
        .map(|number| (Arc::clone(&keys[number % SIDES]), runtimes[number % SIDES].handle().clone()))
        .collect();
    let clients = Clients::start(seed, &asking);
    drop(asking);
    let mut struck: BTreeMap<&'static str, u32> = BTreeMap::new();
    for cut in 0..cuts {
        let before = clients.history.counts();
        clients.go_on(rng.random_range(0..100), Duration::from_secs(5));
        let what = strike(&sides, &mut rng, cut % CUTS);
        *struck.entry(what).or_default() += 1;
        // Some are so long that those who ask on the wrong side get no answer at all.
        if cut % CUTS == 0 {
            until("somebody waited in vain", || {
                (clients.history.counts().unanswered > before.unanswered).then_some(())
            });
        } else {
            clients.go_on(100, Duration::from_secs(4));
        }
        sides.heal();
        clients.wrote(clients.history.counts().written + 60);
        let now = clients.history.counts();
        println!("{what}: {} writes, {} unanswered", now.written - before.written, now.unanswered - before.unanswered);
    }
    let last = sides.network.settled();
    let history = clients.end(&runtimes[0], &keys[0]);
    println!("STORGO_SEED={seed}: {struck:?}, {:?}; {last}", history.counts());
    for (keys, runtime) in keys.into_iter().zip(&runtimes) {
        let keys = Arc::into_inner(keys).expect("no client is left");
        runtime.block_on(runtime.spawn(keys.close())).expect("a client leaves");
    }
}
