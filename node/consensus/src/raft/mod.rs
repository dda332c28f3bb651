//! openraft on storgo's log, records and messages. Nothing outside of this module sees a type of openraft.
//!
//! ```text
//!   types     what openraft is told of us        wire      its messages as bytes, and back
//!   log       its log, on the node's log         state     its state machine, on the node's records
//!   network   its requests to other members      intake    snapshots that come in
//!   member    one group on this node: what the rest of the crate asks of it; pace is how fast it goes
//! ```

mod intake;
mod log;
mod member;
mod network;
mod pace;
mod state;
mod types;
mod wire;

pub use member::MemberStatus;
pub(crate) use member::{Member, MemberError};
pub use pace::{Elections, Snapshots};
pub(crate) use state::Looking;
