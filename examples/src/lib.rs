//! Programs that use storgo as a library: each in `src/bin`, small enough to read in one go, and run by CI.
//!
//! ```text
//!   put_and_get   a node and a client in one process: a file in, a part of it out, and how it stands
//! ```
//!
//! They know what any program can know: `storgo-node` with its engine, and the types of `storgo-protocol`.
