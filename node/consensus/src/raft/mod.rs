//! openraft on storgo's log, records and messages. Nothing outside of this module sees a type of openraft.
//!
//! ```text
//!   types     what openraft is told of us        wire    its messages as bytes, and back
//!   log       its log, on the node's log         state   its state machine, on the node's records
//! ```

mod log;
mod state;
mod types;
mod wire;
