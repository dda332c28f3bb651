//! A disk in memory that knows what was synced, and can throw the rest away.
//!
//! It counts calls and can stop at one (the power goes), fail one, or run full. What is durable follows the [`Disk`]
//! port's promise and nothing kinder: a synced file without its name, a name without its contents, blocks of one write
//! kept and dropped in any mix. After a failed sync the bytes count as clean and stay lost, as they do on Linux.
//!
//! It must not know what is stored on it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

#[cfg(doc)]
use super::Disk;
use super::DiskFile;

/// What a disk writes at once: half of a write may be kept at any multiple of one of these.
const GRANULES: [usize; 2] = [512, 4096];

const ROOT: u64 = 0;

/// A simulated file system; clones are the same one.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<State>>, Arc<Gate>);

/// Where syncs below a path wait.
#[derive(Debug, Default)]
struct Gate {
    below: Mutex<Option<PathBuf>>,
    opened: Condvar,
}

/// What happens at one call, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes before the call: it and all later ones do nothing and fail.
    PowerLoss,
    /// The call does nothing and fails with EIO.
    InputOutput,
    /// The call does nothing and fails with ENOSPC.
    Full,
    /// The call does nothing and fails with EMFILE.
    Scarce,
}

#[derive(Debug)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    calls: u64,
    syncs: u64,
    plan: Option<(u64, Fault)>,
    off: bool,
    faulted: Option<(&'static str, PathBuf)>,
    free_bytes: u64,
    /// Files whose writing back failed, and nobody who synced them was told yet.
    untold: BTreeSet<u64>,
    /// How often writing back failed.
    lost_writes: u64,
}

#[derive(Debug, Clone)]
enum Inode {
    File { now: Vec<u8>, durable: Vec<u8>, lost: bool },
    Dir { now: BTreeMap<OsString, u64>, durable: BTreeMap<OsString, u64> },
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    path: PathBuf,
    /// Failed writes that a sync of the file system through this file need not tell of.
    told: AtomicU64,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty disk with plenty of room.
    #[must_use]
    pub fn new() -> Self {
        let root = Inode::Dir { now: BTreeMap::new(), durable: BTreeMap::new() };
        Self(
            Arc::new(Mutex::new(State {
                inodes: BTreeMap::from([(ROOT, root)]),
                next_inode: 1,
                calls: 0,
                syncs: 0,
                plan: None,
                off: false,
                faulted: None,
                free_bytes: 1 << 40,
                untold: BTreeSet::new(),
                lost_writes: 0,
            })),
            Arc::default(),
        )
    }

    /// A disk with the same contents, durable and not, that goes its own way from now on.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.0.lock();
        Self(
            Arc::new(Mutex::new(State {
                inodes: state.inodes.clone(),
                next_inode: state.next_inode,
                calls: 0,
                syncs: 0,
                plan: None,
                off: false,
                faulted: None,
                free_bytes: state.free_bytes,
                untold: state.untold.clone(),
                lost_writes: state.lost_writes,
            })),
            Arc::default(),
        )
    }

    /// Syncs of anything below `path` do not return until [`SimDisk::release`].
    pub fn hold(&self, path: &Path) {
        *self.1.below.lock() = Some(path.to_owned());
    }

    /// Lets held syncs go on.
    pub fn release(&self) {
        *self.1.below.lock() = None;
        self.1.opened.notify_all();
    }

    fn wait_at_gate(&self, path: &Path) {
        let mut below = self.1.below.lock();
        while below.as_ref().is_some_and(|held| path.starts_with(held)) {
            self.1.opened.wait(&mut below);
        }
    }

    /// Counts calls anew, and plans a fault for the n-th from now on.
    pub fn plan(&self, call: u64, fault: Fault) {
        let mut state = self.0.lock();
        (state.calls, state.plan, state.faulted) = (0, Some((call, fault)), None);
    }

    /// Calls made since the last plan.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// Syncs of single files that were asked for since the disk was made.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// The call that the planned fault met, and its path, if it came to that.
    #[must_use]
    pub fn faulted(&self) -> Option<(&'static str, PathBuf)> {
        self.0.lock().faulted.clone()
    }

    /// Sets how much room is left.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.0.lock().free_bytes = bytes;
    }

    /// The contents of a file as a running program sees them.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        match state.inodes.get(&state.find(path).ok()?)? {
            Inode::File { now, .. } => Some(now.clone()),
            Inode::Dir { .. } => None,
        }
    }

    /// Changes a file behind everybody's back, durably.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.0.lock();
        let inode = state.find(path)?;
        let (now, durable, _) = state.file(inode)?;
        change(now);
        durable.clone_from(now);
        Ok(())
    }

    /// The system fails to write a file back: what was not synced is lost, and whoever syncs is told once.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is no such file.
    pub fn lose_writes(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let inode = state.find(path)?;
        *state.file(inode)?.2 = true;
        state.untold.insert(inode);
        state.lost_writes += 1;
        Ok(())
    }

    /// The power comes back: of what was not synced, `seed` decides what is there.
    pub fn restart(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut state = self.0.lock();
        // Once everything is dropped, once everything kept, else any mix.
        let keep = match seed % 4 {
            0 => 0.0,
            1 => 1.0,
            _ => rng.random_range(0.05..0.95),
        };
        for inode in state.inodes.values_mut() {
            match inode {
                Inode::File { now, durable, lost } => {
                    *now = settle(now, durable, keep, &mut rng);
                    durable.clone_from(now);
                    *lost = false;
                }
                Inode::Dir { now, durable } => {
                    let names: BTreeSet<_> = now.keys().chain(durable.keys()).cloned().collect();
                    for name in names {
                        if now.get(&name) != durable.get(&name) && !rng.random_bool(keep) {
                            match durable.get(&name) {
                                Some(&inode) => now.insert(name, inode),
                                None => now.remove(&name),
                            };
                        }
                    }
                    durable.clone_from(now);
                }
            }
        }
        (state.calls, state.plan, state.off, state.faulted) = (0, None, false, None);
    }

    fn call<T>(
        &self,
        name: &'static str,
        path: &Path,
        work: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.0.lock();
        state.calls += 1;
        let fault = state.plan.filter(|(call, _)| *call == state.calls).map(|(_, fault)| fault);
        if let Some(fault) = fault {
            state.faulted = Some((name, path.to_owned()));
            state.off |= fault == Fault::PowerLoss;
        }
        if state.off {
            return Err(io::Error::other("the power is off"));
        }
        match fault {
            Some(Fault::InputOutput) => Err(lost()),
            Some(Fault::Scarce) => Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())),
            Some(Fault::Full) => Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())),
            _ => work(&mut state),
        }
    }

    /// As [`SimDisk::call`]; a failed one loses what it should have kept.
    fn sync_call(&self, path: &Path, inode: u64) -> io::Result<()> {
        self.0.lock().syncs += 1;
        self.wait_at_gate(path);
        let synced = self.call("sync", path, |state| {
            if state.untold.remove(&inode) {
                return Err(lost());
            }
            let (now, durable, lost) = state.file(inode)?;
            if !*lost {
                durable.clone_from(now);
            }
            Ok(())
        });
        if synced.is_err()
            && let Ok((_, _, lost)) = self.0.lock().file(inode)
        {
            *lost = true;
        }
        synced
    }

    fn file(&self, inode: u64, path: &Path) -> Box<dyn DiskFile> {
        let told = self.0.lock().lost_writes.into();
        Box::new(SimFile { disk: self.clone(), inode, path: path.to_owned(), told })
    }

    fn open_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.call("open", path, |state| {
            let inode = state.find(path)?;
            state.file(inode).map(|_| inode)
        })?;
        Ok(self.file(inode, path))
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut at = ROOT;
        for name in names(path) {
            at = match self.inodes.get(&at) {
                Some(Inode::Dir { now, .. }) => *now.get(name).ok_or(io::ErrorKind::NotFound)?,
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            };
        }
        Ok(at)
    }

    fn file(&mut self, inode: u64) -> io::Result<(&mut Vec<u8>, &mut Vec<u8>, &mut bool)> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File { now, durable, lost }) => Ok((now, durable, lost)),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The names in the directory of `path`, and the last name of `path`.
    fn entry<'a>(&mut self, path: &'a Path) -> io::Result<(&mut BTreeMap<OsString, u64>, &'a OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        match self.inodes.get_mut(&parent) {
            Some(Inode::Dir { now, .. }) => Ok((now, name)),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, inode: Inode) -> io::Result<u64> {
        let number = self.next_inode;
        let (entries, name) = self.entry(path)?;
        if entries.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        entries.insert(name.to_owned(), number);
        self.inodes.insert(number, inode);
        self.next_inode += 1;
        Ok(number)
    }
}

fn lost() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// What stands in a file after the power was lost: its length anything between the two, each granule from either.
fn settle(now: &[u8], durable: &[u8], keep: f64, rng: &mut StdRng) -> Vec<u8> {
    if now == durable {
        return now.to_vec();
    }
    let granule = if rng.random_bool(0.5) { GRANULES[0] } else { GRANULES[1] };
    let (short, long) = (now.len().min(durable.len()), now.len().max(durable.len()));
    let bytes = match keep {
        0.0 => durable.len(),
        1.0 => now.len(),
        _ => rng.random_range(short..=long),
    };
    let mut settled = Vec::with_capacity(bytes);
    while settled.len() < bytes {
        let source = if rng.random_bool(keep) { now } else { durable };
        let end = bytes.min(settled.len() + granule);
        let mut part = source.get(settled.len().min(source.len())..end.min(source.len())).unwrap_or_default().to_vec();
        part.resize(end - settled.len(), 0);
        settled.append(&mut part);
    }
    settled
}

mod calls;

#[cfg(test)]
mod tests;
