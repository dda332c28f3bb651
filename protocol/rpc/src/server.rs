//! The server's side: typed questions to whoever implements [`NodeApi`], on a listening socket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream;
use storgo_protocol::cluster::{Ask, Told};
use storgo_protocol::{ContentId, GroupId, PeerId};
use tokio::net::UnixListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::error::{ApiError, RpcError};
use crate::wire::node_server::{Node, NodeServer};
use crate::{DhtEntry, DhtPeer, NodeStatus, PeerRow, wire};

/// Longer than any query of the DHT may take; a client that waits longer waits for nothing.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);

/// What a node shows of itself.
#[async_trait]
pub trait NodeApi: Send + Sync + fmt::Debug {
    /// How the node is.
    async fn status(&self) -> Result<NodeStatus, ApiError>;

    /// Asks a member of the network, or the leader of a group if none is named, in the node's name.
    async fn ask(&self, peer: Option<PeerId>, group: GroupId, ask: Ask) -> Result<Told, ApiError>;

    /// What it counts, as text that Prometheus reads.
    async fn metrics(&self) -> Result<String, ApiError>;

    /// Its peer table.
    async fn peers(&self) -> Result<Vec<PeerRow>, ApiError>;

    /// The peers nearest to `peer` in the DHT, nearest first.
    async fn dht_find(&self, peer: PeerId) -> Result<Vec<DhtPeer>, ApiError>;

    /// The peers that announced that they hold the root of `content`.
    async fn dht_providers(&self, content: ContentId) -> Result<Vec<DhtPeer>, ApiError>;

    /// The node's routing table.
    async fn dht_routing_table(&self) -> Result<Vec<DhtEntry>, ApiError>;
}

/// Answers on `listener` until `stop` completes, then lets calls under way end.
///
/// # Errors
/// [`RpcError::Unavailable`] when the listener breaks.
pub async fn serve(
    listener: UnixListener,
    api: Arc<dyn NodeApi>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RpcError> {
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    Server::builder()
        .timeout(ANSWER_DEADLINE)
        .serve_with_incoming_shutdown(NodeServer::new(Glue(api)), Box::pin(incoming), stop)
        .await
        .map_err(|error| RpcError::Unavailable { reason: error.to_string() })
}

/// Translates between the generated trait and [`NodeApi`].
struct Glue(Arc<dyn NodeApi>);

#[async_trait]
impl Node for Glue {
    async fn status(&self, _: Request<wire::StatusRequest>) -> Result<Response<wire::StatusResponse>, Status> {
        Ok(Response::new(self.0.status().await?.into_wire()))
    }

    async fn ask(&self, ask: Request<wire::AskRequest>) -> Result<Response<wire::AskResponse>, Status> {
        let ask = ask.into_inner();
        let peer = if ask.peer.is_empty() { None } else { Some(ask.peer.parse().map_err(invalid)?) };
        let question = Ask::decode(ask.ask.into()).map_err(invalid)?;
        let told = self.0.ask(peer, GroupId::new(ask.group), question).await?;
        Ok(Response::new(wire::AskResponse { told: told.encode().into() }))
    }

    async fn metrics(&self, _: Request<wire::MetricsRequest>) -> Result<Response<wire::MetricsResponse>, Status> {
        Ok(Response::new(wire::MetricsResponse { text: self.0.metrics().await? }))
    }

    async fn peers(&self, _: Request<wire::PeersRequest>) -> Result<Response<wire::PeersResponse>, Status> {
        let peers = self.0.peers().await?.into_iter().map(PeerRow::into_wire).collect();
        Ok(Response::new(wire::PeersResponse { peers }))
    }

    async fn dht_find(&self, ask: Request<wire::DhtFindRequest>) -> Result<Response<wire::DhtFindResponse>, Status> {
        let peer = ask.into_inner().peer.parse().map_err(invalid)?;
        let closest = self.0.dht_find(peer).await?.into_iter().map(DhtPeer::into_wire).collect();
        Ok(Response::new(wire::DhtFindResponse { closest }))
    }

    async fn dht_providers(
        &self,
        ask: Request<wire::DhtProvidersRequest>,
    ) -> Result<Response<wire::DhtProvidersResponse>, Status> {
        let content = ask.into_inner().content.parse().map_err(invalid)?;
        let providers = self.0.dht_providers(content).await?.into_iter().map(DhtPeer::into_wire).collect();
        Ok(Response::new(wire::DhtProvidersResponse { providers }))
    }

    async fn dht_routing_table(
        &self,
        _: Request<wire::DhtRoutingTableRequest>,
    ) -> Result<Response<wire::DhtRoutingTableResponse>, Status> {
        let entries = self.0.dht_routing_table().await?.into_iter().map(DhtEntry::into_wire).collect();
        Ok(Response::new(wire::DhtRoutingTableResponse { entries }))
    }
}

fn invalid(error: impl fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}
