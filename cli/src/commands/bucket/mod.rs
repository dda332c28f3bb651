//! `storgo bucket`: buckets, and who may use them.

mod create;
mod events;
mod json;
mod member;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::named::{moment, with_names};
use crate::amounts;
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::output::{json_line, note};

pub(crate) use create::ReplicationWord;
use json::BucketJson;

/// Makes, shows and removes buckets, and says who may use them
#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    Create(create::CreateArgs),
    Ls(LsArgs),
    Stat(StatArgs),
    Rm(RmArgs),
    Events(events::EventsArgs),
    #[command(subcommand)]
    Member(member::MemberCommand),
}

/// Lists your buckets: those that you own, and those of others that you were let into
///
/// Example:
///   storgo bucket ls
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    join: JoinArgs,
}

/// Shows a bucket: its policies, and its members
///
/// Example:
///   storgo bucket stat photos
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatArgs {
    /// Its name
    bucket: String,

    #[command(flatten)]
    join: JoinArgs,
}

/// Removes an empty bucket
///
/// Old versions and delete markers count: ls --versions shows them, rm --version removes them. While a removal is under
/// way the bucket takes no writes; one that was interrupted is finished, or taken back, by running it again.
///
/// Example:
///   storgo bucket rm photos
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RmArgs {
    /// Its name
    bucket: String,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, command: BucketCommand) -> Result<(), CliError> {
    match command {
        BucketCommand::Create(args) => create::run(context, args).await,
        BucketCommand::Ls(args) => list(context, &args).await,
        BucketCommand::Stat(args) => stat(context, &args).await,
        BucketCommand::Rm(args) => remove(context, &args).await,
        BucketCommand::Events(args) => events::run(context, args).await,
        BucketCommand::Member(command) => member::run(context, command).await,
    }
}

async fn list(context: &Context, args: &LsArgs) -> Result<(), CliError> {
    with_names(context, &args.join, None, async |_, names| {
        let (mut after, mut any) = (String::new(), false);
        loop {
            let (rows, more) = names.buckets(&after).await?;
            any |= !rows.is_empty();
            for row in &rows {
                if context.output.json {
                    json_line(&BucketJson::of(row))?;
                } else {
                    let members = amounts::count(row.config.members.len() as u64, "member");
                    context.output.say(&format!("{}  {members:>10}  {}", moment(row.created_ms), row.name))?;
                }
            }
            match rows.last().filter(|_| more) {
                Some(last) => after.clone_from(&last.name),
                None => break,
            }
        }
        if !any && !context.output.json {
            note("no buckets yet; storgo bucket create makes one");
        }
        Ok(())
    })
    .await
}

async fn stat(context: &Context, args: &StatArgs) -> Result<(), CliError> {
    let row = with_names(context, &args.join, None, async |_, names| Ok(names.bucket(&args.bucket).await?.row()));
    let row = row.await?;
    context.output.result(&BucketJson::of(&row), || json::text(&row))
}

async fn remove(context: &Context, args: &RmArgs) -> Result<(), CliError> {
    let gone = with_names(context, &args.join, None, async |_, names| Ok(names.remove_bucket(&args.bucket).await?));
    gone.await?;
    let json = RmJson { removed: args.bucket.clone() };
    context.output.result(&json, || format!("{} is gone", args.bucket))
}

#[derive(Debug, Serialize)]
struct RmJson {
    removed: String,
}
