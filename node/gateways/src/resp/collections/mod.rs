//! Collections: what a key holds that is not one text, whole in memory while commands look at it.
//!
//! One value holds a whole collection: it is decoded when the first command of a step looks into it, and encoded once when
//! all are done. It must not know keys, replies or commands: elements are bytes, and slices of what they came in.

mod encoding;
mod hash;
mod list;
mod set;
pub(super) mod sorted;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;

use bytes::Bytes;

use super::content::{Content, Kind};

pub(super) use hash::Hash;
pub(super) use list::{End, List, Side};
pub(super) use set::Set;
pub(super) use sorted::Sorted;
pub(super) use walk::page;

/// Bytes that an element counts beside its own, of the [`VALUE_BYTES_MAX`](storgo_protocol::limits::VALUE_BYTES_MAX) that a
/// collection has: what it takes in memory, about, and more than its length takes in a body. So what fits is not only
/// written, but can also be held by who reads it.
pub(super) const ELEMENT_BYTES: usize = 32;

/// The places from `start` to `end` of so many, both among them; negative ones count from the last. Empty if the start is
/// behind the end or the last.
fn places(start: i64, end: i64, count: usize) -> Range<usize> {
    let total = i64::try_from(count).unwrap_or(i64::MAX);
    let counted = |at: i64| if at < 0 { at + total } else { at };
    let (start, end) = (counted(start).max(0), counted(end).min(total - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => start..end + 1,
        _ => 0..0,
    }
}

/// A collection that a key can hold.
pub(super) trait Collection: Clone + Default + Into<Content> {
    /// What it is.
    const KIND: Kind;

    /// Reads a body. It takes no more than what [`Collection::encode`] writes: what is read is written as it was.
    fn decode(body: &Bytes) -> Result<Self, Damaged>;

    /// Its body: equal ones have the same.
    fn encode(&self) -> Bytes;

    /// Whether it has no elements: then its key goes.
    fn is_empty(&self) -> bool;

    /// Bytes of its elements, and [`ELEMENT_BYTES`] for each. Its body has no more.
    fn weight(&self) -> usize;

    /// The one that a key holds, if it holds one of these and somebody looked into it.
    fn within(content: &mut Content) -> Option<&mut Self>;
}

/// Why a body is none of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damaged {
    /// It begins with a version or a kind that is not known.
    Head,
    /// It ends within something.
    Short,
    /// A number is written longer than it must be, or is too great.
    Number,
    /// Elements are not in their order, or stand there twice.
    Order,
    /// There are bytes behind the last element.
    Trailing,
    /// It has no elements, or more than fit.
    Size,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Head => "its first bytes are none that are known",
            Self::Short => "it ends too early",
            Self::Number => "a length in it is none",
            Self::Order => "its elements are not in their order",
            Self::Trailing => "something stands behind its end",
            Self::Size => "it has no elements, or too many",
        })
    }
}

impl std::error::Error for Damaged {}
