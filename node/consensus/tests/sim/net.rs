//! The transport of the simulator: a frame is a datagram, and who sent it is known by its address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use storgo_consensus::{Groups, Transport, TransportError};
use storgo_protocol::PeerId;
use storgo_protocol::limits::RAFT_FRAME_BYTES_MAX;
use turmoil::net::UdpSocket;

use crate::trace::Trace;

pub const PORT: u16 = 7000;

/// One node's way to the others.
#[derive(Debug)]
pub struct Datagrams {
    pub me: String,
    pub socket: Arc<UdpSocket>,
    pub peers: BTreeMap<PeerId, String>,
    pub trace: Trace,
}

#[async_trait]
impl Transport for Datagrams {
    async fn send(&self, to: PeerId, frame: Bytes) -> Result<(), TransportError> {
        let failed = |reason: String| TransportError { peer: to, reason };
        let name = self.peers.get(&to).ok_or_else(|| failed("no such peer".to_owned()))?;
        self.trace.note(&format!("{} to {name}", self.me), &frame);
        self.socket.send_to(&frame, (name.as_str(), PORT)).await.map_err(|error| failed(error.to_string()))?;
        Ok(())
    }
}

/// Hands what comes to the groups.
pub async fn receive(socket: Arc<UdpSocket>, groups: Groups, peers: BTreeMap<PeerId, String>) {
    let by_address: BTreeMap<IpAddr, PeerId> =
        peers.into_iter().map(|(peer, name)| (turmoil::lookup(name), peer)).collect();
    let mut buffer = vec![0; RAFT_FRAME_BYTES_MAX];
    while let Ok((bytes, from)) = socket.recv_from(&mut buffer).await {
        if let Some(peer) = by_address.get(&from.ip()) {
            groups.receive(*peer, Bytes::copy_from_slice(&buffer[..bytes]));
        }
    }
}
