//! Whatever the Redis doors answer while members die can be explained: each register's answers by one order of what was done
//! to it, each counter's by raises that were done once.
//!
//! `STORGO_BLOWS` says how many rounds of deaths; `just answers` has many.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use redis::{Commands as _, Connection, FromRedisValue, RedisError, RedisResult, Value, cmd, pipe};

use crate::groups::bad::told_small;
use crate::groups::check::is_linearizable;
use crate::groups::operation::{Did, Operation, Told};
use crate::harness::{Names, Node, until};
use crate::redis::{address, doors, open};

const CLIENTS: u64 = 9;
const REGISTERS: u8 = 12;
const COUNTERS: u64 = 2;

/// Operations after which a register is given up for a fresh one: the search for an order stays short.
const OPERATIONS_A_REGISTER: usize = 120;

/// Operations that are answered before members die, and again before the next do.
const OPERATIONS_A_ROUND: u64 = 250;

/// A key, and all that was done to it.
struct Register {
    name: String,
    operations: Mutex<Vec<Operation>>,
}

/// A raise that was answered: with which value, and when.
#[derive(Debug, Clone, Copy)]
struct Raise {
    value: u64,
    began: Duration,
    ended: Duration,
}

#[derive(Default)]
struct Counter {
    raised: Vec<Raise>,
    /// Raises of which nothing is known.
    unknown: u64,
}

/// What came of something that was not answered as it should.
enum Failed {
    /// Nothing was done.
    Undone,
    /// It may have happened, or happen yet.
    Unknown(RedisError),
}

struct War {
    began: Instant,
    doors: Mutex<Vec<String>>,
    registers: Vec<Mutex<Arc<Register>>>,
    given_up: Mutex<Vec<Arc<Register>>>,
    counters: Vec<Mutex<Counter>>,
    /// Counted up: each write has a value, and each register a name, of its own.
    values: AtomicU64,
    answered: AtomicU64,
    over: AtomicBool,
}

/// Ends the clients when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Register {
    fn new(slot: u8, number: u64) -> Arc<Self> {
        Arc::new(Self { name: format!("register-{slot}-{number}"), operations: Mutex::default() })
    }
}

impl War {
    fn new(doors: Vec<String>) -> Self {
        Self {
            began: Instant::now(),
            doors: Mutex::new(doors),
            registers: (0..REGISTERS).map(|slot| Mutex::new(Register::new(slot, 0))).collect(),
            given_up: Mutex::default(),
            counters: (0..COUNTERS).map(|_| Mutex::default()).collect(),
            values: AtomicU64::new(1),
            answered: AtomicU64::default(),
            over: AtomicBool::default(),
        }
    }

    fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed)
    }

    fn register(&self, slot: u8) -> Arc<Register> {
        let mut register = self.registers[usize::from(slot)].lock();
        if register.operations.lock().len() >= OPERATIONS_A_REGISTER {
            let fresh = Register::new(slot, self.value());
            self.given_up.lock().push(std::mem::replace(&mut *register, fresh));
        }
        Arc::clone(&register)
    }

    /// A client, until it is over: one that lost its door goes to any.
    fn fight(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut connection = None;
        while !self.over.load(Ordering::Relaxed) {
            let Some(door) = connection.as_mut() else {
                let address = self.doors.lock().choose(&mut rng).cloned().expect("there are doors");
                connection = open(&address);
                continue;
            };
            let told = if rng.random_bool(0.2) { self.raise(door, &mut rng) } else { self.act(door, &mut rng) };
            match told {
                Ok(()) => drop(self.answered.fetch_add(1, Ordering::Relaxed)),
                Err(Failed::Undone) => {}
                Err(Failed::Unknown(error)) => {
                    println!("no answer: {error}");
                    connection = connection.filter(|_| !error.is_io_error());
                }
            }
        }
    }

    fn act(&self, door: &mut Connection, rng: &mut StdRng) -> Result<(), Failed> {
        let slot = rng.random_range(0..REGISTERS);
        let register = self.register(slot);
        let (name, began) = (register.name.as_str(), self.began.elapsed());
        let value = self.value();
        let (did, told) = match rng.random_range(0..10) {
            0..4 => (Did::Get, judge(door.get::<_, Option<u64>>(name)).map(Told::Holds)),
            4..6 => (Did::Put { value, expires: false }, judge(door.set(name, value)).map(|()| Told::Done)),
            6 => {
                let told = judge(door.set_nx::<_, _, bool>(name, value));
                (Did::PutIfAbsent { value }, told.map(|done| if done { Told::Done } else { Told::Refused }))
            }
            7 => (Did::Delete, judge(door.del::<_, u64>(name)).map(|_| Told::Done)),
            _ => return self.replace(door, &register, slot),
        };
        // Of a read without an answer nothing is to be explained.
        if did != Did::Get || told.is_ok() {
            note(&register, slot, did, &told, (began, self.began.elapsed()))?;
        }
        told.map(drop)
    }

    /// What is watched is read and replaced; a watched key that was changed leaves all as it is.
    fn replace(&self, door: &mut Connection, register: &Register, slot: u8) -> Result<(), Failed> {
        let name = register.name.as_str();
        judge::<()>(cmd("WATCH").arg(name).query(door))?;
        let old = judge(door.get::<_, Option<u64>>(name))?;
        let (began, value) = (self.began.elapsed(), self.value());
        let told = judge(pipe().atomic().set(name, value).query::<Value>(door));
        let told = match told {
            // It was changed before: what it held when is not known.
            Ok(Value::Nil) => return Ok(()),
            told => told.map(|_| Told::Done),
        };
        let did = old.map_or(Did::PutIfAbsent { value }, |old| Did::Replace { old, value });
        note(register, slot, did, &told, (began, self.began.elapsed()))?;
        told.map(drop)
    }

    fn raise(&self, door: &mut Connection, rng: &mut StdRng) -> Result<(), Failed> {
        let number = rng.random_range(0..COUNTERS);
        let began = self.began.elapsed();
        let told = judge(door.incr::<_, _, u64>(format!("counter-{number}"), 1));
        let mut counter = self.counters[usize::try_from(number).unwrap()].lock();
        match told {
            Ok(value) => counter.raised.push(Raise { value, began, ended: self.began.elapsed() }),
            Err(Failed::Unknown(_)) => counter.unknown += 1,
            Err(Failed::Undone) => {}
        }
        told.map(drop)
    }

    /// Has the last word on everything, and explains all that was told.
    fn explain(&self, door: &mut Connection) {
        let mut last = |name: &str| until("the last word", || door.get::<_, Option<u64>>(name).ok());
        let registers = self.registers.iter().map(|register| Arc::clone(&register.lock()));
        for register in registers.chain(self.given_up.lock().drain(..)) {
            let began = self.began.elapsed();
            let told = Told::Holds(last(&register.name));
            let mut operations = register.operations.lock();
            let ended = self.began.elapsed();
            operations.push(Operation { key: 0, did: Did::Get, told, began, ended });
            assert!(is_linearizable(&operations), "{}:\n{}", register.name, told_small(&operations));
        }
        for (number, counter) in self.counters.iter().enumerate() {
            counter.lock().explain(last(&format!("counter-{number}")).unwrap_or_default());
        }
    }
}

impl Counter {
    /// Each raise that was answered was done once, between its begin and its end, and none twice.
    fn explain(&mut self, in_the_end: u64) {
        self.raised.sort_by_key(|raise| raise.value);
        let values: BTreeSet<u64> = self.raised.iter().map(|raise| raise.value).collect();
        assert_eq!(values.len(), self.raised.len(), "two raises were told the same");
        let most = self.raised.len() as u64 + self.unknown;
        let told = values.last().copied().unwrap_or_default();
        assert!((told..=most).contains(&in_the_end), "{told} was told, {in_the_end} counted, {most} tried");
        // None was told less than one that had ended before it began.
        let mut earliest_end = Duration::MAX;
        for raise in self.raised.iter().rev() {
            assert!(raise.began <= earliest_end, "{raise:?} began after a greater one had ended at {earliest_end:?}");
            earliest_end = earliest_end.min(raise.ended);
        }
    }
}

fn note(
    register: &Register,
    slot: u8,
    did: Did,
    told: &Result<Told, Failed>,
    (began, ended): (Duration, Duration),
) -> Result<(), Failed> {
    let told = match told {
        Ok(told) => *told,
        Err(Failed::Unknown(_)) => Told::Nothing,
        Err(Failed::Undone) => return Err(Failed::Undone),
    };
    register.operations.lock().push(Operation { key: slot, did, told, began, ended });
    Ok(())
}

fn judge<T: FromRedisValue>(result: RedisResult<T>) -> Result<T, Failed> {
    result.map_err(|error| match error.code() {
        Some("TRYAGAIN") => Failed::Undone,
        Some("CLUSTERDOWN") => Failed::Unknown(error),
        None if error.is_io_error() => Failed::Unknown(error),
        code => panic!("{code:?}: {error}"),
    })
}

/// Kills so many members, and starts them again.
fn strike(names: &mut Names, war: &War, rng: &mut StdRng, deaths: usize) {
    let mut members = vec![0, 1, 2];
    while members.len() > deaths {
        members.remove(rng.random_range(0..members.len()));
    }
    for member in &members {
        names.lab.nodes[*member].kill();
    }
    let before = war.answered.load(Ordering::Relaxed);
    if deaths == 1 {
        until("two of three go on", || (war.answered.load(Ordering::Relaxed) > before + 20).then_some(()));
    }
    for member in members {
        names.lab.nodes[member].start(None);
        // Its door is at another place now.
        war.doors.lock()[member] = address(names, member);
    }
}

#[test]
fn every_answer_of_a_door_can_be_explained_though_members_die() {
    let seed = std::env::var("STORGO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    let rounds = std::env::var("STORGO_BLOWS").map_or(3, |rounds| rounds.parse().expect("STORGO_BLOWS is a number"));
    println!("STORGO_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut names = doors(3, "");
    names.lab.nodes.iter_mut().for_each(Node::keep_address);
    let war = War::new((0..3).map(|member| address(&names, member)).collect());
    thread::scope(|scope| {
        // Also if this panics: clients would go on for ever.
        let over = Over(&war.over);
        for number in 0..CLIENTS {
            scope.spawn({
                let war = &war;
                move || war.fight(seed ^ number)
            });
        }
        for round in 0..rounds {
            let then = war.answered.load(Ordering::Relaxed) + OPERATIONS_A_ROUND;
            until("clients went on", || (war.answered.load(Ordering::Relaxed) >= then).then_some(()));
            strike(&mut names, &war, &mut rng, round % 3 + 1);
        }
        let then = war.answered.load(Ordering::Relaxed) + OPERATIONS_A_ROUND;
        until("clients went on", || (war.answered.load(Ordering::Relaxed) >= then).then_some(()));
        drop(over);
    });
    let mut door = until("a door is there", || open(&address(&names, 0)));
    war.explain(&mut door);
    let registers = war.values.load(Ordering::Relaxed);
    let unknown: u64 = war.counters.iter().map(|counter| counter.lock().unknown).sum();
    println!(
        "{} operations answered, {registers} values, {unknown} raises unknown",
        war.answered.load(Ordering::Relaxed)
    );
}
