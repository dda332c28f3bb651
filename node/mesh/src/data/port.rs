//! The listening side of the data port: accept, shake hands, see that the peer was welcomed, answer its requests.
//!
//! Whoever is slow to shake hands, or was not welcomed over libp2p, is cut off; nothing is read from it before.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use storgo_object::ports::Serve;
use storgo_protocol::limits::{MESH_DATA_CONNECTIONS_MAX, MESH_PENDING_CONNECTIONS_MAX};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::core::Core;
use crate::gate::OpenStream;
use crate::{MeshError, inbound};

/// The pause after a failed accept: descriptors have run out, and others may be closed meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on the addresses on which libp2p has TCP, and answers there until the mesh stops. Without a port it takes
/// the one after libp2p's, or a free one if that is taken.
pub(crate) async fn open(core: &Arc<Core>, serve: &Arc<dyn Serve>) -> Result<(), MeshError> {
    let room = Arc::new(Room::default());
    let mut open: Vec<SocketAddr> = Vec::new();
    for place in places(&core.config.listen) {
        let wanted = core.config.data_port.or_else(|| open.first().map(SocketAddr::port));
        let listener = bind(place, wanted).await?;
        let at = listener.local_addr().map_err(MeshError::setup)?;
        core.data.tell(at.port());
        open.push(at);
        let accepting = accept(Arc::clone(core), listener, Arc::clone(serve), Arc::clone(&room));
        let cancel = core.cancel.clone();
        core.tracker.spawn(async move { cancel.run_until_cancelled(accepting).await });
    }
    Ok(())
}

/// Room for connections: open ones, and those of them that still shake hands.
pub(crate) struct Room {
    open: Arc<Semaphore>,
    pending: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(MESH_DATA_CONNECTIONS_MAX, MESH_PENDING_CONNECTIONS_MAX as usize)
    }
}

impl Room {
    pub(crate) fn new(open: usize, pending: usize) -> Self {
        Self { open: Arc::new(Semaphore::new(open)), pending: Arc::new(Semaphore::new(pending)) }
    }

    /// For how many more there is room, and for how many that shake hands.
    #[cfg(test)]
    pub(crate) fn left(&self) -> [usize; 2] {
        [self.open.available_permits(), self.pending.available_permits()]
    }
}

/// The TCP places among these addresses, without those that another takes too: a socket on all addresses takes each
/// of them, and one on all of IPv6 takes IPv4 as well, unless the system is told otherwise.
fn places(listen: &[String]) -> Vec<SocketAddr> {
    let mut wanted: Vec<SocketAddr> = listen.iter().filter_map(|address| place(address)).collect();
    wanted.sort_by_key(|place| (!place.ip().is_unspecified(), place.is_ipv4()));
    let mut places: Vec<SocketAddr> = Vec::new();
    for place in wanted {
        let takes = |at: &SocketAddr| at.ip().is_unspecified() && (at.is_ipv6() || place.is_ipv4());
        if !places.iter().any(|at| takes(at) || at.ip() == place.ip()) {
            places.push(place);
        }
    }
    places
}

/// The TCP place in a multiaddr, if it is one.
fn place(address: &str) -> Option<SocketAddr> {
    let address: Multiaddr = address.parse().ok()?;
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

async fn bind(place: SocketAddr, wanted: Option<u16>) -> Result<TcpListener, MeshError> {
    let refuse = |error: io::Error, port: u16| MeshError::Address {
        address: SocketAddr::new(place.ip(), port).to_string(),
        purpose: "take data on",
        reason: error.to_string(),
    };
    if let Some(port) = wanted {
        return TcpListener::bind((place.ip(), port)).await.map_err(|error| refuse(error, port));
    }
    let next = if place.port() == 0 { 0 } else { place.port().checked_add(1).unwrap_or(0) };
    match TcpListener::bind((place.ip(), next)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind((place.ip(), 0)).await.map_err(|error| refuse(error, 0))
        }
        Err(error) => Err(refuse(error, next)),
    }
}

/// Takes connections for as long as it is polled; those without room are dropped at once.
pub(crate) async fn accept(core: Arc<Core>, listener: TcpListener, serve: Arc<dyn Serve>, room: Arc<Room>) {
    loop {
        match listener.accept().await {
            Ok((socket, from)) => start(&core, socket, from, &serve, &room),
            Err(error) => {
                tracing::warn!(%error, "a data connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn start(core: &Arc<Core>, socket: TcpStream, from: SocketAddr, serve: &Arc<dyn Serve>, room: &Room) {
    let permits = (Arc::clone(&room.open).try_acquire_owned(), Arc::clone(&room.pending).try_acquire_owned());
    let (Ok(open), Ok(pending)) = permits else {
        tracing::info!(%from, "too many data connections: one is dropped");
        return;
    };
    let (core, serve) = (Arc::clone(core), Arc::clone(serve));
    core.tracker.clone().spawn(async move {
        let _open = open;
        let serving = async {
            let shaken = timeout(core.config.dial_timeout(), shake_hands(&core, socket)).await;
            drop(pending);
            let Some((_counted, peer, connection)) = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
            else {
                return Ok(());
            };
            inbound::answer_stream(&core, peer, connection, serve.as_ref()).await.map_err(io::Error::other)
        };
        if let Some(Err(error)) = core.cancel.run_until_cancelled(serving).await {
            tracing::debug!(%from, %error, "a data connection ended");
        }
    });
}

/// `None` for a peer that is not wanted: unknown here, or with too many streams.
async fn shake_hands(
    core: &Arc<Core>,
    socket: TcpStream,
) -> io::Result<Option<(OpenStream, storgo_protocol::PeerId, super::Connection)>> {
    socket.set_nodelay(true)?;
    let (peer, stream) = core.data.tls.accept(socket).await?;
    if !core.table.lock().admits(peer) {
        tracing::info!(%peer, "a data connection of a peer that was not welcomed is dropped");
        return Ok(None);
    }
    let Some(counted) = OpenStream::count(core, peer) else {
        tracing::info!(%peer, "a peer has too many streams open: one is dropped");
        return Ok(None);
    };
    Ok(Some((counted, peer, stream.compat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_taken_twice() {
        let found = |listen: &[&str]| {
            let listen: Vec<String> = listen.iter().map(|address| (*address).to_owned()).collect();
            places(&listen).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let quic = "/ip4/0.0.0.0/udp/1/quic-v1";
        assert_eq!(found(&["/ip4/0.0.0.0/tcp/1", quic]), ["0.0.0.0:1"]);
        assert_eq!(found(&["/ip4/127.0.0.1/tcp/1", "/ip4/0.0.0.0/tcp/2", "/ip6/::/tcp/3"]), ["[::]:3"]);
        assert_eq!(found(&["/ip6/::1/tcp/1", "/ip4/0.0.0.0/tcp/2"]), ["0.0.0.0:2", "[::1]:1"]);
        assert_eq!(found(&["/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.2/tcp/1", "/ip4/10.0.0.1/tcp/2"]).len(), 2);
    }
}
