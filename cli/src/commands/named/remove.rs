//! `storgo rm`: deletes a key, or one version of it.

use clap::Args;
use serde::Serialize;
use storgo_node::object::RemoveOptions;
use storgo_protocol::meta::{Condition, VersionId};

use super::{open, with_names};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::ObjectWord;
use crate::output::note;

/// Deletes a key, or one version of it
///
/// In a bucket that keeps versions, a delete marker goes over the key and its versions stay: ls --versions shows them,
/// and removing the marker by its version brings the key back. With --version, that version is gone for good.
///
/// Examples:
///   storgo rm storgo://photos/2026/old.jpg
///   storgo rm storgo://photos/2026/old.jpg --version 0001…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct RmArgs {
    /// The key
    #[arg(value_name = "storgo://BUCKET/KEY")]
    target: ObjectWord,

    /// This version of it, for good
    #[arg(long, value_name = "ID")]
    version: Option<VersionId>,

    /// Deletes only if this is the key's newest version
    #[arg(long, value_name = "ID")]
    if_version: Option<VersionId>,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn rm(context: &Context, args: RmArgs) -> Result<(), CliError> {
    let url = args.target.only_name()?.with_key()?;
    let condition = args.if_version.map_or(Condition::Always, Condition::Version);
    let options = RemoveOptions { version: args.version, condition };
    let deleted = with_names(context, &args.join, None, async |_, names| {
        Ok(open(names, &url).await?.remove(&url.key, options).await?)
    });
    let deleted = deleted.await?;
    let json = RmJson { url: url.to_string(), version: deleted.version.to_string(), marker: deleted.marker };
    if !context.output.json {
        note(&if deleted.marker {
            format!("{url} is deleted; its versions stay, beneath the marker")
        } else {
            format!("{url} in version {} is gone", deleted.version)
        });
    }
    context.output.result(&json, || deleted.version.to_string())
}

#[derive(Debug, Serialize)]
struct RmJson {
    url: String,
    version: String,
    marker: bool,
}
