//! What every command is given: where the home and the local node are, and how to print.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use directories::ProjectDirs;
use storgo_node::object::ErrorKind;
use storgo_node::{Client, ClientOptions, Home, NodeError, PathKind};
use storgo_protocol::{NetworkId, PeerAddress};

use crate::amounts;
use crate::error::{CliError, Exit};
use crate::output::Output;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalArgs {
    /// Keeps your identity, convergence secret and peer book here [default: the XDG data directory]
    #[arg(long, global = true, value_name = "DIR", env = "STORGO_HOME")]
    pub(crate) home: Option<PathBuf>,

    /// Prints results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Logs more to standard error; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Ends when standard input does, unless a line came before: ties the process to the one that started it
    #[arg(long, global = true, hide = true)]
    pub(crate) exit_with_stdin: bool,
}

/// Where to find a running node of this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArg {
    /// Asks this node: its data directory or its socket [default: the default data directory]
    #[arg(long, value_name = "DIR|SOCKET", env = "STORGO_NODE")]
    pub(crate) node: Option<PathBuf>,
}

/// How a command finds the network.
#[derive(Debug, Clone, Args)]
pub(crate) struct JoinArgs {
    /// Joins through this peer; repeatable. Without it: the local node, then peers that answered before, then mDNS
    #[arg(long, value_name = "MULTIADDR", value_parser = parse_address)]
    pub(crate) via: Vec<PeerAddress>,

    #[command(flatten)]
    pub(crate) node: NodeArg,

    /// Does not look for peers on the local network
    #[arg(long)]
    pub(crate) no_mdns: bool,

    /// Moves shards through relays too, where a peer cannot be reached otherwise: slow, and at the cost of the relay
    #[arg(long)]
    pub(crate) relayed_bulk: bool,
}

/// What every command is given.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) output: Output,
    /// Whether to end when standard input does.
    pub(crate) exit_with_stdin: bool,
    home: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        Self {
            output: Output { json: global.json },
            exit_with_stdin: global.exit_with_stdin,
            home: global.home.clone(),
        }
    }

    /// The user's home, made at first use.
    pub(crate) fn home(&self) -> Result<Home, CliError> {
        let path = match &self.home {
            Some(path) => path.clone(),
            None => default_directory("home")?,
        };
        Ok(Home::open(&path)?)
    }

    /// Joins a network as a client.
    pub(crate) async fn connect(&self, join: &JoinArgs, wanted: Wanted) -> Result<Client, CliError> {
        let options = ClientOptions {
            via: join.via.clone(),
            hints: wanted.hints,
            network: wanted.network,
            node: join.node.path().ok(),
            node_required: join.node.node.is_some(),
            mdns: !join.no_mdns,
            relayed_bulk: join.relayed_bulk,
        };
        Ok(Client::connect(&self.home()?, options).await?)
    }
}

/// Leaves the network after an operation. Beside a failure for want of peers stands what those said that were tried.
pub(crate) async fn leave<T>(client: Client, result: Result<T, impl Into<NodeError>>) -> Result<T, CliError> {
    let result = match result.map_err(Into::into) {
        Err(error) => {
            let unavailable = matches!(&error, NodeError::Object(error) if error.kind() == ErrorKind::Unavailable);
            let tried = if unavailable { client.joined().await } else { Vec::new() };
            let hinted =
                tried.into_iter().fold(CliError::from(error), |error, met| error.hint(format!("tried: {met}")));
            Err(hint_at_relays(hinted, &client))
        }
        result => result.map_err(CliError::from),
    };
    client.close().await;
    result
}

/// Says what may help when there are peers, and some are reached through relays only.
pub(crate) fn hint_at_relays(error: CliError, client: &Client) -> CliError {
    let wanting = matches!(error.exit, Exit::Unavailable | Exit::NotEnough);
    let relayed = client.paths().iter().filter(|(_, kind)| *kind == PathKind::Relayed).count();
    if !wanting || relayed == 0 || client.relayed_bulk() {
        return error;
    }
    let peers = amounts::count(relayed as u64, "peer");
    error.hint(format!("{peers} can be reached only through a relay: --relayed-bulk moves shards through it"))
}

/// Which network a command wants, and where a ticket says to start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) network: Option<NetworkId>,
    pub(crate) hints: Vec<PeerAddress>,
}

impl NodeArg {
    /// The node's data directory or socket.
    pub(crate) fn path(&self) -> Result<PathBuf, CliError> {
        self.node.clone().map_or_else(default_data, Ok)
    }

    /// Connects to the node.
    pub(crate) async fn connect(&self) -> Result<storgo_rpc::Client, CliError> {
        let socket = storgo_rpc::locate(&self.path()?)?;
        Ok(storgo_rpc::Client::connect(&socket).await?)
    }
}

/// Where a node keeps its data when nobody says otherwise.
pub(crate) fn default_data() -> Result<PathBuf, CliError> {
    default_directory("node")
}

fn default_directory(name: &str) -> Result<PathBuf, CliError> {
    let project = ProjectDirs::from("", "", "storgo").ok_or_else(|| {
        CliError::new(Exit::Usage, "no home directory is known").hint("say where with --home or --data")
    })?;
    Ok(project.data_dir().join(name))
}

/// Reads an address of a peer.
pub(crate) fn parse_address(text: &str) -> Result<PeerAddress, String> {
    let example = match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(address)) => format!("/ip4/{}/tcp/{}", address.ip(), address.port()),
        Ok(SocketAddr::V6(address)) => format!("/ip6/{}/tcp/{}", address.ip(), address.port()),
        Err(_) => "/ip4/127.0.0.1/tcp/4101".to_owned(),
    };
    text.parse().map_err(|_| format!("expected a multiaddr, such as {example}"))
}

/// Reads a network: its name, or the 64 hexadecimal digits of its id.
pub(crate) fn parse_network(text: &str) -> Result<NetworkId, String> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) if text.is_empty() => Err("a network has a name".into()),
        Err(_) => Ok(NetworkId::from_name(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_an_address_otherwise_is_told_how() {
        assert!(parse_address("/ip4/127.0.0.1/tcp/1").is_ok());
        for (text, example) in
            [("127.0.0.1:7", "/ip4/127.0.0.1/tcp/7"), ("[::1]:7", "/ip6/::1/tcp/7"), ("x", "/ip4/127.0.0.1/tcp/4101")]
        {
            let error = parse_address(text).unwrap_err();
            assert!(error.ends_with(example), "{error}");
        }
    }
}
