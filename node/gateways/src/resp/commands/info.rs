//! `INFO`: what is told of this door, in sections. What it does not know does not stand there.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::super::client::Filter;
use super::super::reply::Reply;
use super::super::state::State;
use super::super::usage;
use super::parts::{HELPS, NONE};
use super::server::AS_REDIS;
use super::{Begun, Command, every, is};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "info", arity: -1, flags: HELPS, keys: NONE, begin: info },
];

/// The lines of a section.
type Lines = Vec<(String, String)>;

/// A section: what it is called, whether it is told to who names none, and its lines.
type Section = (&'static str, bool, fn(&State) -> Lines);

const SECTIONS: &[Section] = &[
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, memory),
    ("Persistence", true, |_| persistence()),
    ("Stats", true, stats),
    ("Replication", true, |_| replication()),
    ("CPU", true, |_| cpu()),
    ("Commandstats", false, command_stats),
    ("Errorstats", true, error_stats),
    ("Cluster", true, |state| lines([("cluster_enabled", u8::from(state.shared().settings.moved()).to_string())])),
];

fn info(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let asked = args.get(1..).unwrap_or_default();
    let names = |known: &str| asked.iter().any(|word| is(word, known));
    let (is_all, is_default) = (names("all") || names("everything"), asked.is_empty() || names("default"));
    let mut text = String::new();
    for (section, by_default, told) in SECTIONS {
        if is_all || (is_default && *by_default) || names(section) {
            let gap = if text.is_empty() { "" } else { "\r\n" };
            text.extend([gap, "# ", section, "\r\n"]);
            for (name, value) in told(state) {
                text.extend([name.as_str(), ":", value.as_str(), "\r\n"]);
            }
        }
    }
    Ok(Reply::Verbatim(text.into()).into())
}

fn lines<const COUNT: usize>(lines: [(&str, String); COUNT]) -> Lines {
    lines.map(|(name, value)| (name.to_owned(), value)).into()
}

fn server(state: &State) -> Lines {
    let shared = state.shared();
    let uptime = shared.started.elapsed().as_secs();
    lines([
        ("redis_version", AS_REDIS.to_owned()),
        ("storgo_version", shared.version.clone()),
        ("redis_mode", shared.settings.mode().to_owned()),
        ("arch_bits", usize::BITS.to_string()),
        ("process_id", std::process::id().to_string()),
        ("tcp_port", state.client().to().port().to_string()),
        ("server_time_usec", shared.keyspace.now_ms().saturating_mul(1000).to_string()),
        ("uptime_in_seconds", uptime.to_string()),
        ("uptime_in_days", (uptime / (24 * 60 * 60)).to_string()),
    ])
}

fn clients(state: &State) -> Lines {
    let shared = state.shared();
    lines([
        ("connected_clients", shared.clients(&Filter::default()).len().to_string()),
        ("maxclients", shared.settings.clients_max().to_string()),
    ])
}

/// All of the process: the node's, and the door's in it.
fn memory(_: &State) -> Lines {
    let rss = usage::memory().map(|bytes| ("used_memory_rss".to_owned(), bytes.to_string()));
    let fixed = lines([("maxmemory", "0".to_owned()), ("maxmemory_policy", "noeviction".to_owned())]);
    rss.into_iter().chain(fixed).collect()
}

/// What was answered is on disks, and nothing is to be loaded before that is so.
fn persistence() -> Lines {
    let zero = || "0".to_owned();
    lines([
        ("loading", zero()),
        ("async_loading", zero()),
        ("rdb_bgsave_in_progress", zero()),
        ("aof_enabled", "1".to_owned()),
        ("aof_rewrite_in_progress", zero()),
        ("aof_rewrite_scheduled", zero()),
    ])
}

fn stats(state: &State) -> Lines {
    let (done, channels) = (&state.shared().stats, &state.shared().channels);
    let (listened, patterns, shards) = channels.counts();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
    lines([
        ("total_connections_received", count(&done.came)),
        ("total_commands_processed", done.calls().to_string()),
        ("rejected_connections", count(&done.refused)),
        ("acl_access_denied_auth", count(&done.wrong_auth)),
        ("acl_access_denied_cmd", count(&done.forbidden)),
        ("evicted_keys", "0".to_owned()),
        ("pubsub_channels", listened.to_string()),
        ("pubsub_patterns", patterns.to_string()),
        ("pubsubshard_channels", shards.to_string()),
        ("storgo_messages_lost", channels.lost().to_string()),
        ("storgo_udp_ignored", count(&done.udp_ignored)),
        ("storgo_udp_lost", count(&done.udp_lost)),
        ("total_error_replies", done.errors().values().sum::<u64>().to_string()),
    ])
}

/// No door follows another: all that there is to say is that this one takes writes.
fn replication() -> Lines {
    lines([("role", "master".to_owned()), ("connected_slaves", "0".to_owned()), ("master_repl_offset", "0".to_owned())])
}

fn cpu() -> Lines {
    let Some(cpu) = usage::cpu() else { return Vec::new() };
    lines([("used_cpu_sys", usage::seconds(cpu.system)), ("used_cpu_user", usage::seconds(cpu.user))])
}

fn command_stats(state: &State) -> Lines {
    let told = every().filter_map(|command| {
        let told = state.shared().stats.of(command.name)?;
        let (whole, cents) = per_call(told.us, told.calls);
        let value = format!(
            "calls={},usec={},usec_per_call={whole}.{cents:02},rejected_calls={},failed_calls={}",
            told.calls, told.us, told.rejected, told.failed
        );
        Some((format!("cmdstat_{}", command.name), value))
    });
    told.collect()
}

/// Microseconds of a call, and hundredths of one.
fn per_call(us: u64, calls: u64) -> (u64, u64) {
    let hundredths = us.saturating_mul(100) / calls.max(1);
    (hundredths / 100, hundredths % 100)
}

fn error_stats(state: &State) -> Lines {
    let errors = state.shared().stats.errors().into_iter();
    errors.map(|(word, count)| (format!("errorstat_{word}"), format!("count={count}"))).collect()
}
