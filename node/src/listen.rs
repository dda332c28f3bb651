//! Whether the ports that a node is told to listen on are free.
//!
//! The transports share a port with any other process of theirs (they dial from the port that they listen on), so a
//! second node on one port would take every other connection of the first instead of failing. Asked plainly, the
//! system says so.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use storgo_protocol::PeerAddress;

use crate::error::NodeError;

/// Fails if another process listens on one of these multiaddrs. Between this look and the listening is a moment in
/// which another may come: this finds mistakes and locks nothing.
///
/// # Errors
/// [`NodeError::Config`] for the first address that is not free.
pub(crate) fn check_free(addresses: &[String]) -> Result<(), NodeError> {
    for address in addresses {
        let Some(endpoint) = address.parse::<PeerAddress>().ok().and_then(|address| endpoint(&address.to_string()))
        else {
            // The mesh says what is wrong with it.
            continue;
        };
        let bound = match endpoint {
            (_, address) if address.port() == 0 => continue,
            (Transport::Tcp, address) => TcpListener::bind(address).map(drop),
            (Transport::Udp, address) => UdpSocket::bind(address).map(drop),
        };
        if let Err(error) = bound {
            return Err(NodeError::Config { what: format!("listening on {address}"), reason: error.to_string() });
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// The IP address and port at the start of a multiaddr such as `/ip4/0.0.0.0/udp/4820/quic-v1`.
fn endpoint(address: &str) -> Option<(Transport, SocketAddr)> {
    let mut parts = address.split('/').skip(1);
    let ip: IpAddr = match (parts.next()?, parts.next()?) {
        ("ip4" | "ip6", ip) => ip.parse().ok()?,
        _ => return None,
    };
    let transport = match parts.next()? {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return None,
    };
    Some((transport, SocketAddr::new(ip, parts.next()?.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_refused_and_a_free_one_is_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let address = format!("/ip4/127.0.0.1/tcp/{port}");
        let error = check_free(std::slice::from_ref(&address)).unwrap_err();
        assert!(error.to_string().contains(&address), "{error}");
        check_free(&["/ip4/127.0.0.1/tcp/0".into(), "/dns4/example.org/tcp/1".into(), "nonsense".into()]).unwrap();
    }

    #[test]
    fn the_start_of_an_address_is_understood() {
        let quic = endpoint("/ip4/0.0.0.0/udp/4820/quic-v1").unwrap();
        assert_eq!(quic, (Transport::Udp, "0.0.0.0:4820".parse().unwrap()));
        let six = endpoint("/ip6/::1/tcp/9/p2p/x").unwrap();
        assert_eq!(six, (Transport::Tcp, "[::1]:9".parse().unwrap()));
        assert_eq!(endpoint("/dns4/example.org/tcp/1"), None);
    }
}
