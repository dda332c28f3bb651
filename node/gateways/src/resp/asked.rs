//! What one request asks for, from its beginning to its answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::commands::{self, Begun, Command, Outcome};
use super::keyspace::refusal;
use super::reply::{Protocol, Reply};
use super::shared::Unsent;
use super::slate::Op;
use super::slowlog::Slow;
use super::state::{Answers, State};
use super::step::Told;

/// An answer that is on its way.
enum Pending {
    Done(Reply),
    Keys(Vec<Part>, fn(Vec<Reply>) -> Reply),
    /// All before it is to be done first, and all behind it waits.
    Alone(BoxFuture<'static, Reply>),
    /// The same, and the connection is told what came of it.
    Changing(BoxFuture<'static, Outcome>),
    /// The connection's last.
    Close(Reply),
}

/// What is done to one key.
enum Part {
    Asked(oneshot::Receiver<Told>),
    Told(Told),
}

impl Part {
    /// What was told of it.
    async fn told(self, unsent: &Unsent) -> Told {
        match self {
            Self::Asked(answer) => answer.await.unwrap_or_else(|_| {
                let lost = commands::lost();
                unsent.add(lost.weight());
                Told::Reply(lost)
            }),
            Self::Told(told) => told,
        }
    }
}

impl Pending {
    /// Has done what a command says. What concerns no key waits for what `is_behind` others that are not done.
    fn of(begun: Begun, state: &State, is_behind: bool) -> Self {
        let keyspace = state.keyspace();
        match begun {
            Begun::Done(reply) => Self::done(reply, state),
            Begun::Keys(ops, one) => {
                let is_one = ops.len() == 1;
                let submit = |(key, op): (Bytes, Op)| {
                    let may_be_stale = is_one && state.reads_stale && !op.writes;
                    Part::Asked(if may_be_stale {
                        keyspace.glance(key, op, state.unsent())
                    } else {
                        keyspace.submit(key, op, state.unsent(), false)
                    })
                };
                Self::Keys(ops.into_iter().map(submit).collect(), one)
            }
            Begun::Together(joint) => {
                let (keyspace, unsent) = (keyspace.clone(), Arc::clone(state.unsent()));
                Self::Alone(Box::pin(async move {
                    match keyspace.together(&joint, &BTreeMap::new(), &unsent).await {
                        Ok(reply) => reply.unwrap_or_else(commands::lost),
                        Err(error) => refusal(&error),
                    }
                }))
            }
            Begun::Once(run) if is_behind => Self::Alone(Box::pin(async move { run() })),
            Begun::Once(run) => Self::done(run(), state),
            Begun::Alone(work) => Self::Alone(work),
            Begun::Changing(work) => Self::Changing(work),
            Begun::Close(reply) => Self::Close(reply),
        }
    }

    /// An answer that is made: it counts as such.
    fn done(reply: Reply, state: &State) -> Self {
        state.unsent().add(reply.weight());
        Self::Done(reply)
    }

    /// Waits until nothing is being done to keys for it any more; whether some of that is to be done later.
    async fn settle(&mut self, unsent: &Unsent) -> bool {
        let Self::Keys(parts, _) = self else { return false };
        let mut is_later = false;
        for part in parts {
            let told = std::mem::replace(part, Part::Told(Told::Reply(Reply::Nil))).told(unsent).await;
            is_later |= matches!(told, Told::Later(..));
            *part = Part::Told(told);
        }
        is_later
    }

    /// The answer, where all before it is answered, and nothing behind it is being done if some of it was to be done later.
    /// With it, how many bytes of it count as not sent yet.
    async fn finish(self, state: &mut State) -> (Reply, usize) {
        match self {
            Self::Done(reply) => counted(reply),
            Self::Keys(parts, one) => {
                let (mut replies, mut counted) = (Vec::with_capacity(parts.len()), 0);
                for part in parts {
                    let mut told = part.told(state.unsent()).await;
                    if let Told::Later(key, op) = told {
                        told = Part::Asked(state.keyspace().submit(key, op, state.unsent(), true))
                            .told(state.unsent())
                            .await;
                    }
                    let reply = if let Told::Reply(reply) = told { reply } else { commands::lost() };
                    counted += reply.weight();
                    replies.push(reply);
                }
                (one(replies), counted)
            }
            Self::Alone(work) => {
                let (reply, counted) = counted(work.await);
                state.unsent().add(counted);
                (reply, counted)
            }
            Self::Changing(work) => (work.await(state), 0),
            Self::Close(reply) => (reply, 0),
        }
    }

    const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone(_) | Self::Changing(_) | Self::Close(_))
    }
}

/// A reply that counts as not sent yet, and its bytes.
fn counted(reply: Reply) -> (Reply, usize) {
    let bytes = reply.weight();
    (reply, bytes)
}

/// What a client is answered.
pub(super) struct Answer {
    pub(super) reply: Reply,
    pub(super) protocol: Protocol,
    /// Bytes of it that count as not sent yet.
    pub(super) counted: usize,
    /// The mark of the outbox up to which messages come before it.
    pub(super) due: u64,
    /// Whether the client wants it.
    pub(super) is_heard: bool,
    /// Whether it is the connection's last.
    pub(super) is_last: bool,
}

/// A command that a client asked for, and that was begun.
struct Call {
    command: &'static Command,
    args: Vec<Bytes>,
    since: Instant,
    /// How long it took, if it is done.
    took: Option<Duration>,
}

impl Call {
    /// Counts it as answered, and keeps it if it was slow.
    fn note(&self, took: Duration, reply: &Reply, state: &State) {
        let (shared, client) = (state.shared(), state.client());
        shared.stats.answered(self.command.name, took, reply);
        if shared.settings.slow().is_some_and(|slow| took >= slow) {
            let (at_seconds, from) = (shared.keyspace.now_ms() / 1000, client.from().to_string());
            let (name, kept) = (client.name(), shared.settings.slow_kept());
            shared.slow.keep(Slow { at_seconds, took, args: &self.args, from, name: &name }, kept);
        }
    }
}

/// A request that is to be answered.
pub(super) struct Asked {
    pending: Pending,
    protocol: Protocol,
    /// Whether the client does not want the answer.
    is_silent: bool,
    /// Marks of the outbox that are passed when it is answered.
    due: u64,
    call: Option<Call>,
}

impl Asked {
    /// A request that was no command.
    pub(super) fn nonsense(refusal: Reply, state: &State) -> Self {
        let is_silent = state.answers != Answers::On;
        let due = state.client().outbox().marks();
        Self { pending: Pending::Close(refusal), protocol: state.protocol(), is_silent, due, call: None }
    }

    /// Begins what a client asks for.
    pub(super) fn begin(state: &mut State, args: Vec<Bytes>, is_behind: bool) -> Self {
        let (since, before) = (Instant::now(), state.client().outbox().marks());
        if state.answers == Answers::SkipNext {
            state.answers = Answers::SkipThis;
        }
        let (command, begun) = commands::begin(state, &args);
        let is_silent = state.answers != Answers::On;
        if state.answers == Answers::SkipThis {
            state.answers = Answers::On;
        }
        state.show();
        let pending = Pending::of(begun, state, is_behind);
        let took = matches!(pending, Pending::Done(_)).then(|| since.elapsed());
        let call = command.map(|command| Call { command, args, since, took });
        let due = due(before, state);
        Self { pending, protocol: state.protocol(), is_silent, due, call }
    }

    /// Whether all before it is to be done first, and all behind it waits.
    pub(super) const fn is_alone(&self) -> bool {
        self.pending.is_alone()
    }

    /// Whether what concerns no key waits for it.
    pub(super) const fn concerns_keys(&self) -> bool {
        matches!(self.pending, Pending::Keys(..))
    }

    /// Waits until nothing is being done to keys for it any more; whether some of that is to be done later.
    pub(super) async fn settle(&mut self, unsent: &Unsent) -> bool {
        self.pending.settle(unsent).await
    }

    /// The answer. It is counted, and kept if it was slow.
    pub(super) async fn finish(self, state: &mut State) -> Answer {
        // What is done by itself begins now, and may set marks, which nothing else does meanwhile.
        let begins = self.is_alone().then(|| (Instant::now(), state.client().outbox().marks()));
        let (is_last, changes) =
            (matches!(self.pending, Pending::Close(_)), matches!(self.pending, Pending::Changing(_)));
        let (reply, counted) = self.pending.finish(state).await;
        match self.call {
            Some(call) => {
                let took = call.took.unwrap_or_else(|| begins.map_or(call.since, |(at, _)| at).elapsed());
                call.note(took, &reply, state);
            }
            None => state.shared().stats.said(&reply),
        }
        Answer {
            due: begins.map_or(self.due, |(_, before)| due(before, state)),
            protocol: if changes { state.protocol() } else { self.protocol },
            is_heard: !self.is_silent || reply.is_push(),
            reply,
            counted,
            is_last,
        }
    }
}

/// The mark up to which messages come before an answer: the first that was set since, or the last before.
fn due(before: u64, state: &State) -> u64 {
    state.client().outbox().marks().min(before + 1)
}
