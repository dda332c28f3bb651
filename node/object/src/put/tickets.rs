//! What names an object for others: the owner's record, and a care ticket.

use storgo_protocol::limits::CARE_GRANT_SECONDS;
use storgo_protocol::{CareTicket, ContentId, Identity, LayoutId, LayoutRecord, RepairGrant, Ticket};

use crate::engine::Engine;

/// A record that takes the place of all that this owner signed before: numbered by the clock, and in any case beyond
/// the newest `known`, since two puts can fall in one second and clocks are set back.
pub(super) fn layout_record(
    engine: &Engine,
    content: ContentId,
    layout: LayoutId,
    known: Option<&LayoutRecord>,
) -> LayoutRecord {
    let now = engine.clock.now_seconds();
    let number = match known {
        Some(record) if record.layout == layout => record.number,
        Some(record) => now.max(record.number.saturating_add(1)),
        None => now,
    };
    LayoutRecord::sign(&engine.user.identity, content, layout, number)
}

/// A care ticket for the object that `ticket` reads, whose shards and nodes have `bytes` in all. Its holder may write
/// them twice over to each peer, for a push that has to be sent again counts again.
pub(super) fn care_ticket(engine: &Engine, ticket: &Ticket, layout: LayoutId, bytes: u64) -> CareTicket {
    let key = Identity::from_seed(&engine.random.array());
    let expiry = engine.clock.now_seconds().saturating_add(CARE_GRANT_SECONDS);
    let bytes = bytes.saturating_mul(2);
    let grant = RepairGrant::sign(&engine.user.identity, layout, key.id(), bytes, expiry);
    let addresses = ticket.addresses.clone();
    CareTicket { network: ticket.network, content: ticket.content, layout, grant, key, addresses }
}
