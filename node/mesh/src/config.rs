//! How a mesh is set up: what the operator writes, and what the program gives beside it.
//!
//! It knows no files and no environment: whoever starts a mesh has read both.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storgo_object::ports::{Serve, ShardStore};
use storgo_protocol::{Identity, NetworkId};

/// What the operator can choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Multiaddrs to listen on; port 0 takes a free port. Default: none, as befits a client.
    pub listen: Vec<String>,
    /// The TCP port for bulk bytes, on the addresses of the TCP listeners. Default: the one after the listener's, or a
    /// free one where that is taken or the listener's is free to choose.
    pub data_port: Option<u16>,
    /// Multiaddrs of peers to join through, with or without `/p2p/…` at the end. Default: none.
    pub bootstrap: Vec<String>,
    /// Whether peers are looked for on the local network by mDNS. Default: true.
    pub mdns: bool,
    /// Whether circuits of others are carried, within bounds, once this node is known to be reachable. Default: true.
    pub relay: bool,
    /// Whether shards and nodes may be pushed and pulled through relays. Default: false.
    pub relayed_bulk: bool,
    /// The failure domain above this node; empty for none. Default: empty.
    pub zone: String,
    /// This node's share in placement. Default: 100.
    pub weight: u32,
    /// Milliseconds that a dial with its handshake, and then the hello, may take. Default: 3000.
    pub dial_timeout_ms: u64,
    /// Milliseconds without a byte moved after which a peer counts as gone. Default: 10000.
    pub silence_timeout_ms: u64,
    /// Milliseconds that a peer may take from the last byte of a push to the first of its answer, since it syncs its
    /// disk in between. Default: 20000.
    pub push_answer_timeout_ms: u64,
    /// Milliseconds between two rounds in which a node says hello to some of its peers. Default: 30000.
    pub round_interval_ms: u64,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            data_port: None,
            bootstrap: Vec::new(),
            mdns: true,
            relay: true,
            relayed_bulk: false,
            zone: String::new(),
            weight: 100,
            dial_timeout_ms: 3_000,
            silence_timeout_ms: 10_000,
            push_answer_timeout_ms: 20_000,
            round_interval_ms: 30_000,
        }
    }
}

impl MeshConfig {
    pub(crate) const fn dial_timeout(&self) -> Duration {
        Duration::from_millis(self.dial_timeout_ms)
    }

    pub(crate) const fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_timeout_ms)
    }

    pub(crate) const fn push_answer(&self) -> Duration {
        Duration::from_millis(self.push_answer_timeout_ms)
    }

    pub(crate) const fn round_interval(&self) -> Duration {
        Duration::from_millis(self.round_interval_ms)
    }
}

/// What the program gives to a mesh that it starts.
#[derive(Debug, Clone)]
pub struct MeshSetup {
    /// Who connects.
    pub identity: Identity,
    /// The network; a client may leave it to the first peer that welcomes it.
    pub network: Option<NetworkId>,
    /// Node or client.
    pub role: Role,
    /// Program and version, such as `storgo/0.1.0`.
    pub agent: String,
    /// What the operator chose.
    pub config: MeshConfig,
}

/// What this side is in the network.
#[derive(Debug, Clone)]
pub enum Role {
    /// It keeps shards and answers for them.
    Node {
        /// Answers requests.
        serve: Arc<dyn Serve>,
        /// Says how full the disks are, and what to announce in the DHT.
        store: Arc<dyn ShardStore>,
    },
    /// It only asks.
    Client,
}
