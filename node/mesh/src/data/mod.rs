//! The data port: bulk bytes between peers that know each other already, over TCP and TLS 1.3 beside libp2p.
//!
//! ```text
//!   pool ── dial ──► TCP, TLS (both keys are peer ids) ──► port ──► inbound::answer_stream
//! ```
//!
//! A connection carries what a `shard` stream carries, one request and its answer at a time, at a third of the CPU time
//! (ADR 0006). It admits nobody: whoever connects must have been welcomed over libp2p before, and where this port cannot
//! be reached, streams do the work. Bytes come from frames and go to a socket; it knows no messages.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use storgo_protocol::{Identity, PeerId};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::MeshError;

mod port;
mod tls;

pub(crate) use port::open;
#[cfg(test)]
pub(crate) use port::{Room, accept};

/// A connection of the data port, either side of it.
pub(crate) type Connection = Compat<tokio_rustls::TlsStream<tls::Socket>>;

/// This side's half of data connections.
pub(crate) struct DataSide {
    tls: tls::Tls,
    port: AtomicU16,
}

/// Where a peer takes data connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// An IP address or a name.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl DataSide {
    pub(crate) fn new(identity: &Identity) -> Result<Self, MeshError> {
        Ok(Self { tls: tls::Tls::new(identity).map_err(MeshError::setup)?, port: AtomicU16::new(0) })
    }

    /// The port that is listened on; 0 for none.
    pub(crate) fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// Sets the port that others are told.
    pub(crate) fn tell(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }

    /// Shakes hands with whoever connected, and hangs up.
    #[cfg(test)]
    pub(crate) async fn hang_up(&self, socket: TcpStream) {
        drop(self.tls.accept(socket).await);
    }

    /// Connects to a peer; whoever else answers there is an error.
    pub(crate) async fn dial(&self, peer: PeerId, route: &Route, wait: Duration) -> io::Result<Connection> {
        let dialled = timeout(wait, async {
            let socket = TcpStream::connect((route.host.as_str(), route.port)).await?;
            socket.set_nodelay(true)?;
            self.tls.connect(peer, socket).await
        });
        Ok(dialled.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??.compat())
    }
}
