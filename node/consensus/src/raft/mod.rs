//! openraft on storgo's log, records and messages. Nothing outside of this module sees a type of openraft.
//!
//! ```text
//!   types     what openraft is told of us        wire      its messages as bytes, and back
//!   log       its log, on the node's log         state     its state machine, on the node's records
//!   network   its requests to other members      intake    snapshots that come in
//!   own_disk  who waits for this member's own disk alone
//!   lead      what a leader knows of its lead without asking
//!   member    one group on this node: what the rest of the crate asks of it, and below it what other members ask; pace is how
//!             fast it goes, progress how far
//! ```

mod intake;
mod lead;
mod log;
mod member;
mod network;
mod own_disk;
mod pace;
mod progress;
mod state;
mod types;
mod wire;

pub(crate) use lead::{Claim, Followed};
pub use member::MemberStatus;
pub(crate) use member::{Member, MemberError, Replies};
pub(crate) use own_disk::OnOwnDisk;
pub(crate) use pace::QUIET_PULSES;
pub use pace::{Elections, Snapshots};
pub(crate) use progress::Progress;
pub(crate) use state::Looking;
pub(crate) use wire::promised_term;
#[cfg(test)]
pub(crate) use wire::uncommitted_vote;
