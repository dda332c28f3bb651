//! Shows a version, and how its body stands.

use serde::Serialize;
use storgo_node::object::Entry;
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::{Body, VersionId};

use super::json::{VersionJson, moment};
use super::{open, with_names};
use crate::amounts;
use crate::commands::stat::{StatJson, text as stat_text};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::NameUrl;

#[derive(Debug, Serialize)]
struct NamedStatJson {
    #[serde(flatten)]
    version: VersionJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    stands: Option<StatJson>,
}

pub(in crate::commands) async fn stat(
    context: &Context,
    join: &JoinArgs,
    url: NameUrl,
    (version, level): (Option<VersionId>, Option<Level>),
) -> Result<(), CliError> {
    let url = url.with_key()?;
    with_names(context, join, None, async |client, names| {
        let bucket = open(names, &url).await?.reading_at(level);
        let entry = bucket.find(&url.key, version).await?;
        let report = bucket.stat(&entry).await?;
        let stands = match (&report, &entry.version.body) {
            (Some(report), Body::Object(body)) => Some((body.content, report)),
            _ => None,
        };
        let paths = client.paths();
        let json = NamedStatJson {
            version: VersionJson::of(&url, &entry.version, entry.stale),
            stands: stands.map(|(content, report)| StatJson::of(content, report, &paths)),
        };
        context.output.result(&json, || {
            let body = stands.map_or_else(
                || "it stands in its record".to_owned(),
                |(content, report)| stat_text(content, report, &paths),
            );
            format!("{}\n{body}", head(&url, &entry))
        })
    })
    .await
}

fn head(url: &NameUrl, entry: &Entry) -> String {
    let version = &entry.version;
    let mut lines = vec![
        url.to_string(),
        format!(
            "version {}, {} written {} UTC",
            version.id(),
            amounts::bytes(version.size),
            moment(version.stamp.ms())
        ),
        format!("object {}, slot {} of group {}", version.object, version.slot, version.group),
    ];
    if let Some(writer) = version.writer {
        lines.push(format!("written by {writer}"));
    }
    match entry.stale {
        Some(stale) if stale.is_zero() => {}
        Some(stale) => lines.push(format!("as it was {} ago, or later", amounts::time(stale))),
        None => lines.push("as one member knows it; nobody knows how old that is".to_owned()),
    }
    lines.join("\n")
}
