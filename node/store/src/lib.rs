//! Shards, nodes and layout records on a node's data directories.
//!
//! ```text
//!   push ─► compare ─► choose a disk ─► temporary file ─► desk ─► committer ─► acknowledge
//!           (hash)     (place, placing)  (core)           waits   sync, rename, sync, index
//!
//!   pull ─► index ─► file ─► compare ─► give        wrong ─► committer ─► quarantine, forget
//! ```
//!
//! Three kinds of state: the files, which alone count; the lease log of each disk, which says in whose name they are
//! kept; and the index, which is rebuilt from both after anything but a clean stop. All that is durable goes through
//! the [`Disk`] port. This is the only crate that touches a node's data directories, and it knows neither peers nor
//! keys. Byte tables: `protocol/spec/disk.md`.

pub mod disk;

mod config;
mod shard_store;
mod store;

mod item;
mod place;
mod placing;
mod quota;
mod volume;

mod core;
mod published;
mod read;

mod answer;
mod commit;
mod desk;
mod leases;

mod catalog;
mod index;

pub mod log;
pub mod records;
mod sealing;

mod home;
mod known;
mod marker;
mod open;
mod rebuild;

#[cfg(test)]
mod tests;

pub use config::StoreConfig;
pub use disk::{Disk, DiskFile, OsDisk, Space};
pub use sealing::NodeKey;
pub use store::Store;
