//! `CLUSTER`: which doors there are and which slots' keys each has nearest, for clients that go to the right one by
//! themselves. What would change that is for the network to do.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use storgo_protocol::limits::{LISTED_MAX, SLOTS};
use storgo_protocol::meta::Slot;
use tokio::time::Instant;

use super::super::doors::{Nearest, Place};
use super::super::reply::Reply;
use super::super::state::State;
use super::introspection::keys_of;
use super::keys::{count_in_slot, keys_in_slot};
use super::parts::{HELPS, NONE, help};
use super::{Begun, Command, arg, int};

const STALE: &[&str] = &["stale"];
const FAST: &[&str] = &["loading", "stale", "fast"];

/// What stands behind the port of a door for the port by which nodes of a cluster speak: there is none.
const NO_BUS: u16 = 0;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    // Any door serves any key: none is on its way.
    Command { name: "asking", arity: 1, flags: &["fast"], keys: NONE, begin: |_, _| Ok(Reply::OK.into()) },
    Command { name: "readonly", arity: 1, flags: FAST, keys: NONE, begin: |state, _| Ok(reads_stale(state, true)) },
    Command { name: "readwrite", arity: 1, flags: FAST, keys: NONE, begin: |state, _| Ok(reads_stale(state, false)) },
];

#[rustfmt::skip]
pub(super) const PARTS: &[Command] = &[
    Command { name: "cluster|countkeysinslot", arity: 3, flags: STALE, keys: NONE, begin: count },
    Command { name: "cluster|getkeysinslot", arity: 4, flags: STALE, keys: NONE, begin: keys },
    Command { name: "cluster|help", arity: 2, flags: HELPS, keys: NONE, begin: |_, _| help("CLUSTER", HELP) },
    Command { name: "cluster|info", arity: 2, flags: STALE, keys: NONE, begin: info },
    Command { name: "cluster|keyslot", arity: 3, flags: STALE, keys: NONE, begin: |_, args| Ok(Reply::Int(Slot::of_redis(arg(args, 2)?).number().into()).into()) },
    Command { name: "cluster|myid", arity: 2, flags: STALE, keys: NONE, begin: |state, _| Ok(Reply::bulk(state.shared().doors.own_id()).into()) },
    Command { name: "cluster|nodes", arity: 2, flags: STALE, keys: NONE, begin: nodes },
    Command { name: "cluster|shards", arity: 2, flags: STALE, keys: NONE, begin: shards },
    Command { name: "cluster|slots", arity: 2, flags: STALE, keys: NONE, begin: slots },
];

const HELP: &[&str] = &[
    "COUNTKEYSINSLOT <slot>",
    "    How many keys there are in a slot.",
    "GETKEYSINSLOT <slot> <count>",
    "    Some keys of a slot.",
    "INFO",
    "    How many doors there are.",
    "KEYSLOT <key>",
    "    The slot of a key.",
    "MYID",
    "    What this door is called among them.",
    "NODES",
    "    All doors, and the slots whose keys each has nearest.",
    "SHARDS",
    "    The same, by slots.",
    "SLOTS",
    "    The same, by ranges of slots, and the other doors, which serve them too.",
];

/// How soon somebody comes back who was sent away by two doors in turn.
const MOVED_AGAIN: Duration = Duration::from_secs(1);

fn reads_stale(state: &mut State, may_be: bool) -> Begun {
    state.reads_stale = may_be;
    Reply::OK.into()
}

/// Sends who asks for keys to the door that has them nearest, where that is set. Keys of several slots are served here, and so
/// is who may be told what is stale.
pub(super) fn check(state: &mut State, command: &Command, args: &[Bytes]) -> Result<(), Reply> {
    let stays = state.reads_stale && command.flags.contains(&"readonly");
    if !state.shared().settings.moved() || stays {
        return Ok(());
    }
    let keys = keys_of(command, args).unwrap_or_default();
    let mut slots = keys.iter().map(|key| Slot::of_redis(key));
    let Some(slot) = slots.next().filter(|first| slots.all(|slot| slot == *first)) else { return Ok(()) };
    let now = Instant::now();
    let Some(address) = state.shared().doors.elsewhere(slot, now) else { return Ok(()) };
    // Where the client can go, that is this door, or one of its own machine.
    let (from, to) = (state.client().from(), state.client().to());
    if address == to || (address.ip().is_loopback() && !from.ip().is_loopback()) {
        return Ok(());
    }
    // The other door sent it back: they do not agree yet.
    if state.moved.take().is_some_and(|(last, at)| last == slot && now - at < MOVED_AGAIN) {
        return Ok(());
    }
    state.moved = Some((slot, now));
    Err(Reply::error(format!("MOVED {} {}:{}", slot.number(), address.ip(), address.port())))
}

fn nearest(state: &State) -> Vec<Nearest> {
    state.shared().doors.nearest(state.client().to(), Instant::now())
}

fn number(slot: Slot) -> Reply {
    Reply::Int(slot.number().into())
}

fn slots(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let door = |door: &Place| {
        let (ip, port) = (door.address.ip().to_string(), door.address.port());
        Reply::Array(vec![
            Reply::bulk(ip),
            Reply::Int(port.into()),
            Reply::bulk(door.id.clone()),
            Reply::Map(Vec::new()),
        ])
    };
    let range = |range: Nearest| {
        let ends = [number(*range.slots.start()), number(*range.slots.end())];
        Reply::Array(ends.into_iter().chain(range.doors.iter().map(door)).collect())
    };
    Ok(Reply::Array(nearest(state).into_iter().map(range).collect()).into())
}

/// The doors that have slots nearest, each with those and with the other doors.
fn by_door(ranges: Vec<Nearest>) -> Vec<(Vec<Nearest>, Vec<Place>)> {
    let mut doors: BTreeMap<String, (Vec<Nearest>, Vec<Place>)> = BTreeMap::new();
    for range in ranges {
        let Some(first) = range.doors.first() else { continue };
        let (own, _) = doors.entry(first.id.clone()).or_insert_with(|| (Vec::new(), range.doors.clone()));
        own.push(range);
    }
    doors.into_values().collect()
}

fn shards(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let text = |name: &'static str, text: &str| (Reply::bulk(name), Reply::bulk(text.to_owned()));
    let door = |(n, door): (usize, &Place)| {
        let ip = door.address.ip().to_string();
        Reply::Map(vec![
            text("id", &door.id),
            (Reply::bulk("port"), Reply::Int(door.address.port().into())),
            text("ip", &ip),
            text("endpoint", &ip),
            text("role", if n == 0 { "master" } else { "replica" }),
            (Reply::bulk("replication-offset"), Reply::Int(0)),
            text("health", "online"),
        ])
    };
    let shard = |(own, doors): (Vec<Nearest>, Vec<Place>)| {
        let ends = own.iter().flat_map(|range| [number(*range.slots.start()), number(*range.slots.end())]);
        Reply::Map(vec![
            (Reply::bulk("slots"), Reply::Array(ends.collect())),
            (Reply::bulk("nodes"), Reply::Array(doors.iter().enumerate().map(door).collect())),
        ])
    };
    Ok(Reply::Array(by_door(nearest(state)).into_iter().map(shard).collect()).into())
}

/// All doors: a door that has no slots nearest is one without slots.
fn nodes(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let ranges = nearest(state);
    let all = ranges.first().map(|range| range.doors.clone()).unwrap_or_default();
    let line = |door: &Place| {
        let myself = if door.is_own { "myself," } else { "" };
        let first = format!("{} {}@{NO_BUS} {myself}master - 0 0 0 connected", door.id, shown(door));
        let own = ranges.iter().filter(|range| range.doors.first() == Some(door)).map(|range| {
            let (first, last) = (range.slots.start().number(), range.slots.end().number());
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        });
        std::iter::once(first).chain(own).collect::<Vec<_>>().join(" ") + "\n"
    };
    Ok(Reply::Verbatim(all.iter().map(line).collect::<String>().into()).into())
}

/// Where a door is, as it stands in a line: without the brackets of a version 6.
fn shown(door: &Place) -> String {
    format!("{}:{}", door.address.ip(), door.address.port())
}

fn info(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let ranges = nearest(state);
    let doors = ranges.first().map_or(0, |range| range.doors.len());
    let first: BTreeSet<_> = ranges.iter().filter_map(|range| range.doors.first()).map(|door| &door.id).collect();
    let said = format!(
        "cluster_state:ok\r\ncluster_slots_assigned:{SLOTS}\r\ncluster_slots_ok:{SLOTS}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{doors}\r\ncluster_size:{}\r\n\
         cluster_current_epoch:0\r\ncluster_my_epoch:0\r\n",
        first.len()
    );
    Ok(Reply::Verbatim(said.into()).into())
}

fn slot(args: &[Bytes]) -> Result<Option<Slot>, Reply> {
    Ok(u16::try_from(int(args, 2)?).ok().and_then(Slot::new))
}

fn count(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let slot = slot(args)?.ok_or_else(|| Reply::error("ERR Invalid slot"))?;
    Ok(count_in_slot(state.keyspace(), slot))
}

fn keys(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let invalid = || Reply::error("ERR Invalid slot or number of keys");
    let (slot, most) = (slot(args)?, int(args, 3)?);
    let (slot, most) = (slot.ok_or_else(invalid)?, usize::try_from(most).map_err(|_| invalid())?);
    let told = |keys: Vec<Bytes>| Reply::Array(keys.into_iter().map(Reply::Bulk).collect());
    Ok(keys_in_slot(state.keyspace(), slot, most.min(LISTED_MAX), told))
}
