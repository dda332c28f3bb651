//! Lists the keys of a bucket.

use storgo_node::object::{ListOptions, ListedEntry};
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::Body;

use super::json::{VersionJson, moment};
use super::{open, with_names};
use crate::amounts;
use crate::context::{Context, JoinArgs};
use crate::error::{CliError, Exit};
use crate::name_url::{EncodedKey, NameUrl};
use crate::output::json_line;

/// Lists the keys that start as the name's does, with all their versions if asked.
pub(in crate::commands) async fn list(
    context: &Context,
    join: &JoinArgs,
    url: &NameUrl,
    (versions, level): (bool, Option<Level>),
) -> Result<(), CliError> {
    with_names(context, join, None, async |_, names| {
        let bucket = open(names, url).await?.reading_at(level);
        let prefix = url.key.clone().into();
        let mut options = ListOptions { prefix, versions, ..ListOptions::default() };
        let mut forged = 0;
        loop {
            let page = bucket.list(&options).await?;
            forged += page.entries.iter().filter(|entry| entry.forged.is_some()).count();
            if context.output.json {
                for entry in &page.entries {
                    let url = NameUrl { key: entry.key.to_vec(), ..url.clone() };
                    let mut json = VersionJson::of(&url, &entry.version, page.stale);
                    json.forged.clone_from(&entry.forged);
                    json_line(&json)?;
                }
            } else if !page.entries.is_empty() {
                let lines: Vec<_> = page.entries.iter().map(|entry| line(entry, versions)).collect();
                context.output.say(&lines.join("\n"))?;
            }
            match page.next {
                Some(next) => options.after = Some(next),
                None => break,
            }
        }
        if forged == 0 {
            return Ok(());
        }
        let records = amounts::count(forged as u64, "record");
        Err(CliError::new(Exit::Corrupt, format!("{records} not written by anybody who could")))
    })
    .await
}

/// One line: size, when it was written (UTC), version if they are listed, and key.
fn line(entry: &ListedEntry, versions: bool) -> String {
    let ListedEntry { key, version, forged } = entry;
    let size = if version.body == Body::Marker { "deleted".to_owned() } else { amounts::bytes(version.size) };
    let id = if versions { format!("  {}", version.id()) } else { String::new() };
    let forged = if forged.is_some() { "  FORGED" } else { "" };
    format!("{size:>9}  {}{id}  {}{forged}", moment(version.stamp.ms()), EncodedKey(key))
}
