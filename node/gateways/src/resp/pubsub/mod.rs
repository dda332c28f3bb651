//! Who listens to which channels at this door, and what is published there: by its own clients, and at other doors of the
//! bucket.
//!
//! ```text
//!   PUBLISH ─► Channels ─► outboxes of its clients ─► sockets
//!                │  ▲
//!                │  └── Doors ◄─┐
//!                └── message ──► Forum ═══ other doors
//! ```
//!
//! Nobody who publishes waits for who listens. It knows no socket and no session.

mod channels;
mod message;
mod outbox;

#[cfg(test)]
pub(super) use channels::TooMany;
pub(super) use channels::{Channels, Subscribed};
pub(super) use message::{FORM, Kind, Message};
pub(super) use outbox::Outbox;
