//! Brings a link up: address, connection, hello; whatever of it is missing.
//!
//! Callers that want the same peer share one dial. It moves no payload.

use std::time::Instant;

use storgo_object::ports::PeerError;
use storgo_protocol::{PeerAddress, PeerId};
use tokio::time::timeout;

use crate::command::Command;
use crate::core::Core;
use crate::peers::Standing;
use crate::{MeshError, names};

/// Dials of one peer for one purpose, when addresses become known while others are tried.
pub(crate) const DIALS_MAX: u32 = 3;

impl Core {
    /// Makes sure that `peer` is linked and each side has admitted the other.
    pub(crate) async fn connect(&self, peer: PeerId) -> Result<(), PeerError> {
        let mut changed = self.changed.subscribe();
        let (mut looked_up, mut dials) = (false, 0);
        loop {
            changed.borrow_and_update();
            let standing = self.table.lock().standing(peer, Instant::now());
            match standing {
                Standing::Answering => return Ok(()),
                Standing::BackedOff(reason) => return Err(Self::unreachable(peer, reason)),
                Standing::Away(addresses) => {
                    dials += 1;
                    if let Err(reason) = self.dial(peer, addresses.clone()).await? {
                        // An address that became known meanwhile was not tried yet.
                        if dials >= DIALS_MAX || !self.table.lock().knows_others(peer, &addresses) {
                            self.failed(peer, reason.clone());
                            return Err(Self::unreachable(peer, reason));
                        }
                    }
                }
                Standing::Unknown if looked_up => return Err(Self::unreachable(peer, "no address is known")),
                Standing::Unknown => {
                    looked_up = true;
                    self.look_up(peer).await?;
                }
                Standing::Greeting => match timeout(self.config.dial_timeout(), changed.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(PeerError::Stopped),
                    Err(_) => {
                        self.failed(peer, "no hello came".to_owned());
                        self.disconnect(peer).await;
                    }
                },
            }
        }
    }

    /// Dials, TCP first: a shard over QUIC costs almost twice the CPU time.
    async fn dial(&self, peer: PeerId, addresses: Vec<PeerAddress>) -> Result<Result<(), String>, PeerError> {
        let (cheap, dear): (Vec<_>, Vec<_>) = addresses.into_iter().partition(names::is_tcp);
        let mut reason = String::new();
        for addresses in [cheap, dear].into_iter().filter(|addresses| !addresses.is_empty()) {
            match self.request(|reply| Command::Dial { peer, addresses, reply }).await {
                Ok(Ok(_)) => return Ok(Ok(())),
                Ok(Err(met)) => reason = met,
                Err(_) => return Err(PeerError::Stopped),
            }
        }
        Ok(Err(reason))
    }

    /// Asks the DHT where a peer is.
    async fn look_up(&self, peer: PeerId) -> Result<(), PeerError> {
        let found = match self.request(|reply| Command::FindPeer { peer, reply }).await {
            Ok(Ok(found)) => found,
            Err(MeshError::Stopped) => return Err(PeerError::Stopped),
            Ok(Err(error)) | Err(error) => return Err(Self::unreachable(peer, error.to_string())),
        };
        for found in found.into_iter().filter(|found| found.peer == peer) {
            self.table.lock().hear_of(peer, &found.addresses);
        }
        Ok(())
    }
}
