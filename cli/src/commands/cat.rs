//! `storgo cat`: the bytes of an object on standard output, wherever that leads.

use std::path::PathBuf;

use clap::Args;
use storgo_protocol::meta::VersionId;

use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::level::LevelArg;
use crate::name_url::ObjectWord;

/// Prints what a ticket or a name leads to
///
/// As get -o -, also on a terminal, and without a word on how it went.
///
/// Examples:
///   storgo cat storgo://notes/todo.txt
///   storgo cat storgo:…/letters/2026.txt
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct CatArgs {
    /// The ticket, with perhaps a path behind it; or the name of a key
    #[arg(value_name = "TICKET[/PATH]|storgo://BUCKET/KEY")]
    target: ObjectWord,

    /// This version of the key, rather than the newest
    #[arg(long, value_name = "ID")]
    version: Option<VersionId>,

    #[command(flatten)]
    level: LevelArg,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: CatArgs) -> Result<(), CliError> {
    let CatArgs { target, version, level, join } = args;
    let output = Some(PathBuf::from("-"));
    let args = super::get::GetArgs { target, output, range: None, force: false, version, level, join, quiet: true };
    super::get::run(context, args).await
}
