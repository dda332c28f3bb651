//! `storgo put`: a file or a directory becomes a ticket.

mod packed;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use storgo_node::object::{Progress, PutOptions, PutReport};
use storgo_node::{PackReport, TreePutReport, put_tree};
use storgo_protocol::{Code, NetworkId};

use crate::context::{Context, JoinArgs, Wanted, leave, parse_network};
use crate::error::{CliError, Exit};
use crate::name_url::ObjectWord;
use crate::output::{json_line, note};
use crate::places::{PlacesJson, WidthJson, width};
use crate::{amounts, bar};

use super::named::{self, ConditionArgs, PutNamed};
use packed::PackJson;

/// Stores a file or a directory and prints its ticket, or stores a file under a name
///
/// The ticket is one word: whoever has it can find and read the file, and nobody else can. It alone goes to standard
/// output. A directory becomes one object: names, permissions, times, empty directories, and symbolic links as links;
/// equal files are stored once, sockets, pipes and devices are left out and named. When the command ends with 0, every shard is on disk at its peers. An interrupted put, run again, goes on
/// where it was.
///
/// With storgo://BUCKET/KEY behind the file, it becomes the newest version of that key, for the members of the bucket,
/// and the version's id is printed in place of a ticket.
///
/// Examples:
///   storgo put photo.jpg
///   storgo put photo.jpg storgo://photos/2026/
///   storgo put Documents
///   T=$(storgo put backup.tar --redundancy erasure:8+4)
///   tar c dir | storgo put - --via /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PutArgs {
    /// The file or directory, or `-` for standard input
    path: PathBuf,

    /// The name to put it under, instead of making a ticket; where it ends with `/`, the file's own is added
    #[arg(value_name = "storgo://BUCKET/KEY")]
    name: Option<ObjectWord>,

    #[command(flatten)]
    condition: ConditionArgs,

    /// How much is kept: `replicate:N` copies, or `erasure:K+M` shards of which any K are enough [default: the widest
    /// of 8+4, 4+2, 2+1 and one copy that the peers allow; files under 1 MiB are replicated]
    #[arg(long, value_name = "CODE")]
    redundancy: Option<Code>,

    /// Seals under a key that no other file shares: nobody can tell that two files are equal, and an interrupted put
    /// starts afresh
    #[arg(long)]
    private: bool,

    /// Refuses to put two shards of a stripe on one peer
    #[arg(long)]
    strict: bool,

    /// Makes a care ticket too: whoever has that can check and repair the file, and never read it
    #[arg(long)]
    care_ticket: bool,

    /// The network, by name or id [default: that of the peer joined through]
    #[arg(long, value_name = "NAME", value_parser = parse_network)]
    network: Option<NetworkId>,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: PutArgs) -> Result<(), CliError> {
    let source = Source::open(&args.path)?;
    let options = PutOptions {
        code: args.redundancy,
        private: args.private,
        strict: args.strict,
        care: args.care_ticket,
        size_hint: source.size_hint(),
        ..PutOptions::default()
    };
    if let Some(word) = &args.name {
        let Source::Stream(file, _) = source else {
            let error = CliError::new(Exit::Usage, "a directory cannot be put under a name yet");
            return Err(error.hint("put its files one by one, or the directory for a ticket"));
        };
        if args.care_ticket {
            return Err(CliError::new(Exit::Usage, "a care ticket is for what is put for a ticket"));
        }
        let (url, condition) = (word.only_name()?, args.condition.condition());
        let put = PutNamed { url, condition, body: options, network: args.network }.complete(&args.path)?;
        return named::put(context, &args.join, file, put).await;
    }
    if args.condition.is_given() {
        return Err(CliError::new(Exit::Usage, "a condition is for what is put under a name"));
    }
    let client = context.connect(&args.join, Wanted { network: args.network, hints: Vec::new() }).await?;
    let start = Instant::now();
    let progress = Progress::default();
    match source {
        Source::Stream(file, _) => {
            let mut source = tokio::fs::File::from_std(file);
            let putting = client.engine().put(&mut source, &options, &progress);
            let report = bar::watch(context.output, bar::Work::Put, &progress, Box::pin(putting)).await;
            let took = start.elapsed();
            tell(context, &leave(client, report).await?, None, took)
        }
        Source::Directory => {
            let putting = put_tree(client.engine(), &args.path, &options, &progress);
            let report = bar::watch(context.output, bar::Work::Put, &progress, Box::pin(putting)).await;
            let took = start.elapsed();
            let TreePutReport { put, pack } = leave(client, report).await?;
            tell(context, &put, Some(&pack), took)
        }
    }
}

fn tell(context: &Context, report: &PutReport, pack: Option<&PackReport>, took: Duration) -> Result<(), CliError> {
    if context.output.json {
        return json_line(&PutJson { tree: pack.map(PackJson::of), ..PutJson::of(report, took) });
    }
    if let Some(pack) = pack {
        packed::tell(pack);
    }
    note(&format!(
        "{} in {}, {}; {}; {}",
        amounts::bytes(report.bytes),
        amounts::count(report.chunks, "chunk"),
        report.code,
        width(&report.width),
        // What was there already did not go at any speed.
        if report.shards_present > 0 { amounts::time(took) } else { amounts::pace(report.bytes, took) },
    ));
    note(&format!("content id: {}", report.ticket.content));
    if report.width.survives == 0 {
        note("no loss is survived: join more peers, or --redundancy replicate:2");
    }
    if report.shards_present > 0 {
        note(&format!("{} were there already", amounts::count(report.shards_present, "shard")));
    }
    if !report.lost_peers.is_empty() {
        note(&format!("{} failed on the way", amounts::count(report.lost_peers.len() as u64, "peer")));
    }
    if let Some(care) = &report.care {
        note(&format!("care ticket: {care}"));
    }
    context.output.say(&report.ticket.to_string())
}

/// What is put.
#[derive(Debug)]
enum Source {
    /// A file, a pipe or a device, and how much it gives if that is known.
    Stream(File, Option<u64>),
    Directory,
}

impl Source {
    fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error| CliError::io(format!("opening {}", path.display()), error);
        if path == Path::new("-") {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
            return Ok(Self::Stream(File::from(stdin), None));
        }
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => failed(error).hint("name a file that is there, or - for standard input"),
            _ => failed(error),
        })?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Ok(Self::Directory);
        }
        Ok(Self::Stream(file, metadata.is_file().then_some(metadata.len())))
    }

    const fn size_hint(&self) -> Option<u64> {
        match self {
            Self::Stream(_, size) => *size,
            Self::Directory => None,
        }
    }
}

/// The result in `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct PutJson {
    ticket: String,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    care_ticket: Option<String>,
    bytes: u64,
    chunks: u64,
    duplicates: u64,
    redundancy: String,
    shards_present: u64,
    shards_pushed: u64,
    bytes_pushed: u64,
    width: WidthJson,
    lost_peers: Vec<String>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<PackJson>,
    places: Vec<PlacesJson>,
}

impl PutJson {
    pub(crate) fn of(report: &PutReport, took: Duration) -> Self {
        Self {
            ticket: report.ticket.to_string(),
            content: report.ticket.content.to_string(),
            care_ticket: report.care.as_ref().map(ToString::to_string),
            bytes: report.bytes,
            chunks: report.chunks,
            duplicates: report.duplicates,
            redundancy: report.code.to_string(),
            shards_present: report.shards_present,
            shards_pushed: report.shards_pushed,
            bytes_pushed: report.bytes_pushed,
            width: (&report.width).into(),
            lost_peers: report.lost_peers.iter().map(ToString::to_string).collect(),
            seconds: took.as_secs_f64(),
            tree: None,
            places: PlacesJson::of(&report.places),
        }
    }
}
