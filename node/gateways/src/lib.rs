//! Doors: what clients of others speak, on the one object model.
//!
//! A door parses, calls and renders. What an operation means to a bucket stands in `storgo-object`; what it means to a
//! client of that protocol stands here.

pub mod resp;
