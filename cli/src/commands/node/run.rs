//! `storgo node run`: a storage peer in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};
use storgo_node::{Node, NodeConfig};
use storgo_protocol::PeerAddress;
use tokio::signal::unix::{SignalKind, signal};

use super::redis::RedisArgs;
use crate::context::{Context, default_data, parse_address};
use crate::error::{CliError, Exit};
use crate::{amounts, parent};

/// Runs a storage peer until it is told to stop (Ctrl-C or SIGTERM)
///
/// It keeps shards that it can neither read nor forge. When it is ready it prints one line with its peer id and its
/// addresses: others join through any of them. Questions about it are answered on a socket in its data directory.
///
/// Examples:
///   storgo node run
///   storgo node run --data d1 --listen /ip4/127.0.0.1/tcp/0 --network mine
///   storgo node run --join INVITE --redis 127.0.0.1:6379
///   storgo node run --redis 0.0.0.0:6379 --redis-auth --redis-tls cert.pem,key.pem
///   storgo node run --redis 127.0.0.1:6379 --redis-udp 127.0.0.1:6379
///   storgo node run --disk /mnt/a/storgo --disk /mnt/b/storgo --capacity 2TB --zone attic
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RunArgs {
    /// Keeps the node's identity, index and socket here [default: the XDG data directory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Listens here; repeatable; port 0 takes a free one [default: TCP and QUIC on port 4820 of all addresses]
    #[arg(long, value_name = "MULTIADDR", value_parser = parse_address)]
    listen: Vec<PeerAddress>,

    /// Takes bulk data on this TCP port, on the addresses listened on [default: the one after the TCP port]
    #[arg(long, value_name = "PORT")]
    data_port: Option<u16>,

    /// Joins the network through this peer; repeatable
    #[arg(long, value_name = "MULTIADDR", value_parser = parse_address)]
    bootstrap: Vec<PeerAddress>,

    /// The network, by name or id [default: storgo]
    #[arg(long, value_name = "NAME")]
    network: Option<String>,

    /// Becomes a member of the network of this invite (storgo network invite); needed once
    #[arg(long, value_name = "INVITE")]
    join: Option<String>,

    /// The failure domain that this node is in, such as a rack or a house: shards are spread over zones first
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// Keeps shards here; repeatable, one directory for each disk [default: `disk` in the data directory]
    #[arg(long, value_name = "DIR")]
    disk: Vec<PathBuf>,

    /// Uses at most this much in all, such as 500GB [default: what the file systems offer]
    #[arg(long, value_name = "SIZE", value_parser = amounts::parse_bytes)]
    capacity: Option<u64>,

    /// Keeps at most this much in one user's name [default: no bound]
    #[arg(long, value_name = "SIZE", value_parser = amounts::parse_bytes)]
    quota_per_user: Option<u64>,

    #[command(flatten)]
    redis: RedisArgs,

    /// Does not look for peers on the local network
    #[arg(long)]
    no_mdns: bool,

    /// Does not carry connections of peers that cannot reach one another
    #[arg(long)]
    no_relay: bool,

    /// Moves shards through relays too, where a peer cannot be reached otherwise
    #[arg(long)]
    relayed_bulk: bool,

    /// Reads settings from this TOML file; flags go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<(), CliError> {
    let data = args.data.clone().map_or_else(default_data, Ok)?;
    let config = args.config()?;
    // Before anything is started, so that no signal is missed.
    let stop = Stop::listen(context.exit_with_stdin)?;
    let home = config.redis.listen.map(|_| context.home()).transpose()?;
    let node = Node::start(&data, &config, home.as_ref()).await?;
    let ready = Ready::of(node.ready());
    context.output.result(&ready, || ready.text())?;
    Ok(node.run(stop.wait()).await?)
}

impl RunArgs {
    /// The file's settings with the flags over them.
    fn config(self) -> Result<NodeConfig, CliError> {
        let mut config = match &self.config {
            Some(path) => NodeConfig::read(path)?,
            None => NodeConfig::default(),
        };
        if !self.listen.is_empty() {
            config.mesh.listen = self.listen.iter().map(ToString::to_string).collect();
        }
        config.mesh.data_port = self.data_port.or(config.mesh.data_port);
        config.mesh.bootstrap.extend(self.bootstrap.iter().map(ToString::to_string));
        config.mesh.mdns &= !self.no_mdns;
        config.mesh.relay &= !self.no_relay;
        config.mesh.relayed_bulk |= self.relayed_bulk;
        config.mesh.zone = self.zone.unwrap_or(config.mesh.zone);
        config.network = self.network.unwrap_or(config.network);
        config.join = self.join.or(config.join);
        if !self.disk.is_empty() {
            config.disk.directories = self.disk;
        }
        config.disk.capacity_bytes = self.capacity.or(config.disk.capacity_bytes);
        config.disk.quota_per_user_bytes = self.quota_per_user.or(config.disk.quota_per_user_bytes);
        self.redis.over(&mut config.redis);
        Ok(config)
    }
}

/// What ends a node: SIGINT, SIGTERM, or the end of the process that started it.
#[derive(Debug)]
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    with_stdin: bool,
}

impl Stop {
    fn listen(with_stdin: bool) -> Result<Self, CliError> {
        let catch = |kind| signal(kind).map_err(|error| CliError::io("listening for signals", error));
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())?, with_stdin })
    }

    async fn wait(mut self) {
        let parent = async {
            if self.with_stdin {
                parent::gone().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = parent => {}
        }
    }
}

/// The line that a node prints when it answers; in `--json` what others parse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) event: String,
    pub(crate) peer: String,
    pub(crate) network: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) socket: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) process: u32,
    /// Where it takes Redis's protocol, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redis: Option<SocketAddr>,
    /// Where it takes that in datagrams, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redis_udp: Option<SocketAddr>,
}

impl Ready {
    fn of(ready: &storgo_node::Ready) -> Self {
        Self {
            event: "ready".into(),
            peer: ready.peer.to_string(),
            network: ready.network.to_string(),
            addresses: ready.addresses.iter().map(ToString::to_string).collect(),
            socket: ready.socket.clone(),
            data: ready.data.clone(),
            process: std::process::id(),
            redis: ready.redis,
            redis_udp: ready.redis_udp,
        }
    }

    fn text(&self) -> String {
        let redis = self.redis.map(|address| format!(" redis {address}")).unwrap_or_default();
        let udp = self.redis_udp.map(|address| format!(" redis-udp {address}")).unwrap_or_default();
        format!("ready {} {}{redis}{udp}", self.peer, self.addresses.join(" "))
    }

    /// The address to join through; an error if the line names none.
    pub(crate) fn address(&self) -> Result<PeerAddress, CliError> {
        let first = self.addresses.first().and_then(|address| address.parse().ok());
        first.ok_or_else(|| CliError::new(Exit::Failed, "the node listens nowhere"))
    }
}
