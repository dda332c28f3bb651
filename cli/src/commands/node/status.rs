//! `storgo node status`: how a running node is.

use clap::Args;
use serde::Serialize;
use storgo_rpc::{DiskRow, NodeStatus};

use crate::amounts;
use crate::context::{Context, NodeArg};
use crate::error::CliError;

/// Shows how a running node is: its id, addresses, peers and disks
///
/// Example:
///   storgo node status --node d1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    node: NodeArg,
}

pub(crate) async fn run(context: &Context, args: StatusArgs) -> Result<(), CliError> {
    let status = args.node.connect().await?.status().await?;
    context.output.result(&StatusJson::of(&status), || text(&status))
}

fn text(status: &NodeStatus) -> String {
    let mut lines = vec![
        format!("peer      {}", status.peer),
        format!("network   {}", status.network),
        format!("version   {} (process {})", status.version, status.process),
        format!("up        {}", amounts::time(status.uptime)),
        format!("peers     {} connected, {} known", status.peers_connected, status.peers_known),
    ];
    lines.push(format!("reach     {}", status.reach));
    if !status.zone.is_empty() {
        lines.push(format!("zone      {}", status.zone));
    }
    lines.extend(status.addresses.iter().map(|address| format!("address   {address}")));
    lines.extend(status.disks.iter().map(disk_text));
    lines.join("\n")
}

fn disk_text(disk: &DiskRow) -> String {
    let mut parts = vec![format!(
        "disk      {}: {} of {} used, {}, {} copies of nodes",
        disk.path,
        amounts::bytes(disk.used_bytes),
        amounts::bytes(disk.capacity_bytes),
        amounts::count(disk.shards, "shard"),
        disk.nodes
    )];
    if disk.quarantined > 0 {
        parts.push(format!("{} quarantined", disk.quarantined));
    }
    if let Some(reason) = &disk.fenced {
        parts.push(format!("NOT USED: {reason}"));
    }
    parts.join(", ")
}

#[derive(Debug, Serialize)]
struct StatusJson {
    peer: String,
    network: String,
    version: String,
    process: u32,
    uptime_seconds: u64,
    zone: String,
    reach: String,
    addresses: Vec<String>,
    peers_connected: u32,
    peers_known: u32,
    disks: Vec<DiskJson>,
}

#[derive(Debug, Serialize)]
struct DiskJson {
    path: String,
    fenced: Option<String>,
    capacity_bytes: u64,
    used_bytes: u64,
    shards: u64,
    nodes: u64,
    quarantined: u64,
}

impl StatusJson {
    fn of(status: &NodeStatus) -> Self {
        Self {
            peer: status.peer.to_string(),
            network: status.network.to_string(),
            version: status.version.clone(),
            process: status.process,
            uptime_seconds: status.uptime.as_secs(),
            zone: status.zone.clone(),
            reach: status.reach.clone(),
            addresses: status.addresses.iter().map(ToString::to_string).collect(),
            peers_connected: status.peers_connected,
            peers_known: status.peers_known,
            disks: status.disks.iter().map(DiskJson::of).collect(),
        }
    }
}

impl DiskJson {
    fn of(disk: &DiskRow) -> Self {
        Self {
            path: disk.path.clone(),
            fenced: disk.fenced.clone(),
            capacity_bytes: disk.capacity_bytes,
            used_bytes: disk.used_bytes,
            shards: disk.shards,
            nodes: disk.nodes,
            quarantined: disk.quarantined,
        }
    }
}
