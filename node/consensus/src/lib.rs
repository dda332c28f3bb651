//! Metadata groups: what their commands do, how they are agreed on, and how they are found.
//!
//! ```text
//!   command ─► leader ─ stamp ─► log ══ Raft ══► apply ─► records ─► reads, events
//!                                                  │
//!                                          pure: view, proposal ─► batch, reply
//! ```

pub mod machine;
pub mod moves;
pub mod planted;

mod clock_guard;
mod cluster;
mod courier;
mod groups;
mod metrics;
mod raft;
mod router;
mod seat;
mod transport;

pub use cluster::{Cluster, ClusterConfig, Founding, GROUP_0, MetadataClient};
pub use groups::{Acknowledge, Fresh, GroupError, Groups, GroupsConfig, Level};
pub use metrics::{Came, GroupsCollector, Metrics};
pub use raft::{Elections, MemberStatus, Snapshots};
pub use router::{Ask, AskError, RouteError, Router};
pub use seat::Seat;
pub use transport::{Transport, TransportError};
