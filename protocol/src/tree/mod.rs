//! Trees: a directory as the bytes of one object.
//!
//! ```text
//!   contents of files, back to back ‖ pages of the catalogue ‖ page table ‖ trailer
//!         ▲                                │                     │           │
//!         └── offset, length ── TreeItem ──┘◄── first paths ─────┘◄──────────┘
//! ```
//!
//! A reader begins at the end: the trailer says how long the rest is, the table which page has a path, the page what the
//! path is. Items stand in the order of their paths, a directory before what is in it; each has a depth and one name, so
//! a child of anything but a directory cannot even be written down. Files of equal content share a range.
//!
//! Everything is decoded as if a stranger had written it, since whoever makes a ticket is one. Nothing here knows the
//! files and directories of a machine.

mod builder;
mod item;
mod name;
mod page;
mod path;
mod print;
mod table;
mod totals;
mod trailer;
mod walk;

pub use builder::TreeBuilder;
pub use item::{TreeFile, TreeItem, TreeNode, TreeTime};
pub use name::TreeName;
pub use page::TreePage;
pub use path::TreePath;
pub use print::Printable;
pub use table::{TreeRow, TreeTable};
pub use totals::TreeTotals;
pub use trailer::{TreeRoot, TreeTrailer};
pub use walk::TreeWalk;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "tests count small things")]
mod tests;
