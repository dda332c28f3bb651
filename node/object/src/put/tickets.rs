//! What names an object for others: the owner's record, and a care ticket.

use storgo_protocol::limits::CARE_GRANT_SECONDS;
use storgo_protocol::{CareTicket, ContentId, Identity, LayoutId, LayoutRecord, RepairGrant, Ticket};

use crate::engine::Engine;

/// A record that takes the place of all that this owner signed before: numbered by the clock.
pub(super) fn layout_record(engine: &Engine, content: ContentId, layout: LayoutId) -> LayoutRecord {
    LayoutRecord::sign(&engine.user.identity, content, layout, engine.clock.now_seconds())
}

/// A care ticket for the object that `ticket` reads: whoever holds it may write `bytes` to each peer.
pub(super) fn care_ticket(engine: &Engine, ticket: &Ticket, layout: LayoutId, bytes: u64) -> CareTicket {
    let key = Identity::from_seed(&engine.random.array());
    let expiry = engine.clock.now_seconds().saturating_add(CARE_GRANT_SECONDS);
    let grant = RepairGrant::sign(&engine.user.identity, layout, key.id(), bytes, expiry);
    let addresses = ticket.addresses.clone();
    CareTicket { network: ticket.network, content: ticket.content, layout, grant, key, addresses }
}
