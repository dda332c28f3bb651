//! `storgo get`: a ticket becomes a file or a directory again.

mod directory;
mod part;
mod target;
mod wanted;

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use storgo_node::object::{GetReport, Object, Progress, Sink};
use storgo_node::{Client, Existing, PartialFile, Wanted as Download, restore_attributes};
use storgo_protocol::ContentId;
use storgo_protocol::meta::VersionId;
use storgo_protocol::tree::TreePath;
use tokio::io::AsyncWriteExt as _;

use crate::context::{Context, JoinArgs, Wanted as Start, hint_at_relays, leave};
use crate::error::{CliError, Exit};
use crate::level::LevelArg;
use crate::name_url::ObjectWord;
use crate::output::json_line;
use crate::{amounts, bar};

use super::named::{self, GetNamed};
use directory::DirectoryJson;
use part::parse_range;
use wanted::{Attributes, Wanted};

pub(super) use part::Part;
pub(super) use target::{StreamSink, Target, refuse_existing};

/// Reads what a ticket opens, or what a name leads to
///
/// Every byte is verified on the way: what comes out is what was put, or the command fails. A download to a file stands
/// under its name only when it is whole; an interrupted one leaves PATH.storgo-part and PATH.storgo-pieces, and goes on
/// when run again. So does a directory, which is made in DIR.storgo-part beside its place; what is inside can be got
/// alone by its path.
///
/// Examples:
///   storgo get storgo:… -o photo.jpg
///   storgo get storgo:… -o Documents
///   storgo get storgo:…/letters/2026.txt
///   storgo get storgo:… --range 1000..2000 | xxd
///   storgo get storgo:… | tar x
///   storgo get storgo://photos/2026/a.jpg -o a.jpg
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct GetArgs {
    /// The ticket that put printed; of something in a directory, with its path behind: TICKET/sub/file. Or a name
    #[arg(value_name = "TICKET[/PATH]|storgo://BUCKET/KEY")]
    pub(super) target: ObjectWord,

    /// This version of the name's key, rather than the newest
    #[arg(long, value_name = "ID")]
    pub(super) version: Option<VersionId>,

    /// Where it goes; `-` is standard output [default: standard output, unless that is a terminal]
    #[arg(short, long, value_name = "PATH|-")]
    pub(super) output: Option<PathBuf>,

    /// Only these bytes: from the first to before the second, either may be left out
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    pub(super) range: Option<Part>,

    /// Replaces PATH if it is there
    #[arg(long)]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) level: LevelArg,

    #[command(flatten)]
    pub(super) join: JoinArgs,

    /// Says nothing of how it went: for `cat`.
    #[arg(skip)]
    pub(super) quiet: bool,
}

pub(crate) async fn run(context: &Context, args: GetArgs) -> Result<(), CliError> {
    if let Some(url) = args.target.name()? {
        let GetArgs { version, level, output, range: part, force, join, quiet, .. } = args;
        let level = level.wanted();
        return named::get(context, &join, GetNamed { url, version, level, output, part, force, quiet }).await;
    }
    if args.version.is_some() {
        return Err(CliError::new(Exit::Usage, "a ticket leads to one version: --version is for names"));
    }
    args.level.is_for_names()?;
    let word = args.target.tree();
    let (ticket, path) = (word.ticket()?, word.path()?);
    let target = Target::of(args.output.as_deref())?;
    if let (Target::File(path), false) = (&target, args.force) {
        refuse_existing(path)?;
    }
    let start = Start { network: Some(ticket.network), hints: ticket.addresses.clone() };
    let client = context.connect(&args.join, start).await?;
    let object = match client.engine().open(&ticket).await {
        Ok(object) => object,
        Err(error) => return leave(client, Err(error)).await,
    };
    let got = get(context, &client, &args, object, path, &target).await;
    let got = got.map_err(|error| hint_at_relays(error, &client));
    client.close().await;
    match (got?, target) {
        (Got::Bytes(json), Target::File(_)) if context.output.json => json_line(&json),
        (Got::Bytes(_), _) if args.quiet => Ok(()),
        (Got::Bytes(json), _) => context.output.remark(&json, || json.text()),
        (Got::Directory(json), _) if context.output.json => json_line(&json),
        (Got::Directory(json), _) => context.output.remark(&json, || json.text()),
    }
}

/// What came.
enum Got {
    Bytes(GetJson),
    Directory(DirectoryJson),
}

async fn get(
    context: &Context,
    client: &Client,
    args: &GetArgs,
    object: Object,
    path: Option<TreePath>,
    target: &Target,
) -> Result<Got, CliError> {
    let start = Instant::now();
    let (object, range, attributes) = match wanted::find(client.engine(), object, path, args.range).await? {
        Wanted::Bytes { object, range, attributes } => (object, range, attributes),
        Wanted::Directory { tree, under } => {
            let place = directory::place(target, args.force)?;
            return Ok(Got::Directory(directory::get(context, client, &tree, &under, place).await?));
        }
    };
    let report = match target {
        Target::Stream(file) => {
            let mut sink = StreamSink(tokio::fs::File::from_std(file.try_clone().map_err(CliError::output)?));
            let report = fetch(context, client, &object, range, &mut sink).await?;
            sink.0.flush().await.map_err(CliError::output)?;
            report
        }
        Target::File(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Keep };
            let wanted = Download { content: object.content(), from: range.start, to: range.end };
            let mut file = PartialFile::open(path, wanted, existing).await?;
            let report = fetch(context, client, &object, range, &mut file).await?;
            file.finish().await?;
            if let Some(Attributes { file, modified }) = attributes {
                restore_attributes(path, &file, modified)?;
            }
            report
        }
    };
    Ok(Got::Bytes(GetJson::of(object.content(), &report, start.elapsed())))
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
    /// Peers that gave wrong bytes, or said what is not so.
    pub(crate) peers_caught: Vec<String>,
    pub(crate) bytes_of_nodes: u64,
    pub(crate) seconds: f64,
}

impl GetJson {
    pub(super) fn of(content: ContentId, report: &GetReport, took: Duration) -> Self {
        Self {
            content: content.to_string(),
            size: report.size,
            bytes: report.bytes,
            chunks: report.chunks,
            chunks_decoded: report.chunks_decoded,
            chunks_resumed: report.chunks_resumed,
            shards_bad: report.shards_bad,
            bytes_pulled: report.bytes_pulled,
            peers_caught: report.peers_caught.iter().map(ToString::to_string).collect(),
            bytes_of_nodes: report.bytes_of_nodes,
            seconds: took.as_secs_f64(),
        }
    }

    pub(super) fn text(&self) -> String {
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
        if !self.peers_caught.is_empty() {
            parts.push(format!("caught lying: {}", self.peers_caught.join(", ")));
        }
        parts.join("; ")
    }
}
