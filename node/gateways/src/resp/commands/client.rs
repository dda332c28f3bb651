//! `CLIENT`: this connection, and the others of this door.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::client::{ClientKind, Filter};
use super::super::numbers;
use super::super::reply::Reply;
use super::super::shared::Shared;
use super::super::state::{Answers, State};
use super::parts::{HELPS, NONE, help};
use super::{Begun, Command, arg, auth, is, length, shown, syntax};

const OWN: &[&str] = &["noscript", "loading", "stale"];
const ADMIN: &[&str] = &["admin", "noscript", "loading", "stale"];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "client|getname", arity: 2, flags: OWN, keys: NONE, begin: name },
    Command { name: "client|getredir", arity: 2, flags: OWN, keys: NONE, begin: |_, _| Ok(Reply::Int(-1).into()) },
    Command { name: "client|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("CLIENT", HELP) },
    Command { name: "client|id", arity: 2, flags: OWN, keys: NONE, begin: |state, _| Ok(Reply::Int(state.id()).into()) },
    Command { name: "client|info", arity: 2, flags: OWN, keys: NONE, begin: |state, _| Ok(Reply::Verbatim(state.client().line().into()).into()) },
    Command { name: "client|kill", arity: -3, flags: ADMIN, keys: NONE, begin: kill },
    Command { name: "client|list", arity: -2, flags: ADMIN, keys: NONE, begin: list },
    Command { name: "client|no-evict", arity: 3, flags: ADMIN, keys: NONE, begin: on_or_off },
    Command { name: "client|no-touch", arity: 3, flags: OWN, keys: NONE, begin: on_or_off },
    Command { name: "client|reply", arity: 3, flags: OWN, keys: NONE, begin: answers },
    // Who speaks is of no use here, and said by every client.
    Command { name: "client|setinfo", arity: 4, flags: OWN, keys: NONE, begin: |_, _| Ok(Reply::OK.into()) },
    Command { name: "client|setname", arity: 3, flags: OWN, keys: NONE, begin: set_name },
    Command { name: "client|trackinginfo", arity: 2, flags: OWN, keys: NONE, begin: tracking },
];

const HELP: &[&str] = &[
    "GETNAME",
    "    What this connection is called.",
    "GETREDIR",
    "    -1: no client is told of changes for another.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    What is known of this connection.",
    "KILL <ip:port>",
    "    Sends away the client that came from there.",
    "KILL <option> <value> [<option> <value> ...]",
    "    Sends away the clients for whom all of these hold, and says how many: ID <number>, ADDR <ip:port> where it came",
    "    from, LADDR <ip:port> where it came to, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <name> by its access key, and SKIPME (YES|NO),",
    "    whether this one stays: it does if that is not said.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <number> ...]",
    "    What is known of the clients of this door.",
    "NO-EVICT (ON|OFF)",
    "    Changes nothing: no client is sent away for the memory it takes.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection is answered; with SKIP, the next command is not.",
    "SETNAME <name>",
    "    Calls this connection something.",
    "TRACKINGINFO",
    "    That this connection is not told of changes.",
];

fn name(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let name = state.client().name();
    Ok(if name.is_empty() { Reply::Nil } else { Reply::Bulk(name) }.into())
}

fn set_name(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    state.client().set_name(checked_name(arg(args, 2)?)?);
    Ok(Reply::OK.into())
}

pub(super) fn checked_name(name: &Bytes) -> Result<Bytes, Reply> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(name.clone());
    }
    Err(Reply::error("ERR Client names cannot contain spaces, newlines or special characters."))
}

/// Neither is there anything to evict clients for, nor does a read change what is kept.
fn on_or_off(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let how = arg(args, 2)?;
    if is(how, "on") || is(how, "off") { Ok(Reply::OK.into()) } else { Err(syntax()) }
}

fn answers(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let how = arg(args, 2)?;
    match () {
        () if is(how, "on") => state.answers = Answers::On,
        () if is(how, "off") => state.answers = Answers::Off,
        () if is(how, "skip") && state.answers == Answers::Off => {}
        () if is(how, "skip") => state.answers = Answers::SkipNext,
        () => return Err(syntax()),
    }
    Ok(Reply::OK.into())
}

fn tracking(_: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let told = vec![
        (Reply::bulk("flags"), Reply::Set(vec![Reply::bulk("off")])),
        (Reply::bulk("redirect"), Reply::Int(-1)),
        (Reply::bulk("prefixes"), Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(told).into())
}

fn kind(word: &[u8]) -> Result<ClientKind, Reply> {
    ClientKind::parse(word).ok_or_else(|| Reply::error(format!("ERR Unknown client type '{}'", shown(word))))
}

fn list(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let shared = state.shared();
    let clients = match args.get(2..).unwrap_or_default() {
        [] => shared.clients(&Filter::default()),
        [word, named] if is(word, "type") => shared.clients(&Filter { kind: Some(kind(named)?), ..Filter::default() }),
        [word, ids @ ..] if is(word, "id") && !ids.is_empty() => {
            let mut found = Vec::new();
            for id in ids {
                let id = numbers::parse_int(id).ok_or_else(|| Reply::error("ERR Invalid client ID"))?;
                let Ok(id) = u64::try_from(id) else { continue };
                found.extend(shared.clients(&Filter { id: Some(id), ..Filter::default() }));
            }
            found
        }
        _ => return Err(syntax()),
    };
    let lines: String = clients.iter().map(|client| client.line()).collect();
    Ok(Reply::Verbatim(lines.into()).into())
}

fn kill(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let shared = state.shared();
    let options = args.get(2..).unwrap_or_default();
    if let [from] = options {
        let killed = send_away(shared, &Filter { from: Some(from.clone()), ..Filter::default() });
        return if killed == 0 { Err(Reply::error("ERR No such client")) } else { Ok(Reply::OK.into()) };
    }
    let (pairs, rest) = options.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(syntax());
    }
    let own = state.client().id;
    let mut filter = Filter { spared: Some(own), ..Filter::default() };
    for [option, value] in pairs {
        match () {
            () if is(option, "id") => {
                let id = numbers::parse_int(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                filter.id = Some(id.ok_or_else(|| Reply::error("ERR client-id should be greater than 0"))?);
            }
            () if is(option, "addr") => filter.from = Some(value.clone()),
            () if is(option, "laddr") => filter.to = Some(value.clone()),
            () if is(option, "type") => filter.kind = Some(kind(value)?),
            () if is(option, "user") => {
                let is_key = shared.guard.as_ref().is_some_and(|guard| guard.has(value));
                if !is_key && value != auth::EVERYBODY {
                    return Err(Reply::error(format!("ERR No such user '{}'", shown(value))));
                }
                filter.user = Some(value.clone());
            }
            () if is(option, "skipme") && is(value, "yes") => filter.spared = Some(own),
            () if is(option, "skipme") && is(value, "no") => filter.spared = None,
            () => return Err(syntax()),
        }
    }
    Ok(length(send_away(shared, &filter)).into())
}

/// Sends away the clients that are meant; how many those are.
fn send_away(shared: &Shared, filter: &Filter) -> usize {
    let meant = shared.clients(filter);
    for client in &meant {
        client.leave();
    }
    meant.len()
}
