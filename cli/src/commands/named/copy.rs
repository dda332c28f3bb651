//! `storgo cp` and `storgo mv`: copies and renames.

use std::time::Instant;

use clap::Args;
use storgo_node::object::{CopyOptions, Place, Progress};
use storgo_protocol::meta::{Condition, VersionId};

use super::json::WrittenJson;
use super::{open, with_names};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::{NameUrl, ObjectWord};
use crate::output::note;
use crate::{amounts, bar};

/// Copies a key to another, in its bucket or to another one
///
/// Within a bucket nothing moves: the copy shares what is on peers. Another bucket has other keys, so what is copied
/// there is read and stored anew. A key that is there stays, unless --force.
///
/// Examples:
///   storgo cp storgo://photos/a.jpg storgo://photos/b.jpg
///   storgo cp storgo://photos/a.jpg storgo://public/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct CpArgs {
    #[command(flatten)]
    way: WayArgs,

    /// Copies this version rather than the newest
    #[arg(long, value_name = "ID")]
    version: Option<VersionId>,
}

/// Renames a key, or moves it to another bucket
///
/// A key that is there stays, unless --force. If the key is written while it is moved, both stand and the command fails
/// with 9. Interrupted, it leaves the key under both names; run again, it goes on.
///
/// Example:
///   storgo mv storgo://photos/a.jpg storgo://photos/2026/a.jpg
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct MvArgs {
    #[command(flatten)]
    way: WayArgs,
}

/// Whence, and where to.
#[derive(Debug, Args)]
struct WayArgs {
    /// The key
    #[arg(value_name = "storgo://BUCKET/KEY")]
    source: ObjectWord,

    /// The new one; where it ends with `/`, the last part of the old one is added
    #[arg(value_name = "storgo://BUCKET/NEW")]
    target: ObjectWord,

    /// Replaces what is there
    #[arg(long, conflicts_with = "if_version")]
    force: bool,

    /// Replaces what is there if this is its newest version
    #[arg(long, value_name = "ID")]
    if_version: Option<VersionId>,

    #[command(flatten)]
    join: JoinArgs,
}

impl WayArgs {
    fn ends(&self) -> Result<(NameUrl, NameUrl), CliError> {
        let (from, mut to) = (self.source.only_name()?.with_key()?, self.target.only_name()?);
        if to.key.is_empty() || to.key.ends_with(b"/") {
            let name = from.key.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            to.key.extend_from_slice(name);
        }
        Ok((from, to.with_key()?))
    }

    fn condition(&self) -> Condition {
        match self.if_version {
            Some(version) => Condition::Version(version),
            None if self.force => Condition::Always,
            None => Condition::Absent,
        }
    }
}

pub(crate) async fn cp(context: &Context, args: CpArgs) -> Result<(), CliError> {
    go(context, &args.way, args.version, false).await
}

pub(crate) async fn mv(context: &Context, args: MvArgs) -> Result<(), CliError> {
    go(context, &args.way, None, true).await
}

async fn go(context: &Context, way: &WayArgs, version: Option<VersionId>, rename: bool) -> Result<(), CliError> {
    let (from, to) = way.ends()?;
    with_names(context, &way.join, None, async |_, names| {
        let source = open(names, &from).await?;
        let target = if from.bucket == to.bucket { source.clone() } else { open(names, &to).await? };
        let (start, progress) = (Instant::now(), Progress::default());
        let options = CopyOptions {
            from: Place { bucket: &source, key: &from.key },
            version,
            to: Place { bucket: &target, key: &to.key },
            condition: way.condition(),
        };
        let going = async {
            if rename { names.rename(options, &progress).await } else { names.copy(options, &progress).await }
        };
        let written = bar::watch(context.output, bar::Work::Put, &progress, Box::pin(going)).await?;
        let took = start.elapsed();
        if !context.output.json {
            note(&format!("{to}: {}", amounts::bytes(written.size)));
        }
        context.output.result(&WrittenJson::of(&to, &written, took), || written.version.to_string())
    })
    .await
}
