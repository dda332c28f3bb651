//! `storgo get`: a ticket becomes a file again.

mod part;
mod target;

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use storgo_node::object::{GetReport, Object, Progress, Sink};
use storgo_node::{Client, Existing, PartialFile, Wanted as Download};
use storgo_protocol::Ticket;
use tokio::io::AsyncWriteExt as _;

use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::error::CliError;
use crate::output::json_line;
use crate::word::TicketWord;
use crate::{amounts, bar};

use part::{Part, parse_range};
use target::{StreamSink, Target, refuse_existing};

/// Reads what a ticket opens
///
/// Every byte is verified on the way: what comes out is what was put, or the command fails. A download to a file stands
/// under its name only when it is whole; an interrupted one leaves PATH.storgo-part and PATH.storgo-pieces, and goes on
/// when run again.
///
/// Examples:
///   storgo get storgo:… -o photo.jpg
///   storgo get storgo:… --range 1000..2000 | xxd
///   storgo get storgo:… | tar x
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct GetArgs {
    /// The ticket that put printed
    ticket: TicketWord,

    /// Where it goes; `-` is standard output [default: standard output, unless that is a terminal]
    #[arg(short, long, value_name = "PATH|-")]
    output: Option<PathBuf>,

    /// Only these bytes: from the first to before the second, either may be left out
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    range: Option<Part>,

    /// Replaces PATH if it is there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: GetArgs) -> Result<(), CliError> {
    let ticket = args.ticket.ticket()?;
    let target = Target::of(args.output.as_deref())?;
    if let (Target::File(path), false) = (&target, args.force) {
        refuse_existing(path)?;
    }
    let wanted = Wanted { network: Some(ticket.network), hints: ticket.addresses.clone() };
    let client = context.connect(&args.join, wanted).await?;
    let start = Instant::now();
    let object = client.engine().open(&ticket).await;
    let got = match object {
        Ok(object) => get(context, &client, (&args, &ticket), &object, &target).await,
        Err(error) => return leave(client, Err(error)).await,
    };
    client.close().await;
    let report = got?;
    let json = GetJson::of(&ticket, &report, start.elapsed());
    match target {
        Target::File(_) if context.output.json => json_line(&json),
        _ => context.output.remark(&json, || json.text()),
    }
}

async fn get(
    context: &Context,
    client: &Client,
    (args, ticket): (&GetArgs, &Ticket),
    object: &Object,
    target: &Target,
) -> Result<GetReport, CliError> {
    let range = args.range.unwrap_or(Part { from: 0, to: None }).of(object.size())?;
    match target {
        Target::Stream(file) => {
            let mut sink = StreamSink(tokio::fs::File::from_std(file.try_clone().map_err(CliError::output)?));
            let report = fetch(context, client, object, range, &mut sink).await?;
            sink.0.flush().await.map_err(CliError::output)?;
            Ok(report)
        }
        Target::File(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Keep };
            let wanted = Download { content: ticket.content, from: range.start, to: range.end };
            let mut file = PartialFile::open(path, wanted, existing).await?;
            let report = fetch(context, client, object, range, &mut file).await?;
            file.finish().await?;
            Ok(report)
        }
    }
}

async fn fetch(
    context: &Context,
    client: &Client,
    object: &Object,
    range: Range<u64>,
    sink: &mut dyn Sink,
) -> Result<GetReport, CliError> {
    let progress = Progress::default();
    let getting = client.engine().get(object, range, sink, &progress);
    Ok(bar::watch(context.output, bar::Work::Get, &progress, getting).await?)
}

/// The result in `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GetJson {
    pub(crate) content: String,
    pub(crate) size: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) chunks_decoded: u64,
    pub(crate) chunks_resumed: u64,
    pub(crate) shards_bad: u64,
    pub(crate) bytes_pulled: u64,
    pub(crate) seconds: f64,
}

impl GetJson {
    fn of(ticket: &Ticket, report: &GetReport, took: Duration) -> Self {
        Self {
            content: ticket.content.to_string(),
            size: report.size,
            bytes: report.bytes,
            chunks: report.chunks,
            chunks_decoded: report.chunks_decoded,
            chunks_resumed: report.chunks_resumed,
            shards_bad: report.shards_bad,
            bytes_pulled: report.bytes_pulled,
            seconds: took.as_secs_f64(),
        }
    }

    fn text(&self) -> String {
        let took = Duration::from_secs_f64(self.seconds);
        let chunks = amounts::count(self.chunks, "chunk");
        // What was there already did not come at any speed.
        let pace = if self.chunks_resumed > 0 { amounts::time(took) } else { amounts::pace(self.bytes, took) };
        let mut parts = vec![format!("{} in {chunks}", amounts::bytes(self.bytes)), pace];
        if self.chunks_decoded > 0 {
            parts.push(format!("{} decoded from parity", self.chunks_decoded));
        }
        if self.chunks_resumed > 0 {
            parts.push(format!("{} were there already", self.chunks_resumed));
        }
        if self.shards_bad > 0 {
            parts.push(format!("{} damaged and not used", amounts::count(self.shards_bad, "shard")));
        }
        parts.join("; ")
    }
}
