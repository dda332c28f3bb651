//! How nodes die, and what is on their disks then.
//!
//! A process that is gone writes nothing more: what it holds open is cut off from the disk that its successor opens.

use std::path::Path;

use rand::RngExt as _;
use rand::rngs::StdRng;
use storgo_store::Disk as _;
use storgo_store::disk::sim::{Fault, SimDisk};

use crate::cluster::Machine;

/// What becomes of what was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It stays: only the process died.
    None,
    /// The power went: it is there, gone or torn, by the seed.
    Unsynced,
}

/// Takes the disk from a process that is about to die, or is dead.
pub fn cut(machine: &Machine, loss: Loss, rng: &mut StdRng) {
    let mut disk = machine.disk.lock().unwrap();
    let next = disk.fork();
    disk.plan(1, Fault::PowerLoss);
    // From this call on everything fails.
    drop(disk.list(Path::new("/")));
    if loss == Loss::Unsynced {
        next.restart(rng.random());
    }
    *disk = next;
    machine.running.lock().unwrap().take();
}

/// What may be lost of a disk: of those of a group, one at a time.
#[derive(Debug, Clone, Copy)]
pub enum Decay {
    /// All of it.
    All,
    /// A bit of the log, anywhere.
    Log,
    /// A bit of the records, anywhere.
    Records,
}

/// A disk loses what was synced.
pub fn decay(machine: &Machine, decay: Decay, rng: &mut StdRng) {
    if matches!(decay, Decay::All) {
        *machine.disk.lock().unwrap() = SimDisk::new();
        return;
    }
    let disk = machine.disk.lock().unwrap().clone();
    let path = if let Decay::Records = decay {
        Path::new("/records").to_owned()
    } else {
        let segments = disk.list(Path::new("/log")).unwrap_or_default();
        let Some(segment) = segments.get(rng.random_range(0..segments.len().max(1))) else { return };
        Path::new("/log").join(segment)
    };
    let at: usize = rng.random_range(0..1 << 20);
    // A file that is not there has nothing to lose.
    drop(disk.tamper(&path, |bytes| {
        let len = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at % len) {
            *byte ^= 0x40;
        }
    }));
}
