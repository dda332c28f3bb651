//! Bytes that change behind the records' back, and records that are gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_object::ports::OsRandom;
use storgo_protocol::GroupId;

use super::rig::{FILE, Model, Op, Rig, ask, rounds, run, told};
use crate::NodeKey;
use crate::disk::{Disk, OsDisk};
use crate::records::{Applied, Records, RecordsConfig, RecordsError, WriteBatch};

#[test]
fn no_flipped_byte_is_believed() {
    run(async {
        let mut rig = Rig::new(1);
        let (records, _) = rig.open().unwrap();
        rig.play(&records, 10, &mut StdRng::seed_from_u64(1)).await.unwrap();
        // Enough rows for a tree of some pages, most of whose bytes say where others are.
        let mut batch = WriteBatch::default();
        (0..2000).for_each(|n| batch.put(format!("{n:06}"), ""));
        let op = Op::Commit(GroupId::new(9), batch, Applied { index: 1, term: 1, blob: Bytes::new() });
        rig.history.push(op.clone());
        ask(&records, op).await.unwrap();
        records.close().await.unwrap();
        let model = Model::after(&rig.history, rig.history.len());
        let bytes = rig.disk.contents(Path::new(FILE)).unwrap();
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let mut rng = StdRng::seed_from_u64(2);
        let (mut refused, mut dead, mut panics) = (0, 0, 0);
        for _ in 0..rounds(600) {
            let at = used[rng.random_range(0..used.len())];
            let mut fork = rig.fork();
            fork.disk.tamper(Path::new(FILE), |content| content[at] ^= 1 << rng.random_range(0..8)).unwrap();
            let opened = catch_unwind(AssertUnwindSafe(|| {
                let (records, _) = fork.open()?;
                let told = told(&records)?;
                Ok::<_, RecordsError>((records, told))
            }));
            match opened {
                Err(_) => panics += 1,
                Ok(Err(RecordsError::Damaged { .. } | RecordsError::WrongKey { .. })) => refused += 1,
                Ok(Err(error)) => panic!("byte {at}: {error}"),
                Ok(Ok((_records, told))) => {
                    assert!(told == model, "byte {at} was believed");
                    dead += 1;
                }
            }
        }
        println!("{refused} refused, {dead} in nothing that counts, {panics} panics, of {} used bytes", used.len());
        assert_eq!(panics, 0);
        assert!(refused > 100, "{refused}");
    });
}

#[test]
fn records_that_are_gone_or_of_another_key_are_missed() {
    run(async {
        let mut rig = Rig::new(2);
        let must_exist = RecordsConfig { must_exist: true, ..Rig::config() };
        let error = rig.open_with(must_exist.clone()).unwrap_err();
        assert!(matches!(error, RecordsError::Missing { .. }), "{error}");
        assert_eq!(rig.disk.contents(Path::new(FILE)), None);
        let (records, opening) = rig.open().unwrap();
        assert!(opening.created);
        rig.play(&records, 20, &mut StdRng::seed_from_u64(2)).await.unwrap();
        records.close().await.unwrap();
        rig.all_is_durable();
        let stranger = RecordsConfig { key: NodeKey::from_bytes([6; 32]), ..must_exist.clone() };
        let error = rig.open_with(stranger).unwrap_err();
        assert!(matches!(error, RecordsError::WrongKey { .. }), "{error}");
        let (records, opening) = rig.open_with(must_exist.clone()).unwrap();
        assert!(!opening.created);
        rig.compare(&records);
        records.close().await.unwrap();
        for bytes in [0, 1, 100, 4096, 20_000] {
            let mut fork = rig.fork();
            fork.disk.tamper(Path::new(FILE), |content| content.truncate(bytes)).unwrap();
            let error = fork.open_with(must_exist.clone()).unwrap_err();
            assert!(matches!(error, RecordsError::Damaged { .. }), "{bytes} bytes: {error}");
            // It stays said: what is left of them is not there for the next to take.
            let error = fork.open_with(must_exist.clone()).unwrap_err();
            assert!(matches!(error, RecordsError::Missing { .. }), "{error}");
            assert!(fork.disk.contents(Path::new("/records.damaged")).is_some());
        }
    });
}

#[test]
fn on_a_real_disk_one_process_has_them_and_the_next_finds_all() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::default());
        let open = || Records::open(Arc::clone(&disk), &path, Rig::config(), Arc::new(OsRandom));
        let (records, _) = open().await.unwrap();
        assert!(matches!(open().await.unwrap_err(), RecordsError::InUse { .. }));
        let mut rig = Rig::new(3);
        rig.play(&records, 60, &mut StdRng::seed_from_u64(3)).await.unwrap();
        records.close().await.unwrap();
        assert!(matches!(records.flush().await, Err(RecordsError::Closed)));
        rig.all_is_durable();
        let (records, opening) = open().await.unwrap();
        assert!(!opening.created);
        rig.compare(&records);
        records.close().await.unwrap();
        let content = std::fs::read(&path).unwrap();
        assert!(content.windows(5).any(|part| part == b"key 1"), "keys are in the clear");
    });
}
