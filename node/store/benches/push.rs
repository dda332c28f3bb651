//! What durable pushes cost: one GiB in shards of 256 KiB by sixteen pushers at once, and the two ways to sync a round.
//!
//! `cargo bench -p storgo-store [-- DIRECTORY]`: the directory, by default the system's for temporary files, decides
//! which disk is measured.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not the product"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rand::{Rng as _, SeedableRng as _};
use storgo_object::ports::{Lease, OsRandom, ShardStore as _};
use storgo_protocol::{ChunkId, Code, PeerId, ShardId, ShardIndex, StripeHeader};
use storgo_store::{Store, StoreConfig};

const SHARD_BYTES: usize = 256 << 10;
const PUSHERS: u64 = 16;
const STRIPES: u64 = 1024;
const ROUNDS: usize = 64;
const ROUND_FILES: usize = 16;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(&parent).unwrap();
    println!("in {}", dir.path().display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(push(dir.path()));
    rounds(dir.path(), "fdatasync each", |files| files.iter().for_each(|file| file.sync_data().unwrap()));
    rounds(dir.path(), "syncfs once", |files| rustix::fs::syncfs(&files[0]).unwrap());
}

async fn push(dir: &Path) {
    let config = StoreConfig {
        index: dir.join("index"),
        disks: vec![dir.join("disk")],
        capacity_bytes: None,
        quota_per_user_bytes: None,
    };
    let store = Store::open(config, Arc::new(OsRandom)).await.unwrap();
    let code: Code = "erasure:3+1".parse().unwrap();
    let stripes: Vec<_> = (0..STRIPES).map(|seed| stripe(seed, code)).collect();
    let stripes = Arc::new(stripes);
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let pushers: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let (store, stripes) = (Arc::clone(&store), Arc::clone(&stripes));
            tokio::spawn(async move {
                let lease = Lease { owner: PeerId::from_bytes([1; 32]), nonce: [2; 16], expiry: 3 };
                let own = (0..STRIPES * 4).filter(|n| n % PUSHERS == pusher);
                for n in own {
                    let (header, shards) = &stripes[usize::try_from(n / 4).unwrap()];
                    let index = usize::try_from(n % 4).unwrap();
                    let shard = shards[index].clone();
                    store.push(header, ShardIndex::new(index).unwrap(), shard, &lease).await.unwrap();
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.unwrap();
    }
    report("push 1 GiB, durable", STRIPES * 4 * SHARD_BYTES as u64, wall, cpu);
    store.close().await.unwrap();
}

fn rounds(dir: &Path, name: &str, sync: impl Fn(&[File])) {
    let dir = tempfile::tempdir_in(dir).unwrap();
    let payload = stripe(1, "replicate:1".parse().unwrap()).1.remove(0);
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    for round in 0..ROUNDS {
        let files: Vec<_> = (0..ROUND_FILES)
            .map(|n| {
                let mut file = File::create(dir.path().join(format!("{round}-{n}"))).unwrap();
                file.write_all(&payload).unwrap();
                file
            })
            .collect();
        sync(&files);
    }
    report(name, (ROUNDS * ROUND_FILES * SHARD_BYTES) as u64, wall, cpu);
}

fn stripe(seed: u64, code: Code) -> (StripeHeader, Vec<Bytes>) {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let shards: Vec<Bytes> = (0..code.total())
        .map(|_| {
            let mut shard = vec![0; SHARD_BYTES];
            rng.fill_bytes(&mut shard);
            shard.into()
        })
        .collect();
    let ids: Vec<_> = shards.iter().map(|shard| ShardId::from_bytes(*blake3::hash(shard).as_bytes())).collect();
    let chunk = ChunkId::from_bytes(*blake3::hash(&seed.to_le_bytes()).as_bytes());
    (StripeHeader::new(chunk, SHARD_BYTES * code.data(), code, &ids).unwrap(), shards)
}

fn report(name: &str, bytes: u64, wall: Instant, cpu: f64) {
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let gib = bytes as f64 / f64::from(1 << 30);
    println!(
        "{name}: {wall:.2} s wall, {cpu:.2} CPU s, {:.0} MiB/s, {:.2} CPU s a GiB",
        1024.0 * gib / wall,
        cpu / gib
    );
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
