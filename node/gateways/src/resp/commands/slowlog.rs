//! `SLOWLOG`: which commands took long of late.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::numbers;
use super::super::reply::Reply;
use super::super::slowlog::Entry;
use super::super::state::State;
use super::elements::bulks;
use super::parts::{HELPS, NONE, help, wrong_form};
use super::{Begun, Command, length};

const ADMIN: &[&str] = &["admin", "loading", "stale"];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "slowlog|get", arity: -2, flags: ADMIN, keys: NONE, begin: get },
    Command { name: "slowlog|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("SLOWLOG", HELP) },
    Command { name: "slowlog|len", arity: 2, flags: ADMIN, keys: NONE, begin: |state, _| Ok(length(state.shared().slow.len()).into()) },
    Command { name: "slowlog|reset", arity: 2, flags: ADMIN, keys: NONE, begin: reset },
];

const HELP: &[&str] = &[
    "GET [<count>]",
    "    The last commands that took long, ten if no number is given, all for -1: of each its number, when it was",
    "    answered, its microseconds, its arguments, where its client came from and what that is called.",
    "LEN",
    "    How many are kept.",
    "RESET",
    "    Forgets them.",
];

fn get(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let count = match args.get(2..).unwrap_or_default() {
        [] => 10,
        [count] => numbers::parse_int(count)
            .filter(|count| *count >= -1)
            .ok_or_else(|| Reply::error("ERR count should be greater than or equal to -1"))?,
        _ => return Err(wrong_form(args, "SLOWLOG")),
    };
    // All, if it is -1.
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(Reply::Array(state.shared().slow.last(count).into_iter().map(told).collect()).into())
}

fn told(entry: Entry) -> Reply {
    let int = |number: u64| Reply::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Reply::Array(vec![
        Reply::Int(entry.id),
        int(entry.at_seconds),
        int(u64::try_from(entry.took.as_micros()).unwrap_or(u64::MAX)),
        Reply::Array(bulks(entry.args.iter())),
        Reply::bulk(entry.from),
        Reply::Bulk(entry.name),
    ])
}

fn reset(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    state.shared().slow.clear();
    Ok(Reply::OK.into())
}
