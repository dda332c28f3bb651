//! The Redis protocol (RESP, versions 2 and 3) on a bucket: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! ```text
//!   socket ─► request ─► command ─► slate of a key ─► keyspace ─► values of a Bucket
//!     ▲                     │
//!     ├──────── reply ◄─────┤          glob, numbers, strings, bits, collections: what commands make of bytes
//!     └──────── pubsub ◄────┴──────────► Forum: other doors of the bucket
//!                 ▲
//!   datagrams ─► udp
//! ```
//!
//! What this door gives is what its groups give: a write that was answered survives, and a read is never stale.

mod asked;
mod bits;
mod client;
mod collections;
mod commands;
mod content;
mod cursors;
mod door;
mod doors;
mod doubles;
mod draw;
mod errand;
mod errands;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod glob;
mod guard;
mod happened;
mod keyspace;
mod long;
mod metrics;
mod notices;
mod numbers;
mod payload;
mod position;
mod pubsub;
mod reply;
mod request;
mod said;
mod session;
mod settings;
mod shared;
mod slate;
mod slowlog;
mod state;
mod stats;
mod step;
mod strings;
mod udp;
mod usage;
mod values;

pub use door::Door;
pub use happened::NoticeSet;
pub use metrics::DoorCollector;
pub use settings::DoorConfig;
