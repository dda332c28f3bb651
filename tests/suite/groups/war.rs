//! Clients write and read while members are killed, damaged, stopped and started, leaders change and slots move; every
//! answer is explained, or the history is shown.
//!
//! `STORGO_BLOWS` says how many rounds of deaths; `just war` has 200, each with 500 acknowledged writes at least.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::blows::{self, Deaths, Harm};
use super::clients::Clients;
use super::members::{Keys, Members};
use crate::harness::Node;

/// Rounds of the short form: each way to die with each harm.
const ROUNDS: u64 = 9;

/// How long a war is.
struct Scale {
    rounds: u64,
    clients: usize,
    /// Writes that are acknowledged in a round, at least.
    writes: u64,
    /// Operations that are acknowledged in all, at least.
    operations: u64,
}

impl Scale {
    fn new() -> Self {
        match std::env::var("STORGO_BLOWS") {
            Ok(rounds) => {
                let rounds = rounds.parse().expect("STORGO_BLOWS is a number");
                Self { rounds, clients: 32, writes: 500, operations: rounds * 250 }
            }
            Err(_) => Self { rounds: ROUNDS, clients: 12, writes: 60, operations: ROUNDS * 60 },
        }
    }
}

#[test]
fn every_answer_can_be_explained_whatever_happens_to_the_members() {
    let seed = std::env::var("STORGO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    let scale = Scale::new();
    println!("STORGO_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut network = Members::new(3, 4);
    (0..3).for_each(|member| network.filled(member));
    network.lab.nodes.iter_mut().for_each(Node::keep_address);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let keys = [(); 2].map(|()| Arc::new(runtime.block_on(Keys::new(&network.lab, "user", "registers"))));
    let asking: Vec<_> =
        (0..scale.clients).map(|number| (Arc::clone(&keys[number % 2]), runtime.handle().clone())).collect();
    let clients = Clients::start(seed, &asking);
    drop(asking);

    let (mut struck, mut disturbed) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new());
    for round in 0..scale.rounds {
        let before = clients.history.counts();
        let deaths = [Deaths::One, Deaths::Two, Deaths::All][usize::try_from(round / 3 % 3).unwrap()];
        let harm = [Harm::Torn, Harm::Flipped, Harm::Nothing][usize::try_from(round % 3).unwrap()];
        if rng.random_bool(0.7) {
            *disturbed.entry(blows::disturb(&mut network, &mut rng, &clients)).or_default() += 1;
        }
        clients.go_on(rng.random_range(0..scale.writes), Duration::from_secs(10));
        blows::kill(&mut network, &mut rng, &clients, deaths, harm);
        *struck.entry((deaths, harm)).or_default() += 1;
        clients.wrote(before.written + scale.writes);
        let now = clients.history.counts();
        println!(
            "round {round}: {deaths:?} died, {harm:?}; {} writes acknowledged, {} unanswered, {} keys explained",
            now.written - before.written,
            now.unanswered - before.unanswered,
            now.explained
        );
    }
    network.settled();
    (0..3).for_each(|member| network.filled(member));
    let history = clients.end(&runtime, &keys[0]);
    let counts = history.counts();
    println!("STORGO_SEED={seed}: {} rounds of deaths, {struck:?}, {disturbed:?}", scale.rounds);
    println!(
        "{} operations acknowledged, of them {} writes; {} unanswered; {} keys explained; at worst {:.1} s from one \
         acknowledged write to the next",
        counts.acknowledged,
        counts.written,
        counts.unanswered,
        counts.explained,
        counts.worst_gap.as_secs_f64()
    );
    assert!(counts.acknowledged >= scale.operations, "{counts:?} is too little to show anything");
    for keys in keys {
        runtime.block_on(Arc::into_inner(keys).expect("no client is left").close());
    }
}
