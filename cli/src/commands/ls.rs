//! `storgo ls`: what is in a directory that was put.

use clap::Args;
use storgo_node::object::{Engine, ObjectError, Tree};
use storgo_protocol::Ticket;
use storgo_protocol::tree::TreePath;

use super::named;
use crate::context::{Context, JoinArgs, Wanted, leave};
use crate::entry::{EntryJson, line};
use crate::error::{CliError, Exit};
use crate::level::LevelArg;
use crate::name_url::ObjectWord;
use crate::output::json_line;

/// Lists what is in a directory that was put, or the keys of a bucket
///
/// Only the list is fetched, not the files. With --json each item is one line. Of a bucket, all keys are listed that start
/// as the name's does, in ascending order of their bytes.
///
/// Examples:
///   storgo ls storgo:…
///   storgo ls storgo:…/sub/directory -r
///   storgo ls storgo://photos/2026/ --versions
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LsArgs {
    /// The ticket; of something inside, with its path behind: TICKET/sub/file. Or a bucket, with perhaps a start of keys
    #[arg(value_name = "TICKET[/PATH]|storgo://BUCKET[/KEY]")]
    target: ObjectWord,

    /// Lists all versions of keys, and delete markers
    #[arg(long)]
    versions: bool,

    /// Lists what is in directories below, too
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    level: LevelArg,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, args: LsArgs) -> Result<(), CliError> {
    if let Some(url) = args.target.name()? {
        return named::list(context, &args.join, &url, (args.versions, args.level.wanted())).await;
    }
    if args.versions {
        return Err(CliError::new(Exit::Usage, "a ticket leads to one version: --versions is for buckets"));
    }
    args.level.is_for_names()?;
    let word = args.target.tree();
    let (ticket, path) = (word.ticket()?, word.path()?.unwrap_or_default());
    let wanted = Wanted { network: Some(ticket.network), hints: ticket.addresses.clone() };
    let client = context.connect(&args.join, wanted).await?;
    let tree = match open(client.engine(), &ticket).await {
        Ok(tree) => tree,
        Err(error) => return leave(client, Err(error)).await,
    };
    let listed = list(context, client.engine(), &tree, &path, args.recursive).await;
    client.close().await;
    listed
}

async fn open(engine: &Engine, ticket: &Ticket) -> Result<Tree, ObjectError> {
    let object = engine.open(ticket).await?;
    engine.open_tree(object).await
}

async fn list(
    context: &Context,
    engine: &Engine,
    tree: &Tree,
    path: &TreePath,
    recursive: bool,
) -> Result<(), CliError> {
    if !path.is_root() {
        let item = tree.item(engine, path).await?;
        if !item.is_directory() {
            return context.output.result(&EntryJson::of(path, &item), || line(path, &item));
        }
    }
    let mut list = tree.list(engine, path, recursive).await?;
    while let Some(entries) = list.next().await? {
        // Paths as seen from the directory that is listed.
        let mut entries = entries.iter().filter_map(|entry| Some((entry.path.below(path)?, &entry.item)));
        if context.output.json {
            entries.try_for_each(|(path, item)| json_line(&EntryJson::of(&path, item)))?;
        } else {
            context.output.say(&entries.map(|(path, item)| line(&path, item)).collect::<Vec<_>>().join("\n"))?;
        }
    }
    Ok(())
}
