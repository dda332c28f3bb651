//! `CONFIG`: what this door is set to.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::glob;
use super::super::reply::Reply;
use super::super::settings::{Refused, Setting};
use super::super::state::State;
use super::parts::{HELPS, NONE, help};
use super::{Begun, Command, is, shown, syntax};

const ADMIN: &[&str] = &["admin", "noscript", "loading", "stale"];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "config|get", arity: -3, flags: ADMIN, keys: NONE, begin: get },
    Command { name: "config|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("CONFIG", HELP) },
    Command { name: "config|resetstat", arity: 2, flags: ADMIN, keys: NONE, begin: reset },
    Command { name: "config|rewrite", arity: 2, flags: ADMIN, keys: NONE, begin: rewrite },
    Command { name: "config|set", arity: -4, flags: ADMIN, keys: NONE, begin: set },
];

const HELP: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    What is set under names that match.",
    "SET <name> <value> [<name> <value> ...]",
    "    Sets some, all or none, until this door closes.",
    "RESETSTAT",
    "    Begins to count anew.",
    "REWRITE",
    "    Is refused: the node's configuration is not this door's to write.",
];

fn get(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let patterns = args.get(2..).unwrap_or_default();
    let asked = |name: &'static str| {
        let matches = |pattern: &&Bytes| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes());
        let pattern = patterns.iter().find(matches)?;
        // Who writes a name is told it as he wrote it.
        Some(if is(pattern, name) { Reply::Bulk(pattern.clone()) } else { Reply::bulk(name) })
    };
    let settings = state.shared().settings.all().into_iter();
    let told = settings.filter_map(|(name, value)| Some((asked(name)?, Reply::bulk(value))));
    Ok(Reply::Map(told.collect()).into())
}

fn set(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (pairs, rest) = args.get(2..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(syntax());
    }
    let refused = |name: &[u8], reason: &str| {
        let name = shown(name);
        Reply::error(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
    };
    let settings = &state.shared().settings;
    let mut found: Vec<(&Setting, &[Bytes; 2])> = Vec::new();
    for pair in pairs {
        let [name, value] = pair;
        match settings.find(name, value) {
            Ok(None) => {}
            Ok(Some(setting)) if found.iter().any(|(other, _)| other.name == setting.name) => {
                return Err(refused(name, "duplicate parameter"));
            }
            Ok(Some(setting)) => found.push((setting, pair)),
            Err(Refused::Unknown) => {
                let name = shown(name);
                return Err(Reply::error(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                )));
            }
            Err(reason) => return Err(refused(name, &reason.to_string())),
        }
    }
    // All are read before the first is set.
    let mut numbers = Vec::with_capacity(found.len());
    for (setting, [name, value]) in found {
        let number = setting.read(value).map_err(|reason| refused(name, &reason.to_string()))?;
        numbers.push((setting, number));
    }
    for (setting, number) in numbers {
        setting.set(number);
    }
    Ok(Reply::OK.into())
}

fn reset(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    state.shared().stats.reset();
    Ok(Reply::OK.into())
}

fn rewrite(_: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    Err(Reply::error("ERR The server is running without a config file"))
}
