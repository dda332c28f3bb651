use std::path::Path;

use storgo_protocol::NodeId;

use super::*;
use crate::disk::sim::SimDisk;

fn lease(n: u8) -> LeaseRecord {
    LeaseRecord {
        item: Item::Node(NodeId::from_bytes([n; 32])),
        owner: PeerId::from_bytes([n.wrapping_add(1); 32]),
        bytes: u64::from(n) << 40,
        nonce: [n; 16],
        expiry: u64::MAX - u64::from(n),
    }
}

fn made(leases: &[LeaseRecord]) -> SimDisk {
    let disk = SimDisk::new();
    LeaseLog::create(&disk, Path::new("/"), Path::new("/tmp")).unwrap();
    let (mut log, _) = replayed(&disk);
    append(&mut log, leases);
    disk
}

fn append(log: &mut LeaseLog, leases: &[LeaseRecord]) {
    log.write(leases).unwrap();
    log.sync().unwrap();
}

fn replayed(disk: &SimDisk) -> (LeaseLog, (Vec<LeaseRecord>, Replay)) {
    let mut found = Vec::new();
    let (log, replay) = LeaseLog::replay(disk, Path::new("/"), &mut |lease| found.push(lease)).unwrap();
    (log, (found, replay))
}

#[test]
fn a_log_gives_back_what_was_appended() {
    let leases: Vec<_> = (0..50).map(lease).collect();
    let (log, (found, replay)) = replayed(&made(&leases));
    assert_eq!((found, replay), (leases, Replay { good: 50, damaged: 0, torn: 0 }));
    assert_eq!(log.records(), 50);
}

#[test]
fn a_torn_end_is_cut_and_written_over() {
    let leases: Vec<_> = (0..3).map(lease).collect();
    let disk = made(&leases);
    let whole = disk.contents(Path::new("/leases")).unwrap();
    for cut in 1..LeaseRecord::BYTES {
        disk.tamper(Path::new("/leases"), |bytes| {
            bytes.clone_from(&whole);
            bytes.truncate(whole.len() - cut);
        })
        .unwrap();
        let (mut log, (found, replay)) = replayed(&disk);
        assert_eq!((found.as_slice(), replay), (&leases[..2], Replay { good: 2, damaged: 0, torn: 1 }));
        append(&mut log, &leases[2..]);
        assert_eq!(replayed(&disk).1, (leases.clone(), Replay { good: 3, damaged: 0, torn: 0 }));
    }
}

#[test]
fn damage_costs_the_record_it_touches_and_no_other() {
    let leases: Vec<_> = (0..4).map(lease).collect();
    let disk = made(&leases);
    for at in 0..LeaseRecord::BYTES {
        let at = 8 + LeaseRecord::BYTES + at;
        disk.tamper(Path::new("/leases"), |bytes| bytes[at] ^= 0x20).unwrap();
        let (_, (found, replay)) = replayed(&disk);
        assert_eq!(replay, Replay { good: 3, damaged: 1, torn: 0 }, "byte {at}");
        assert_eq!(found, [lease(0), lease(2), lease(3)]);
        disk.tamper(Path::new("/leases"), |bytes| bytes[at] ^= 0x20).unwrap();
    }
}

#[test]
fn a_rewritten_log_has_only_what_it_was_given() {
    let disk = made(&(0..9).map(lease).collect::<Vec<_>>());
    let (mut log, _) = replayed(&disk);
    log.rewrite(&disk, Path::new("/tmp"), &[lease(3)]).unwrap();
    let cut = disk.fork();
    cut.restart(0);
    assert_eq!(replayed(&cut).1.0, [lease(3)]);
    append(&mut log, &[lease(4)]);
    disk.restart(0);
    assert_eq!(replayed(&disk).1.0, [lease(3), lease(4)]);
}

#[test]
fn a_newer_log_is_refused() {
    let disk = made(&[]);
    disk.tamper(Path::new("/leases"), |bytes| bytes[4] = 2).unwrap();
    assert!(LeaseLog::replay(&disk, Path::new("/"), &mut drop).is_err());
}
