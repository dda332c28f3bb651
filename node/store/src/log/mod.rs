//! The log of all Raft groups of a node: one set of segments, one writer, one sync for all who wait.
//!
//! ```text
//!   append ─┐                      ┌─► frame ─► write ─► fdatasync ─► answer all
//!   vote   ─┼─► index, queue ─► writer
//!   purge  ─┘   (readable now)     └─► an old segment's live records go along; then it is deleted
//!
//!   read ─► recent entries in memory, or the segment's file by the index
//! ```
//!
//! Nothing is answered before it is synced. What a start finds unfinished at the very end was never acknowledged: it is
//! cut, and said. Damage anywhere else may have been acknowledged: then nothing is cut, the whole log is set aside and
//! a new *incarnation* begins, whose owner has to join its groups anew. A failed write or sync stops the log for good.
//! It must not know Raft: terms, votes and payloads are numbers and bytes. All bytes go through the
//! [`Disk`](crate::Disk) port, sealed. Byte tables: `protocol/spec/log.md`; decisions: `docs/adr/0010`.

mod config;
mod error;
mod group;
mod handle;
mod metrics;

mod index;
mod queue;

mod carry;
mod drive;
mod writer;

mod directory;
mod segment;
mod window;

mod open;
mod recover;
mod replay;

#[cfg(test)]
mod tests;

pub use config::{LogConfig, SyncPolicy};
pub use error::LogError;
pub use group::{GroupLog, LogEntry, LogPosition, LogState, Purged};
pub use handle::{Log, LogStatus};
pub use metrics::LogMetrics;
pub use open::{LogCut, LogOpening, LogSetAside};
