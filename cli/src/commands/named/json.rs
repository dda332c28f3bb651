//! A version, as people and programs read it.

use serde::Serialize;
use storgo_node::object::Written;
use storgo_protocol::meta::{Body, Version};
use storgo_protocol::tree::TreeTime;

use crate::entry;
use crate::name_url::NameUrl;

/// A version in `--json`. `url` names its key, so that it can be used as it stands.
#[derive(Debug, Serialize)]
pub(super) struct VersionJson {
    url: String,
    version: String,
    object: String,
    bytes: u64,
    written_ms: u64,
    etag: String,
    /// `inline`, `object` or `marker`.
    body: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    width: u32,
    group: u64,
    slot: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) forged: Option<String>,
}

impl VersionJson {
    pub(super) fn of(url: &NameUrl, version: &Version, stale: Option<std::time::Duration>) -> Self {
        let (body, content) = match &version.body {
            Body::Inline(_) => ("inline", None),
            Body::Object(object) => ("object", Some(object.content.to_string())),
            Body::Marker => ("marker", None),
        };
        Self {
            url: url.to_string(),
            version: version.id().to_string(),
            object: version.object.to_string(),
            bytes: version.size,
            written_ms: version.stamp.ms(),
            etag: String::from_utf8_lossy(&version.etag).into_owned(),
            body,
            content,
            width: version.width,
            group: version.group.as_u64(),
            slot: version.slot.number(),
            writer: version.writer.map(|writer| writer.to_string()),
            stale_ms: stale.map(|stale| stale.as_millis()),
            forged: None,
        }
    }
}

/// What was written, in `--json`.
#[derive(Debug, Serialize)]
pub(super) struct WrittenJson {
    pub(super) url: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<String>,
    object: String,
    bytes: u64,
    etag: String,
    seconds: f64,
}

impl WrittenJson {
    pub(super) fn of(url: &NameUrl, written: &Written, took: std::time::Duration) -> Self {
        Self {
            url: url.to_string(),
            version: written.version.to_string(),
            replaced: written.replaced.map(|version| version.to_string()),
            object: written.object.to_string(),
            bytes: written.size,
            etag: written.etag.clone(),
            seconds: took.as_secs_f64(),
        }
    }
}

/// When it was, for people: UTC, to the minute.
pub(in crate::commands) fn moment(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    entry::moment(TreeTime { seconds, nanoseconds: 0 })
}
