//! The commands: what they are called, how many arguments they take, where their keys stand, and how each begins.
//!
//! A command says what is to be done to which keys, and knows nothing of how that is done: by itself, or in a transaction.
//! What concerns all keys waits until all before it is done, and all behind it waits for that.

mod auth;
mod bits;
mod client;
mod cluster;
mod config;
mod docs;
mod dump;
mod elements;
mod events;
mod hashes;
mod info;
mod introspection;
mod joint;
mod keys;
mod latency;
mod lists;
mod object;
mod parts;
mod pubsub;
mod server;
mod sets;
mod slowlog;
mod sorted;
mod strings;
#[cfg(test)]
mod tests;
mod transactions;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::numbers::ValueError;
use super::reply::Reply;
use super::slate::{Joint, Op};
use super::state::{State, Transaction};

/// A command as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    /// In lower case.
    pub(super) name: &'static str,
    /// Arguments with the name; at least so many if negative.
    pub(super) arity: i32,
    pub(super) flags: &'static [&'static str],
    /// Where keys stand: the first, the last (from the end if negative), and the step; zeros for none.
    pub(super) keys: (i32, i32, i32),
    begin: fn(&mut State, &[Bytes]) -> Result<Begun, Reply>,
}

impl Command {
    fn is_write(&self) -> bool {
        self.flags.contains(&"write")
    }

    /// Begins it. What it does to keys is called as Redis calls that.
    fn start(&self, state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
        let event = events::of(self.name);
        Ok(match (self.begin)(state, args)? {
            Begun::Keys(ops, one) => {
                // Where it concerns one key, another door could do it.
                let is_errand = ops.len() == 1 && self.is_write() && state.shared().errands.are_possible();
                let label = |(key, op): (Bytes, Op)| {
                    let op = op.called(event);
                    (key, if is_errand { op.asked(args) } else { op })
                };
                Begun::Keys(ops.into_iter().map(label).collect(), one)
            }
            Begun::Together(joint) => Begun::Together(joint.called(event)),
            other => other,
        })
    }
}

/// A command that began.
pub(super) enum Begun {
    /// It is done.
    Done(Reply),
    /// Something is to be done to keys, each by itself, and their answers make one.
    Keys(Vec<(Bytes, Op)>, fn(Vec<Reply>) -> Reply),
    /// Something is to be done to several keys of one slot in one step.
    Together(Joint),
    /// It is done at once, and once: in a transaction, when all the rest is done.
    Once(Effect),
    /// It is done by itself.
    Alone(BoxFuture<'static, Reply>),
    /// It is done by itself, and what comes of it changes the connection.
    Changing(BoxFuture<'static, Outcome>),
    /// The last answer of the connection.
    Close(Reply),
}

/// What came of something: it is told to the connection, and makes the answer.
pub(super) type Outcome = Box<dyn FnOnce(&mut State) -> Reply + Send>;
/// What concerns no key, is done at once, and gives an answer.
pub(super) type Effect = Box<dyn FnOnce() -> Reply + Send + Sync>;

impl Begun {
    /// Something that is done to one key.
    fn one(key: Bytes, op: Op) -> Self {
        Self::Keys(vec![(key, op)], |mut replies| replies.pop().unwrap_or_else(lost))
    }
}

impl Begun {
    /// The same, which may take long.
    fn long(self) -> Self {
        match self {
            Self::Keys(ops, one) => Self::Keys(ops.into_iter().map(|(key, op)| (key, op.long())).collect(), one),
            other => other,
        }
    }
}

impl From<Reply> for Begun {
    fn from(reply: Reply) -> Self {
        Self::Done(reply)
    }
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Command> {
    server::COMMANDS
        .iter()
        .chain(auth::COMMANDS)
        .chain(parts::COMMANDS)
        .chain(info::COMMANDS)
        .chain(strings::COMMANDS)
        .chain(bits::COMMANDS)
        .chain(hashes::COMMANDS)
        .chain(lists::COMMANDS)
        .chain(sets::COMMANDS)
        .chain(keys::COMMANDS)
        .chain(sorted::COMMANDS)
        .chain(dump::COMMANDS)
        .chain(joint::COMMANDS)
        .chain(transactions::COMMANDS)
        .chain(pubsub::COMMANDS)
        .chain(cluster::COMMANDS)
}

/// All of them, each before its parts.
pub(super) fn every() -> impl Iterator<Item = &'static Command> {
    all().flat_map(|command| std::iter::once(command).chain(parts::of(command)))
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    every().map(|command| command.name)
}

/// The command of a name in any case; that of a part is `config|get`.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    every().find(|command| is(name, command.name))
}

/// The command that a request names: of one that has parts, the part.
///
/// # Errors
/// What a client is told where there is none.
pub(super) fn named(args: &[Bytes]) -> Result<&'static Command, Reply> {
    let name = args.first().ok_or_else(syntax)?;
    let command = all().find(|command| is(name, command.name)).ok_or_else(|| unknown(name, args))?;
    match args.get(1) {
        Some(part) if !parts::of(command).is_empty() => parts::find(command, part),
        _ => Ok(command),
    }
}

/// Begins what a client asked for, or queues it while a transaction is open; the arguments start with the name. With it, the
/// command that was begun: none was where it is refused or queued.
pub(super) fn begin(state: &mut State, args: &[Bytes]) -> (Option<&'static Command>, Begun) {
    let named = named(args).and_then(|command| {
        state.client().asks(command.name);
        let checked = check(command, args).and_then(|()| auth::permit(state, command));
        let checked = checked.and_then(|()| pubsub::check(state, command));
        let checked = checked.and_then(|()| cluster::check(state, command, args));
        let Err(refusal) = checked else { return Ok(command) };
        state.shared().stats.rejected(command.name);
        // Whoever misspells the end of a transaction has no transaction any more.
        Err(if command.name == "exec" { transactions::abort(state, &refusal) } else { refusal })
    });
    match (named, state.transaction()) {
        (Err(refusal), open) => {
            open.iter_mut().for_each(Transaction::give_up);
            (None, Begun::Done(refusal))
        }
        (Ok(command), Some(open)) if !transactions::is_immediate(command) => {
            (None, Begun::Done(transactions::queue(open, args)))
        }
        (Ok(command), _) => (Some(command), command.start(state, args).unwrap_or_else(Begun::Done)),
    }
}

/// Begins what another door asks for: a command that changes one key, and nothing else.
///
/// # Errors
/// What is said where it is something else.
pub(super) fn begin_errand(state: &mut State, args: &[Bytes]) -> Result<(Bytes, Op), Reply> {
    let command = named(args)?;
    check(command, args)?;
    let no_errand = || Reply::error("ERR that is nothing that doors do for each other");
    // Some do what they do when they begin: they change no keys.
    if !command.is_write() || command.keys.0 == 0 {
        return Err(no_errand());
    }
    match command.start(state, args)? {
        Begun::Keys(mut ops, _) if ops.len() == 1 => {
            let (key, mut op) = ops.pop().ok_or_else(no_errand)?;
            // It is not passed on.
            op.stays();
            Ok((key, op))
        }
        _ => Err(no_errand()),
    }
}

/// Whether a command has as many arguments as it takes.
fn check(command: &Command, args: &[Bytes]) -> Result<(), Reply> {
    let (count, arity) = (args.len(), usize::try_from(command.arity.unsigned_abs()).unwrap_or(usize::MAX));
    let is_wrong = if command.arity < 0 { count < arity } else { count != arity };
    if is_wrong { Err(wrong_number(command.name)) } else { Ok(()) }
}

/// Bytes of what a client said that are told it again.
const SHOWN: usize = 128;

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned()
}

fn unknown(name: &[u8], args: &[Bytes]) -> Reply {
    let mut text = format!("ERR unknown command '{}', with args beginning with: ", shown(name));
    for arg in args.iter().skip(1) {
        if text.len() > 2 * SHOWN {
            break;
        }
        text.extend(["'", &shown(arg), "' "]);
    }
    Reply::error(text)
}

/// The argument at a place; what is said where there is none.
fn arg(args: &[Bytes], n: usize) -> Result<&Bytes, Reply> {
    args.get(n).ok_or_else(syntax)
}

/// The key of most commands.
fn key(args: &[Bytes]) -> Result<Bytes, Reply> {
    arg(args, 1).cloned()
}

fn int(args: &[Bytes], n: usize) -> Result<i64, Reply> {
    super::numbers::parse_int(arg(args, n)?).ok_or_else(|| said(ValueError::NotAnInteger))
}

/// How many there are.
fn length(count: usize) -> Reply {
    Reply::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// What is said when the work of a key ended without an answer: that is a fault of this program.
pub(super) fn lost() -> Reply {
    Reply::error("ERR internal error")
}

fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

fn wrong_number(name: &str) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{name}' command"))
}

fn said(error: ValueError) -> Reply {
    Reply::error(format!("ERR {error}"))
}
