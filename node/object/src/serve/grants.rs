//! The grants that a node has seen: each signature is checked once, and bytes are counted against each.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use storgo_protocol::limits::GRANTS_REMEMBERED_MAX;
use storgo_protocol::message::{Refusal, RefusalKind};
use storgo_protocol::{Authority, LayoutId, PeerId};

use super::denied;
use crate::ports::{Clock, Lease};

/// What an admitted request may do.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    /// In whose name, and under which grant.
    pub(super) lease: Lease,
    /// With a repair grant: only what belongs to this layout.
    pub(super) layout: Option<LayoutId>,
}

/// Verified grants and the bytes written under each, bounded: the one seen first goes first, and is verified again
/// should it come back. What one user may write in all is the store's quota, not this count.
#[derive(Debug)]
pub(super) struct GrantBook {
    me: PeerId,
    clock: Arc<dyn Clock>,
    // Held only for look-ups, never across an await.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    grants: HashMap<blake3::Hash, Entry>,
    next_age: u64,
}

#[derive(Debug)]
struct Entry {
    authority: Authority,
    used_bytes: u64,
    age: u64,
}

impl GrantBook {
    pub(super) fn new(me: PeerId, clock: Arc<dyn Clock>) -> Self {
        Self { me, clock, seen: Mutex::default() }
    }

    /// Lets a request of `from` in that would write `bytes`, or says why not.
    pub(super) fn admit(&self, from: PeerId, authority: &[u8], bytes: u64) -> Result<Leave, Refusal> {
        let name = blake3::hash(authority);
        let now = self.clock.now_seconds();
        let mut seen = self.seen.lock();
        if !seen.grants.contains_key(&name) {
            let authority = Authority::decode(authority)
                .map_err(|error| Refusal::new(RefusalKind::Denied, format!("the grant is not valid: {error}")))?;
            seen.remember(name, authority);
        }
        let entry = seen.grants.get_mut(&name).ok_or_else(|| denied("the grant is not known"))?;
        let grant = &entry.authority.grant;
        if !grant.covers(from, self.me, now) {
            return Err(denied("the grant is for another holder or peer, or has expired, or the clocks differ"));
        }
        if !entry.authority.is_sound(now) {
            return Err(denied("the owner does not stand behind the grant"));
        }
        let used = entry.used_bytes.saturating_add(bytes);
        if used > grant.bytes {
            return Err(denied("the grant's bytes are used up"));
        }
        let leave = Leave {
            lease: Lease { owner: grant.owner, nonce: grant.nonce, expiry: grant.expiry },
            layout: entry.authority.repair.as_ref().map(|repair| repair.layout),
        };
        entry.used_bytes = used;
        Ok(leave)
    }
}

#[cfg(test)]
impl GrantBook {
    pub(super) fn remembered(&self) -> usize {
        self.seen.lock().grants.len()
    }
}

impl Seen {
    fn remember(&mut self, name: blake3::Hash, authority: Authority) {
        if self.grants.len() >= GRANTS_REMEMBERED_MAX {
            let oldest = self.grants.iter().min_by_key(|(_, entry)| entry.age).map(|(name, _)| *name);
            oldest.map(|name| self.grants.remove(&name));
        }
        self.next_age += 1;
        self.grants.insert(name, Entry { authority, used_bytes: 0, age: self.next_age });
    }
}
