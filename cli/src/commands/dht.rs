//! `storgo dht`: what a node sees of the distributed hash table.

use clap::{Args, Subcommand};
use serde::Serialize;
use storgo_protocol::{PeerAddress, PeerId};
use storgo_rpc::{DhtEntry, DhtPeer};

use crate::context::{Context, NodeArg};
use crate::error::{CliError, Exit};
use crate::word::TicketWord;

/// Asks the distributed hash table through a running node
#[derive(Debug, Subcommand)]
pub(crate) enum DhtCommand {
    Find(FindArgs),
    Providers(ProvidersArgs),
    RoutingTable(RoutingTableArgs),
}

/// Finds the peers nearest to a peer id, and where the peer itself can be dialled
///
/// Example:
///   storgo dht find 12D3KooW…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct FindArgs {
    /// The peer id, 12D3Koo…
    peer: PeerId,

    #[command(flatten)]
    node: NodeArg,
}

/// Finds the peers that announced that they hold an object's root
///
/// Example:
///   storgo dht providers bafkr4i…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ProvidersArgs {
    /// The content id (a CID) or the ticket
    content: TicketWord,

    #[command(flatten)]
    node: NodeArg,
}

/// Shows the node's routing table, far buckets first
///
/// Example:
///   storgo dht routing-table
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RoutingTableArgs {
    #[command(flatten)]
    node: NodeArg,
}

pub(crate) async fn run(context: &Context, command: DhtCommand) -> Result<(), CliError> {
    match command {
        DhtCommand::Find(args) => {
            let closest = args.node.connect().await?.dht_find(args.peer).await?;
            tell(context, &closest)?;
            if closest.iter().any(|found| found.peer == args.peer) {
                return Ok(());
            }
            Err(CliError::new(Exit::NotFound, "the peer itself was not found"))
        }
        DhtCommand::Providers(args) => {
            let wanted = args.content.content()?;
            let providers = args.node.connect().await?.dht_providers(wanted).await?;
            tell(context, &providers)?;
            if providers.is_empty() {
                return Err(CliError::new(Exit::NotFound, "nobody announced that they hold it"));
            }
            Ok(())
        }
        DhtCommand::RoutingTable(args) => {
            let entries = args.node.connect().await?.dht_routing_table().await?;
            let rows: Vec<_> = entries.iter().map(EntryJson::of).collect();
            context.output.result(&rows, || table(&entries))
        }
    }
}

fn tell(context: &Context, peers: &[DhtPeer]) -> Result<(), CliError> {
    let rows: Vec<_> = peers.iter().map(|peer| PeerJson::of(peer.peer, &peer.addresses)).collect();
    context.output.result(&rows, || {
        let lines: Vec<_> = peers.iter().map(|peer| format!("{}  {}", peer.peer, spell(&peer.addresses))).collect();
        lines.join("\n")
    })
}

fn table(entries: &[DhtEntry]) -> String {
    if entries.is_empty() {
        return "the routing table is empty".into();
    }
    let line = |entry: &DhtEntry| format!("{:>4}  {}  {}", entry.distance_bits, entry.peer, spell(&entry.addresses));
    let lines: Vec<_> = entries.iter().map(line).collect();
    format!("BITS  PEER\n{}", lines.join("\n"))
}

fn spell(addresses: &[PeerAddress]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Serialize)]
struct PeerJson {
    peer: String,
    addresses: Vec<String>,
}

impl PeerJson {
    fn of(peer: PeerId, addresses: &[PeerAddress]) -> Self {
        Self { peer: peer.to_string(), addresses: addresses.iter().map(ToString::to_string).collect() }
    }
}

#[derive(Debug, Serialize)]
struct EntryJson {
    distance_bits: u32,
    #[serde(flatten)]
    peer: PeerJson,
}

impl EntryJson {
    fn of(entry: &DhtEntry) -> Self {
        Self { distance_bits: entry.distance_bits, peer: PeerJson::of(entry.peer, &entry.addresses) }
    }
}
