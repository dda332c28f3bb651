//! What tests are made of: a lab of nodes, users with homes, commands with their output, seeded bytes, shard files.
//!
//! It knows processes, sockets and files, and nothing of what a test is about.

mod bytes;
mod field;
mod home;
mod lab;
mod memory;
mod names;
mod net;
mod node;
mod process;
mod shards;
mod wait;

pub use bytes::{KIB, MIB, assert_same};
pub use field::Field;
pub use home::Home;
pub use lab::{Lab, Put};
pub use memory::{peak_bytes, peak_bytes_of};
pub use names::Names;
pub use net::{Corruption, Net, Port, Segment, Space, Weather};
pub use node::{Node, NodeOptions, Site};
pub use process::Signal;
pub use shards::{files_below, shard_files};
pub use wait::{PATIENCE, until};

/// The program under test.
pub const STORGO: &str = env!("CARGO_BIN_EXE_storgo");
