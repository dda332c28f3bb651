//! Objects by name over what decides and what stores: the pure state machine of several groups, and the real engine over
//! peers in memory.
//!
//! ```text
//!   Names ── Door (who may?) ── World: group 0 and three others, each `machine::apply` on records in memory
//!     └───── Engine ─────────── FakeNetwork: peers with the real service
//!
//!   keys      bodies of every length, conditions, versions, listings, what a key may be
//!   buckets   made, listed, removed; what is refused
//!   access    access keys: made, opened, tampered with
//!   members   let in, shut out, and what each of them opens
//!   forged    records that nobody wrote who could
//!   forum     what those hear from each other who have a bucket open
//!   copies    copies and renames, within buckets and between them, interrupted and raced
//!   values    read and written whole, one by one and several together
//!   model     random operations against a small model of a bucket
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod access;
mod buckets;
mod copies;
mod forged;
mod forum;
mod keys;
mod members;
mod model;
mod values;
mod world;
