//! Leave to write, made when it is needed: one grant for each peer, signed again before its time or its bytes run out.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::limits::{GRANT_SECONDS_MAX, GRANT_SKEW_SECONDS_MAX};
use storgo_protocol::{Authority, CareTicket, Grant, GrantTerms, PeerId};

use crate::engine::{Engine, User};
use crate::ports::{Clock, Random};

/// Payload bytes that one grant of an owner covers; who pushes more signs another.
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

#[derive(Debug)]
struct Signed {
    authority: Bytes,
    renew_at: u64,
    /// Payload bytes before it is renewed: half of what it covers, for a request that is sent again counts again.
    left_bytes: u64,
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

    /// The encoded authority to write `bytes` payload bytes to `peer`.
    pub(crate) fn authority(&self, peer: PeerId, bytes: usize) -> Bytes {
        let now = self.clock.now_seconds();
        let mut grants = self.grants.lock();
        let signed = grants.entry(peer).or_insert_with(|| self.sign(peer, now));
        if now >= signed.renew_at || signed.left_bytes == 0 {
            *signed = self.sign(peer, now);
        }
        signed.left_bytes = signed.left_bytes.saturating_sub(bytes as u64);
        signed.authority.clone()
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
        let left_bytes = authority.grant.bytes / 2;
        Signed { authority: authority.encode().into(), renew_at: now + GRANT_SECONDS_MAX / 2, left_bytes }
    }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::{ConvergenceSecret, Identity};

    use super::*;
    use crate::fake::{FakeNetwork, FixedClock, SeededRandom};

    #[test]
    fn a_grant_is_signed_anew_before_its_bytes_run_out() {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(1_800_000_000));
        let network = FakeNetwork::new(2, 0, &clock);
        let user = User { identity: Identity::from_seed(&[1; 32]), secret: ConvergenceSecret::from_bytes([1; 32]) };
        let peers = network.client(Identity::from_seed(&[9; 32]).id());
        let granter = Granter::owner(&Engine::new(peers, Arc::new(user), clock, Arc::new(SeededRandom::new(1))));
        let peer = network.peers()[0];
        let first = granter.authority(peer, 1000);
        assert_ne!(granter.authority(network.peers()[1], 1000), first);
        assert_eq!(granter.authority(peer, usize::try_from(GRANT_BYTES / 2).unwrap()), first);
        let second = granter.authority(peer, 0);
        assert_ne!(second, first);
        assert_eq!(granter.authority(peer, 1000), second);
    }
}
