//! Brings a link up: address, connection, hello; whatever of it is missing.
//!
//! Callers that want the same peer share one dial. It moves no payload.

use std::time::{Duration, Instant};

use futures::future::join_all;
use storgo_object::ports::PeerError;
use storgo_protocol::limits::PUNCH_WAIT_MS_MAX;
use storgo_protocol::{PeerAddress, PeerId};
use tokio::time::{Instant as TokioInstant, timeout, timeout_at};

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
        let mut greeted_by = None;
        loop {
            changed.borrow_and_update();
            let standing = self.table.lock().standing(peer, Instant::now());
            match standing {
                Standing::Answering => return Ok(()),
                Standing::BackedOff(reason) => return Err(Self::unreachable(peer, reason)),
                Standing::Away(addresses) => {
                    dials += 1;
                    greeted_by = None;
                    let began = Instant::now();
                    if let Err(reason) = self.dial(peer, addresses.clone()).await? {
                        // An address that became known meanwhile was not tried yet.
                        if dials >= DIALS_MAX || !self.table.lock().knows_others(peer, &addresses) {
                            self.dial_failed(peer, reason.clone(), began);
                            return Err(Self::unreachable(peer, reason));
                        }
                    }
                }
                Standing::Unknown if looked_up => return Err(Self::unreachable(peer, "no address is known")),
                Standing::Unknown => {
                    looked_up = true;
                    self.look_up(peer).await?;
                }
                Standing::Greeting => {
                    // Whatever else changes meanwhile, it has this long and no longer.
                    let by = *greeted_by.get_or_insert_with(|| TokioInstant::now() + self.config.dial_timeout());
                    match timeout_at(by, changed.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Err(PeerError::Stopped),
                        Err(_) => {
                            self.failed(peer, "no hello came".to_owned());
                            self.disconnect(peer).await;
                        }
                    }
                }
            }
        }
    }

    /// Dials, TCP first: a shard over QUIC costs almost twice the CPU time. Relays come last.
    async fn dial(&self, peer: PeerId, addresses: Vec<PeerAddress>) -> Result<Result<(), String>, PeerError> {
        let (relayed, direct): (Vec<_>, Vec<_>) = addresses.into_iter().partition(PeerAddress::is_relayed);
        let (cheap, dear): (Vec<_>, Vec<_>) = direct.into_iter().partition(names::is_tcp);
        let relayed = self.with_relays(relayed).await;
        let mut reason = String::new();
        for addresses in [cheap, dear, relayed].into_iter().filter(|addresses| !addresses.is_empty()) {
            match self.request(|reply| Command::Dial { peer, addresses, reply }).await {
                Ok(Ok(_)) => return Ok(Ok(())),
                Ok(Err(met)) => reason = met,
                Err(_) => return Err(PeerError::Stopped),
            }
        }
        Ok(Err(reason))
    }

    /// Connects with the relays that these addresses lead through, and gives the addresses whose relay answered: libp2p
    /// gives a circuit up when a dial of its relay is under way already.
    async fn with_relays(&self, relayed: Vec<PeerAddress>) -> Vec<PeerAddress> {
        let reached = relayed.into_iter().map(|address| async move {
            let (peer, at) = names::relay_of(&address)?;
            let dial = |reply| Command::Dial { peer, addresses: vec![at], reply };
            matches!(self.request(dial).await, Ok(Ok(_))).then_some(address)
        });
        join_all(reached).await.into_iter().flatten().collect()
    }

    /// Waits until a peer is linked otherwise than through relays, for as long as it takes to punch through its NAT.
    pub(crate) async fn connect_directly(&self, peer: PeerId) -> Result<(), PeerError> {
        self.connect(peer).await?;
        let mut changed = self.changed.subscribe();
        let direct = timeout(Duration::from_millis(PUNCH_WAIT_MS_MAX), async {
            while self.table.lock().only_relayed(peer) {
                if changed.changed().await.is_err() {
                    break;
                }
            }
        });
        direct.await.map_err(|_| PeerError::Relayed { peer })
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
