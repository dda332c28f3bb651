//! `storgo stat`: how an object stands.

use clap::Args;
use serde::Serialize;
use storgo_node::PathKind;
use storgo_node::object::StatReport;
use storgo_protocol::meta::VersionId;
use storgo_protocol::tree::{TreeNode, TreePath};
use storgo_protocol::{AnyTicket, ContentId, PeerId};

use super::named;
use crate::amounts;
use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::entry::{EntryJson, line};
use crate::error::{CliError, Exit};
use crate::level::LevelArg;
use crate::name_url::ObjectWord;
use crate::places::{Map, PlacesJson, WidthJson, width};

/// Shows who holds what of an object, and how many losses it still survives
///
/// Peers are asked what they have; their bytes are not read (repair reads and checks them). A care ticket is enough. With
/// a path behind the ticket of a directory: what stands there, its permissions, length and hash. Of a name: its newest
/// version, who wrote it and when, and how its body stands.
///
/// Examples:
///   storgo stat storgo:…
///   storgo stat storgo:…/sub/file
///   storgo stat storgo://photos/2026/a.jpg
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct StatArgs {
    /// The ticket, or the care ticket; with a path behind it, of something in a directory. Or a name
    #[arg(value_name = "TICKET[/PATH]|storgo://BUCKET/KEY")]
    target: ObjectWord,

    /// This version of the name's key, rather than the newest
    #[arg(long, value_name = "ID")]
    version: Option<VersionId>,

    #[command(flatten)]
    level: LevelArg,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: StatArgs) -> Result<(), CliError> {
    if let Some(url) = args.target.name()? {
        return named::stat(context, &args.join, url, (args.version, args.level.wanted())).await;
    }
    if args.version.is_some() {
        return Err(CliError::new(Exit::Usage, "a ticket leads to one version: --version is for names"));
    }
    args.level.is_for_names()?;
    let word = args.target.tree();
    if let Some(path) = word.path()?.filter(|path| !path.is_root()) {
        return item(context, &args, &path).await;
    }
    let ticket = word.any()?;
    let client = context.connect(&args.join, wanted(&ticket)).await?;
    let report = client.engine().stat(&ticket).await;
    let paths = client.paths();
    let report = leave(client, report).await?;
    let id = content_id(&ticket);
    context.output.result(&StatJson::of(id, &report, &paths), || text(id, &report, &paths))
}

/// Shows what stands at a path.
async fn item(context: &Context, args: &StatArgs, path: &TreePath) -> Result<(), CliError> {
    let ticket = args.target.tree().ticket()?;
    let client = context.connect(&args.join, wanted(&AnyTicket::Read(ticket.clone()))).await?;
    let engine = client.engine();
    let find = async { engine.open_tree(engine.open(&ticket).await?).await?.item(engine, path).await };
    let found = find.await;
    let item = leave(client, found).await?;
    context.output.result(&EntryJson::of(path, &item), || match &item.node {
        TreeNode::File(file) => format!("{}\nblake3: {}", line(path, &item), file.hash),
        _ => line(path, &item),
    })
}

/// The network of a ticket and where it says to start.
pub(super) fn wanted(ticket: &AnyTicket) -> Wanted {
    let (network, addresses) = match ticket {
        AnyTicket::Read(ticket) => (ticket.network, &ticket.addresses),
        AnyTicket::Care(ticket) => (ticket.network, &ticket.addresses),
    };
    Wanted { network: Some(network), hints: addresses.clone() }
}

const fn content_id(ticket: &AnyTicket) -> ContentId {
    match ticket {
        AnyTicket::Read(ticket) => ticket.content,
        AnyTicket::Care(ticket) => ticket.content,
    }
}

pub(super) fn text(content: ContentId, report: &StatReport, paths: &[(PeerId, PathKind)]) -> String {
    let mut lines = vec![
        content.to_string(),
        format!(
            "{} in {} and {}, {}",
            amounts::bytes(report.size),
            amounts::count(report.extents, "chunk"),
            amounts::count(report.index_nodes, "index node"),
            report.code
        ),
        format!("{} ({} answered)", width(&report.width), amounts::count(report.peers as u64, "peer")),
        format!(
            "root: {} of {} copies; layout: {} of {}",
            report.root_copies, report.node_copies, report.layout_copies, report.node_copies
        ),
    ];
    lines.push(format!("reached: {}", how_many(paths)));
    if report.stripes_degraded > 0 {
        let stripes = amounts::count(report.stripes_degraded, "stripe");
        lines.push(format!("{stripes} lack a shard and can be repaired: storgo repair TICKET"));
    }
    if report.stripes_lost > 0 {
        let stripes = amounts::count(report.stripes_lost, "stripe");
        lines.push(format!("{stripes} cannot be read from the peers that answered"));
    }
    if !report.places.is_empty() {
        lines.push(Map { code: report.code, places: &report.places, names: &[] }.draw());
    }
    lines.join("\n")
}

/// `3 direct, 2 relayed (12D3Ko…, 12D3Ko…)`: whoever is not reached directly is named.
fn how_many(paths: &[(PeerId, PathKind)]) -> String {
    let kinds = [PathKind::Direct, PathKind::Punched, PathKind::Relayed].into_iter();
    let told = kinds.filter_map(|kind| {
        let peers: Vec<_> = paths.iter().filter(|(_, of)| *of == kind).map(|(peer, _)| peer.short()).collect();
        match (peers.len(), kind) {
            (0, _) => None,
            (count, PathKind::Direct) => Some(format!("{count} {kind}")),
            (count, _) => Some(format!("{count} {kind} ({})", peers.join(", "))),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// How a peer is reached.
#[derive(Debug, Serialize)]
struct PathJson {
    peer: String,
    path: String,
}

#[derive(Debug, Serialize)]
pub(super) struct StatJson {
    content: String,
    size: u64,
    chunks: u64,
    index_nodes: u64,
    redundancy: String,
    width: WidthJson,
    stripes_degraded: u64,
    stripes_lost: u64,
    root_copies: usize,
    layout_copies: usize,
    node_copies: usize,
    peers: usize,
    paths: Vec<PathJson>,
    places: Vec<PlacesJson>,
}

impl StatJson {
    pub(super) fn of(content: ContentId, report: &StatReport, paths: &[(PeerId, PathKind)]) -> Self {
        Self {
            content: content.to_string(),
            size: report.size,
            chunks: report.extents,
            index_nodes: report.index_nodes,
            redundancy: report.code.to_string(),
            width: (&report.width).into(),
            stripes_degraded: report.stripes_degraded,
            stripes_lost: report.stripes_lost,
            root_copies: report.root_copies,
            layout_copies: report.layout_copies,
            node_copies: report.node_copies,
            peers: report.peers,
            paths: paths
                .iter()
                .map(|(peer, kind)| PathJson { peer: peer.to_string(), path: kind.to_string() })
                .collect(),
            places: PlacesJson::of(&report.places),
        }
    }
}
