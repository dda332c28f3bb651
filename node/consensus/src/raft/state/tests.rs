use std::path::Path;
use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use storgo_object::ports::OsRandom;
use storgo_protocol::GroupId;
use storgo_store::log::{Log, LogConfig};
use storgo_store::records::{Records, RecordsConfig};
use storgo_store::{NodeKey, OsDisk};

use super::*;
use crate::raft::log::LogStore;
use crate::raft::own_disk::OwnDisk;

/// Makes a log and records in a directory of their own.
struct Builder;

/// Keeps them.
struct Kept {
    _dir: tempfile::TempDir,
    _records: Records,
}

impl StoreBuilder<Types, LogStore, StateStore, Kept> for Builder {
    async fn build(&self) -> Result<(Kept, LogStore, StateStore), StorageError<Types>> {
        let dir = tempfile::tempdir().unwrap();
        let (log, records) = open(dir.path()).await;
        let group = GroupId::new(3);
        let stores = (
            LogStore::new(log.group(group), OwnDisk::default()),
            StateStore::new(records.group(group), &TaskTracker::new()),
        );
        Ok((Kept { _dir: dir, _records: records }, stores.0, stores.1))
    }
}

async fn open(dir: &Path) -> (Log, Records) {
    let (disk, key) = (Arc::new(OsDisk::default()), NodeKey::from_bytes([7; 32]));
    let (log, _) =
        Log::open(disk.clone(), &dir.join("log"), LogConfig::new(key.clone()), Arc::new(OsRandom)).await.unwrap();
    let path = dir.join("records");
    let (records, _) = Records::open(disk, &path, RecordsConfig::new(key), Arc::new(OsRandom)).await.unwrap();
    (log, records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_and_records_pass_the_suite_of_openraft() {
    Suite::test_all(Builder).await.unwrap();
}
