//! What an append to the log costs: CPU and syncs, for one, sixteen and five hundred appenders of 256 bytes, beside the
//! bare syncs of the same disk.
//!
//! `cargo bench -p storgo-store --bench log [-- DIRECTORY]`: the directory, by default the system's for temporary files,
//! decides which disk is measured. CPU is this process's; wall time is said beside it, and lies on a busy machine.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not the product"
)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use storgo_object::ports::OsRandom;
use storgo_protocol::GroupId;
use storgo_store::log::{Log, LogConfig, LogEntry};
use storgo_store::{NodeKey, OsDisk};

const PAYLOAD_BYTES: usize = 256;
const BARE_APPENDS: u64 = 2000;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(&parent).unwrap();
    println!("in {}, entries of {PAYLOAD_BYTES} bytes, a group for each appender", dir.path().display());
    bare(dir.path(), "bare append and fdatasync", 0);
    bare(dir.path(), "the same into a file that was filled with zeros", BARE_APPENDS * 512);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for (appenders, appends) in [(1, 4000), (16, 2000), (500, 300)] {
        runtime.block_on(log(&dir.path().join(appenders.to_string()), appenders, appends));
    }
    runtime.block_on(start(&dir.path().join("500")));
}

/// Appends one after the other with no log around them; into zeros if there are any before.
fn bare(dir: &Path, name: &str, zeros: u64) {
    let file = File::create(dir.join("bare")).unwrap();
    file.write_all_at(&vec![0; usize::try_from(zeros).unwrap()], 0).unwrap();
    file.sync_all().unwrap();
    let before = Usage::now();
    for n in 0..BARE_APPENDS {
        file.write_all_at(&[7; 320], n * 320).unwrap();
        file.sync_data().unwrap();
    }
    before.report(name, BARE_APPENDS, BARE_APPENDS);
}

/// `appenders` tasks append `appends` entries each, one after the other.
async fn log(dir: &Path, appenders: u64, appends: u64) {
    let log = open(dir).await;
    let (before, syncs) = (Usage::now(), log.status().syncs);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..appenders {
        let group = log.group(GroupId::new(number));
        tasks.spawn(async move {
            for index in 1..=appends {
                let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
                group.append(vec![LogEntry { term: 1, index, payload }]).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    before.report(&format!("{appenders} appenders"), appenders * appends, log.status().syncs - syncs);
    log.close().await.unwrap();
}

/// What it takes to read the log of the last round back.
async fn start(dir: &Path) {
    let before = Usage::now();
    let log = open(dir).await;
    before.report("a start with them", 500 * 300, 0);
    println!("  {:?}", log.status());
    log.close().await.unwrap();
}

async fn open(dir: &Path) -> Log {
    let config = LogConfig::new(NodeKey::from_bytes([1; 32]));
    Log::open(Arc::new(OsDisk::default()), dir, config, Arc::new(OsRandom)).await.unwrap().0
}

struct Usage {
    cpu: Duration,
    wall: Instant,
}

impl Usage {
    fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = Duration::new(u64::try_from(cpu.tv_sec).unwrap(), u32::try_from(cpu.tv_nsec).unwrap());
        Self { cpu, wall: Instant::now() }
    }

    fn report(&self, name: &str, appends: u64, syncs: u64) {
        let now = Self::now();
        let cpu = now.cpu.saturating_sub(self.cpu).as_secs_f64();
        let wall = (now.wall - self.wall).as_secs_f64();
        println!(
            "{name:48} {:7.2} µs CPU each, {:5.3} syncs each, {:8.0} /s wall",
            cpu * 1e6 / appends as f64,
            syncs as f64 / appends as f64,
            appends as f64 / wall
        );
    }
}
