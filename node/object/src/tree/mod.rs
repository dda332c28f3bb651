//! Trees: objects that are directories, read from their end.
//!
//! ```text
//!   Object ─ trailer, table ─► Tree ─► item (one page) · list (pages in order) · get_runs (contents)
//! ```
//!
//! What comes out was checked by the format's decoders, and every byte by its chunk. It knows neither files nor
//! directories of this machine: whoever restores a tree decides what becomes of an item.

mod contents;
mod list;
mod open;
mod pages;

pub use list::{TreeEntry, TreeList};
pub use open::Tree;
