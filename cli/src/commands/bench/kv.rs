//! What metadata groups do in a second: small records written and read by many at once, over the network, every write
//! synced on most members of its group before it counts.
//!
//! It makes a bucket of its own and removes nothing but time: keys are few and overwritten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde::Serialize;
use storgo_node::object::ports::{Metadata as _, MetadataError};
use storgo_node::object::{BucketOptions, ObjectError};
use storgo_node::{Client, MetadataClient, NodeError};
use storgo_protocol::Identity;
use storgo_protocol::cluster::{Level, Replication};
use storgo_protocol::limits::TAG_BYTES;
use storgo_protocol::meta::{
    Action, Body, BucketConfig, Command, Condition, FEATURE_LEVEL, InlineBody, KeyRule, ObjectId, Put, Reply,
    RequestId, Version,
};

use super::pace::cpu_seconds;
use crate::commands::bucket::ReplicationWord;
use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::error::{CliError, Exit};

/// Times linearizable writes and reads of small records over the network
///
/// Every write is a signed record that most members of its group have synced before it counts; every read is one that
/// misses nothing acknowledged before it began, unless --level says otherwise. It leaves a bucket behind, `bench-…`.
///
/// Examples:
///   storgo bench kv --via /ip4/127.0.0.1/tcp/4101 --clients 500
///   storgo bench kv --clients 50 --reads 100
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct KvArgs {
    /// So many ask at once, each the next time when it has its answer
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,

    /// For so long
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,

    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=16384))]
    value: u16,

    /// Over so many keys
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,

    /// How many of a hundred questions are reads
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,

    /// What a write waits for
    #[arg(long, value_enum, default_value_t = ReplicationWord::Replicated)]
    replication: ReplicationWord,

    #[command(flatten)]
    join: JoinArgs,
}

#[derive(Debug, Serialize)]
struct KvJson {
    clients: u16,
    seconds: f64,
    value_bytes: u16,
    writes: Pace,
    reads: Pace,
    failed: u64,
    client_cpu_seconds: f64,
}

/// How many, how fast, and how long each took.
#[derive(Debug, Serialize, Default)]
struct Pace {
    count: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    longest_ms: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
impl Pace {
    fn of(mut micros: Vec<u32>, seconds: f64) -> Self {
        micros.sort_unstable();
        let at = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
            let index = (micros.len() as f64 * part) as usize;
            micros.get(index.min(micros.len().saturating_sub(1))).map_or(0.0, |micros| f64::from(*micros) / 1e3)
        };
        let (p50_ms, p99_ms, longest_ms) = (at(0.5), at(0.99), at(1.0));
        Self { count: micros.len(), per_second: micros.len() as f64 / seconds, p50_ms, p99_ms, longest_ms }
    }

    fn text(&self, what: &str) -> String {
        let Self { per_second, p50_ms, p99_ms, longest_ms, .. } = self;
        format!(
            "{what:<7} {per_second:>9.0}/s   p50 {p50_ms:>8.2} ms   p99 {p99_ms:>8.2} ms   longest {longest_ms:>8.2} ms"
        )
    }
}

/// What all who ask share.
struct Load {
    metadata: MetadataClient,
    config: BucketConfig,
    user: Identity,
    value_bytes: usize,
    replication: Replication,
    keys: u32,
    reads: u8,
    until: Instant,
    failed: AtomicU64,
}

pub(super) async fn run(context: &Context, args: &KvArgs) -> Result<(), CliError> {
    let client = context.connect(&args.join, Wanted::default()).await?;
    let user = context.home()?.user()?.identity;
    let report = measure(&client, user, args).await;
    let report = leave(client, report).await?;
    context.output.result(&report, || {
        let mut lines = Vec::new();
        for (what, pace) in [("writes", &report.writes), ("reads", &report.reads)] {
            if pace.count > 0 {
                lines.push(pace.text(what));
            }
        }
        lines.push(format!("{} failed; this process took {:.2} CPU seconds", report.failed, report.client_cpu_seconds));
        lines.join("\n")
    })?;
    if report.failed > 0 && report.writes.count + report.reads.count == 0 {
        return Err(CliError::new(Exit::Unavailable, "nothing was answered"));
    }
    Ok(())
}

async fn measure(client: &Client, user: Identity, args: &KvArgs) -> Result<KvJson, NodeError> {
    let (metadata, names) = (client.metadata().await?, client.names().await?);
    let name = format!("bench-{:08x}", rand::rng().next_u32());
    let options = BucketOptions { rule: KeyRule::Flat { spread: 16_384 }, ..BucketOptions::default() };
    names.create_bucket(&name, &options).await?;
    let row = metadata.bucket(&name).await.map_err(ObjectError::from)?;
    let config = row.map(|row| row.bucket.config);
    let Some(config) = config else {
        return Err(ObjectError::from(MetadataError::Refused("the bucket is gone".into())).into());
    };
    let began = Instant::now();
    let load = Arc::new(Load {
        metadata,
        config,
        user,
        value_bytes: args.value.into(),
        replication: args.replication.into(),
        keys: args.keys,
        reads: args.reads,
        until: began + Duration::from_secs(args.seconds.into()),
        failed: AtomicU64::new(0),
    });
    let cpu = cpu_seconds();
    let tasks: Vec<_> = (0..args.clients).map(|number| tokio::spawn(ask(Arc::clone(&load), number))).collect();
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for task in tasks {
        let (wrote, read) =
            task.await.map_err(|error| NodeError::Died { part: "a client", reason: error.to_string() })?;
        writes.extend(wrote);
        reads.extend(read);
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(KvJson {
        clients: args.clients,
        seconds,
        value_bytes: args.value,
        writes: Pace::of(writes, seconds),
        reads: Pace::of(reads, seconds),
        failed: load.failed.load(Ordering::Relaxed),
        client_cpu_seconds: cpu_seconds() - cpu,
    })
}

/// One who asks, again and again; how long each write and each read took, in microseconds.
async fn ask(load: Arc<Load>, number: u16) -> (Vec<u32>, Vec<u32>) {
    let mut rng = SmallRng::seed_from_u64(number.into());
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    while Instant::now() < load.until {
        let key = Bytes::from(format!("key-{:08}", rng.random_range(0..load.keys)));
        let is_read = rng.random_range(0..100) < load.reads;
        let began = Instant::now();
        let done = if is_read {
            load.metadata.get(&load.config, &key, None, Level::Linearizable).await.is_ok()
        } else {
            let command = load.command(key.clone(), &mut rng);
            matches!(
                load.metadata.write(&load.config, &key, &command, load.replication).await,
                Ok(Reply::Written { .. })
            )
        };
        let micros = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
        match (done, is_read) {
            (true, true) => reads.push(micros),
            (true, false) => writes.push(micros),
            (false, _) => drop(load.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
    (writes, reads)
}

impl Load {
    fn command(&self, key: Bytes, rng: &mut SmallRng) -> Command {
        let (mut sealed, mut salt, mut object, mut random) =
            (vec![0; self.value_bytes + TAG_BYTES], [0; 32], [0; 16], [0; 10]);
        rng.fill_bytes(&mut sealed);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut object);
        rng.fill_bytes(&mut random);
        let request = RequestId::new(now_ms(), random);
        let body = InlineBody { generation: 1, salt, sealed: sealed.into(), unknown: Bytes::new() };
        let version = Version::new(ObjectId::from_bytes(object), request, Body::Inline(body));
        let version = Version { size: self.value_bytes as u64, ..version }.signed(self.config.bucket, &self.user);
        let (bucket, generation) = (self.config.bucket, self.config.generation);
        let put = Put { bucket, generation, key, version, condition: Condition::Always };
        Command { feature: FEATURE_LEVEL, request: Some(request), action: Action::Put(Box::new(put)) }
    }
}

fn now_ms() -> u64 {
    storgo_node::object::ports::Clock::now_ms(&storgo_node::object::ports::SystemClock)
}
