//! The keys of a bucket: what is asked of one key queues up, and all that waits is done in one step.
//!
//! ```text
//!   submit ─► queue of the key ── all that waits ──► read ─► run each on one slate ─► write, if it is still as it was read
//! ```
//!
//! So a counter that fifty clients raise costs one command for all who wait, commands on one key are done in the order in
//! which they came, and none is done twice: a write whose outcome is not known is said to be so, and never tried again
//! under another name. A step on several keys takes them over one after the other, in their order, when its turn at each
//! comes, so what goes through one door never meets. It must not know what commands mean.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use parking_lot::Mutex;
use storgo_object::ports::Clock;
use storgo_object::{Becomes, ErrorKind, ListOptions, NameError, ObjectError, Page, SetValue, Value, ValueChange};
use storgo_protocol::limits::{BATCH_PARTS_MAX, RESP_FOLD_TRIES, RESP_FOLDED_MAX, RESP_KEYS_AT_ONCE_MAX};
use storgo_protocol::meta::{Condition, VersionId, is_over};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::content::Content;
use super::reply::Reply;
use super::slate::{Change, Held, Joint, Op, Slate, Slates};
use super::values::Values;

/// Keys and values. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Keyspace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    values: Arc<dyn Values>,
    clock: Arc<dyn Clock>,
    /// What waits for keys at which something is being done.
    queues: Mutex<HashMap<Bytes, VecDeque<Waiting>>>,
    /// Keys at which something is done at once; others wait.
    turns: Semaphore,
}

/// What waits for a key.
#[derive(Debug)]
enum Waiting {
    Command(Command),
    /// A step on several keys, which takes this one over.
    Step(oneshot::Sender<Taken>),
}

#[derive(Debug)]
struct Command {
    op: Op,
    reply: oneshot::Sender<Reply>,
}

/// A key that is somebody's to work at. When it goes, also by a panic, what waits for the key has its turn.
#[derive(Debug)]
struct Taken {
    inner: Arc<Inner>,
    key: Bytes,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut queues = self.inner.queues.lock();
        let Some(queue) = queues.get_mut(&self.key) else { return };
        // While the program ends there is nobody who could work: who waits is told by the loss of the sender.
        let (Some(next), Ok(runtime)) = (take_next(queue), Handle::try_current()) else {
            drop(queues.remove(&self.key));
            return;
        };
        drop(queues);
        let taken = Self { inner: Arc::clone(&self.inner), key: self.key.clone() };
        match next {
            Next::Commands(commands) => drop(runtime.spawn(taken.work(commands))),
            // A step that nobody waits for any more gives it back by dropping it.
            Next::Step(step) => drop(step.send(taken)),
        }
    }
}

enum Next {
    Commands(Vec<Command>),
    Step(oneshot::Sender<Taken>),
}

/// What is done next at a key: as many commands as come one behind the other, or a step.
fn take_next(queue: &mut VecDeque<Waiting>) -> Option<Next> {
    let mut commands = Vec::new();
    while commands.len() < RESP_FOLDED_MAX {
        match queue.pop_front() {
            Some(Waiting::Command(command)) => commands.push(command),
            Some(Waiting::Step(step)) if commands.is_empty() => return Some(Next::Step(step)),
            Some(step @ Waiting::Step(_)) => {
                queue.push_front(step);
                break;
            }
            None => break,
        }
    }
    (!commands.is_empty()).then_some(Next::Commands(commands))
}

impl Keyspace {
    pub(super) fn new(values: Arc<dyn Values>, clock: Arc<dyn Clock>) -> Self {
        let turns = Semaphore::new(RESP_KEYS_AT_ONCE_MAX);
        Self(Arc::new(Inner { values, clock, queues: Mutex::default(), turns }))
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.clock.now_ms()
    }

    /// Has something done to a key, behind all that was submitted for it before.
    pub(super) fn submit(&self, key: Bytes, op: Op) -> oneshot::Receiver<Reply> {
        let (reply, answer) = oneshot::channel();
        let command = Command { op, reply };
        let mut queues = self.0.queues.lock();
        if let Some(queue) = queues.get_mut(&key) {
            queue.push_back(Waiting::Command(command));
        } else {
            queues.insert(key.clone(), VecDeque::new());
            let taken = Taken { inner: Arc::clone(&self.0), key };
            tokio::spawn(taken.work(vec![command]));
        }
        answer
    }

    /// Takes a key over, behind all that was submitted for it before.
    async fn take(&self, key: Bytes) -> Result<Taken, ObjectError> {
        let taken = {
            let mut queues = self.0.queues.lock();
            let Some(queue) = queues.get_mut(&key) else {
                queues.insert(key.clone(), VecDeque::new());
                return Ok(Taken { inner: Arc::clone(&self.0), key });
            };
            let (step, taken) = oneshot::channel();
            queue.push_back(Waiting::Step(step));
            taken
        };
        let stops = |_| NameError::Conflict { what: "the keys".to_owned(), reason: "the door is closing".to_owned() };
        Ok(taken.await.map_err(stops)?)
    }

    /// What keys hold, as a transaction watches them.
    pub(super) async fn versions(&self, keys: &[Bytes]) -> Result<Vec<Option<VersionId>>, ObjectError> {
        let found = try_join_all(keys.iter().map(|key| self.0.values.version(key))).await?;
        let now_ms = self.0.clock.now_ms();
        let is_there = |found: Option<(VersionId, u64)>| found.filter(|(_, ends_ms)| !is_over(*ends_ms, now_ms));
        Ok(found.into_iter().map(|found| Some(is_there(found)?.0)).collect())
    }

    /// Does something to several keys of one slot in one step. `watched` keys must still be as they were seen: if not,
    /// nothing is done, and that is `None`.
    pub(super) async fn together(
        &self,
        joint: &Joint,
        watched: &BTreeMap<Bytes, Option<VersionId>>,
    ) -> Result<Option<Reply>, ObjectError> {
        let keys: BTreeSet<Bytes> = joint.keys.iter().chain(watched.keys()).cloned().collect();
        if keys.len() > BATCH_PARTS_MAX {
            let reason = format!("at most {BATCH_PARTS_MAX} keys change together");
            return Err(NameError::Invalid { what: "the keys".to_owned(), reason }.into());
        }
        // In the order of the keys, as every step does: so no two wait for each other.
        let mut taken = Vec::with_capacity(keys.len());
        for key in &keys {
            taken.push(self.take(key.clone()).await?);
        }
        // Behind the keys, as commands do.
        let _turn = self.0.turns.acquire().await;
        for _ in 0..RESP_FOLD_TRIES {
            let values = try_join_all(keys.iter().map(|key| self.0.values.value(key))).await?;
            let now_ms = self.0.clock.now_ms();
            let known: BTreeMap<Bytes, Option<Value>> = keys.iter().cloned().zip(values).collect();
            // What is over is as good as gone.
            let there = |key: &Bytes| {
                known.get(key).and_then(Option::as_ref).filter(|value| !is_over(value.expires_ms, now_ms))
            };
            if watched.iter().any(|(key, before)| there(key).map(|value| value.version) != *before) {
                return Ok(None);
            }
            let slates = known.keys().map(|key| (key.clone(), Slate::new(now_ms, there(key).map(held))));
            let mut slates = Slates::new(slates.collect());
            let reply = (joint.run)(&mut slates);
            let changes = slates.into_changes().map(|(key, change)| {
                let value = known.get(&key).and_then(Option::as_ref);
                let condition = value.map_or(Condition::Absent, |value| Condition::Version(value.version));
                let becomes = match change {
                    // That it is over is written before it is said.
                    Change::None if value.is_some() && there(&key).is_none() => Becomes::Nothing,
                    Change::None => Becomes::Same,
                    Change::Remove if value.is_none() => Becomes::Same,
                    Change::Remove => Becomes::Nothing,
                    Change::Set(Held { content, expires_ms }) => {
                        let object = there(&key).map(|value| value.object);
                        let (metadata, bytes) = content.pack();
                        Becomes::Value { bytes, metadata, expires_ms, object }
                    }
                };
                ValueChange { key, becomes, condition }
            });
            let changes: Vec<_> = changes.collect();
            match self.0.values.change_values(&changes).await {
                Ok(_) => return Ok(Some(reply)),
                Err(ObjectError::Name(NameError::Condition { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let reason = "others changed them each time that it was tried".to_owned();
        Err(NameError::Conflict { what: "the keys".to_owned(), reason }.into())
    }

    /// A page of the keys, in their order.
    pub(super) async fn list(&self, options: &ListOptions) -> Result<Page, ObjectError> {
        self.0.values.list(options).await
    }
}

impl Taken {
    /// Does commands, and those that come behind them, until none does or a step takes the key over.
    async fn work(self, first: Vec<Command>) {
        let (mut commands, mut last) = (first, None);
        while !commands.is_empty() {
            let folded = {
                let ops: Vec<&Op> = commands.iter().map(|command| &command.op).collect();
                // It is never closed. Who waits for a turn takes little memory: a request may name a million keys.
                let _turn = self.inner.turns.acquire().await;
                Box::pin(self.inner.fold(&self.key, &ops, &mut last)).await
            };
            match folded {
                Ok(replies) => {
                    for (command, reply) in commands.into_iter().zip(replies) {
                        // Who hung up needs no answer.
                        drop(command.reply.send(reply));
                    }
                }
                Err(error) => {
                    last = None;
                    let reply = refusal(&error);
                    for command in commands {
                        drop(command.reply.send(reply.clone()));
                    }
                }
            }
            commands = self.more_commands();
        }
    }

    /// The commands that come next; none if nothing does, or a step.
    fn more_commands(&self) -> Vec<Command> {
        let mut queues = self.inner.queues.lock();
        let queue = queues.get_mut(&self.key);
        match queue.filter(|queue| matches!(queue.front(), Some(Waiting::Command(_)))).and_then(take_next) {
            Some(Next::Commands(commands)) => commands,
            Some(Next::Step(_)) | None => Vec::new(),
        }
    }
}

impl Inner {
    /// Does some commands in one step; their answers. `last` is what this side wrote there before: where something is to be
    /// written on that condition, it need not be read again.
    async fn fold(&self, key: &[u8], ops: &[&Op], last: &mut Option<Value>) -> Result<Vec<Reply>, ObjectError> {
        let (is_blind, writes) = (ops.first().is_some_and(|op| !op.looks), ops.iter().any(|op| op.writes));
        for _ in 0..RESP_FOLD_TRIES {
            let (known, is_certain) = match last.take() {
                _ if is_blind => (None, true),
                Some(last) if writes => (Some(last), false),
                _ => (self.values.value(key).await?, true),
            };
            let now_ms = self.clock.now_ms();
            let (current, over) = match known {
                Some(value) if is_over(value.expires_ms, now_ms) => (None, Some(value)),
                known => (known, None),
            };
            let mut slate =
                if is_blind { Slate::blind(now_ms) } else { Slate::new(now_ms, current.as_ref().map(held)) };
            let replies = ops.iter().map(|op| (op.run)(&mut slate)).collect();
            let condition = match current.as_ref().or(over.as_ref()) {
                _ if is_blind => Condition::Always,
                Some(value) => Condition::Version(value.version),
                None => Condition::Absent,
            };
            let written = match slate.into_change() {
                // What was answered from memory is said by nobody else.
                Change::None if !is_certain => continue,
                Change::None => match over {
                    // That it is over is written before it is said: nobody is told otherwise afterwards.
                    Some(_) => self.values.unset(key, condition).await.map(|_| None),
                    None => Ok(current),
                },
                Change::Set(Held { content, expires_ms }) => {
                    let object = current.map(|value| value.object);
                    let (metadata, bytes) = content.pack();
                    let set = SetValue { bytes, metadata, expires_ms, condition, object };
                    self.values.set(key, set).await.map(Some)
                }
                Change::Remove if condition == Condition::Absent => Ok(None),
                Change::Remove => self.values.unset(key, condition).await.map(|_| None),
            };
            match written {
                Ok(value) => {
                    *last = value;
                    return Ok(replies);
                }
                // Nothing was done: somebody else was there first.
                Err(ObjectError::Name(NameError::Condition { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        let reason = "others changed it each time that it was tried".to_owned();
        Err(NameError::Conflict { what: "the key".to_owned(), reason }.into())
    }
}

/// What a value is to commands.
fn held(value: &Value) -> Held {
    Held { content: Content::unpack(&value.metadata, value.bytes.clone()), expires_ms: value.expires_ms }
}

/// What a client is told of a failure, with the code word that tells it what to do.
pub(super) fn refusal(error: &ObjectError) -> Reply {
    let word = match error.kind() {
        ErrorKind::Unavailable => "CLUSTERDOWN",
        ErrorKind::Conflict => "TRYAGAIN",
        ErrorKind::Denied => "NOPERM",
        _ => "ERR",
    };
    let mut text = format!("{word} {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    Reply::error(text)
}
