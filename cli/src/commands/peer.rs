//! `storgo peer`: the peers that a node knows.

use clap::{Args, Subcommand};
use serde::Serialize;
use storgo_rpc::{CardRow, PeerRow};

use crate::amounts;
use crate::context::{Context, NodeArg};
use crate::error::CliError;

/// Asks a running node about its peers
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    Ls(LsArgs),
}

/// Lists the peers that a node knows: connected, seen before, or only heard of
///
/// Example:
///   storgo peer ls
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    node: NodeArg,
}

pub(crate) async fn run(context: &Context, command: PeerCommand) -> Result<(), CliError> {
    let PeerCommand::Ls(args) = command;
    let peers = args.node.connect().await?.peers().await?;
    let rows: Vec<_> = peers.iter().map(PeerJson::of).collect();
    context.output.result(&rows, || text(&peers))
}

fn text(peers: &[PeerRow]) -> String {
    if peers.is_empty() {
        return "no peers yet".into();
    }
    let mut lines = vec![row(["PEER", "STATE", "PATH", "PING", "FREE", "CAPACITY", "ZONE", "ADDRESS"])];
    for peer in peers {
        let card = peer.card.as_ref();
        let stored =
            |bytes: fn(&CardRow) -> u64| card.filter(|card| card.stores).map(|card| amounts::bytes(bytes(card)));
        let address = peer.path.as_ref().or(peer.addresses.first());
        lines.push(row([
            &peer.peer.to_string(),
            &peer.state.to_string(),
            &peer.path_kind.map_or_else(|| "-".into(), |kind| kind.to_string()),
            &peer.round_trip.map_or_else(|| "-".into(), |trip| format!("{} µs", trip.as_micros())),
            &stored(|card| card.free_bytes).unwrap_or_else(|| "-".into()),
            &stored(|card| card.capacity_bytes).unwrap_or_else(|| "-".into()),
            card.map(|card| card.zone.as_str()).filter(|zone| !zone.is_empty()).unwrap_or("-"),
            &address.map_or_else(|| "-".into(), ToString::to_string),
        ]));
        for (what, reason) in [("because", &peer.reason), ("caught at", &peer.distrust)] {
            if !reason.is_empty() {
                lines.push(format!("    {what}: {reason}"));
            }
        }
    }
    lines.join("\n")
}

fn row([peer, state, path, ping, free, capacity, zone, address]: [&str; 8]) -> String {
    format!("{peer:<52}  {state:<11}  {path:<7}  {ping:>9}  {free:>8}  {capacity:>8}  {zone:<8}  {address}")
}

#[derive(Debug, Serialize)]
struct PeerJson {
    peer: String,
    state: String,
    reason: String,
    distrust: String,
    addresses: Vec<String>,
    path: Option<String>,
    path_kind: Option<String>,
    round_trip_micros: Option<u128>,
    heard_seconds: Option<u64>,
    bytes_sent: u64,
    bytes_received: u64,
    #[serde(flatten)]
    card: Option<CardJson>,
}

#[derive(Debug, Serialize)]
struct CardJson {
    zone: String,
    capacity_bytes: u64,
    free_bytes: u64,
    weight: u32,
    disks: u32,
    agent: String,
    stores: bool,
}

impl PeerJson {
    fn of(peer: &PeerRow) -> Self {
        Self {
            peer: peer.peer.to_string(),
            state: peer.state.to_string(),
            reason: peer.reason.clone(),
            distrust: peer.distrust.clone(),
            addresses: peer.addresses.iter().map(ToString::to_string).collect(),
            path: peer.path.as_ref().map(ToString::to_string),
            path_kind: peer.path_kind.map(|kind| kind.to_string()),
            round_trip_micros: peer.round_trip.map(|trip| trip.as_micros()),
            heard_seconds: peer.heard.map(|heard| heard.as_secs()),
            bytes_sent: peer.bytes_sent,
            bytes_received: peer.bytes_received,
            card: peer.card.as_ref().map(CardJson::of),
        }
    }
}

impl CardJson {
    fn of(card: &CardRow) -> Self {
        Self {
            zone: card.zone.clone(),
            capacity_bytes: card.capacity_bytes,
            free_bytes: card.free_bytes,
            weight: card.weight,
            disks: card.disks,
            agent: card.agent.clone(),
            stores: card.stores,
        }
    }
}
