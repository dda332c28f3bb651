//! Strings: what is read of a value, what is made of it, and what is put in its place.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::super::numbers::{self, ValueError};
use super::super::reply::Reply;
use super::super::slate::{Op, Slate};
use super::super::state::State;
use super::super::strings;
use super::{Begun, Command, arg, int, is, key, length, said, syntax, wrong_number};

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", "denyoom"];
const ONE: (i32, i32, i32) = (1, 1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "append", arity: 3, flags: WRITE, keys: ONE, begin: append },
    Command { name: "decr", arity: 2, flags: WRITE, keys: ONE, begin: |_, args| increment(args, -1) },
    Command { name: "decrby", arity: 3, flags: WRITE, keys: ONE, begin: decrement_by },
    Command { name: "get", arity: 2, flags: READ, keys: ONE, begin: get },
    Command { name: "getdel", arity: 2, flags: WRITE, keys: ONE, begin: getdel },
    Command { name: "getex", arity: -2, flags: WRITE, keys: ONE, begin: getex },
    Command { name: "getrange", arity: 4, flags: READ, keys: ONE, begin: getrange },
    Command { name: "getset", arity: 3, flags: WRITE, keys: ONE, begin: getset },
    Command { name: "incr", arity: 2, flags: WRITE, keys: ONE, begin: |_, args| increment(args, 1) },
    Command { name: "incrby", arity: 3, flags: WRITE, keys: ONE, begin: |_, args| { let by = int(args, 2)?; increment(args, by) } },
    Command { name: "incrbyfloat", arity: 3, flags: WRITE, keys: ONE, begin: increment_float },
    Command { name: "mget", arity: -2, flags: READ, keys: (1, -1, 1), begin: mget },
    Command { name: "mset", arity: -3, flags: WRITE, keys: (1, -1, 2), begin: mset },
    Command { name: "psetex", arity: 4, flags: WRITE, keys: ONE, begin: |state, args| setex(state, args, "psetex", 1) },
    Command { name: "set", arity: -3, flags: WRITE, keys: ONE, begin: set },
    Command { name: "setex", arity: 4, flags: WRITE, keys: ONE, begin: |state, args| setex(state, args, "setex", 1000) },
    Command { name: "setnx", arity: 3, flags: WRITE, keys: ONE, begin: setnx },
    Command { name: "setrange", arity: 4, flags: WRITE, keys: ONE, begin: setrange },
    Command { name: "strlen", arity: 2, flags: READ, keys: ONE, begin: strlen },
    Command { name: "substr", arity: 4, flags: READ, keys: ONE, begin: getrange },
];

pub(super) fn read(args: &[Bytes], run: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Result<Begun, Reply> {
    let op = Op::read_text(move |text| run(text.map_or(&[], AsRef::as_ref)));
    Ok(Begun::one(key(args)?, op))
}

pub(super) fn change<R: Into<Reply>>(
    args: &[Bytes],
    run: impl Fn(&mut Slate) -> R + Send + Sync + 'static,
) -> Result<Begun, Reply> {
    Ok(Begun::one(key(args)?, Op::change(run)))
}

/// A text, as a client is told.
fn shown(text: Option<&Bytes>) -> Reply {
    text.cloned().map_or(Reply::Nil, Reply::Bulk)
}

fn get(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    Ok(Begun::one(key(args)?, Op::read_text(shown)))
}

fn mget(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    // What is no text is none.
    let get = || Op::read(|held, _| shown(held.and_then(|held| held.content.text().ok())));
    let keys = args.iter().skip(1).map(|key| (key.clone(), get())).collect();
    // An error is the answer of the whole command: nobody looks for one among values.
    let all = |mut replies: Vec<Reply>| match replies.iter().position(|reply| matches!(reply, Reply::Error(_))) {
        Some(n) => replies.swap_remove(n),
        None => Reply::Array(replies),
    };
    Ok(Begun::Keys(keys, all))
}

fn mset(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (pairs, rest) = args.get(1..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong_number("mset"));
    }
    let set = |[key, value]: &[Bytes; 2]| {
        let value = value.clone();
        let op = Op::overwrite(move |slate| {
            slate.set(value.clone(), 0);
            Reply::OK
        });
        (key.clone(), op)
    };
    Ok(Begun::Keys(pairs.iter().map(set).collect(), first_error))
}

/// The first of several answers that is an error, or that all is well.
fn first_error(replies: Vec<Reply>) -> Reply {
    replies.into_iter().find(|reply| matches!(reply, Reply::Error(_))).unwrap_or(Reply::OK)
}

/// When a value is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Not at all.
    Never,
    /// As it did before.
    AsBefore,
    At(u64),
}

/// What is said of when a value is to end: one of the words, and the number behind it if it wants one.
#[derive(Debug, Clone)]
struct End {
    word: &'static str,
    number: Option<Bytes>,
}

impl End {
    /// Reads an option about the end, if it is one; `bare` is the word without a number. A word may be said twice, and the
    /// last number counts; no two words may.
    fn read<'a>(
        said: &mut Option<Self>,
        option: &[u8],
        more: &mut impl Iterator<Item = &'a Bytes>,
        bare: &'static str,
    ) -> Result<bool, Reply> {
        let mut words = ["ex", "px", "exat", "pxat", bare].into_iter();
        let Some(word) = words.find(|word| is(option, word)) else { return Ok(false) };
        if said.as_ref().is_some_and(|said| said.word != word) {
            return Err(syntax());
        }
        let number = if word == bare { None } else { Some(more.next().ok_or_else(syntax)?.clone()) };
        *said = Some(Self { word, number });
        Ok(true)
    }

    /// The time that is meant.
    fn time(&self, command: &str, now_ms: u64) -> Result<Ends, Reply> {
        let Some(number) = &self.number else {
            return Ok(if self.word == "keepttl" { Ends::AsBefore } else { Ends::Never });
        };
        let number = numbers::parse_int(number).ok_or_else(|| said(ValueError::NotAnInteger))?;
        let (unit_ms, is_relative) = match self.word {
            "ex" => (1000, true),
            "px" => (1, true),
            "exat" => (1000, false),
            _ => (1, false),
        };
        let at_ms = end_of(number, unit_ms, is_relative.then_some(now_ms));
        at_ms.filter(|_| number > 0).map(Ends::At).ok_or_else(|| invalid_expire(command))
    }
}

/// When something ends: so many units, since `now_ms` or since 1970. None if no clock will ever show that.
pub(super) fn end_of(number: i64, unit_ms: i64, now_ms: Option<u64>) -> Option<u64> {
    let now_ms = i64::try_from(now_ms.unwrap_or(0)).ok()?;
    let at_ms = number.checked_mul(unit_ms)?.checked_add(now_ms)?;
    // What ends before 1970 is as over as what ended then.
    Some(u64::try_from(at_ms).unwrap_or(1).max(1))
}

pub(super) fn invalid_expire(command: &str) -> Reply {
    Reply::error(format!("ERR invalid expire time in '{command}' command"))
}

fn set(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (key, value) = (key(args)?, arg(args, 2)?.clone());
    let (mut end, mut absent, mut present, mut tells) = (None, false, false, false);
    let mut options = args.iter().skip(3);
    while let Some(option) = options.next() {
        match () {
            () if is(option, "nx") && !present => absent = true,
            () if is(option, "xx") && !absent => present = true,
            () if is(option, "get") => tells = true,
            () if End::read(&mut end, option, &mut options, "keepttl")? => {}
            () => return Err(syntax()),
        }
    }
    let now_ms = state.keyspace().now_ms();
    let time = end.map_or(Ok(Ends::Never), |end| end.time("set", now_ms))?;
    let run = move |slate: &mut Slate| {
        let told = if tells { Some(shown(slate.text()?)) } else { None };
        if (absent && slate.held().is_some()) || (present && slate.held().is_none()) {
            return Ok(told.unwrap_or(Reply::Nil));
        }
        match time {
            Ends::Never => slate.set(value.clone(), 0),
            Ends::AsBefore => slate.set_bytes(value.clone()),
            Ends::At(ms) => slate.set(value.clone(), ms),
        }
        Ok(told.unwrap_or(Reply::OK))
    };
    let looks = absent || present || tells || time == Ends::AsBefore;
    Ok(Begun::one(key, if looks { Op::change(run) } else { Op::overwrite(run) }))
}

fn setex(state: &State, args: &[Bytes], command: &'static str, unit_ms: i64) -> Result<Begun, Reply> {
    let (number, value) = (int(args, 2)?, arg(args, 3)?.clone());
    let at_ms = end_of(number, unit_ms, Some(state.keyspace().now_ms())).filter(|_| number > 0);
    let at_ms = at_ms.ok_or_else(|| invalid_expire(command))?;
    let op = Op::overwrite(move |slate| {
        slate.set(value.clone(), at_ms);
        Reply::OK
    });
    Ok(Begun::one(key(args)?, op))
}

fn setnx(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let value = arg(args, 2)?.clone();
    change(args, move |slate| {
        if slate.held().is_some() {
            return Reply::Int(0);
        }
        slate.set(value.clone(), 0);
        Reply::Int(1)
    })
}

fn getset(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let new = arg(args, 2)?.clone();
    change(args, move |slate| {
        let old = shown(slate.text()?);
        slate.set(new.clone(), 0);
        Ok(old)
    })
}

fn getdel(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    change(args, |slate| {
        let old = shown(slate.text()?);
        slate.remove();
        Ok(old)
    })
}

fn getex(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let mut end = None;
    let mut options = args.iter().skip(2);
    while let Some(option) = options.next() {
        if !End::read(&mut end, option, &mut options, "persist")? {
            return Err(syntax());
        }
    }
    let Some(end) = end else { return get(state, args) };
    change(args, move |slate| {
        let told = shown(slate.text()?);
        let Some(ends_ms) = slate.held().map(|held| held.expires_ms) else { return Ok(told) };
        match end.time("getex", slate.now_ms)? {
            Ends::Never if ends_ms > 0 => slate.set_end(0),
            Ends::Never | Ends::AsBefore => {}
            Ends::At(ms) => slate.set_end(ms),
        }
        Ok(told)
    })
}

fn append(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let more = arg(args, 2)?.clone();
    change(args, move |slate| {
        let old = slate.text()?.map(AsRef::as_ref).unwrap_or_default();
        let new = strings::append(old, &more, VALUE_BYTES_MAX).map_err(said)?;
        let told = length(new.len());
        slate.set_bytes(new);
        Ok(told)
    })
}

fn strlen(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    read(args, |bytes| length(bytes.len()))
}

fn getrange(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (start, end) = (int(args, 2)?, int(args, 3)?);
    // A part of what is there, not a copy of it: many may ask at once.
    let op = Op::read_text(move |text| {
        Reply::Bulk(text.map_or_else(Bytes::new, |text| text.slice_ref(strings::get_range(text, start, end))))
    });
    Ok(Begun::one(key(args)?, op))
}

fn setrange(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (offset, with) = (int(args, 2)?, arg(args, 3)?.clone());
    if offset < 0 {
        return Err(said(ValueError::OffsetOutOfRange));
    }
    change(args, move |slate| {
        let old = slate.text()?.map(AsRef::as_ref).unwrap_or_default();
        let Some(new) = strings::set_range(old, offset, &with, VALUE_BYTES_MAX).map_err(said)? else {
            return Ok(length(old.len()));
        };
        let told = length(new.len());
        slate.set_bytes(new);
        Ok(told)
    })
}

fn increment(args: &[Bytes], by: i64) -> Result<Begun, Reply> {
    change(args, move |slate| {
        let number = numbers::increment(slate.text()?.map(AsRef::as_ref), by).map_err(said)?;
        slate.set_bytes(number.to_string());
        Ok(Reply::Int(number))
    })
}

fn decrement_by(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let by = int(args, 2)?.checked_neg().ok_or_else(|| said(ValueError::DecrementOverflow))?;
    increment(args, by)
}

fn increment_float(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let by = arg(args, 2)?.clone();
    change(args, move |slate| {
        let number = Bytes::from(numbers::increment_float(slate.text()?.map(AsRef::as_ref), &by).map_err(said)?);
        slate.set_bytes(number.clone());
        Ok(Reply::Bulk(number))
    })
}
