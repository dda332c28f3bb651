//! What concerns the connection, and what a client asks about this door.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;

use super::super::guard::Credentials;
use super::super::numbers::{self, ValueError};
use super::super::reply::{Protocol, Reply};
use super::super::state::{Answers, State};
use super::auth;
use super::client::checked_name;
use super::parts::{HELPS, NONE, help, wrong_form};
use super::{Begun, Command, arg, int, is, key, pubsub, said, shown, wrong_number};

const FAST: &[&str] = &["loading", "stale", "fast"];
pub(super) const OPEN: &[&str] = &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "echo", arity: 2, flags: FAST, keys: NONE, begin: |_, args| Ok(Reply::Bulk(key(args)?).into()) },
    Command { name: "hello", arity: -1, flags: OPEN, keys: NONE, begin: hello },
    Command { name: "ping", arity: -1, flags: &["fast"], keys: NONE, begin: ping },
    Command { name: "quit", arity: -1, flags: OPEN, keys: NONE, begin: |_, _| Ok(Begun::Close(Reply::OK)) },
    Command { name: "reset", arity: 1, flags: OPEN, keys: NONE, begin: reset },
    Command { name: "select", arity: 2, flags: FAST, keys: NONE, begin: select },
    Command { name: "time", arity: 1, flags: FAST, keys: NONE, begin: time },
    Command { name: "wait", arity: 3, flags: &["noscript"], keys: NONE, begin: wait },
];

#[rustfmt::skip]
pub(super) const FUNCTION_PARTS: &[Command] = &[
    Command { name: "function|flush", arity: -2, flags: &["write", "noscript"], keys: NONE, begin: flush },
    Command { name: "function|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("FUNCTION", FUNCTION_HELP) },
    Command { name: "function|list", arity: -2, flags: &["noscript"], keys: NONE, begin: functions },
];

const FUNCTION_HELP: &[&str] = &[
    "FLUSH [ASYNC|SYNC]",
    "    Removes all functions: there are none.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Lists them: there are none.",
];

/// The version of Redis whose answers these are: clients choose by it what they say.
pub(super) const AS_REDIS: &str = "7.0.15";

fn ping(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match args {
        [_] | [_, _] if pubsub::listens(state) => {
            let word = args.get(1).cloned().unwrap_or_default();
            Ok(Reply::Array(vec![Reply::bulk("pong"), Reply::Bulk(word)]).into())
        }
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
    state.shared().channels.leave(state.client());
    state.set_protocol(Protocol::Two);
    state.client().set_name(Bytes::new());
    state.client().set_user(None);
    state.answers = Answers::On;
    state.reads_stale = false;
    *state.transaction() = None;
    state.watched().lock().clear();
    Ok(Reply::Simple("RESET".into()).into())
}

/// What a client says when it begins.
#[derive(Default)]
struct Hello {
    protocol: Option<Protocol>,
    name: Option<Bytes>,
    credentials: Option<Credentials>,
}

fn hello(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let mut hello = Hello::parse(args)?;
    match hello.credentials.take() {
        Some(said) => auth::check(state, said, move |state| hello.answer(state)),
        None if state.is_stranger() => Err(auth::no_hello()),
        None => Ok(hello.answer(state).into()),
    }
}

impl Hello {
    fn parse(args: &[Bytes]) -> Result<Self, Reply> {
        let unsupported = || Reply::error("NOPROTO unsupported protocol version");
        let mut hello = Self::default();
        if let Some(version) = args.get(1) {
            let version = numbers::parse_int(version)
                .ok_or_else(|| Reply::error("ERR Protocol version is not an integer or out of range"))?;
            hello.protocol = Some(match version {
                2 => Protocol::Two,
                3 => Protocol::Three,
                _ => return Err(unsupported()),
            });
        }
        let mut options = args.iter().skip(2);
        while let Some(option) = options.next() {
            let wrong =
                || Reply::error(format!("ERR Syntax error in HELLO option '{}'", String::from_utf8_lossy(option)));
            match (options.next(), options.len()) {
                (Some(user), 1..) if is(option, "auth") => {
                    let secret = options.next().cloned().unwrap_or_default();
                    hello.credentials = Some(auth::credentials(Some(user), secret));
                }
                (Some(name), _) if is(option, "setname") => hello.name = Some(checked_name(name)?),
                _ => return Err(wrong()),
            }
        }
        Ok(hello)
    }

    fn answer(self, state: &mut State) -> Reply {
        if let Some(protocol) = self.protocol {
            state.set_protocol(protocol);
        }
        if let Some(name) = self.name {
            state.client().set_name(name);
        }
        let pair = |name: &'static str, value: Reply| (Reply::bulk(name), value);
        let version = if state.protocol() == Protocol::Three { 3 } else { 2 };
        Reply::Map(vec![
            pair("server", Reply::bulk("redis")),
            pair("version", Reply::bulk(AS_REDIS)),
            pair("proto", Reply::Int(version)),
            pair("id", Reply::Int(state.id())),
            pair("mode", Reply::bulk(state.shared().settings.mode())),
            pair("role", Reply::bulk("master")),
            pair("modules", Reply::Array(Vec::new())),
        ])
    }
}

/// No member but the leader is known to have what was written: it is on most of them, be that one alone. More do not come by
/// waiting.
fn wait(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    int(args, 1)?;
    let timeout_ms = numbers::parse_int(arg(args, 2)?);
    let timeout_ms = timeout_ms.ok_or_else(|| Reply::error("ERR timeout is not an integer or out of range"))?;
    if timeout_ms < 0 { Err(Reply::error("ERR timeout is negative")) } else { Ok(Reply::Int(0).into()) }
}

/// There are no functions: none are left when all are removed.
fn flush(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match args.get(2..).unwrap_or_default() {
        [] => Ok(Reply::OK.into()),
        [how] if is(how, "sync") || is(how, "async") => Ok(Reply::OK.into()),
        [_] => Err(Reply::error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => Err(wrong_form(args, "FUNCTION")),
    }
}

fn functions(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (mut with_code, mut named) = (false, false);
    let mut options = args.iter().skip(2);
    while let Some(option) = options.next() {
        match () {
            () if is(option, "withcode") && !with_code => with_code = true,
            () if is(option, "libraryname") && !named => {
                named = true;
                let missing = || Reply::error("ERR library name argument was not given");
                options.next().ok_or_else(missing)?;
            }
            () => return Err(Reply::error(format!("ERR Unknown argument {}", shown(option)))),
        }
    }
    Ok(Reply::Array(Vec::new()).into())
}
