//! `storgo bucket create`.

use clap::{Args, ValueEnum};
use storgo_node::object::BucketOptions;
use storgo_protocol::Code;
use storgo_protocol::cluster::{ReadPreference, Replication};
use storgo_protocol::limits::{BUCKET_SPREAD_DEFAULT, SLOTS};
use storgo_protocol::meta::KeyRule;

use super::json::{self, BucketJson};
use crate::amounts;
use crate::commands::named::with_names;
use crate::context::{Context, JoinArgs};
use crate::error::{CliError, Exit};
use crate::level;

/// Makes a bucket, which is yours alone until you let others in
///
/// Its name is its own in the whole network: 3 to 63 lower-case letters, digits, hyphens and dots. Its layout is for good;
/// a bucket that keeps versions goes on to do so.
///
/// Examples:
///   storgo bucket create photos --versioning
///   storgo bucket create cache --layout redis --redundancy replicate:2
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CreateArgs {
    /// Its name
    bucket: String,

    /// Keeps what is overwritten and deleted
    #[arg(long)]
    versioning: bool,

    /// What keys look like and how they are spread over groups
    #[arg(long, value_enum, default_value_t = Layout::Flat)]
    layout: Layout,

    /// Slots of a flat bucket: more take more writes at once, and cost a listing more groups [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(SLOTS)))]
    spread: Option<u16>,

    /// Bodies up to this size stand in their records, at most 16 KiB [default: 16 KiB]
    #[arg(long, value_name = "BYTES", value_parser = amounts::parse_bytes)]
    inline_max: Option<u64>,

    /// How larger bodies are kept: `replicate:N` or `erasure:K+M` [default: the widest that the peers allow]
    #[arg(long, value_name = "CODE")]
    redundancy: Option<Code>,

    /// What a write waits for: the disk of the one member that leads (`local`: what was written last is lost with it), of most
    /// members of the key's group, or of all
    #[arg(long, value_enum, default_value_t = ReplicationWord::Replicated)]
    replication: ReplicationWord,

    /// How reads of names are answered unless they say: `linearizable`, `lease` (by a leader that asks nobody; rests on clocks),
    /// `bounded:MILLISECONDS` or `eventual`
    #[arg(long, value_name = "LEVEL", value_parser = level::parse, default_value = "linearizable")]
    read: ReadPreference,

    #[command(flatten)]
    join: JoinArgs,
}

/// What keys look like.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    /// UTF-8, spread over groups by hash
    Flat,
    /// UTF-8, all in one group
    Tree,
    /// Any bytes, in the slots of Redis Cluster
    Redis,
}

/// What a write waits for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ReplicationWord {
    /// Most members of the group, and every shard on its peer's disk
    Replicated,
    /// Of the group its leader alone: what was written last is lost with its disk
    Local,
    /// All members of the group, so that one that is away holds up every write
    Durable,
}

impl From<ReplicationWord> for Replication {
    fn from(word: ReplicationWord) -> Self {
        match word {
            ReplicationWord::Replicated => Self::Replicated,
            ReplicationWord::Local => Self::Local,
            ReplicationWord::Durable => Self::Durable,
        }
    }
}

pub(crate) async fn run(context: &Context, args: CreateArgs) -> Result<(), CliError> {
    let options = options(&args)?;
    let row = with_names(context, &args.join, None, async |_, names| {
        Ok(names.create_bucket(&args.bucket, &options).await?.row())
    });
    let row = row.await?;
    context.output.result(&BucketJson::of(&row), || json::text(&row))
}

fn options(args: &CreateArgs) -> Result<BucketOptions, CliError> {
    let usage = |text: &str| CliError::new(Exit::Usage, text);
    let rule = match (args.layout, args.spread) {
        (Layout::Flat, spread) => KeyRule::Flat { spread: spread.unwrap_or(BUCKET_SPREAD_DEFAULT) },
        (_, Some(_)) => return Err(usage("--spread is for flat buckets")),
        (Layout::Tree, None) => KeyRule::Tree,
        (Layout::Redis, None) => KeyRule::Redis,
    };
    let default = BucketOptions::default();
    let inline_bytes_max = match args.inline_max {
        Some(bytes) => u32::try_from(bytes).map_err(|_| usage("bodies of more than 16 KiB cannot stand in records"))?,
        None => default.inline_bytes_max,
    };
    Ok(BucketOptions {
        rule,
        versioning: args.versioning,
        inline_bytes_max,
        redundancy: args.redundancy,
        replication: args.replication.into(),
        read_preference: args.read,
    })
}
