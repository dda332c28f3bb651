//! The handle: what the rest of storgo sees of the network.
//!
//! It passes questions to the tasks of a mesh and ends them; [`start`](crate::start) begins them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use storgo_object::ports::{PeerError, Peers};
use storgo_protocol::limits::MESH_DIALS_MAX;
use storgo_protocol::message::{Answer, PeerCard, Request};
use storgo_protocol::{ContentId, NetworkId, NodeId, PeerAddress, PeerId, Scope};
use tokio::time::sleep;
use tokio_util::sync::DropGuard;

use crate::command::Command;
use crate::connect::DIALS_MAX;
use crate::core::Core;
use crate::dht::{DhtPeer, RoutingEntry};
use crate::nat::Reach;
use crate::peers::PeerRow;
use crate::{MeshError, names};

/// A running mesh. Clones share it; it stops with [`Mesh::shutdown`], or when the last clone is gone.
#[derive(Clone)]
pub struct Mesh {
    pub(crate) core: Arc<Core>,
    _stop: Arc<DropGuard>,
}

impl Mesh {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let stop = Arc::new(core.cancel.clone().drop_guard());
        Self { core, _stop: stop }
    }

    /// The addresses that this side listens on, each with its peer id.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<PeerAddress> {
        self.core.listening.lock().addresses().to_vec()
    }

    /// What this side says of itself to peers on the same machine.
    #[must_use]
    pub fn card(&self) -> PeerCard {
        self.core.card(Scope::Loopback)
    }

    /// Everyone in the peer table, by id.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerRow> {
        self.core.table.lock().rows(Instant::now())
    }

    /// Whether others can dial this side, as far as they have told.
    #[must_use]
    pub fn reach(&self) -> Reach {
        *self.core.reach.lock()
    }

    /// Waits until one bootstrap address answered or all were given up, and gives what those met that did not welcome.
    pub async fn joined(&self) -> Vec<String> {
        let mut first_round = self.core.first_round.subscribe();
        if first_round.wait_for(|done| *done).await.is_err() {
            tracing::trace!("the mesh was stopped before it joined");
        }
        self.core.tried.lock().clone()
    }

    /// Notes where a peer can be dialled, such as from a ticket; the address must end in its peer id.
    ///
    /// # Errors
    /// [`MeshError::Address`] if it names no peer.
    pub fn add_address(&self, address: &PeerAddress) -> Result<(), MeshError> {
        let peer = names::peer_of(address).ok_or_else(|| MeshError::Address {
            address: address.to_string(),
            purpose: "dial",
            reason: "it does not end in a peer id".to_owned(),
        })?;
        self.core.table.lock().hear_of(peer, std::slice::from_ref(address));
        self.core.changed.send_replace(());
        Ok(())
    }

    /// Sends a frame of at most [`RAFT_FRAME_BYTES_MAX`](storgo_protocol::limits::RAFT_FRAME_BYTES_MAX) bytes to a peer
    /// that takes frames. That it left does not say that it arrived.
    ///
    /// # Errors
    /// [`PeerError`] if it is known not to arrive.
    pub async fn send_frame(&self, to: PeerId, frame: Bytes) -> Result<(), PeerError> {
        let sent = self.core.cancel.run_until_cancelled(self.core.send_frame(to, frame)).await;
        sent.unwrap_or(Err(PeerError::Stopped))
    }

    /// The peers closest to `peer` in the DHT, itself among them if it was found.
    ///
    /// # Errors
    /// [`MeshError::Busy`], [`MeshError::TimedOut`] or [`MeshError::Stopped`].
    pub async fn dht_find(&self, peer: PeerId) -> Result<Vec<DhtPeer>, MeshError> {
        self.core.request(|reply| Command::FindPeer { peer, reply }).await?
    }

    /// Peers that announced in the DHT that they hold this content's root.
    ///
    /// # Errors
    /// [`MeshError::Busy`], [`MeshError::TimedOut`] or [`MeshError::Stopped`].
    pub async fn dht_providers(&self, content: ContentId) -> Result<Vec<PeerId>, MeshError> {
        self.core.request(|reply| Command::FindProviders { node: content.into(), reply }).await?
    }

    /// The routing table of the DHT, the nearest bucket first.
    ///
    /// # Errors
    /// [`MeshError::Stopped`].
    pub async fn dht_routing_table(&self) -> Result<Vec<RoutingEntry>, MeshError> {
        self.core.request(|reply| Command::RoutingTable { reply }).await
    }

    /// Stops the mesh and waits for all its tasks.
    pub async fn shutdown(&self) {
        self.core.cancel.cancel();
        self.core.tracker.close();
        self.core.tracker.wait().await;
    }

    /// Dials peers that were only heard of until `enough` answer, or for `linger` no one more does.
    pub(crate) async fn widen(&self, enough: usize, linger: Duration) {
        let (mut tries, mut flying) = (HashMap::<PeerId, u32>::new(), HashSet::new());
        let mut dials = FuturesUnordered::new();
        loop {
            let (answering, candidates) = {
                let table = self.core.table.lock();
                (table.answering(Instant::now()).len(), table.candidates(Instant::now()))
            };
            if answering >= enough {
                return;
            }
            for peer in candidates {
                // One that failed comes up again when others tell where else it is.
                let tries = tries.entry(peer).or_default();
                if dials.len() < MESH_DIALS_MAX && *tries < DIALS_MAX && flying.insert(peer) {
                    *tries += 1;
                    let core = Arc::clone(&self.core);
                    dials.push(async move { (peer, core.connect(peer).await) });
                }
            }
            let dialled = tokio::select! {
                dialled = dials.next() => dialled,
                () = sleep(linger), if answering > 0 => return,
            };
            let Some((peer, connected)) = dialled else { return };
            flying.remove(&peer);
            if let Err(error) = connected {
                tracing::debug!(%peer, %error, "a peer does not answer");
            }
        }
    }
}

impl Mesh {
    /// Waits until each bootstrap address was tried, or somebody answers and for `linger` nothing changes.
    async fn first_round_or(&self, linger: Duration) {
        let mut first_round = self.core.first_round.subscribe();
        let mut changed = self.core.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let answering = self.core.answering() > 0;
            tokio::select! {
                done = first_round.wait_for(|done| *done) => {
                    if done.is_err() {
                        tracing::trace!("the mesh was stopped before it joined");
                    }
                    return;
                }
                told = changed.changed() => if told.is_err() { return },
                () = sleep(linger), if answering => return,
            }
        }
    }
}

#[async_trait]
impl Peers for Mesh {
    fn me(&self) -> PeerId {
        self.core.me
    }

    fn network(&self) -> Option<NetworkId> {
        self.core.network
    }

    async fn answering(&self, enough: usize) -> Vec<PeerCard> {
        self.answering_soon(enough, Duration::MAX).await
    }

    async fn answering_soon(&self, enough: usize, linger: Duration) -> Vec<PeerCard> {
        let work = async {
            let mut first_round = self.core.first_round.subscribe();
            self.widen(enough, linger).await;
            // The bootstrap addresses may still be under way, and whoever they lead to.
            if self.core.answering() < enough && !*first_round.borrow_and_update() {
                self.first_round_or(linger).await;
                self.widen(enough, linger).await;
            }
        };
        self.core.cancel.run_until_cancelled(work).await;
        self.core.table.lock().answering(Instant::now())
    }

    async fn ask(&self, peer: PeerId, request: Request) -> Result<Answer, PeerError> {
        self.core.ask(peer, request).await
    }

    async fn providers(&self, node: NodeId) -> Vec<PeerId> {
        match self.core.request(|reply| Command::FindProviders { node, reply }).await {
            Ok(Ok(found)) => found.into_iter().filter(|peer| *peer != self.core.me).collect(),
            Ok(Err(error)) | Err(error) => {
                tracing::info!(%node, %error, "the DHT was not asked");
                Vec::new()
            }
        }
    }

    fn distrust(&self, peer: PeerId, what: &str) {
        tracing::warn!(%peer, what, "a peer was caught");
        self.core.table.lock().distrust(peer, what, Instant::now());
    }

    fn distrusted(&self) -> Vec<PeerId> {
        self.core.table.lock().distrusted(Instant::now())
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh").field("me", &self.core.me).field("network", &self.core.network).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
