//! `storgo key`: access keys, by which programs use a bucket through a door.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use storgo_node::object::ports::{Clock as _, SystemClock};
use storgo_node::object::{Access, AccessKeyOptions};
use storgo_protocol::cluster::{AccessKeyId, AccessTerms};

use super::named::{moment, with_names};
use crate::amounts;
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::output::{json_line, note};

/// Makes, lists and removes access keys: what a program shows at a door of a bucket, such as Redis's
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    Create(CreateArgs),
    Ls(LsArgs),
    Rm(RmArgs),
}

/// Makes an access key of a bucket of yours, and prints its id and its secret: the secret this once
///
/// Doors ask for both: at one for Redis the id is the user and the secret the password.
///
/// Examples:
///   storgo key create redis --note webshop
///   storgo key create redis --read-only --expires 30d
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CreateArgs {
    /// The bucket
    bucket: String,

    /// Allows reading, not writing
    #[arg(long)]
    read_only: bool,

    /// Opens nothing after this time, such as 30d, 12h or 15m [default: it lasts until it is removed]
    #[arg(long, value_name = "DURATION", value_parser = amounts::parse_time)]
    expires: Option<Duration>,

    /// What it is for: at most 64 bytes, which `key ls` shows
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,

    #[command(flatten)]
    join: JoinArgs,
}

/// Lists the access keys of a bucket, without their secrets
///
/// Example:
///   storgo key ls redis
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LsArgs {
    /// The bucket
    bucket: String,

    #[command(flatten)]
    join: JoinArgs,
}

/// Removes an access key: a few seconds later doors refuse it, and close the connections that showed it
///
/// Example:
///   storgo key rm redis QCOZBS5KGRVPNUOGOD6J
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RmArgs {
    /// The bucket
    bucket: String,

    /// The key's id, as `key ls` prints it
    id: AccessKeyId,

    #[command(flatten)]
    join: JoinArgs,
}

pub(crate) async fn run(context: &Context, command: KeyCommand) -> Result<(), CliError> {
    match command {
        KeyCommand::Create(args) => create(context, args).await,
        KeyCommand::Ls(args) => list(context, &args).await,
        KeyCommand::Rm(args) => remove(context, &args).await,
    }
}

async fn create(context: &Context, args: CreateArgs) -> Result<(), CliError> {
    let access = if args.read_only { Access::Read } else { Access::Write };
    let options = AccessKeyOptions { access, lasts: args.expires, note: args.note };
    let made = with_names(context, &args.join, None, async |_, names| {
        Ok(names.create_access_key(&args.bucket, &options).await?)
    });
    let made = made.await?;
    let secret = String::from_utf8_lossy(made.secret.expose()).into_owned();
    let json = MadeJson { key: KeyJson::of(&made.terms), secret };
    context.output.result(&json, || format!("id      {}\nsecret  {}", json.key.id, json.secret))?;
    if !context.output.json {
        note("the secret is not shown again: keep it where the program that needs it finds it");
    }
    Ok(())
}

async fn list(context: &Context, args: &LsArgs) -> Result<(), CliError> {
    let row = with_names(context, &args.join, None, async |_, names| Ok(names.bucket(&args.bucket).await?.row()));
    let row = row.await?;
    for key in &row.access_keys {
        let key = KeyJson::of(&key.terms);
        if context.output.json {
            json_line(&key)?;
        } else {
            context.output.say(&key.line())?;
        }
    }
    if row.access_keys.is_empty() && !context.output.json {
        note(&format!("no access keys yet; storgo key create {} makes one", row.name));
    }
    Ok(())
}

async fn remove(context: &Context, args: &RmArgs) -> Result<(), CliError> {
    let removed = with_names(context, &args.join, None, async |_, names| {
        Ok(names.remove_access_key(&args.bucket, args.id).await?)
    });
    removed.await?;
    let json = RmJson { removed: args.id.to_string() };
    context.output.result(&json, || format!("{} is gone; doors refuse it within seconds", args.id))
}

/// An access key in `--json`.
#[derive(Debug, Serialize)]
struct KeyJson {
    id: String,
    writes: bool,
    created_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    is_over: bool,
    note: String,
}

#[derive(Serialize)]
struct MadeJson {
    #[serde(flatten)]
    key: KeyJson,
    secret: String,
}

#[derive(Debug, Serialize)]
struct RmJson {
    removed: String,
}

impl KeyJson {
    fn of(terms: &AccessTerms) -> Self {
        Self {
            id: terms.id.to_string(),
            writes: terms.writes,
            created_ms: terms.created_ms,
            expires_ms: (terms.expires_ms != 0).then_some(terms.expires_ms),
            is_over: terms.is_over(SystemClock.now_ms()),
            note: terms.note.clone(),
        }
    }

    fn line(&self) -> String {
        let may = if self.writes { "writes" } else { "reads" };
        let until = match self.expires_ms {
            Some(_) if self.is_over => "over".to_owned(),
            Some(ms) => format!("until {}", moment(ms)),
            None => "for good".to_owned(),
        };
        format!("{}  {may:<6}  {}  {until:<22}  {}", self.id, moment(self.created_ms), self.note).trim_end().to_owned()
    }
}
