//! The object service: what it means to put, get, survey and repair an object, over ports.
//!
//! ```text
//!   put ──► encode ──► spread ──┐                        ┌──► serve ──► ShardStore (a node's disks)
//!   get ◄── open ◄──── fetch ◄──┼── remote ═══ Peers ════┤    (grants, shown layouts)
//!   repair ◄─► survey ──────────┘                        └──► …
//! ```
//!
//! It runs where the user trusts the machine, and [`ShardService`] where nobody need trust it. It knows neither files nor
//! sockets nor databases: the [`ports`] say what it needs of them.

pub mod ports;

mod error;
mod progress;
mod report;

mod engine;

mod authority;
mod batch;
mod miss;
mod pace;
mod patience;
mod pool;
mod remote;
mod writer;

mod reach;

mod nodes;
mod spread;
mod straggler;
mod width;

mod put;

mod read;

mod tree;

mod care;

mod names;

mod serve;

#[cfg(any(test, feature = "fake"))]
pub mod fake;

pub use engine::{Engine, User};
pub use error::{ErrorKind, ObjectError};
pub use names::{
    Access, AccessKeyOptions, Becomes, Bucket, BucketOptions, CopyOptions, Deleted, Entry, Forum, ListOptions,
    ListedEntry, NameError, NamedObject, Names, OpenAccessKey, Page, Place, PutNamedOptions, RemoveOptions, Seen,
    SetValue, Value, ValueChange, Written,
};
pub use progress::Progress;
pub use put::PutOptions;
pub use read::{MemorySink, Object, Order, Piece, Sink};
pub use report::{DomainKind, GetReport, PutReport, RepairReport, StatReport, StripePlaces, Width};
pub use serve::ShardService;
pub use tree::{Tree, TreeEntry, TreeList};

#[cfg(test)]
mod tests;
