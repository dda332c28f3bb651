//! The applied state of a node's Raft groups: what their logs have led to.
//!
//! ```text
//!   commit ─► memory ── when there is much ──┐
//!   import ─┐      ╲                         ├─► writer ─► one durable transaction ─► answer all
//!   flush  ─┴────── ╲ ───────── queue ───────┘                     │
//!                    ╲                                             ▼
//!   view ─► a snapshot: memory over database: get, scan, export in pages
//! ```
//!
//! Each group has a key space of its own and a place in its log, and both change together. A commit is seen at once and
//! durable later: a crash takes a group's newest commits back, whole and in order, so its log must reach back to what
//! is durable; other groups may keep later ones. An imported state replaces the old in one step. Values are sealed, each bound to its group and key;
//! keys are not. It must not know what keys and values mean, nor Raft. All bytes go through the [`Disk`](crate::Disk)
//! port; redb keeps them. Byte tables: `protocol/spec/records.md`; decisions: `docs/adr/0010`.

mod batch;
mod config;
mod error;
mod handle;

mod export;
mod import;
mod merge;
mod view;

mod drive;
mod memory;
mod request;
mod shared;
mod tables;
mod writer;

mod backend;
mod base;
mod open;

#[cfg(test)]
mod tests;

pub use batch::{Applied, WriteBatch};
pub use config::RecordsConfig;
pub use error::RecordsError;
pub use export::Export;
pub use handle::{GroupRecords, Records};
pub use import::Import;
pub use open::RecordsOpening;
pub use view::{Rows, View};
