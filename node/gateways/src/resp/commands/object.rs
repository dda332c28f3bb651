//! `OBJECT` and `MEMORY`: how a value is kept, and what it takes.

use bytes::Bytes;

use super::super::collections::{Hash, Set, Sorted};
use super::super::content::Kind;
use super::super::numbers::{self, ValueError};
use super::super::reply::Reply;
use super::super::slate::{Held, Op, Slate};
use super::super::state::State;
use super::parts::{HELPS, NONE, help};
use super::{Begun, Command, arg, is, length, said, syntax};

const READ: &[&str] = &["readonly"];
const SECOND: (i32, i32, i32) = (2, 2, 1);

#[rustfmt::skip]
pub(super) const OBJECT_PARTS: &[Command] = &[
    Command { name: "object|encoding", arity: 3, flags: READ, keys: SECOND, begin: |_, args| look(args, encoding) },
    Command { name: "object|freq", arity: 3, flags: READ, keys: SECOND, begin: |_, args| there(args, frequency) },
    Command { name: "object|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("OBJECT", OBJECT_HELP) },
    Command { name: "object|idletime", arity: 3, flags: READ, keys: SECOND, begin: |_, args| there(args, idle) },
    Command { name: "object|refcount", arity: 3, flags: READ, keys: SECOND, begin: |_, args| there(args, |_| Reply::Int(1)) },
];

#[rustfmt::skip]
pub(super) const MEMORY_PARTS: &[Command] = &[
    Command { name: "memory|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("MEMORY", MEMORY_HELP) },
    Command { name: "memory|usage", arity: -3, flags: READ, keys: SECOND, begin: usage },
];

const OBJECT_HELP: &[&str] = &[
    "ENCODING <key>",
    "    How Redis would keep the value.",
    "FREQ <key>",
    "    Is refused: how often a key is read is not counted.",
    "IDLETIME <key>",
    "    Is refused: when a key was read last is not kept.",
    "REFCOUNT <key>",
    "    1: a value is of one key.",
];

const MEMORY_HELP: &[&str] = &[
    "USAGE <key> [SAMPLES <count>]",
    "    Bytes of the key and of its value as it is stored, before it is sealed. All of it is counted, whatever the count.",
];

/// Looks at the key that the second argument behind the command's names.
fn look(args: &[Bytes], run: fn(&mut Slate) -> Result<Reply, Reply>) -> Result<Begun, Reply> {
    Ok(Begun::one(arg(args, 2)?.clone(), Op::look(run)))
}

/// What is told of a key that is there.
fn there(args: &[Bytes], told: fn(&Held) -> Reply) -> Result<Begun, Reply> {
    Ok(Begun::one(arg(args, 2)?.clone(), Op::read(move |held, _| held.map_or(Reply::Nil, told))))
}

fn frequency(_: &Held) -> Reply {
    Reply::error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust.",
    )
}

fn idle(_: &Held) -> Reply {
    Reply::error("ERR idle time not tracked: when a key was read last is not kept")
}

/// How Redis would keep what a key holds, as it is set by default.
fn encoding(slate: &mut Slate) -> Result<Reply, Reply> {
    /// Bytes up to which a string is kept in one piece with its header.
    const EMBEDDED: usize = 44;
    let encoding = match slate.kind() {
        None => return Ok(Reply::Nil),
        Some(Kind::Hash) => slate.read(Hash::encoding)?,
        Some(Kind::Set) => slate.read(Set::encoding)?,
        Some(Kind::List) => "quicklist",
        Some(Kind::Sorted) => slate.read(Sorted::encoding)?,
        Some(Kind::Text) => match slate.text()? {
            Some(bytes) if numbers::parse_int(bytes).is_some() => "int",
            Some(bytes) if bytes.len() > EMBEDDED => "raw",
            _ => "embstr",
        },
    };
    Ok(Reply::bulk(encoding))
}

fn usage(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let mut options = args.iter().skip(3);
    while let Some(option) = options.next() {
        let samples = options.next().filter(|_| is(option, "samples")).ok_or_else(syntax)?;
        if numbers::parse_int(samples).ok_or_else(|| said(ValueError::NotAnInteger))? < 0 {
            return Err(syntax());
        }
    }
    let key = arg(args, 2)?.clone();
    let key_bytes = key.len();
    let told = move |held: &Held| length(key_bytes.saturating_add(held.content.packed_bytes()));
    Ok(Begun::one(key, Op::read(move |held, _| held.map_or(Reply::Nil, told))))
}
