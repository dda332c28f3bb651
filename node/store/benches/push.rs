//! What durable pushes and verified pulls cost: one GiB in shards of 300 KiB to 2 MiB by eight callers at once, beside
//! what the machine takes for the bare parts.
//!
//! `cargo bench -p storgo-store [-- DIRECTORY]`: the directory, by default the system's for temporary files, decides
//! which disk is measured. CPU seconds are this process's; what the kernel's own threads write back on its behalf
//! comes on top and is told beside them, for the whole machine, so only a quiet one tells it well.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not the product"
)]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use storgo_object::ports::{Lease, OsRandom, Scrutiny, ShardStore as _};
use storgo_protocol::message::PushedShard;
use storgo_protocol::{ChunkId, Code, PeerId, ShardAddress, ShardId, ShardIndex, StripeHeader};
use storgo_store::{Store, StoreConfig};

const CALLERS: usize = 8;
const BYTES: usize = 1 << 30;
const SHARD_BYTES: std::ops::RangeInclusive<usize> = 300 << 10..=2 << 20;
/// Shards are cut from so many random bytes: more than the caches hold, less than a GiB of memory.
const POOL_BYTES: usize = 96 << 20;
/// Files that one round of the bare writers makes durable.
const ROUND_FILES: usize = CALLERS;

/// One shard and its stripe, of which nothing else is pushed.
struct Shard {
    header: StripeHeader,
    payload: Bytes,
}

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(&parent).unwrap();
    println!("in {}", dir.path().display());
    let shards = Arc::new(shards());
    let bytes: usize = shards.iter().map(|shard| shard.payload.len()).sum();
    println!("{} shards, {:.2} GiB, {CALLERS} callers", shards.len(), bytes as f64 / f64::from(1 << 30));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for run in 0..3 {
        runtime.block_on(store(&dir.path().join(run.to_string()), &shards, bytes));
    }
    let hash = || shards.iter().for_each(|shard| _ = black_box(blake3::hash(&shard.payload)));
    measure("BLAKE3 of the same, alone", bytes, hash);
    for (name, whole) in [("bare files, fdatasync each", false), ("bare files, syncfs each round", true)] {
        let below = dir.path().join(name);
        fs::create_dir(&below).unwrap();
        measure(name, bytes, || bare(&below, &shards, whole));
    }
}

async fn store(dir: &Path, shards: &Arc<Vec<Shard>>, bytes: usize) {
    let config = StoreConfig {
        index: dir.join("index"),
        disks: vec![dir.join("disk")],
        capacity_bytes: None,
        quota_per_user_bytes: None,
    };
    let store = Store::open(config, Arc::new(OsRandom)).await.unwrap();
    let before = Usage::now();
    each(&store, shards, |store, shards, n| async move {
        let Shard { header, payload } = &shards[n];
        let (header, index) = (header.clone(), ShardIndex::new(0).unwrap());
        store.push(vec![PushedShard { header, index, payload: payload.clone() }], &lease()).await.unwrap();
    })
    .await;
    before.report("push, durable", bytes);
    let before = Usage::now();
    each(&store, shards, |store, shards, n| async move {
        let (_, payload) = store.pull(address(&shards[n])).await.unwrap();
        assert!(payload.len() == shards[n].payload.len());
    })
    .await;
    before.report("pull, verified", bytes);
    let before = Usage::now();
    each(&store, shards, |store, shards, n| async move {
        let held = store.has(&[shards[n].header.id()], &[], Scrutiny::Indexed).await.unwrap();
        assert!(held.shards[0].len() == 1);
    })
    .await;
    before.report("has, from the index", bytes);
    // The files stay until the end: ext4 looks long at inodes that were deleted a moment ago.
    store.close().await.unwrap();
}

/// Has the callers do `work` for each shard, each caller one after the other.
async fn each<F>(store: &Arc<Store>, shards: &Arc<Vec<Shard>>, work: impl Fn(Arc<Store>, Arc<Vec<Shard>>, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let work = &work;
    let futures = (0..CALLERS).map(|caller| {
        let own: Vec<_> =
            (caller..shards.len()).step_by(CALLERS).map(|n| work(Arc::clone(store), Arc::clone(shards), n)).collect();
        tokio::spawn(async move {
            for job in own {
                job.await;
            }
        })
    });
    for caller in futures.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// What the disk takes for files of the same lengths, written and synced by rounds with nothing else around.
fn bare(dir: &Path, shards: &[Shard], whole: bool) {
    for (round, shards) in shards.chunks(ROUND_FILES).enumerate() {
        let files = shards.iter().enumerate().map(|(n, shard)| {
            let mut file = File::create(dir.join(format!("{round}-{n}"))).unwrap();
            file.write_all(&shard.payload).unwrap();
            file
        });
        let files: Vec<_> = files.collect();
        if whole {
            rustix::fs::syncfs(&files[0]).unwrap();
        } else {
            for file in &files {
                file.sync_data().unwrap();
            }
        }
    }
}

fn shards() -> Vec<Shard> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut pool = vec![0; POOL_BYTES];
    rng.fill_bytes(&mut pool);
    let pool = Bytes::from(pool);
    let code: Code = "replicate:1".parse().unwrap();
    let (mut shards, mut bytes) = (Vec::new(), 0);
    while bytes < BYTES {
        let count = rng.random_range(SHARD_BYTES);
        let first = rng.random_range(0..POOL_BYTES - count);
        let payload = pool.slice(first..first + count);
        let id = ShardId::from_bytes(*blake3::hash(&payload).as_bytes());
        let chunk = ChunkId::from_bytes(*blake3::hash(&bytes.to_le_bytes()).as_bytes());
        shards.push(Shard { header: StripeHeader::new(chunk, count, code, &[id]).unwrap(), payload });
        bytes += count;
    }
    shards
}

fn address(shard: &Shard) -> ShardAddress {
    ShardAddress { stripe: shard.header.id(), index: ShardIndex::new(0).unwrap() }
}

fn lease() -> Lease {
    Lease { owner: PeerId::from_bytes([1; 32]), nonce: [2; 16], expiry: 3 }
}

fn measure(name: &str, bytes: usize, work: impl FnOnce()) {
    let before = Usage::now();
    work();
    before.report(name, bytes);
}

/// Time that was used up until now.
struct Usage {
    wall: Instant,
    user: f64,
    system: f64,
    kernel: f64,
}

impl Usage {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let (user, system) = ticks(&stat);
        Self { wall: Instant::now(), user, system, kernel: kernel_threads() }
    }

    fn report(&self, name: &str, bytes: usize) {
        let now = Self::now();
        let gib = bytes as f64 / f64::from(1 << 30);
        let (user, system) = ((now.user - self.user) / gib, (now.system - self.system) / gib);
        let wall = now.wall.duration_since(self.wall).as_secs_f64();
        println!(
            "{name}: {:.2} CPU s a GiB ({user:.2} user, {system:.2} system; kernel threads {:.2}), {wall:.2} s wall",
            user + system,
            (now.kernel - self.kernel).max(0.0) / gib,
        );
    }
}

/// User and system seconds in a line of `/proc/PID/stat`.
fn ticks(stat: &str) -> (f64, f64) {
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<f64> =
        behind_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap()).collect();
    (fields[0] / 100.0, fields[1] / 100.0)
}

/// Seconds of all the kernel's own workers, which write back what `syncfs` asks for.
fn kernel_threads() -> f64 {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = entries.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let workers = stats.filter(|stat| stat.contains("(kworker/") || stat.contains("(jbd2/"));
    workers.map(|stat| ticks(&stat)).map(|(user, system)| user + system).sum()
}
