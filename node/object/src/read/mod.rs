//! The way back: from a ticket to bytes.

mod fetch;
mod fetcher;
mod get;
mod hunt;
mod layout;
mod locate;
mod nodes;
mod object;
mod pieces;
mod sink;

pub(crate) use fetcher::Fetcher;
pub(crate) use layout::Layout;
pub(crate) use locate::Located;
pub(crate) use nodes::{RecordUse, find_node, newest_record};
pub use object::Object;
pub use sink::{MemorySink, Order, Piece, Sink};
