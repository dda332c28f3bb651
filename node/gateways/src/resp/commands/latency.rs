//! `LATENCY`: how long commands take. Events are not watched, so there are none; each command has its histogram.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::reply::Reply;
use super::super::state::State;
use super::super::stats::Told;
use super::parts::{self, HELPS, NONE, help};
use super::{Begun, Command, every, find, shown};

const ADMIN: &[&str] = &["admin", "noscript", "loading", "stale"];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "latency|doctor", arity: 2, flags: ADMIN, keys: NONE, begin: |_, _| Ok(Reply::Verbatim(DOCTOR.into()).into()) },
    Command { name: "latency|graph", arity: 3, flags: ADMIN, keys: NONE, begin: graph },
    Command { name: "latency|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("LATENCY", HELP) },
    Command { name: "latency|histogram", arity: -2, flags: ADMIN, keys: NONE, begin: histogram },
    Command { name: "latency|history", arity: 3, flags: ADMIN, keys: NONE, begin: |_, _| Ok(Reply::Array(Vec::new()).into()) },
    Command { name: "latency|latest", arity: 2, flags: ADMIN, keys: NONE, begin: |_, _| Ok(Reply::Array(Vec::new()).into()) },
    Command { name: "latency|reset", arity: -2, flags: ADMIN, keys: NONE, begin: |_, _| Ok(Reply::Int(0).into()) },
];

const DOCTOR: &str = "Latency monitoring is off: this door watches no events. LATENCY HISTOGRAM tells how long each command \
                      takes, and SLOWLOG GET which ones took longest of late.\n";

const HELP: &[&str] = &[
    "DOCTOR",
    "    What there is instead of a report.",
    "GRAPH <event>",
    "    Has nothing to draw: no event is watched.",
    "HISTOGRAM [<command> ...]",
    "    Of each command, or of those that are named, how many calls took at most so many microseconds.",
    "HISTORY <event>",
    "    Nothing: no event is watched.",
    "LATEST",
    "    Nothing: no event is watched.",
    "RESET [<event> ...]",
    "    Forgets nothing, since there is nothing.",
];

fn graph(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let event = args.get(2).map(|event| shown(event)).unwrap_or_default();
    Err(Reply::error(format!("ERR No samples available for event '{event}'")))
}

fn histogram(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let named = args.get(2..).unwrap_or_default();
    // Whoever names a command that has parts means these.
    let with_parts = |command| std::iter::once(command).chain(parts::of(command));
    let asked: Vec<&Command> = if named.is_empty() {
        every().collect()
    } else {
        named.iter().filter_map(|name| find(name)).flat_map(with_parts).collect()
    };
    let told = asked.into_iter().filter_map(|command| {
        let told = state.shared().stats.of(command.name).filter(|told| told.calls > 0)?;
        Some((Reply::bulk(command.name), spans(&told)))
    });
    Ok(Reply::Map(told.collect()).into())
}

fn spans(told: &Told) -> Reply {
    let int = |number: u64| Reply::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let spans = told.within_us.iter().map(|(us, calls)| (int(*us), int(*calls)));
    Reply::Map(vec![
        (Reply::bulk("calls"), int(told.calls)),
        (Reply::bulk("histogram_usec"), Reply::Map(spans.collect())),
    ])
}
