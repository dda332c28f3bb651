//! `storgo repair`: what is missing or damaged is made again.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use storgo_node::object::{Progress, RepairReport};

use super::named;
use crate::context::{Context, JoinArgs, leave};
use crate::error::{CliError, Exit};
use crate::name_url::ObjectWord;
use crate::places::{WidthJson, width};
use crate::{amounts, bar};

/// Rebuilds the missing and damaged shards of an object onto the peers that answer
///
/// Peers check every byte they hold of it; exactly what is missing or damaged is rebuilt from any shards that are
/// enough, and so are the copies of its root and layout. A care ticket is enough: nothing is decrypted.
///
/// Examples:
///   storgo repair storgo-care:…
///   storgo repair storgo://photos/2026/a.jpg
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RepairArgs {
    /// The ticket, or the care ticket; or a name
    #[arg(value_name = "TICKET|storgo://BUCKET/KEY")]
    target: ObjectWord,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: RepairArgs) -> Result<(), CliError> {
    let start = Instant::now();
    if let Some(url) = args.target.name()? {
        return match named::repair(context, &args.join, url).await? {
            Some(report) => tell(context, &report, start.elapsed()),
            None => context.output.say("nothing to repair: it stands in its record"),
        };
    }
    let ticket = args.target.ticket().any()?;
    let client = context.connect(&args.join, super::stat::wanted(&ticket)).await?;
    let progress = Progress::default();
    let repairing = client.engine().repair(&ticket, &progress);
    let report = bar::watch(context.output, bar::Work::Repair, &progress, repairing).await;
    let took = start.elapsed();
    tell(context, &leave(client, report).await?, took)
}

fn tell(context: &Context, report: &RepairReport, took: Duration) -> Result<(), CliError> {
    context.output.result(&RepairJson::of(report, took), || text(report, took))?;
    if report.lost.is_empty() {
        return Ok(());
    }
    let stripes = amounts::count(report.stripes_lost, "stripe");
    Err(CliError::new(Exit::NotEnough, format!("{stripes} could not be repaired: {}", report.lost.join("; "))))
}

fn text(report: &RepairReport, took: Duration) -> String {
    format!(
        "{} → {}\n{} checked, {} missing or damaged, {} written, {} written; {} moved in {}",
        width(&report.before),
        width(&report.after),
        amounts::count(report.stripes, "stripe"),
        amounts::count(report.shards_missing, "shard"),
        amounts::count(report.shards_written, "shard"),
        amounts::count(report.nodes_written, "node copy").replace("copys", "copies"),
        amounts::bytes(report.bytes_pulled + report.bytes_pushed),
        amounts::time(took),
    )
}

/// The result in `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct RepairJson {
    stripes: u64,
    before: WidthJson,
    after: WidthJson,
    shards_missing: u64,
    shards_written: u64,
    nodes_written: u64,
    bytes_pulled: u64,
    bytes_pushed: u64,
    lost: Vec<String>,
    seconds: f64,
}

impl RepairJson {
    pub(crate) fn of(report: &RepairReport, took: Duration) -> Self {
        Self {
            stripes: report.stripes,
            before: (&report.before).into(),
            after: (&report.after).into(),
            shards_missing: report.shards_missing,
            shards_written: report.shards_written,
            nodes_written: report.nodes_written,
            bytes_pulled: report.bytes_pulled,
            bytes_pushed: report.bytes_pushed,
            lost: report.lost.clone(),
            seconds: took.as_secs_f64(),
        }
    }
}
