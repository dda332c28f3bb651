//! Proves the formats: they round-trip, refuse what is damaged, and stay what they were.
//!
//! ```text
//!   strategies ─► round_trip        any value comes back as it was
//!   samples ────► golden            the files in tests/golden are these values, byte for byte, for ever
//!          └────► mutation          a sample with a bit flipped, cut or grown is refused, or another honest value
//!   targets ────► corpus            what the fuzzers run, over every input that they ever found
//!   spec                            the documents and the golden files name each other
//! ```

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no readers of its API; the targets are shared")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::needless_for_each,
    clippy::needless_pass_by_value,
    reason = "samples are small, and brevity reads best here"
)]

mod cluster;
mod derivations;
mod meta;
mod raft;
mod samples;
mod strategies;
mod targets;

mod bounds;
mod corpus;
mod golden;
mod messages;
mod mutation;
mod round_trip;
mod spec;
