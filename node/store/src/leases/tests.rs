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
    for (at, by) in (0..LeaseRecord::BYTES).flat_map(|at| (1..=u8::MAX).map(move |by| (at, by))) {
        let at = 8 + LeaseRecord::BYTES + at;
        disk.tamper(Path::new("/leases"), |bytes| bytes[at] ^= by).unwrap();
        let (_, (found, replay)) = replayed(&disk);
        assert_eq!(replay, Replay { good: 3, damaged: 1, torn: 0 }, "byte {at} by {by:#04x}");
        assert_eq!(found, [lease(0), lease(2), lease(3)]);
        disk.tamper(Path::new("/leases"), |bytes| bytes[at] ^= by).unwrap();
    }
}

fn rewrite(disk: &SimDisk, log: &mut LeaseLog, is_held: fn(Item) -> bool) {
    log.rewrite(disk, Path::new("/tmp"), &mut |item| Ok(is_held(item))).unwrap();
}

#[test]
fn a_rewritten_log_has_the_last_record_of_what_is_held() {
    let later = LeaseRecord { expiry: 7, ..lease(3) };
    let disk = made(&[lease(1), lease(3), lease(2), later.clone()]);
    let (mut log, _) = replayed(&disk);
    rewrite(&disk, &mut log, |item| item != lease(1).item);
    let cut = disk.fork();
    cut.restart(0);
    assert_eq!(replayed(&cut).1.0, [lease(2), later.clone()]);
    append(&mut log, &[lease(4)]);
    disk.restart(0);
    assert_eq!(replayed(&disk).1.0, [lease(2), later, lease(4)]);
}

/// More than are held in memory at once, each owner's record twice.
#[test]
fn a_long_log_is_rewritten_in_shares() {
    let count = u32::try_from(LEASES_REWRITTEN_AT_ONCE).unwrap() * 5 / 4;
    let of = |n: u32, expiry| {
        let owner = PeerId::from_bytes(*blake3::hash(&n.to_le_bytes()).as_bytes());
        LeaseRecord { owner, expiry, ..lease(1) }
    };
    let leases: Vec<_> = (0..2).flat_map(|expiry| (0..count).map(move |n| of(n, expiry))).collect();
    let disk = made(&leases);
    let (mut log, _) = replayed(&disk);
    rewrite(&disk, &mut log, |_| true);
    assert_eq!(log.records(), u64::from(count));
    let (_, (found, replay)) = replayed(&disk);
    assert_eq!(replay, Replay { good: u64::from(count), damaged: 0, torn: 0 });
    let owners: std::collections::HashSet<_> = found.iter().map(|lease| lease.owner).collect();
    assert!(owners.len() == found.len() && found.iter().all(|lease| lease.expiry == 1));
}

#[test]
fn a_newer_log_is_refused() {
    let disk = made(&[]);
    disk.tamper(Path::new("/leases"), |bytes| bytes[4] = 2).unwrap();
    assert!(LeaseLog::replay(&disk, Path::new("/"), &mut drop).is_err());
}
