//! A bucket, as people and programs read it.

use serde::Serialize;
use storgo_protocol::cluster::{Bucket, Replication};
use storgo_protocol::meta::{BucketMember, KeyRule};

use crate::amounts;
use crate::commands::named::moment;
use crate::level;

/// A bucket in `--json`.
#[derive(Debug, Serialize)]
pub(super) struct BucketJson {
    name: String,
    id: String,
    owner: String,
    created_ms: u64,
    layout: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<u16>,
    versioning: bool,
    inline_bytes_max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    redundancy: Option<String>,
    replication: &'static str,
    read: String,
    key_generation: u32,
    being_removed: bool,
    members: Vec<MemberJson>,
}

/// A member in `--json`.
#[derive(Debug, Serialize)]
pub(super) struct MemberJson {
    user: String,
    writes: bool,
    owner: bool,
}

impl MemberJson {
    pub(super) fn of(bucket: &Bucket, member: &BucketMember) -> Self {
        Self { user: member.user.to_string(), writes: member.writes, owner: member.user == bucket.owner }
    }

    pub(super) fn line(&self) -> String {
        let may = match (self.owner, self.writes) {
            (true, _) => "owner",
            (false, true) => "writes",
            (false, false) => "reads",
        };
        format!("{may:<7} {}", self.user)
    }
}

impl BucketJson {
    pub(super) fn of(bucket: &Bucket) -> Self {
        let config = &bucket.config;
        let (layout, spread) = layout(config.rule);
        Self {
            name: bucket.name.clone(),
            id: config.bucket.to_string(),
            owner: bucket.owner.to_string(),
            created_ms: bucket.created_ms,
            layout,
            spread,
            versioning: config.versioning,
            inline_bytes_max: config.inline_bytes_max,
            redundancy: bucket.redundancy.map(|code| code.to_string()),
            replication: replication(bucket.replication),
            read: level::word(bucket.read_preference),
            key_generation: bucket.key_generation,
            being_removed: config.fenced,
            members: config.members.iter().map(|member| MemberJson::of(bucket, member)).collect(),
        }
    }
}

/// A bucket for people.
pub(super) fn text(bucket: &Bucket) -> String {
    let config = &bucket.config;
    let spread = match layout(config.rule) {
        (layout, Some(spread)) => format!("{layout} over {}", amounts::count(spread.into(), "slot")),
        (layout, None) => layout.to_owned(),
    };
    let redundancy =
        bucket.redundancy.map_or_else(|| "the widest that peers allow".to_owned(), |code| code.to_string());
    let mut lines = vec![
        format!("storgo://{}/", bucket.name),
        format!("{spread}, {}", if config.versioning { "keeps versions" } else { "keeps the newest version only" }),
        format!(
            "bodies up to {} in their records, others {redundancy}",
            amounts::bytes(config.inline_bytes_max.into())
        ),
        format!("writes {}, reads {}", replication(bucket.replication), level::word(bucket.read_preference)),
        format!("made {} UTC, key number {}", moment(bucket.created_ms), bucket.key_generation),
    ];
    if config.fenced {
        lines.push("takes no writes: its removal was begun; storgo bucket rm finishes it or takes it back".to_owned());
    }
    lines.extend(config.members.iter().map(|member| MemberJson::of(bucket, member).line()));
    lines.join("\n")
}

const fn layout(rule: KeyRule) -> (&'static str, Option<u16>) {
    match rule {
        KeyRule::Flat { spread } => ("flat", Some(spread)),
        KeyRule::Tree => ("tree", None),
        KeyRule::Redis => ("redis", None),
    }
}

const fn replication(replication: Replication) -> &'static str {
    match replication {
        Replication::Replicated => "replicated",
        Replication::Local => "local",
        Replication::Durable => "durable",
    }
}
