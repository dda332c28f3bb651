//! `COMMAND`: which commands there are, and where their keys stand.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::glob;
use super::super::reply::Reply;
use super::super::state::State;
use super::docs::docs;
use super::elements::{bulks, numbered_keys};
use super::parts::{self, HELPS, NONE, help};
use super::{Begun, Command, all, check, every, find, is, length, named, syntax};

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "command|count", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| Ok(length(all().count()).into()) },
    Command { name: "command|docs", arity: -2, flags: HELPS, keys: NONE, begin: docs },
    Command { name: "command|getkeys", arity: -4, flags: HELPS, keys: NONE, begin: |_, args| Ok(told_keys(args.get(2..).unwrap_or_default())?.into()) },
    Command { name: "command|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("COMMAND", HELP) },
    Command { name: "command|info", arity: -2, flags: HELPS, keys: NONE, begin: some_described },
    Command { name: "command|list", arity: -2, flags: HELPS, keys: NONE, begin: list },
];

const HELP: &[&str] = &[
    "(no subcommand)",
    "    How all commands are written.",
    "COUNT",
    "    How many commands there are.",
    "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
    "    The names of all commands, or of those that match. There are no modules and no categories.",
    "INFO [<command> ...]",
    "    How some commands are written, or all.",
    "DOCS [<command> ...]",
    "    What some commands are for, or all.",
    "GETKEYS <command> [<arg> ...]",
    "    The keys of a command that is written out.",
];

pub(super) fn all_described(_: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    Ok(Reply::Array(all().map(described).collect()).into())
}

fn some_described(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let names = args.get(2..).unwrap_or_default();
    if names.is_empty() {
        return all_described(state, args);
    }
    Ok(Reply::Array(names.iter().map(|name| find(name).map_or(Reply::Nil, described)).collect()).into())
}

fn list(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let names: Vec<Reply> = match args.get(2..).unwrap_or_default() {
        [] => all().map(|command| Reply::bulk(command.name)).collect(),
        [filter, by, pattern] if is(filter, "filterby") && is(by, "pattern") => {
            let found = every().filter(|command| glob::matches(&pattern.to_ascii_lowercase(), command.name.as_bytes()));
            found.map(|command| Reply::bulk(command.name)).collect()
        }
        [filter, by, _] if is(filter, "filterby") && (is(by, "module") || is(by, "aclcat")) => Vec::new(),
        _ => return Err(syntax()),
    };
    Ok(Reply::Array(names).into())
}

fn described(command: &Command) -> Reply {
    let int = |number: i32| Reply::Int(number.into());
    let (first, last, step) = command.keys;
    Reply::Array(vec![
        Reply::bulk(command.name),
        int(command.arity),
        Reply::Set(command.flags.iter().map(|flag| Reply::Simple((*flag).into())).collect()),
        int(first),
        int(last),
        int(step),
        Reply::Set(Vec::new()),
        Reply::Array(Vec::new()),
        Reply::Array(Vec::new()),
        Reply::Array(parts::of(command).iter().map(described).collect()),
    ])
}

fn told_keys(args: &[Bytes]) -> Result<Reply, Reply> {
    let command = named(args).map_err(|_| Reply::error("ERR Invalid command specified"))?;
    Ok(Reply::Array(bulks(keys_of(command, args)?.into_iter())))
}

/// The keys of a command with these arguments.
///
/// # Errors
/// What is said where it has none, or they cannot be told.
pub(super) fn keys_of<'a>(command: &Command, args: &'a [Bytes]) -> Result<Vec<&'a Bytes>, Reply> {
    let (first, last, step) = command.keys;
    // Behind those that have their places, some commands say how many more follow.
    let is_numbered = command.flags.contains(&"movablekeys");
    let none = || Reply::error("ERR The command has no key arguments");
    // The places of channels are told for their slots alone.
    let has_keys = |step: &usize| (*step > 0 || is_numbered) && !command.flags.contains(&"pubsub");
    let step = usize::try_from(step).ok().filter(has_keys).ok_or_else(none)?;
    let first = usize::try_from(first).map_err(|_| none())?;
    check(command, args).map_err(|_| Reply::error("ERR Invalid number of arguments specified for command"))?;
    let behind = if last < 0 { args.len() } else { usize::try_from(last).map_or(0, |last| last + 1) };
    let placed = args.iter().take(behind).skip(first).step_by(step.max(1)).take(if step > 0 { usize::MAX } else { 0 });
    let mut keys: Vec<_> = placed.collect();
    if is_numbered {
        let invalid = || Reply::error("ERR Invalid arguments specified for command");
        let numbered = numbered_keys(args, behind, invalid).map_err(|_| invalid())?;
        keys.extend(numbered);
    }
    if keys.is_empty() {
        return Err(Reply::error("ERR Invalid number of arguments specified for command"));
    }
    Ok(keys)
}
