//! Publish and subscribe: what a client listens to, and what it says to those who do.
//!
//! A client is told of a message between its answers. Which answers it has not yet at that moment counts: nothing comes
//! before the word that it listens.

use std::sync::Arc;

use bytes::Bytes;
use storgo_protocol::limits::{RESP_CHANNEL_BYTES_MAX, RESP_PATTERN_BYTES_MAX};

use super::super::pubsub::{Kind, Message};
use super::super::reply::{Protocol, Reply};
use super::super::state::State;
use super::elements::bulks;
use super::parts::{HELPS, NONE, help, wrong_form};
use super::{Begun, Command, arg, length};

const FLAGS: &[&str] = &["pubsub", "noscript", "loading", "stale"];
const SAYS: &[&str] = &["pubsub", "loading", "stale", "fast"];
const TELLS: &[&str] = &["pubsub", "loading", "stale"];

/// Where cluster clients look for the slot of a channel.
const SHARDS: (i32, i32, i32) = (1, -1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "psubscribe", arity: -2, flags: FLAGS, keys: NONE, begin: |state, args| subscribe(state, Kind::Pattern, args) },
    Command { name: "publish", arity: 3, flags: SAYS, keys: NONE, begin: |state, args| publish(state, Kind::Channel, args) },
    Command { name: "punsubscribe", arity: -1, flags: FLAGS, keys: NONE, begin: |state, args| Ok(unsubscribe(state, Kind::Pattern, args)) },
    Command { name: "spublish", arity: 3, flags: SAYS, keys: (1, 1, 1), begin: |state, args| publish(state, Kind::Shard, args) },
    Command { name: "ssubscribe", arity: -2, flags: FLAGS, keys: SHARDS, begin: |state, args| subscribe(state, Kind::Shard, args) },
    Command { name: "subscribe", arity: -2, flags: FLAGS, keys: NONE, begin: |state, args| subscribe(state, Kind::Channel, args) },
    Command { name: "sunsubscribe", arity: -1, flags: FLAGS, keys: SHARDS, begin: |state, args| Ok(unsubscribe(state, Kind::Shard, args)) },
    Command { name: "unsubscribe", arity: -1, flags: FLAGS, keys: NONE, begin: |state, args| Ok(unsubscribe(state, Kind::Channel, args)) },
];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "pubsub|channels", arity: -2, flags: TELLS, keys: NONE, begin: |state, args| names(state, Kind::Channel, args) },
    Command { name: "pubsub|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("PUBSUB", HELP) },
    Command { name: "pubsub|numpat", arity: 2, flags: TELLS, keys: NONE, begin: |state, _| Ok(length(state.shared().channels.counts().1).into()) },
    Command { name: "pubsub|numsub", arity: -2, flags: TELLS, keys: NONE, begin: |state, args| Ok(listeners(state, Kind::Channel, args)) },
    Command { name: "pubsub|shardchannels", arity: -2, flags: TELLS, keys: NONE, begin: |state, args| names(state, Kind::Shard, args) },
    Command { name: "pubsub|shardnumsub", arity: -2, flags: TELLS, keys: NONE, begin: |state, args| Ok(listeners(state, Kind::Shard, args)) },
];

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    The channels that clients of this door listen to, or those of them that match.",
    "NUMPAT",
    "    To how many patterns clients of this door listen.",
    "NUMSUB [<channel> ...]",
    "    How many clients of this door listen to each of these channels, not counting patterns.",
    "SHARDCHANNELS [<pattern>]",
    "    The channels of shards that clients of this door listen to, or those of them that match.",
    "SHARDNUMSUB [<channel> ...]",
    "    How many clients of this door listen to each of these channels of shards.",
];

/// What a client in version 2 may still say while it listens: its answers could not be told from messages.
const WHILE_LISTENING: &[&str] =
    &["ping", "psubscribe", "punsubscribe", "quit", "reset", "ssubscribe", "subscribe", "sunsubscribe", "unsubscribe"];

/// Refuses what may not be said while one listens.
pub(super) fn check(state: &State, command: &Command) -> Result<(), Reply> {
    if !listens(state) || WHILE_LISTENING.contains(&command.name) {
        return Ok(());
    }
    let name = command.name;
    Err(Reply::error(format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context"
    )))
}

/// Whether a client listens and its version of the protocol has no other word for messages than for answers.
pub(super) fn listens(state: &State) -> bool {
    state.protocol() == Protocol::Two && state.client().is_subscribed()
}

/// What a client is told of a name that it listens to from then on, or no more.
fn word(word: &'static str, name: Option<Bytes>, listens_to: usize) -> Reply {
    Reply::Push(vec![Reply::bulk(word), name.map_or(Reply::Nil, Reply::Bulk), length(listens_to)])
}

/// Refuses names that would take long to match.
fn check_names(kind: Kind, names: &[Bytes]) -> Result<(), Reply> {
    let (what, most) = match kind {
        Kind::Pattern => ("pattern", RESP_PATTERN_BYTES_MAX),
        Kind::Channel | Kind::Shard => ("channel's name", RESP_CHANNEL_BYTES_MAX),
    };
    let is_short = names.iter().all(|name| name.len() <= most);
    if is_short { Ok(()) } else { Err(Reply::error(format!("ERR a {what} has at most {most} bytes"))) }
}

fn subscribe(state: &State, kind: Kind, args: &[Bytes]) -> Result<Begun, Reply> {
    let said = match kind {
        Kind::Channel => "subscribe",
        Kind::Pattern => "psubscribe",
        Kind::Shard => "ssubscribe",
    };
    let names = args.get(1..).unwrap_or_default().to_vec();
    check_names(kind, &names)?;
    let (client, channels) = (Arc::clone(state.client()), Arc::clone(&state.shared().channels));
    Ok(Begun::Once(Box::new(move || match channels.subscribe(&client, kind, &names) {
        Ok(counts) => {
            let words = names.into_iter().zip(counts).map(|(name, count)| word(said, Some(name), count));
            Reply::Several(words.collect())
        }
        Err(_) => Reply::error("ERR clients listen to no more than they may already"),
    })))
}

fn unsubscribe(state: &State, kind: Kind, args: &[Bytes]) -> Begun {
    let said = match kind {
        Kind::Channel => "unsubscribe",
        Kind::Pattern => "punsubscribe",
        Kind::Shard => "sunsubscribe",
    };
    let names = args.get(1..).filter(|names| !names.is_empty()).map(<[Bytes]>::to_vec);
    let (client, channels) = (Arc::clone(state.client()), Arc::clone(&state.shared().channels));
    Begun::Once(Box::new(move || {
        let words = channels.unsubscribe(&client, kind, names.as_deref()).into_iter();
        Reply::Several(words.map(|(name, count)| word(said, name, count)).collect())
    }))
}

fn publish(state: &State, kind: Kind, args: &[Bytes]) -> Result<Begun, Reply> {
    check_names(kind, args.get(1..2).unwrap_or_default())?;
    let message = Message { kind, channel: arg(args, 1)?.clone(), payload: arg(args, 2)?.clone() };
    if message.channel.len().saturating_add(message.payload.len()) > Message::BYTES_MAX {
        let most = Message::BYTES_MAX;
        return Err(Reply::error(format!("ERR a channel and its message have at most {most} bytes together")));
    }
    let channels = Arc::clone(&state.shared().channels);
    Ok(Begun::Once(Box::new(move || length(channels.publish(&message)))))
}

fn names(state: &State, kind: Kind, args: &[Bytes]) -> Result<Begun, Reply> {
    if args.len() > 3 {
        return Err(wrong_form(args, "PUBSUB"));
    }
    check_names(Kind::Pattern, args.get(2..).unwrap_or_default())?;
    let names = state.shared().channels.names(kind, args.get(2));
    Ok(Reply::Array(bulks(names.iter())).into())
}

fn listeners(state: &State, kind: Kind, args: &[Bytes]) -> Begun {
    let channels = &state.shared().channels;
    let told = |name: &Bytes| [Reply::Bulk(name.clone()), length(channels.listeners(kind, name))];
    Reply::Array(args.iter().skip(2).flat_map(told).collect()).into()
}
