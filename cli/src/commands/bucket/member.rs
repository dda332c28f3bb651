//! `storgo bucket member`: who may use a bucket.

use clap::{Args, Subcommand};
use storgo_node::object::Access;
use storgo_protocol::cluster::Bucket;
use storgo_protocol::{MemberCard, PeerId};

use super::json::MemberJson;
use crate::commands::named::with_names;
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::output::{json_line, note};

/// Lets users into a bucket, and shuts them out
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    Add(AddArgs),
    Rm(RmArgs),
    Ls(LsArgs),
}

/// Lets a user in, by the card that `storgo id` prints for them; or changes what they may do
///
/// They can read what is there already, too.
///
/// Example:
///   storgo bucket member add photos storgo-member:…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AddArgs {
    /// The bucket
    bucket: String,

    /// The user's card
    card: MemberCard,

    /// Lets them read, not write
    #[arg(long)]
    read_only: bool,

    #[command(flatten)]
    join: JoinArgs,
}

/// Shuts a user out
///
/// From then on everything is sealed under a fresh key. What they wrote stays, and what they read they may have kept.
///
/// Example:
///   storgo bucket member rm photos 12D3KooW…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RmArgs {
    /// The bucket
    bucket: String,

    /// The user's id, as `bucket member ls` prints it
    user: PeerId,

    #[command(flatten)]
    join: JoinArgs,
}

/// Lists the users that may use a bucket
///
/// Example:
///   storgo bucket member ls photos
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LsArgs {
    /// The bucket
    bucket: String,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, command: MemberCommand) -> Result<(), CliError> {
    match command {
        MemberCommand::Add(args) => {
            let access = if args.read_only { Access::Read } else { Access::Write };
            let row = with_names(context, &args.join, None, async |_, names| {
                Ok(names.add_member(&args.bucket, &args.card, access).await?)
            });
            tell(context, &row.await?)
        }
        MemberCommand::Rm(args) => {
            let row = with_names(context, &args.join, None, async |_, names| {
                Ok(names.remove_member(&args.bucket, args.user).await?)
            });
            let row = row.await?;
            if !context.output.json {
                note(&format!("what is written from now on is sealed under key number {}", row.key_generation));
                if !row.access_keys.is_empty() {
                    note(
                        "they knew the access keys of the bucket, too: storgo key rm removes one, storgo key create makes another",
                    );
                }
            }
            tell(context, &row)
        }
        MemberCommand::Ls(args) => {
            let row =
                with_names(context, &args.join, None, async |_, names| Ok(names.bucket(&args.bucket).await?.row()));
            tell(context, &row.await?)
        }
    }
}

/// One line a member.
fn tell(context: &Context, bucket: &Bucket) -> Result<(), CliError> {
    for member in &bucket.config.members {
        let member = MemberJson::of(bucket, member);
        if context.output.json {
            json_line(&member)?;
        } else {
            context.output.say(&member.line())?;
        }
    }
    Ok(())
}
