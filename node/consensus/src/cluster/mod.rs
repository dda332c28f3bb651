//! The network's own affairs, kept in group 0: who its members are, who sits in which group, whose the slots are, which
//! buckets there are; and the questions of clients.
//!
//! ```text
//!   client (MetadataClient) ── ask ──► door ──► groups          keeper ── opens, founds, seats ──► groups
//!        ▲                              │                          ▲
//!        └── cluster map ◄── rows of group 0 ◄── plan ◄── conductor (who leads group 0)
//! ```
//!
//! Group 0 is never on the path of a request: everybody works with the map they have, and who was wrong is told. It must
//! not know what carries questions, nor what is in a body.

mod asker;
mod change;
mod client;
mod conductor;
mod door;
mod following;
mod hearers;
mod keeper;
mod listing;
mod plan;
mod present;
mod seats;
mod sessions;
mod state;

pub use client::MetadataClient;
pub use keeper::{Cluster, ClusterConfig, Founding};

use storgo_protocol::GroupId;

#[cfg(test)]
mod tests;

/// The group that keeps the network's affairs.
pub const GROUP_0: GroupId = GroupId::new(0);

/// An error with all its causes, for people.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
