//! The client's side: one method a question, over a Unix socket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use storgo_protocol::cluster::{Ask, Told};
use storgo_protocol::{ContentId, GroupId, PeerId};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::error::RpcError;
use crate::wire::node_client::NodeClient;
use crate::{DhtEntry, DhtPeer, NodeStatus, PeerRow, wire};

/// A Unix socket answers at once or there is nobody.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Asks a running node; cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: NodeClient<Channel>,
    path: PathBuf,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the node whose socket is `path`.
    ///
    /// # Errors
    /// [`RpcError::NoNode`] when nobody answers there.
    pub async fn connect(path: &Path) -> Result<Self, RpcError> {
        let no_node = |source: Box<dyn std::error::Error + Send + Sync>| RpcError::NoNode { path: path.into(), source };
        // The URI is never resolved: the connector dials the path.
        let endpoint = Endpoint::from_static("http://node.invalid").connect_timeout(CONNECT_DEADLINE);
        let target = path.to_owned();
        let dial = service_fn(move |_| {
            let target = target.clone();
            async move { UnixStream::connect(target).await.map(TokioIo::new) }
        });
        let channel = endpoint.connect_with_connector(dial).await.map_err(|error| no_node(error.into()))?;
        Ok(Self { inner: NodeClient::new(channel), path: path.into() })
    }

    /// Asks how the node is.
    ///
    /// # Errors
    /// [`RpcError`] when there is no answer, or none that makes sense; so for every question.
    pub async fn status(&mut self) -> Result<NodeStatus, RpcError> {
        let answer = self.inner.status(wire::StatusRequest {}).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(NodeStatus::from_wire(answer.into_inner())?)
    }

    /// Asks a member of the network, or the leader of a group if none is named, in the node's name.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn ask(&mut self, peer: Option<PeerId>, group: GroupId, ask: &Ask) -> Result<Told, RpcError> {
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        let ask = wire::AskRequest { peer, group: group.as_u64(), ask: ask.encode().into() };
        let answer = self.inner.ask(ask).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(Told::decode(answer.into_inner().told.into())?)
    }

    /// Asks for what the node counts, as text that Prometheus reads.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn metrics(&mut self) -> Result<String, RpcError> {
        let answer = self.inner.metrics(wire::MetricsRequest {}).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(answer.into_inner().text)
    }

    /// Asks for the peer table.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn peers(&mut self) -> Result<Vec<PeerRow>, RpcError> {
        let answer = self.inner.peers(wire::PeersRequest {}).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(answer.into_inner().peers.into_iter().map(PeerRow::from_wire).collect::<Result<_, _>>()?)
    }

    /// Asks the DHT for the peers nearest to `peer`.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn dht_find(&mut self, peer: PeerId) -> Result<Vec<DhtPeer>, RpcError> {
        let ask = wire::DhtFindRequest { peer: peer.to_string() };
        let answer = self.inner.dht_find(ask).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(answer.into_inner().closest.iter().map(DhtPeer::from_wire).collect::<Result<_, _>>()?)
    }

    /// Asks the DHT who holds the root of `content`.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn dht_providers(&mut self, content: ContentId) -> Result<Vec<DhtPeer>, RpcError> {
        let ask = wire::DhtProvidersRequest { content: content.to_string() };
        let answer = self.inner.dht_providers(ask).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(answer.into_inner().providers.iter().map(DhtPeer::from_wire).collect::<Result<_, _>>()?)
    }

    /// Asks for the node's routing table.
    ///
    /// # Errors
    /// As for [`Client::status`].
    pub async fn dht_routing_table(&mut self) -> Result<Vec<DhtEntry>, RpcError> {
        let ask = wire::DhtRoutingTableRequest {};
        let answer = self.inner.dht_routing_table(ask).await.map_err(|e| RpcError::from_status(&e))?;
        Ok(answer.into_inner().entries.iter().map(DhtEntry::from_wire).collect::<Result<_, _>>()?)
    }
}
