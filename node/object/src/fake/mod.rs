//! A network in memory: the ports' twins, with faults to order, so that most failures are tested at unit speed.

mod lie;
mod network;
mod store;

pub use lie::{Liar, Lie};
pub use network::{FakeNetwork, FakePeers, Fault, FixedClock, SeededRandom};
pub use store::MemoryStore;
