//! Transactions: commands that were queued are done in one step, if what was watched is still as it was.
//!
//! All their keys are in one slot, since one group decides. What is queued is checked for its name and number of arguments
//! when it comes, and begun when all are done.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::limits::{BATCH_PARTS_MAX, RESP_LONG_STEPS, RESP_QUEUED_MAX, RESP_UNSENT_BYTES_MAX};
use storgo_protocol::meta::Slot;

use super::super::keyspace::refusal;
use super::super::reply::Reply;
use super::super::slate::{Joint, Op, Slates};
use super::super::state::{State, Transaction};
use super::{Begun, Command, Effect, named};

const FLAGS: &[&str] = &["noscript", "loading", "stale", "fast", "allow_busy"];
const NONE: (i32, i32, i32) = (0, 0, 0);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "discard", arity: 1, flags: FLAGS, keys: NONE, begin: discard },
    Command { name: "exec", arity: 1, flags: &["noscript", "loading", "stale", "skip_slowlog"], keys: NONE, begin: exec },
    Command { name: "multi", arity: 1, flags: FLAGS, keys: NONE, begin: multi },
    Command { name: "unwatch", arity: 1, flags: FLAGS, keys: NONE, begin: unwatch },
    Command { name: "watch", arity: -2, flags: FLAGS, keys: (1, -1, 1), begin: watch },
];

/// Whether a command is done at once though a transaction is open.
pub(super) fn is_immediate(command: &Command) -> bool {
    COMMANDS.iter().any(|own| own.name == command.name && own.name != "unwatch")
        || ["quit", "reset"].contains(&command.name)
}

/// Queues a command of an open transaction.
pub(super) fn queue(transaction: &mut Transaction, args: &[Bytes]) -> Reply {
    if transaction.len() >= RESP_QUEUED_MAX {
        transaction.give_up();
        return Reply::error(format!("ERR a transaction has at most {RESP_QUEUED_MAX} commands"));
    }
    transaction.queue(args);
    Reply::Simple("QUEUED".into())
}

fn multi(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let open = state.transaction();
    if open.is_some() {
        return Err(Reply::error("ERR MULTI calls can not be nested"));
    }
    *open = Some(Transaction::default());
    Ok(Reply::OK.into())
}

/// Ends a transaction of which nothing is done, because of an error; what is said of that.
pub(super) fn abort(state: &mut State, error: &Reply) -> Reply {
    *state.transaction() = None;
    state.watched().lock().clear();
    let Reply::Error(text) = error else { return error.clone() };
    let reason = text.strip_prefix("ERR ").unwrap_or(text);
    Reply::error(format!("EXECABORT Transaction discarded because of: {reason}"))
}

fn discard(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    if state.transaction().take().is_none() {
        return Err(Reply::error("ERR DISCARD without MULTI"));
    }
    state.watched().lock().clear();
    Ok(Reply::OK.into())
}

fn unwatch(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    state.watched().lock().clear();
    Ok(Reply::OK.into())
}

fn watch(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    if state.transaction().is_some() {
        return Err(Reply::error("ERR WATCH inside MULTI is not allowed"));
    }
    let (keyspace, watched) = (state.keyspace().clone(), state.watched());
    let known = watched.lock().clone();
    // A key that is watched already stays as it was seen first.
    let keys: Vec<_> = args.iter().skip(1).filter(|key| !known.contains_key(*key)).cloned().collect();
    if known.len() + keys.len() > BATCH_PARTS_MAX {
        return Err(Reply::error(format!("ERR at most {BATCH_PARTS_MAX} keys are watched")));
    }
    Ok(Begun::Alone(Box::pin(async move {
        match keyspace.standings(&keys).await {
            Ok(standings) => {
                watched.lock().extend(keys.into_iter().zip(standings));
                Reply::OK
            }
            Err(error) => refusal(&error),
        }
    })))
}

/// One command of a transaction, ready to be done on slates.
enum Step {
    Done(Reply),
    Keys(Vec<(Bytes, Op)>, fn(Vec<Reply>) -> Reply),
    Together(Joint),
    Once(Effect),
}

impl Step {
    fn begin(state: &mut State, args: &[Bytes]) -> Self {
        let command = match named(args) {
            Ok(command) => command,
            Err(refusal) => return Self::Done(refusal),
        };
        match command.start(state, args).unwrap_or_else(Begun::Done) {
            Begun::Done(reply) => Self::Done(reply),
            Begun::Keys(ops, one) => Self::Keys(ops, one),
            Begun::Together(joint) => Self::Together(joint),
            Begun::Once(effect) => Self::Once(effect),
            Begun::Alone(_) | Begun::Changing(_) | Begun::Close(_) => {
                let name = command.name;
                Self::Done(Reply::error(format!("ERR '{name}' concerns all keys and is not possible in a transaction")))
            }
        }
    }

    fn keys(&self) -> Vec<Bytes> {
        match self {
            Self::Done(_) | Self::Once(_) => Vec::new(),
            Self::Keys(ops, _) => ops.iter().map(|(key, _)| key.clone()).collect(),
            Self::Together(joint) => joint.keys.clone(),
        }
    }

    /// Whether it may take long, short as the values may be.
    fn is_long(&self) -> bool {
        match self {
            Self::Done(_) | Self::Once(_) => false,
            Self::Keys(ops, _) => ops.iter().any(|(_, op)| op.is_long),
            Self::Together(joint) => joint.is_long,
        }
    }

    fn run(&self, slates: &mut Slates) -> Reply {
        match self {
            Self::Done(reply) => reply.clone(),
            Self::Keys(ops, one) => one(ops.iter().map(|(key, op)| slates.apply(key, op)).collect()),
            Self::Together(joint) => joint.apply(slates).into(),
            // Its answer comes when it is done.
            Self::Once(_) => Reply::Nil,
        }
    }

    /// What is to be done when all the rest is.
    fn take_effect(&mut self) -> Option<Effect> {
        match std::mem::replace(self, Self::Done(Reply::Nil)) {
            Self::Once(effect) => Some(effect),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Does what is to be done behind the rest, in its order, and puts the answers where they belong.
fn complete(mut replies: Vec<Reply>, effects: Vec<(usize, Effect)>) -> Reply {
    for (at, effect) in effects {
        let said = effect();
        replies.iter_mut().skip(at).take(1).for_each(|reply| *reply = said.clone());
    }
    Reply::Array(replies)
}

fn exec(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let Some(transaction) = state.transaction().take() else { return Err(Reply::error("ERR EXEC without MULTI")) };
    let watched = std::mem::take(&mut *state.watched().lock());
    let Some(queued) = transaction.into_queued() else {
        return Err(Reply::error("EXECABORT Transaction discarded because of previous errors."));
    };
    let (mut steps, mut bytes) = (Vec::with_capacity(queued.len()), 0);
    for args in &queued {
        let step = Step::begin(state, args);
        // Some are answered as soon as they begin.
        bytes += if let Step::Done(reply) = &step { reply.weight() } else { 0 };
        if bytes > RESP_UNSENT_BYTES_MAX {
            return Err(too_long());
        }
        steps.push(step);
    }
    let keys: Vec<Bytes> = steps.iter().flat_map(Step::keys).collect();
    let effects = steps.iter_mut().enumerate().filter_map(|(at, step)| Some((at, step.take_effect()?))).collect();
    if keys.is_empty() && watched.is_empty() {
        return match run(&steps, &mut Slates::default())? {
            Reply::Array(replies) => Ok(complete(replies, effects).into()),
            other => Ok(other.into()),
        };
    }
    one_slot(keys.iter().chain(watched.keys()))?;
    let is_long = steps.len() >= RESP_LONG_STEPS || steps.iter().any(Step::is_long);
    let joint = Joint::new(keys, move |slates| run(&steps, slates));
    let joint = if is_long { joint.long() } else { joint };
    let (keyspace, unsent) = (state.keyspace().clone(), Arc::clone(state.unsent()));
    Ok(Begun::Alone(Box::pin(async move {
        match keyspace.together(&joint, &watched, &unsent).await {
            Ok(Some(Reply::Array(replies))) => complete(replies, effects),
            Ok(done) => done.unwrap_or(Reply::NilArray),
            Err(error) => refusal(&error),
        }
    })))
}

/// Does the steps one after the other; nothing of them is done if their answers are more than a client may have.
fn run(steps: &[Step], slates: &mut Slates) -> Result<Reply, Reply> {
    let (mut replies, mut bytes) = (Vec::with_capacity(steps.len()), 0);
    for step in steps {
        let reply = step.run(slates);
        bytes += reply.weight();
        if bytes > RESP_UNSENT_BYTES_MAX {
            return Err(too_long());
        }
        replies.push(reply);
    }
    Ok(Reply::Array(replies))
}

fn too_long() -> Reply {
    let most = RESP_UNSENT_BYTES_MAX;
    Reply::error(format!("ERR nothing was done: the answers would have more than {most} bytes"))
}

/// Refuses keys of several slots.
pub(super) fn one_slot<'a>(keys: impl Iterator<Item = &'a Bytes>) -> Result<(), Reply> {
    let mut slots = keys.map(|key| Slot::of_redis(key));
    let first = slots.next();
    if slots.all(|slot| Some(slot) == first) {
        return Ok(());
    }
    Err(Reply::error("CROSSSLOT Keys in request don't hash to the same slot"))
}
