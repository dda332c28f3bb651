//! A peer that speaks storgo's protocols over real connections, and breaks them as it is told.
//!
//! It is made of libp2p and the message formats alone, so that nothing of the product keeps it from misbehaving. What it
//! stores it stores honestly, with the real service over a store in memory, until it is given a trick.

mod flooder;
mod hello;
mod peer;
mod swarm;
mod trick;
mod wire;

pub use flooder::{Flooder, nothing};
pub use peer::EvilPeer;
pub use trick::Trick;
pub use wire::{encode, lengths};
