//! What concerns the connection, and what a client asks about this door.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::glob;
use super::super::numbers::{self, ValueError};
use super::super::reply::{Protocol, Reply};
use super::super::session::State;
use super::elements::{bulks, numbered_keys};
use super::{Begun, Command, all, arg, check, find, int, is, key, said, syntax, wrong_number};

const FAST: &[&str] = &["fast", "loading", "stale"];
const SLOW: &[&str] = &["loading", "stale"];
const NONE: (i32, i32, i32) = (0, 0, 0);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "auth", arity: -2, flags: FAST, keys: NONE, begin: auth },
    Command { name: "client", arity: -2, flags: SLOW, keys: NONE, begin: client },
    Command { name: "command", arity: -1, flags: SLOW, keys: NONE, begin: command },
    Command { name: "config", arity: -2, flags: SLOW, keys: NONE, begin: config },
    Command { name: "echo", arity: 2, flags: FAST, keys: NONE, begin: |_, args| Ok(Reply::Bulk(key(args)?).into()) },
    Command { name: "function", arity: -2, flags: SLOW, keys: NONE, begin: function },
    Command { name: "hello", arity: -1, flags: FAST, keys: NONE, begin: hello },
    Command { name: "info", arity: -1, flags: SLOW, keys: NONE, begin: info },
    Command { name: "ping", arity: -1, flags: FAST, keys: NONE, begin: ping },
    Command { name: "quit", arity: -1, flags: FAST, keys: NONE, begin: |_, _| Ok(Begun::Close(Reply::OK)) },
    Command { name: "reset", arity: 1, flags: FAST, keys: NONE, begin: reset },
    Command { name: "select", arity: 2, flags: FAST, keys: NONE, begin: select },
    Command { name: "time", arity: 1, flags: FAST, keys: NONE, begin: time },
];

/// The version of Redis whose answers these are: clients choose by it what they say.
const AS_REDIS: &str = "7.0.15";

fn ping(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match args {
        [_] => Ok(Reply::Simple("PONG".into()).into()),
        [_, word] => Ok(Reply::Bulk(word.clone()).into()),
        _ => Err(wrong_number("ping")),
    }
}

fn select(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match numbers::parse_int(arg(args, 1)?) {
        Some(0) => Ok(Reply::OK.into()),
        Some(_) => Err(Reply::error("ERR DB index is out of range")),
        None => Err(said(ValueError::NotAnInteger)),
    }
}

fn time(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let now_ms = state.keyspace().now_ms();
    let parts = [now_ms / 1000, now_ms % 1000 * 1000];
    Ok(Reply::Array(parts.map(|part| Reply::bulk(part.to_string())).into()).into())
}

fn reset(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    state.set_protocol(Protocol::Two);
    state.set_name(Bytes::new());
    *state.transaction() = None;
    state.watched().lock().clear();
    Ok(Reply::Simple("RESET".into()).into())
}

/// Whoever can connect may do what the node's user may: there are no passwords.
fn no_password() -> Reply {
    Reply::error(
        "ERR AUTH <password> called without any password configured for the default user. \
         Are you sure your configuration is correct?",
    )
}

fn auth(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    if args.len() > 3 { Err(syntax()) } else { Err(no_password()) }
}

fn hello(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let unsupported = || Reply::error("NOPROTO unsupported protocol version");
    let mut protocol = None;
    let mut name = None;
    if let Some(version) = args.get(1) {
        let version = numbers::parse_int(version)
            .ok_or_else(|| Reply::error("ERR Protocol version is not an integer or out of range"))?;
        protocol = Some(match version {
            2 => Protocol::Two,
            3 => Protocol::Three,
            _ => return Err(unsupported()),
        });
    }
    let mut options = args.iter().skip(2);
    while let Some(option) = options.next() {
        if is(option, "auth") && options.len() >= 2 {
            return Err(no_password());
        }
        let value = options.next().filter(|_| is(option, "setname"));
        let value = value.ok_or_else(|| {
            Reply::error(format!("ERR Syntax error in HELLO option '{}'", String::from_utf8_lossy(option)))
        })?;
        name = Some(checked_name(value)?);
    }
    if let Some(protocol) = protocol {
        state.set_protocol(protocol);
    }
    if let Some(name) = name {
        state.set_name(name);
    }
    let pair = |name: &'static str, value: Reply| (Reply::bulk(name), value);
    let version = if state.protocol() == Protocol::Three { 3 } else { 2 };
    let said = vec![
        pair("server", Reply::bulk("redis")),
        pair("version", Reply::bulk(AS_REDIS)),
        pair("proto", Reply::Int(version)),
        pair("id", Reply::Int(state.id())),
        pair("mode", Reply::bulk("standalone")),
        pair("role", Reply::bulk("master")),
        pair("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(said).into())
}

fn checked_name(name: &Bytes) -> Result<Bytes, Reply> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(name.clone());
    }
    Err(Reply::error("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn client(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let what = arg(args, 1)?;
    let reply = match args.get(2..).unwrap_or_default() {
        [] if is(what, "id") => Reply::Int(state.id()),
        [] if is(what, "getname") => {
            let name = state.name();
            if name.is_empty() { Reply::Nil } else { Reply::Bulk(name) }
        }
        [name] if is(what, "setname") => {
            let name = checked_name(name)?;
            state.set_name(name);
            Reply::OK
        }
        // Who speaks is of no use here, and said by every client.
        [_, _] if is(what, "setinfo") => Reply::OK,
        [] if is(what, "info") => Reply::Verbatim(state.client_line().into()),
        [] if is(what, "list") => Reply::Verbatim(state.client_lines().into()),
        [of, _] if is(what, "kill") && is(of, "id") => {
            let id = int(args, 3)?;
            Reply::Int(state.kill(id).into())
        }
        [how] if is(what, "no-evict") || is(what, "no-touch") => {
            if !is(how, "on") && !is(how, "off") {
                return Err(syntax());
            }
            Reply::OK
        }
        _ => {
            let what = String::from_utf8_lossy(what).into_owned();
            return Err(Reply::error(format!(
                "ERR unknown subcommand or wrong number of arguments for '{what}'. Try CLIENT HELP."
            )));
        }
    };
    Ok(reply.into())
}

fn command(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let Some(what) = args.get(1) else { return Ok(Reply::Array(all().map(described).collect()).into()) };
    let names = args.get(2..).unwrap_or_default();
    let reply = match () {
        () if is(what, "count") => Reply::Int(i64::try_from(all().count()).unwrap_or(i64::MAX)),
        () if is(what, "list") => Reply::Array(all().map(|command| Reply::bulk(command.name)).collect()),
        () if is(what, "info") && names.is_empty() => Reply::Array(all().map(described).collect()),
        () if is(what, "info") => {
            Reply::Array(names.iter().map(|name| find(name).map_or(Reply::NilArray, described)).collect())
        }
        // What commands do is told by the documents.
        () if is(what, "docs") => Reply::Map(Vec::new()),
        () if is(what, "getkeys") => keys_of(names)?,
        () => {
            let what = String::from_utf8_lossy(what).into_owned();
            return Err(Reply::error(format!("ERR unknown subcommand '{what}'. Try COMMAND HELP.")));
        }
    };
    Ok(reply.into())
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
        Reply::Array(Vec::new()),
    ])
}

fn keys_of(args: &[Bytes]) -> Result<Reply, Reply> {
    let command = args.first().and_then(|name| find(name));
    let command = command.ok_or_else(|| Reply::error("ERR Invalid command specified"))?;
    let (first, last, step) = command.keys;
    // Behind those that have their places, some commands say how many more follow.
    let is_numbered = command.flags.contains(&"movablekeys");
    let none = || Reply::error("ERR The command has no key arguments");
    let step = usize::try_from(step).ok().filter(|step| *step > 0 || is_numbered).ok_or_else(none)?;
    let first = usize::try_from(first).map_err(|_| none())?;
    check(command, args).map_err(|_| Reply::error("ERR Invalid number of arguments specified for command"))?;
    let behind = if last < 0 { args.len() } else { usize::try_from(last).map_or(0, |last| last + 1) };
    let placed = args.iter().take(behind).skip(first).step_by(step.max(1)).take(if step > 0 { usize::MAX } else { 0 });
    let mut keys: Vec<_> = bulks(placed);
    if is_numbered {
        let invalid = || Reply::error("ERR Invalid arguments specified for command");
        let numbered = numbered_keys(args, behind, invalid).map_err(|_| invalid())?;
        keys.extend(bulks(numbered.iter()));
    }
    if keys.is_empty() {
        return Err(Reply::error("ERR Invalid number of arguments specified for command"));
    }
    Ok(Reply::Array(keys))
}

fn config(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let what = arg(args, 1)?;
    if !is(what, "get") {
        let what = String::from_utf8_lossy(what).into_owned();
        return Err(Reply::error(format!("ERR unknown subcommand '{what}'. Try CONFIG GET.")));
    }
    let patterns = args.get(2..).filter(|patterns| !patterns.is_empty()).ok_or_else(|| wrong_number("config|get"))?;
    let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
    let settings = state.settings().into_iter();
    let asked = settings.filter(|(name, _)| patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes())));
    Ok(Reply::Map(asked.map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect()).into())
}

/// There are no functions: none are left when all are removed, and none are listed.
fn function(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match args.get(1..).unwrap_or_default() {
        [what] if is(what, "flush") => Ok(Reply::OK.into()),
        [what, how] if is(what, "flush") && (is(how, "sync") || is(how, "async")) => Ok(Reply::OK.into()),
        [what] if is(what, "list") => Ok(Reply::Array(Vec::new()).into()),
        [what, ..] => {
            let what = String::from_utf8_lossy(what).into_owned();
            Err(Reply::error(format!("ERR unknown subcommand '{what}'. Try FUNCTION FLUSH.")))
        }
        [] => Err(wrong_number("function")),
    }
}

fn info(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let asked = args.get(1..).unwrap_or_default();
    let is_asked = |section: &str| {
        asked.is_empty()
            || asked.iter().any(|word| ["all", "everything", "default", section].iter().any(|known| is(word, known)))
    };
    let mut text = String::new();
    for (section, lines) in state.info(AS_REDIS) {
        if is_asked(&section.to_ascii_lowercase()) {
            text.extend(["# ", section, "\r\n"]);
            for (name, value) in lines {
                text.extend([name, ":", value.as_str(), "\r\n"]);
            }
            text.push_str("\r\n");
        }
    }
    Ok(Reply::Verbatim(text.into()).into())
}
