//! One step: commands run on what a key holds, and what is to be written then.
//!
//! It knows no queue and no network: who does a step reads before it, writes behind it, and does it again on what is there
//! if others were faster.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use storgo_object::{Becomes, Value, ValueChange};
use storgo_protocol::limits::{RESP_LONG_BYTES, RESP_STEP_BYTES};
use storgo_protocol::meta::{Condition, is_over};
use tokio::sync::oneshot;

use super::content::Content;
use super::happened::Happened;
use super::reply::Reply;
use super::shared::{Turn, Unsent};
use super::slate::{Change, Held, Joint, Op, Slate, Slates};

/// A command that waits for its key.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) op: Op,
    told: oneshot::Sender<Told>,
    /// What its client was answered that is not sent yet.
    unsent: Arc<Unsent>,
    /// Whether all that the client asked for before is answered.
    is_next: bool,
}

/// What is told of a command.
#[derive(Debug)]
pub(super) enum Told {
    Reply(Reply),
    /// It is to be submitted again when all that was asked for before it is answered.
    Later(Bytes, Op),
}

impl Command {
    /// One whose client has these answers not sent yet; it `is_next` if all that the client asked for before is answered.
    /// With it, what is told of it.
    pub(super) fn new(op: Op, unsent: &Arc<Unsent>, is_next: bool) -> (Self, oneshot::Receiver<Told>) {
        let (told, answer) = oneshot::channel();
        (Self { op, told, unsent: Arc::clone(unsent), is_next }, answer)
    }

    /// When it is done, short as its answer may be.
    pub(super) fn turn(&self) -> Turn {
        self.unsent.turn(self.is_next, false)
    }

    /// What its client asked, if another door can do it.
    pub(super) fn errand(&self) -> Option<&[Bytes]> {
        self.op.errand()
    }

    /// It is done here, whoever else could.
    pub(super) fn stays(&mut self) {
        self.op.stays();
    }

    /// Whether somebody waits for it, or it is done for its own sake.
    pub(super) fn is_wanted(&self) -> bool {
        self.op.writes || !self.told.is_closed()
    }

    /// Runs it, or says when it is its turn.
    fn run(&self, slate: &mut Slate, is_long: bool) -> Result<Reply, Turn> {
        match self.unsent.turn(self.is_next, is_long || self.op.is_long) {
            Turn::Now => Ok(self.op.apply(slate)),
            other => Err(other),
        }
    }

    /// Tells the client what came of it.
    pub(super) fn tell(self, key: &Bytes, done: Result<Reply, Turn>) {
        let reply = match done {
            Ok(reply) => reply,
            Err(Turn::Now | Turn::Later) => {
                // Who hung up needs no answer.
                return drop(self.told.send(Told::Later(key.clone(), self.op)));
            }
            Err(Turn::Never) => full(),
        };
        let bytes = reply.weight();
        self.unsent.add(bytes);
        if self.told.send(Told::Reply(reply)).is_err() {
            self.unsent.sent(bytes);
        }
    }
}

/// What is said where there is no room for an answer.
fn full() -> Reply {
    Reply::error("OOM the answers that clients did not take yet leave no room for this one: nothing was done")
}

/// A value that is there: what is over is as good as gone.
pub(super) fn there(value: Option<&Value>, now_ms: u64) -> Option<&Value> {
    value.filter(|value| !is_over(value.expires_ms, now_ms))
}

pub(super) fn is_long(value: &Value) -> bool {
    value.bytes.len() >= RESP_LONG_BYTES
}

/// What is to be written of a key, as a version has it.
pub(super) enum Outcome {
    None,
    Set { metadata: Bytes, bytes: Bytes, expires_ms: u64 },
    Remove,
}

impl From<Change> for Outcome {
    fn from(change: Change) -> Self {
        match change {
            Change::None => Self::None,
            Change::Set(Held { content, expires_ms }) => {
                let (metadata, bytes) = content.pack();
                Self::Set { metadata, bytes, expires_ms }
            }
            Change::Remove => Self::Remove,
        }
    }
}

/// What commands came to that were done to one key.
pub(super) struct Done {
    /// What is said of each.
    pub(super) said: Vec<Result<Reply, Turn>>,
    pub(super) outcome: Outcome,
    pub(super) happened: Vec<Happened>,
}

/// Does commands on a slate, until their answers are as long as those of one step may be.
pub(super) fn do_all(commands: &[Command], mut slate: Slate, is_long: bool) -> Done {
    let (mut said, mut bytes) = (Vec::with_capacity(commands.len()), 0);
    for command in commands {
        if bytes >= RESP_STEP_BYTES {
            break;
        }
        // What does not look is short, and the others rest on it.
        let is_first_write = said.is_empty() && !command.op.looks;
        let reply = if is_first_write { Ok(command.op.apply(&mut slate)) } else { command.run(&mut slate, is_long) };
        bytes += reply.as_ref().map_or(0, Reply::weight);
        said.push(reply);
    }
    let happened = slate.take_happened();
    Done { said, outcome: slate.into_change().into(), happened }
}

/// What a step on several keys came to.
pub(super) struct JointDone {
    pub(super) said: Reply,
    /// What is to become of each key.
    pub(super) changes: Vec<ValueChange>,
    pub(super) happened: Vec<(Bytes, Happened)>,
}

/// Does a step on several keys, if it `has_room` for its answer. Those that were `watched` are to be as they were then.
pub(super) fn do_joint(
    joint: &Joint,
    known: &BTreeMap<&Bytes, Option<Value>>,
    watched: &BTreeMap<Bytes, Condition>,
    now_ms: u64,
    has_room: bool,
) -> JointDone {
    let there = |value: &Option<Value>| there(value.as_ref(), now_ms).map(held);
    let fresh = || {
        Slates::new(known.iter().map(|(key, value)| (Bytes::clone(key), Slate::new(now_ms, there(value)))).collect())
    };
    let mut slates = fresh();
    let said = if has_room { joint.apply(&mut slates) } else { Err(full()) };
    let said = said.unwrap_or_else(|refusal| {
        slates = fresh();
        refusal
    });
    let change = |(key, change): (Bytes, Change)| {
        let value = known.get(&key).and_then(Option::as_ref);
        let current = self::there(value, now_ms);
        let becomes = match Outcome::from(change) {
            // That it is over is written before it is said.
            Outcome::None if value.is_some() && current.is_none() => Becomes::Nothing,
            Outcome::None => Becomes::Same,
            Outcome::Remove if value.is_none() => Becomes::Same,
            Outcome::Remove => Becomes::Nothing,
            Outcome::Set { metadata, bytes, expires_ms } => {
                Becomes::Value { bytes, metadata, expires_ms, object: current.map(|value| value.object) }
            }
        };
        let as_it_is = || value.map_or(Condition::Absent, |value| Condition::Version(value.version));
        let condition = watched.get(&key).copied().unwrap_or_else(as_it_is);
        ValueChange { key, becomes, condition }
    };
    let happened = slates.take_happened();
    JointDone { said, changes: slates.into_changes().map(change).collect(), happened }
}

/// What a value is to commands.
pub(super) fn held(value: &Value) -> Held {
    Held { content: Content::unpack(&value.metadata, value.bytes.clone()), expires_ms: value.expires_ms }
}
