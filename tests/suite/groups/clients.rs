//! Clients of a war: each does one thing after the other to keys that all share, and notes what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::Condition;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use super::history::History;
use super::members::{Keys, Wrote};
use super::operation::{Did, Told};
use crate::harness::until;

/// How often keys that were given up are explained.
const EXPLAIN_EVERY: Duration = Duration::from_millis(250);

/// Clients at work, and what they did so far.
pub struct Clients {
    pub history: Arc<History>,
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    explainer: JoinHandle<()>,
    /// What no order explains, as soon as it is found.
    wrong: Arc<Mutex<Option<String>>>,
}

impl Clients {
    /// As many clients as there are entries, each asking through its own, in tasks where it says. The first also has
    /// the last word on each key.
    pub fn start(seed: u64, asking: &[(Arc<Keys>, Handle)]) -> Self {
        let (history, over) = (Arc::new(History::new()), Arc::new(AtomicBool::new(false)));
        let wrong = Arc::<Mutex<Option<String>>>::default();
        let tasks = (1..).zip(asking).map(|(number, (keys, runtime))| {
            let (history, over, keys) = (Arc::clone(&history), Arc::clone(&over), Arc::clone(keys));
            let mut rng = StdRng::seed_from_u64(seed ^ number);
            runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    act(&history, &keys, &mut rng).await;
                }
            })
        });
        let tasks = tasks.collect();
        let (keys, runtime) = asking.first().cloned().expect("there are clients");
        let explaining = (Arc::clone(&history), Arc::clone(&over), Arc::clone(&wrong));
        let explainer = runtime.spawn(async move {
            let (history, over, wrong) = explaining;
            let mut rounds = tokio::time::interval(EXPLAIN_EVERY);
            while !over.load(Ordering::Relaxed) {
                rounds.tick().await;
                if let Err(bad) = history.explain_given_up(&keys).await {
                    wrong.lock().get_or_insert(bad);
                    return;
                }
            }
        });
        Self { history, over, tasks, explainer, wrong }
    }

    /// Waits until so many more operations were answered, or for so long.
    pub fn go_on(&self, operations: u64, at_most: Duration) {
        let (then, deadline) = (self.history.counts().acknowledged + operations, Instant::now() + at_most);
        let is_over = || self.history.counts().acknowledged >= then || Instant::now() > deadline;
        until("clients went on", || is_over().then_some(()));
        self.assert_explained();
    }

    /// Waits until so many writes were done in all.
    pub fn wrote(&self, in_all: u64) {
        until("so much is written", || (self.history.counts().written >= in_all).then_some(()));
    }

    /// # Panics
    /// If something was told that no order explains.
    pub fn assert_explained(&self) {
        if let Some(bad) = self.wrong.lock().as_ref() {
            panic!("{bad}");
        }
    }

    /// Ends the clients and explains all that is left; `keys` has the last word.
    ///
    /// # Panics
    /// As [`Clients::assert_explained`].
    pub fn end(self, runtime: &Runtime, keys: &Arc<Keys>) -> Arc<History> {
        self.over.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in self.tasks {
                task.await.expect("a client does not panic");
            }
            self.explainer.await.expect("nor who explains");
        });
        if let Some(bad) = self.wrong.lock().take() {
            panic!("{bad}");
        }
        let (history, keys) = (Arc::clone(&self.history), Arc::clone(keys));
        let explained = runtime.spawn(async move { history.explain_all(&keys).await });
        if let Err(bad) = runtime.block_on(explained).expect("nor what is left") {
            panic!("{bad}");
        }
        self.history
    }
}

async fn act(history: &History, keys: &Keys, rng: &mut StdRng) {
    let register = history.register(rng.random_range(0..History::SLOTS));
    let (name, began) = (register.name.as_str(), history.now());
    let (did, told) = match rng.random_range(0..10) {
        0..4 => match keys.get(name, Level::Linearizable).await {
            Ok(read) => (Did::Get, Told::Holds(read.map(|(_, value)| value))),
            Err(_) => (Did::Get, Told::Nothing),
        },
        4..7 => {
            let value = history.value();
            (Did::Put { value, expires: false }, told(keys.put(name, value, Condition::Always).await))
        }
        7 => {
            let value = history.value();
            (Did::PutIfAbsent { value }, told(keys.put(name, value, Condition::Absent).await))
        }
        8 => (Did::Delete, told(keys.delete(name).await)),
        _ => {
            let Ok(Some((version, old))) = keys.get(name, Level::Linearizable).await else { return };
            let (began, value) = (history.now(), history.value());
            let wrote = told(keys.put(name, value, Condition::Version(version)).await);
            return history.add(&register, Did::Replace { old, value }, wrote, began);
        }
    };
    history.add(&register, did, told, began);
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
