//! Metadata groups as real processes: they grow, lose members, move seats and slots, and forget nothing that they said.

mod counting;
mod members;
mod nonsense;
mod steering;

pub mod bad;
mod blows;
mod clients;
mod damage;
mod history;

mod available;
mod cuts;
mod war;

#[path = "../../../node/consensus/tests/sim/check.rs"]
pub mod check;
#[path = "../../../node/consensus/tests/sim/operation.rs"]
pub mod operation;
