//! Commands that have parts: their second argument says which is meant. A part is a command of its own, as in `config|get`.

use bytes::Bytes;

use super::super::reply::Reply;
use super::super::state::State;
use super::{
    Begun, Command, auth, client, cluster, config, introspection, is, latency, object, pubsub, server, slowlog, syntax,
};

pub(super) const NONE: (i32, i32, i32) = (0, 0, 0);

/// What is said about itself by every command that has parts.
pub(super) const HELPS: &[&str] = &["loading", "stale"];

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "acl", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "client", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "cluster", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "command", arity: -1, flags: HELPS, keys: NONE, begin: introspection::all_described },
    Command { name: "config", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "function", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "latency", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "memory", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "object", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "pubsub", arity: -2, flags: &[], keys: NONE, begin: whole },
    Command { name: "slowlog", arity: -2, flags: &[], keys: NONE, begin: whole },
];

/// The parts of a command; of most there are none.
pub(super) fn of(command: &Command) -> &'static [Command] {
    match command.name {
        "acl" => auth::PARTS,
        "client" => client::PARTS,
        "cluster" => cluster::PARTS,
        "command" => introspection::PARTS,
        "config" => config::PARTS,
        "function" => server::FUNCTION_PARTS,
        "latency" => latency::PARTS,
        "memory" => object::MEMORY_PARTS,
        "object" => object::OBJECT_PARTS,
        "pubsub" => pubsub::PARTS,
        "slowlog" => slowlog::PARTS,
        _ => &[],
    }
}

/// The part of a command that a client names.
pub(super) fn find(command: &Command, named: &[u8]) -> Result<&'static Command, Reply> {
    let own = |part: &Command| part.name.split_once('|').is_some_and(|(_, own)| is(named, own));
    of(command).iter().find(|part| own(part)).ok_or_else(|| {
        let (shown, whole) = (super::shown(named), command.name.to_ascii_uppercase());
        Reply::error(format!("ERR unknown subcommand '{shown}'. Try {whole} HELP."))
    })
}

/// What begins when a part has to be named and none is; the number of arguments is wrong then.
fn whole(_: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    Err(syntax())
}

/// What is said of the wrong number of arguments for some parts, which have several forms.
pub(super) fn wrong_form(args: &[Bytes], whole: &str) -> Reply {
    let part = args.get(1).map(|part| super::shown(part)).unwrap_or_default();
    Reply::error(format!("ERR unknown subcommand or wrong number of arguments for '{part}'. Try {whole} HELP."))
}

/// The lines that tell of the parts of a command: how one is written, and what it does, indented.
#[expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]
pub(super) fn help(whole: &'static str, lines: &[&'static str]) -> Result<Begun, Reply> {
    let first = format!("{whole} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let own = ["HELP", "    This text."];
    let lines = lines.iter().chain(&own).map(|line| Reply::Simple((*line).into()));
    Ok(Reply::Array(std::iter::once(Reply::Simple(first.into())).chain(lines).collect()).into())
}
