//! Which user speaks through which connection.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use storgo_protocol::PeerId;
use storgo_protocol::limits::INTRODUCED_MAX;

/// The users that introduced themselves last.
#[derive(Debug)]
pub(super) struct Sessions(Mutex<LruCache<PeerId, PeerId>>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(INTRODUCED_MAX).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl Sessions {
    /// From here on, `user` speaks through the connection with `peer`.
    pub(super) fn introduce(&self, peer: PeerId, user: PeerId) {
        self.0.lock().put(peer, user);
    }

    /// Who speaks through the connection with `peer`.
    pub(super) fn user(&self, peer: PeerId) -> Option<PeerId> {
        self.0.lock().get(&peer).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_spoke_least_lately_has_to_introduce_itself_again() {
        let peer = |n: usize| PeerId::from_bytes([n.to_le_bytes(); 4].concat().try_into().unwrap());
        let sessions = Sessions::default();
        for n in 0..INTRODUCED_MAX {
            sessions.introduce(peer(n), peer(n + 1));
        }
        assert_eq!(sessions.user(peer(0)), Some(peer(1)));
        sessions.introduce(peer(INTRODUCED_MAX), peer(7));
        assert_eq!((sessions.user(peer(0)), sessions.user(peer(1))), (Some(peer(1)), None));
    }
}
