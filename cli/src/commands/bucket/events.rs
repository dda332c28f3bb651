//! `storgo bucket events`: what happened to the keys of a bucket.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use storgo_node::object::ErrorKind;
use storgo_node::object::ports::{Events, EventsSince};
use storgo_protocol::meta::{EventKind, StorageEvent};

use crate::commands::named::{moment, with_names};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::{EncodedKey, NameUrl};
use crate::output::{json_line, note};

/// How long followers wait when nothing happened.
const PAUSE: Duration = Duration::from_millis(500);

/// Shows what happened to the keys of a bucket: what was written, deleted, removed, and what expired
///
/// Each group keeps what its last 65,536 log entries did. With --follow it goes on as things happen, until interrupted.
///
/// Examples:
///   storgo bucket events photos
///   storgo bucket events photos --follow --new --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EventsArgs {
    /// Its name
    bucket: String,

    /// Go on as things happen
    #[arg(long)]
    follow: bool,

    /// Leave out what happened before
    #[arg(long, requires = "follow")]
    new: bool,

    #[command(flatten)]
    join: JoinArgs,
}

/// An event in `--json`. `url` names its key, so that it can be used as it stands.
#[derive(Debug, Serialize)]
struct EventJson {
    url: String,
    event: &'static str,
    version: String,
    at_ms: u64,
}

pub(super) async fn run(context: &Context, args: EventsArgs) -> Result<(), CliError> {
    with_names(context, &args.join, None, async |_, names| {
        let bucket = names.bucket(&args.bucket).await?;
        let mut since = if args.new { EventsSince::Now } else { EventsSince::Oldest };
        let mut is_troubled = false;
        loop {
            let events = match bucket.events(&since).await {
                Ok(events) => events,
                // Nothing is missed by asking again.
                Err(error) if args.follow && error.kind() == ErrorKind::Unavailable => {
                    if !is_troubled {
                        note(&format!("waiting: {}", CliError::from(error).lines().join(": ")));
                    }
                    is_troubled = true;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            is_troubled = false;
            tell(context, &args.bucket, &events)?;
            if !events.more && !args.follow {
                return Ok(());
            }
            if !events.more {
                tokio::time::sleep(PAUSE).await;
            }
            since = EventsSince::Places(events.next);
        }
    })
    .await
}

fn tell(context: &Context, bucket: &str, events: &Events) -> Result<(), CliError> {
    if events.missed {
        note("some events are missing here: they happened so long ago that they are not kept any more");
    }
    for event in &events.events {
        if context.output.json {
            let url = NameUrl { bucket: bucket.to_owned(), key: event.key.to_vec() };
            json_line(&EventJson {
                url: url.to_string(),
                event: word(event.kind),
                version: event.version.to_string(),
                at_ms: event.stamp.ms(),
            })?;
        } else {
            context.output.say(&line(event))?;
        }
    }
    Ok(())
}

/// One line: when it was (UTC), what happened, to which version, and key.
fn line(event: &StorageEvent) -> String {
    let StorageEvent { kind, key, version, stamp, .. } = event;
    format!("{}  {:<7}  {version}  {}", moment(stamp.ms()), word(*kind), EncodedKey(key))
}

const fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Written => "written",
        EventKind::Marked => "deleted",
        EventKind::Removed => "removed",
        EventKind::Expired => "expired",
    }
}
