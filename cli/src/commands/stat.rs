//! `storgo stat`: how an object stands.

use clap::Args;
use serde::Serialize;
use storgo_node::object::StatReport;
use storgo_protocol::{AnyTicket, ContentId};

use crate::amounts;
use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::error::CliError;
use crate::places::{Map, PlacesJson, WidthJson, width};
use crate::word::TicketWord;

/// Shows who holds what of an object, and how many losses it still survives
///
/// Peers are asked what they have; their bytes are not read (repair reads and checks them). A care ticket is enough.
///
/// Example:
///   storgo stat storgo:…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatArgs {
    /// The ticket, or the care ticket
    ticket: TicketWord,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: StatArgs) -> Result<(), CliError> {
    let ticket = args.ticket.any()?;
    let client = context.connect(&args.join, wanted(&ticket)).await?;
    let report = client.engine().stat(&ticket).await;
    let report = leave(client, report).await?;
    let id = content_id(&ticket);
    context.output.result(&StatJson::of(id, &report), || text(id, &report))
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

fn text(content: ContentId, report: &StatReport) -> String {
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

#[derive(Debug, Serialize)]
struct StatJson {
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
    places: Vec<PlacesJson>,
}

impl StatJson {
    fn of(content: ContentId, report: &StatReport) -> Self {
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
            places: PlacesJson::of(&report.places),
        }
    }
}
