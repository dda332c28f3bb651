//! Directories of this machine as trees, and trees as directories.
//!
//! ```text
//!   put: directory ─ walk, contents ─► pipe ─► Engine::put (kind tree)
//!   get: Tree ─ plan ─► runs of contents ─ restore ─► DIR.storgo-part ─ all there ─► rename to DIR
//! ```
//!
//! Both ways each directory is opened by its name in the one above and no link is followed, so neither a link that
//! somebody slips in nor a name that a stranger chose leads outside. It knows nothing of peers.

mod attributes;
mod get;
mod put;

pub use attributes::restore_attributes;
pub use get::{TreeGetReport, get_tree};
pub use put::{PackReport, Remarks, TreePutReport, put_tree};

#[cfg(test)]
mod tests;
