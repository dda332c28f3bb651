//! What all tasks of one mesh share: who this side is, the peer table, the way to the event loop, and the ends.
//!
//! It starts nothing by itself. Locks here are held for a few statements and never across an `.await`: the event loop,
//! the tasks and the handle all touch the same small tables, and asking the event loop for each look would make it the
//! slowest part.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use libp2p::Multiaddr;
use parking_lot::Mutex;
use storgo_object::ports::PeerError;
use storgo_protocol::limits::{AGENT_CHARS_MAX, REACH_TESTS_REMEMBERED_MAX, ZONE_CHARS_MAX};
use storgo_protocol::message::PeerCard;
use storgo_protocol::{NetworkId, NodeId, PeerAddress, PeerId, Scope};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::command::Command;
use crate::config::{MeshConfig, Role};
use crate::data::DataSide;
use crate::frames::Lanes;
use crate::gate::Gate;
use crate::nat::Reach;
use crate::peers::{self, Path, PeerTable};
use crate::pool::Pool;
use crate::{MeshError, hello, names};

/// The shared state of one mesh.
pub(crate) struct Core {
    pub(crate) me: PeerId,
    /// The network; `None` for a client that has yet to learn it.
    pub(crate) network: Option<NetworkId>,
    pub(crate) role: Role,
    pub(crate) agent: String,
    pub(crate) config: MeshConfig,
    pub(crate) table: Mutex<PeerTable>,
    pub(crate) listening: Mutex<Listening>,
    /// Whether others can dial this side.
    pub(crate) reach: Mutex<Reach>,
    /// Told whenever the table or the listeners changed.
    pub(crate) changed: watch::Sender<()>,
    /// The network that the first welcome named.
    pub(crate) learned: Mutex<Option<NetworkId>>,
    /// What each bootstrap address met, until one welcomes.
    pub(crate) tried: Mutex<Vec<String>>,
    /// True when each bootstrap address was tried once.
    pub(crate) first_round: watch::Sender<bool>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) control: libp2p_stream::Control,
    pub(crate) pools: Mutex<HashMap<PeerId, Arc<Pool>>>,
    pub(crate) lanes: Lanes,
    pub(crate) data: DataSide,
    pub(crate) gate: Gate,
    /// Where newly published nodes are told to the publisher.
    pub(crate) published: mpsc::Sender<NodeId>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tracker: TaskTracker,
    /// What the event loop waits for before it notes the next connection.
    #[cfg(test)]
    pub(crate) held: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
}

/// The addresses that are listened on.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    addresses: Vec<PeerAddress>,
    listeners: BTreeSet<String>,
}

impl Listening {
    pub(crate) fn opened(&mut self, listener: &str, address: Option<PeerAddress>) {
        self.listeners.insert(listener.to_owned());
        self.addresses.extend(address);
    }

    /// Notes an address at which others have dialled this side, though nothing here listens on it by that name. Which
    /// ones there are to try is what peers claim to see, and that they got through is their word too.
    pub(crate) fn proven(&mut self, address: Option<PeerAddress>) {
        if self.addresses.len() < REACH_TESTS_REMEMBERED_MAX {
            self.addresses.extend(address.filter(|address| !self.addresses.contains(address)));
        }
    }

    pub(crate) fn closed(&mut self, addresses: &[Multiaddr], me: PeerId) {
        let gone: Vec<PeerAddress> = addresses.iter().filter_map(|address| names::with_peer(address, me)).collect();
        self.addresses.retain(|address| !gone.contains(address));
    }

    /// How many listeners have an address.
    pub(crate) fn listeners(&self) -> usize {
        self.listeners.len()
    }

    pub(crate) fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }
}

impl Core {
    /// This side's card for a peer that is connected from `scope`.
    pub(crate) fn card(&self, scope: Scope) -> PeerCard {
        let status = match &self.role {
            Role::Node { store, .. } => store.status(),
            Role::Client => storgo_object::ports::StoreStatus::default(),
        };
        PeerCard {
            peer: self.me,
            addresses: peers::within(self.listening.lock().addresses(), scope),
            zone: self.config.zone.chars().take(ZONE_CHARS_MAX).collect(),
            capacity_bytes: status.capacity_bytes(),
            free_bytes: status.free_bytes(),
            weight: self.config.weight,
            disks: u32::try_from(status.usable().count()).unwrap_or(u32::MAX),
            agent: self.agent.chars().take(AGENT_CHARS_MAX).collect(),
            stores: self.stores(),
            data_port: self.data.port(),
            seen_seconds: 0,
        }
    }

    pub(crate) fn stores(&self) -> bool {
        matches!(self.role, Role::Node { .. })
    }

    /// How many storage peers are linked and admitted.
    pub(crate) fn answering(&self) -> usize {
        self.table.lock().answering(Instant::now()).len()
    }

    /// Notes the connections with a peer; streams of one that is gone are dropped with it.
    pub(crate) fn set_paths(&self, peer: PeerId, paths: Vec<Path>) {
        if paths.is_empty() {
            self.pools.lock().remove(&peer);
            self.lanes.forget(peer);
        }
        self.table.lock().set_paths(peer, paths);
        self.changed.send_replace(());
    }

    /// Closes streams and data connections that have been idle for too long at this time: whoever asks a peer no more
    /// would keep them otherwise, and with them the connection.
    pub(crate) fn sweep_pools(&self, now: Instant) {
        for pool in self.pools.lock().values() {
            pool.sweep(now);
        }
        self.lanes.sweep(now.into());
    }

    /// Notes that a peer cannot be used for now, for whatever reason.
    pub(crate) fn failed(&self, peer: PeerId, reason: String) {
        self.table.lock().failed(peer, reason, Instant::now());
        self.changed.send_replace(());
    }

    /// Notes that a dial that was begun at this time failed.
    pub(crate) fn dial_failed(&self, peer: PeerId, reason: String, began: Instant) {
        self.table.lock().dial_failed(peer, reason, began, Instant::now());
        self.changed.send_replace(());
    }

    /// Says hello to a peer in a task of its own.
    pub(crate) fn spawn_greeting(self: &Arc<Self>, peer: PeerId) {
        let core = Arc::clone(self);
        self.tracker.spawn(async move {
            let cancel = core.cancel.clone();
            cancel.run_until_cancelled(hello::greet(&core, peer)).await
        });
    }

    /// Sends a command whose reply `make` carries, and waits for it.
    pub(crate) async fn request<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, MeshError> {
        let (reply, answer) = oneshot::channel();
        self.tell(make(reply)).await?;
        answer.await.map_err(|_| MeshError::Stopped)
    }

    /// Sends a command that has no reply.
    pub(crate) async fn tell(&self, command: Command) -> Result<(), MeshError> {
        self.commands.send(command).await.map_err(|_| MeshError::Stopped)
    }

    /// Closes the connections with a peer, if the event loop still runs.
    pub(crate) async fn disconnect(&self, peer: PeerId) {
        if let Err(error) = self.tell(Command::Disconnect { peer }).await {
            tracing::trace!(%peer, %error, "there is nothing left to disconnect");
        }
    }

    /// Stands still where a test wants it.
    #[cfg(test)]
    pub(crate) fn hold_events(&self) {
        if let Some(held) = self.held.lock().take() {
            // Tasks that this thread was to run next are run by others.
            tokio::task::block_in_place(|| held.recv().ok());
        }
    }

    pub(crate) fn unreachable(peer: PeerId, reason: impl Into<String>) -> PeerError {
        PeerError::Unreachable { peer, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_claim_to_have_dialled_is_bounded() {
        let mut listening = Listening::default();
        let address = |port: usize| format!("/ip4/5.5.5.5/tcp/{port}").parse().ok();
        listening.opened("one", address(1));
        (0..2 * REACH_TESTS_REMEMBERED_MAX).for_each(|port| listening.proven(address(port)));
        assert_eq!(listening.addresses().len(), REACH_TESTS_REMEMBERED_MAX);
        assert_eq!(listening.addresses().first(), address(1).as_ref());
    }
}
