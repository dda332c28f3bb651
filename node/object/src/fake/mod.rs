//! A network in memory: the ports' twins, with faults to order, so that most failures are tested at unit speed.

mod network;
mod store;

pub use network::{FakeNetwork, FakePeers, Fault, FixedClock, SeededRandom};
pub use store::MemoryStore;
