//! What clients of a war did and were told, kept no longer than it takes to explain it.
//!
//! Keys are taken in turns: one that has had its operations is given up for a fresh one, read once more, checked, and
//! forgotten. So a war may be long and its memory is not. It knows nothing of what happens to the members.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storgo_protocol::cluster::Level;

use super::bad::told_small;
use super::check::is_linearizable;
use super::members::Keys;
use super::operation::{Did, Operation, Told};
use crate::harness::PATIENCE;

/// Keys at a time; few, so that clients meet.
const SLOTS: u8 = 48;

/// Operations after which a key is given up: the search for an order stays short.
const OPERATIONS_A_KEY: usize = 200;

/// One key, and all that was done to it.
#[derive(Debug)]
pub struct Register {
    pub slot: u8,
    pub name: String,
    operations: Mutex<Vec<Operation>>,
}

/// How much was done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Operations with an answer.
    pub acknowledged: u64,
    /// Writes that were done.
    pub written: u64,
    /// Operations of which nothing is known.
    pub unanswered: u64,
    /// Keys whose every answer was explained.
    pub explained: u64,
    /// The longest time between two writes that were done.
    pub worst_gap: Duration,
    /// The longest time that an answer took.
    pub slowest: Duration,
    last_written: Duration,
}

/// All operations that are not explained yet.
#[derive(Debug)]
pub struct History {
    began: Instant,
    slots: Vec<Mutex<Arc<Register>>>,
    given_up: Mutex<Vec<Arc<Register>>>,
    counts: Mutex<Counts>,
    /// Counted up: each write has a value, and each key a name, of its own.
    values: AtomicU64,
    names: AtomicU64,
}

impl History {
    /// How many keys there are at a time.
    pub const SLOTS: u8 = SLOTS;

    pub fn new() -> Self {
        let names = AtomicU64::new(u64::from(SLOTS));
        let register = |slot| Mutex::new(Arc::new(Register::new(slot, slot.into())));
        Self {
            began: Instant::now(),
            slots: (0..SLOTS).map(register).collect(),
            given_up: Mutex::default(),
            counts: Mutex::default(),
            values: AtomicU64::default(),
            names,
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A value that was never written.
    pub fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The key that stands in a slot now. Whoever holds it may add to it; it is checked when nobody does.
    pub fn register(&self, slot: u8) -> Arc<Register> {
        let mut register = self.slots[usize::from(slot)].lock();
        if register.operations.lock().len() >= OPERATIONS_A_KEY {
            let fresh = Arc::new(Register::new(slot, self.names.fetch_add(1, Ordering::Relaxed)));
            self.given_up.lock().push(std::mem::replace(&mut *register, fresh));
        }
        Arc::clone(&register)
    }

    /// Notes an operation that began at `began` and has ended now.
    pub fn add(&self, register: &Register, did: Did, told: Told, began: Duration) {
        let ended = self.now();
        register.operations.lock().push(Operation { key: register.slot, did, told, began, ended });
        let mut counts = self.counts.lock();
        if told != Told::Nothing {
            counts.slowest = counts.slowest.max(ended.saturating_sub(began));
        }
        match told {
            Told::Nothing => counts.unanswered += 1,
            Told::Done => {
                counts.written += 1;
                counts.acknowledged += 1;
                // Of two that end at once the later one may come first.
                let gap = ended.saturating_sub(counts.last_written);
                counts.worst_gap = counts.worst_gap.max(gap);
                counts.last_written = counts.last_written.max(ended);
            }
            Told::Refused | Told::Holds(_) => counts.acknowledged += 1,
        }
    }

    pub fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    /// Checks the keys that were given up and that nobody writes any more.
    ///
    /// # Errors
    /// A history that no order explains, made small.
    pub async fn explain_given_up(&self, keys: &Keys) -> Result<(), String> {
        let given_up = std::mem::take(&mut *self.given_up.lock());
        for register in given_up {
            match Arc::try_unwrap(register) {
                Ok(register) => self.explain(register, keys).await?,
                Err(held) => self.given_up.lock().push(held),
            }
        }
        Ok(())
    }

    /// Checks all keys; for when nobody writes any more.
    ///
    /// # Errors
    /// As [`History::explain_given_up`].
    pub async fn explain_all(&self, keys: &Keys) -> Result<(), String> {
        self.explain_given_up(keys).await?;
        assert!(self.given_up.lock().is_empty(), "somebody writes still");
        for slot in 0..SLOTS {
            let fresh = Arc::new(Register::new(slot, self.names.fetch_add(1, Ordering::Relaxed)));
            let register = std::mem::replace(&mut *self.slots[usize::from(slot)].lock(), fresh);
            self.explain(Arc::into_inner(register).expect("nobody writes any more"), keys).await?;
        }
        Ok(())
    }

    /// Has the last word on a key, and looks for an order that explains all of it.
    async fn explain(&self, register: Register, keys: &Keys) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let (began, read) = loop {
            let began = self.now();
            match keys.get(&register.name, Level::Linearizable).await {
                Ok(read) => break (began, read),
                Err(error) if Instant::now() > deadline => return Err(format!("{}: {error}", register.name)),
                Err(_) => {}
            }
        };
        self.add(&register, Did::Get, Told::Holds(read.map(|(_, value)| value)), began);
        let Register { name, operations, .. } = register;
        let checked = tokio::task::spawn_blocking(move || {
            let operations = operations.into_inner();
            if is_linearizable(&operations) { Ok(()) } else { Err(format!("{name}:\n{}", told_small(&operations))) }
        });
        checked.await.expect("the check does not panic")?;
        self.counts.lock().explained += 1;
        Ok(())
    }
}

impl Register {
    fn new(slot: u8, number: u64) -> Self {
        Self { slot, name: format!("register-{number}"), operations: Mutex::default() }
    }
}
