use super::*;
use crate::disk::Disk as _;

fn written(disk: &SimDisk, path: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
    let file = disk.create(Path::new(path)).unwrap();
    file.write_at(0, bytes).unwrap();
    file
}

/// Without both syncs a file may be gone or empty; with both it never is.
#[test]
fn only_synced_files_with_synced_names_last() {
    let (mut name_lost, mut bytes_lost) = (0, 0);
    for seed in 0..40 {
        let disk = SimDisk::new();
        written(&disk, "/whole", b"whole").sync().unwrap();
        written(&disk, "/named", b"named");
        disk.sync_dir(Path::new("/")).unwrap();
        written(&disk, "/synced", b"synced").sync().unwrap();
        disk.restart(seed);
        assert_eq!(disk.contents(Path::new("/whole")).unwrap(), b"whole", "seed {seed}");
        name_lost += u32::from(disk.contents(Path::new("/synced")).is_none());
        bytes_lost += u32::from(disk.contents(Path::new("/named")).unwrap() != b"named");
    }
    assert!(name_lost > 5 && bytes_lost > 5, "{name_lost} {bytes_lost}");
}

#[test]
fn unsynced_granules_mix_freely() {
    let mut torn = 0;
    for seed in 0..40 {
        let disk = SimDisk::new();
        let file = written(&disk, "/f", &[1; 8192]);
        file.sync().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(0, &[2; 8192]).unwrap();
        disk.restart(seed);
        let found = disk.contents(Path::new("/f")).unwrap();
        torn += u32::from(found.contains(&1) && found.contains(&2));
        assert!(found.chunks(512).all(|part| part.iter().all(|byte| *byte == part[0])), "seed {seed}");
    }
    assert!(torn > 5, "{torn}");
}

#[test]
fn what_a_failed_sync_lost_a_second_one_does_not_bring_back() {
    let disk = SimDisk::new();
    let file = written(&disk, "/f", b"lost");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.plan(1, Fault::InputOutput);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    disk.restart(0);
    assert_eq!(disk.contents(Path::new("/f")).unwrap(), b"");
}

#[test]
fn the_power_stays_off_until_the_restart() {
    let disk = SimDisk::new();
    disk.plan(2, Fault::PowerLoss);
    let file = disk.create(Path::new("/f")).unwrap();
    assert!(file.write_at(0, b"x").is_err());
    assert!(disk.list(Path::new("/")).is_err());
    assert_eq!((disk.calls(), disk.faulted()), (3, Some(("write", PathBuf::from("/f")))));
    disk.restart(1);
    assert_eq!(disk.contents(Path::new("/f")).unwrap(), b"");
}
