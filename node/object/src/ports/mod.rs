//! What the engine needs from outside, as small traits: adapters implement them, `fake` implements them in memory.
//!
//! ```text
//!   engine ──► Peers ═══ network ═══► Serve ──► ShardStore
//!     │        (mesh, client side)    (this crate)  (store, on a node's disks)
//!     ├──────► Metadata ═══ network ═══► groups (consensus, on metadata peers)
//!     └──────► Neighbours ═ network ═══► who has a bucket open beside another member
//! ```
//!
//! Production and simulation differ only here.

mod metadata;
mod neighbours;
mod peers;
mod store;
mod time;

pub use metadata::{EventPlaces, Events, EventsSince, Metadata, MetadataError};
pub use neighbours::{Hearing, Neighbours, Said};
pub use peers::{PeerError, Peers, Serve};
pub use store::{DiskState, DiskStatus, Holdings, Lease, Scrutiny, ShardStore, StoreError, StoreStatus};
pub use time::{Clock, OsRandom, Random, SystemClock};
