//! Where a peer can be dialled: a bounded multiaddr.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use multiaddr::{Multiaddr, Protocol};

use crate::DecodeError;
use crate::limits::ADDRESS_BYTES_MAX;

/// A libp2p multiaddr of 1 to [`ADDRESS_BYTES_MAX`] bytes whose text is safe to print, such as `/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerAddress(Multiaddr);

/// How far an address reaches. Ordered from narrow to wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This machine only.
    Loopback,
    /// A private or link-local network.
    Private,
    /// Everywhere.
    Public,
}

impl PeerAddress {
    /// Takes a multiaddr.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] if it is too long, [`DecodeError::Field`] if it is empty or holds control characters.
    pub fn new(address: Multiaddr) -> Result<Self, DecodeError> {
        match address.len() {
            0 => Err(DecodeError::field("address")),
            // A host name from a stranger could carry escape sequences to the terminal of whoever lists peers.
            1..=ADDRESS_BYTES_MAX if address.to_string().contains(char::is_control) => {
                Err(DecodeError::field("address"))
            }
            1..=ADDRESS_BYTES_MAX => Ok(Self(address)),
            count => Err(DecodeError::TooMany { count, max: ADDRESS_BYTES_MAX }),
        }
    }

    /// Decodes the binary form.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but one multiaddr within its bound.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > ADDRESS_BYTES_MAX {
            return Err(DecodeError::TooMany { count: bytes.len(), max: ADDRESS_BYTES_MAX });
        }
        Self::new(Multiaddr::try_from(bytes.to_vec()).map_err(|_| DecodeError::field("address"))?)
    }

    /// The binary form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The multiaddr.
    #[must_use]
    pub const fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    /// Whether it leads through a relay.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.0.iter().any(|part| part == Protocol::P2pCircuit)
    }

    /// How far the address reaches. A name counts as public: where it leads is not known here.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.0.iter().next() {
            Some(Protocol::Ip4(ip)) => Scope::of(ip.into()),
            Some(Protocol::Ip6(ip)) => Scope::of(ip.into()),
            _ => Scope::Public,
        }
    }
}

impl Scope {
    /// The scope of an IP address; carrier-grade NAT (100.64/10) and unique local addresses are private.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            ip if ip.is_loopback() => Self::Loopback,
            IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() || ip.is_unspecified() => Self::Private,
            IpAddr::V4(ip) if matches!(ip.octets(), [100, 64..=127, ..]) => Self::Private,
            IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified() => {
                Self::Private
            }
            _ => Self::Public,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PeerAddress {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if text.len() > 4 * ADDRESS_BYTES_MAX {
            return Err(DecodeError::TooMany { count: text.len(), max: 4 * ADDRESS_BYTES_MAX });
        }
        Self::new(text.parse().map_err(|_| DecodeError::field("address"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_apart() {
        for (text, scope) in [
            ("/ip4/127.0.0.1/tcp/1", Scope::Loopback),
            ("/ip6/::1/tcp/1", Scope::Loopback),
            ("/ip4/10.1.2.3/tcp/1", Scope::Private),
            ("/ip4/100.64.0.1/tcp/1", Scope::Private),
            ("/ip6/fe80::1/tcp/1", Scope::Private),
            ("/ip4/8.8.8.8/udp/1/quic-v1", Scope::Public),
            ("/dns4/example.org/tcp/1", Scope::Public),
        ] {
            assert_eq!(text.parse::<PeerAddress>().unwrap().scope(), scope, "{text}");
        }
        assert!("/ip4/300.0.0.1/tcp/1".parse::<PeerAddress>().is_err());
        assert!("/tcp/1".repeat(200).parse::<PeerAddress>().is_err());
        assert!("/dns4/\u{1b}[2J/tcp/1".parse::<PeerAddress>().is_err());
        assert!("".parse::<PeerAddress>().is_err());
    }
}
