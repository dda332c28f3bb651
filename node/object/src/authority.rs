//! Leave to write, made when it is needed: one grant for each peer, signed again before it runs out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::limits::{GRANT_SECONDS_MAX, GRANT_SKEW_SECONDS_MAX};
use storgo_protocol::{Authority, CareTicket, Grant, GrantTerms, PeerId};

use crate::engine::{Engine, User};
use crate::ports::{Clock, Random};

/// Payload bytes that one grant of an owner covers: more than one put pushes to a peer in a grant's life.
const GRANT_BYTES: u64 = 1 << 40;

/// Signs grants in the name of an owner, or of an owner's care ticket.
#[derive(Debug)]
pub(crate) struct Granter {
    holder: PeerId,
    warrant: Warrant,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    // Held only for look-ups, never across an await.
    grants: Mutex<HashMap<PeerId, Signed>>,
}

#[derive(Debug)]
enum Warrant {
    Owner(Arc<User>),
    Care(Box<CareTicket>),
}

#[derive(Debug, Clone)]
struct Signed {
    authority: Bytes,
    renew_at: u64,
}

impl Granter {
    /// Grants in the name of the engine's user.
    pub(crate) fn owner(engine: &Engine) -> Self {
        Self::new(engine, Warrant::Owner(Arc::clone(&engine.user)))
    }

    /// Grants under a care ticket.
    pub(crate) fn care(engine: &Engine, ticket: CareTicket) -> Self {
        Self::new(engine, Warrant::Care(Box::new(ticket)))
    }

    /// Whether a peer must be shown the layout before it lets anything in: not for an owner's own grants.
    pub(crate) const fn must_show(&self) -> bool {
        matches!(self.warrant, Warrant::Care(_))
    }

    /// The encoded authority to write to `peer`.
    pub(crate) fn authority(&self, peer: PeerId) -> Bytes {
        let now = self.clock.now_seconds();
        let mut grants = self.grants.lock();
        match grants.get(&peer) {
            Some(signed) if now < signed.renew_at => signed.authority.clone(),
            _ => {
                let signed = self.sign(peer, now);
                grants.insert(peer, signed.clone());
                signed.authority
            }
        }
    }

    fn new(engine: &Engine, warrant: Warrant) -> Self {
        Self {
            holder: engine.peers.me(),
            warrant,
            clock: Arc::clone(&engine.clock),
            random: Arc::clone(&engine.random),
            grants: Mutex::default(),
        }
    }

    fn sign(&self, peer: PeerId, now: u64) -> Signed {
        // The peer's clock may be ahead of this one by the skew that is allowed, and still accept the expiry.
        let expiry = now + GRANT_SECONDS_MAX - GRANT_SKEW_SECONDS_MAX;
        let terms =
            |owner, bytes| GrantTerms { holder: self.holder, peer, owner, bytes, nonce: self.random.array(), expiry };
        let authority = match &self.warrant {
            Warrant::Owner(user) => {
                let grant = Grant::sign(&user.identity, terms(user.identity.id(), GRANT_BYTES));
                Authority { grant, repair: None }
            }
            Warrant::Care(ticket) => {
                let grant = Grant::sign(&ticket.key, terms(ticket.grant.owner, ticket.grant.bytes));
                Authority { grant, repair: Some(ticket.grant.clone()) }
            }
        };
        Signed { authority: authority.encode().into(), renew_at: now + GRANT_SECONDS_MAX / 2 }
    }
}
