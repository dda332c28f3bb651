//! Clients write and read while members are killed, stopped and started, leaders change and slots move; then every
//! answer is explained, or the history is shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::Condition;

use super::check::is_linearizable;
use super::members::{Keys, Members, Wrote};
use super::operation::{Did, Operation, Told};
use crate::harness::{Node, Signal, until};

const CLIENTS: usize = 12;

/// Keys of the register kind; few, so that clients meet.
const KEYS: u8 = 48;

/// How often something is done to the members; more with `STORGO_BLOWS`.
const BLOWS: u64 = 14;

/// All operations, and the time since which theirs are counted.
struct War {
    began: Instant,
    operations: Mutex<Vec<Operation>>,
    over: AtomicBool,
    values: AtomicU64,
}

impl War {
    async fn act(&self, keys: &Keys, rng: &mut StdRng) {
        let key = rng.random_range(0..KEYS);
        let name = format!("register-{key}");
        let began = self.began.elapsed();
        let value = || self.values.fetch_add(1, Ordering::Relaxed) + 1;
        let (did, told) = match rng.random_range(0..10) {
            0..4 => match keys.get(&name, Level::Linearizable).await {
                Ok(read) => (Did::Get, Told::Holds(read.map(|(_, value)| value))),
                Err(_) => (Did::Get, Told::Nothing),
            },
            4..7 => {
                let value = value();
                (Did::Put { value, expires: false }, told(keys.put(&name, value, Condition::Always).await))
            }
            7 => {
                let value = value();
                (Did::PutIfAbsent { value }, told(keys.put(&name, value, Condition::Absent).await))
            }
            8 => (Did::Delete, told(keys.delete(&name).await)),
            _ => {
                let Ok(Some((version, old))) = keys.get(&name, Level::Linearizable).await else { return };
                let (began, value) = (self.began.elapsed(), value());
                let wrote = told(keys.put(&name, value, Condition::Version(version)).await);
                return self.add(key, Did::Replace { old, value }, wrote, began);
            }
        };
        self.add(key, did, told, began);
    }

    fn add(&self, key: u8, did: Did, told: Told, began: Duration) {
        self.operations.lock().push(Operation { key, did, told, began, ended: self.began.elapsed() });
    }

    fn acknowledged(&self) -> usize {
        self.operations.lock().iter().filter(|operation| operation.told != Told::Nothing).count()
    }
}

fn told(wrote: Wrote) -> Told {
    match wrote {
        Wrote::Done => Told::Done,
        Wrote::Refused => Told::Refused,
        Wrote::Nothing(why) => {
            println!("no answer: {why}");
            Told::Nothing
        }
    }
}

/// Something is done to the members; clients act meanwhile, and some time after it.
fn strike(network: &mut Members, rng: &mut StdRng, war: &War) -> &'static str {
    let count = network.lab.nodes.len();
    let one = rng.random_range(0..count);
    let other = (one + 1 + rng.random_range(0..count - 1)) % count;
    let some_time = |war: &War, operations: usize| {
        let until_then = war.acknowledged() + operations;
        let patience = Instant::now() + Duration::from_secs(3);
        until("clients went on", || (war.acknowledged() >= until_then || Instant::now() > patience).then_some(()));
    };
    let peer = network.lab.nodes[one].peer().to_owned();
    let what = match rng.random_range(0..6) {
        0 => {
            network.lab.kill(&peer);
            some_time(war, 60);
            network.lab.restart(one);
            "one was killed"
        }
        1 => {
            let second = network.lab.nodes[other].peer().to_owned();
            network.lab.kill(&peer);
            network.lab.kill(&second);
            some_time(war, 5);
            network.lab.restart(one);
            network.lab.restart(other);
            "two were killed"
        }
        2 => {
            for number in 0..count {
                network.lab.nodes[number].kill();
            }
            for number in 0..count {
                network.lab.restart(number);
            }
            "all were killed"
        }
        3 => {
            network.lab.nodes[one].signal(Signal::STOP);
            some_time(war, 60);
            network.lab.nodes[one].signal(Signal::CONT);
            "one stood still"
        }
        4 => {
            let group = rng.random_range(0..5_u64).to_string();
            // It may be refused: nobody leads now, say.
            drop(network.lab.ask(&network.lab.nodes[other], &["cluster", "transfer-leader", &group, &peer]));
            "a leader was asked to change"
        }
        _ => {
            let (slot, group) = (rng.random_range(0..16_384_u16).to_string(), rng.random_range(1..5_u64).to_string());
            drop(network.lab.ask(&network.lab.nodes[one], &["cluster", "move-slot", &slot, &group]));
            "a slot was sent elsewhere"
        }
    };
    some_time(war, 300);
    what
}

#[test]
fn every_answer_can_be_explained_whatever_happens_to_the_members() {
    let seed = std::env::var("STORGO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    let blows = std::env::var("STORGO_BLOWS").ok().and_then(|blows| blows.parse().ok()).unwrap_or(BLOWS);
    println!("STORGO_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut network = Members::new(3, 4);
    network.lab.nodes.iter_mut().for_each(Node::keep_address);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let keys: Vec<Arc<Keys>> = runtime.block_on(async {
        let one = Keys::new(&network.lab, "user", "registers").await;
        let other = Keys::new(&network.lab, "user", "registers").await;
        vec![Arc::new(one), Arc::new(other)]
    });
    let war = Arc::new(War {
        began: Instant::now(),
        operations: Mutex::default(),
        over: AtomicBool::new(false),
        values: AtomicU64::new(0),
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (war, keys) = (Arc::clone(&war), Arc::clone(&keys[number % keys.len()]));
            let mut rng = StdRng::seed_from_u64(seed ^ (number as u64 + 1));
            runtime.spawn(async move {
                while !war.over.load(Ordering::Relaxed) {
                    war.act(&keys, &mut rng).await;
                }
            })
        })
        .collect();
    let mut struck: BTreeMap<&'static str, u32> = BTreeMap::new();
    for _ in 0..blows {
        *struck.entry(strike(&mut network, &mut rng, &war)).or_default() += 1;
    }
    network.settled();
    war.over.store(true, Ordering::Relaxed);
    for client in clients {
        runtime.block_on(client).unwrap();
    }
    // The last word on every key.
    for key in 0..KEYS {
        let began = war.began.elapsed();
        let read = runtime.block_on(keys[0].get(&format!("register-{key}"), Level::Linearizable)).unwrap();
        war.add(key, Did::Get, Told::Holds(read.map(|(_, value)| value)), began);
    }
    let operations = war.operations.lock().clone();
    println!("{} operations, {} acknowledged, {struck:?}", operations.len(), war.acknowledged());
    for key in 0..KEYS {
        let of_key: Vec<_> = operations.iter().filter(|operation| operation.key == key).copied().collect();
        assert!(is_linearizable(&of_key), "key {key} under STORGO_SEED={seed}:\n{of_key:#?}");
    }
    assert!(
        war.acknowledged() as u64 >= blows * 60,
        "{} acknowledged are too few to show anything",
        war.acknowledged()
    );
    for keys in keys {
        runtime.block_on(Arc::into_inner(keys).expect("no client is left").close());
    }
}
