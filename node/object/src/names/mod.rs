//! Objects by name: buckets, and the versions of their keys. The one service that every door calls.
//!
//! ```text
//!   Names ── bucket(name) ──► Bucket ── put, find, open, list, remove ──► Metadata (records, by command)
//!     │ create, members, access keys, remove                                     └──► Engine   (bodies that are no record's)
//!     └── copy, rename: between keys, and between buckets       Forum: what those say to each other who have a bucket open
//! ```
//!
//! It runs where the user trusts the machine: here plaintext is sealed under the bucket's keys, versions are signed, and
//! what comes back is checked before anything of it is believed. Groups see sealed bodies, keys and sizes. It knows
//! neither Raft nor where a group is: see [`Metadata`].

mod access;
mod body;
mod bucket;
mod change;
mod copy;
mod create;
mod delete;
mod error;
mod events;
mod find;
mod forum;
mod known;
mod list;
mod member;
mod open;
mod pipe;
mod put;
mod value;
mod write;

use std::sync::Arc;

use storgo_protocol::meta::RequestId;

pub use access::{AccessKeyOptions, OpenAccessKey};
pub use bucket::Bucket;
pub use copy::{CopyOptions, Place};
pub use create::BucketOptions;
pub use delete::{Deleted, RemoveOptions};
pub use error::NameError;
pub use find::Entry;
pub use forum::Forum;
pub use list::{ListOptions, ListedEntry, Page};
pub use member::Access;
pub use open::NamedObject;
pub use put::{PutNamedOptions, Written};
pub use value::{Becomes, Seen, SetValue, Value, ValueChange};

use crate::engine::Engine;
use crate::ports::Metadata;

/// Names and what they lead to, for one user. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Names {
    engine: Engine,
    metadata: Arc<dyn Metadata>,
}

impl Names {
    /// Names for the engine's user.
    #[must_use]
    pub fn new(engine: Engine, metadata: Arc<dyn Metadata>) -> Self {
        Self { engine, metadata }
    }

    /// What puts and gets the bodies that stand in no record.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A request that begins now. Formed when its command is, however long a body took before: groups forget requests.
    fn request(&self) -> RequestId {
        RequestId::new(self.engine.clock.now_ms(), self.engine.random.array())
    }
}
