//! Puts a file under a name.

use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use storgo_node::object::{Progress, PutNamedOptions, PutOptions};
use storgo_protocol::meta::{Condition, VersionId};
use storgo_protocol::{Code, NetworkId};

use super::json::WrittenJson;
use super::{open, with_names};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::NameUrl;
use crate::output::note;
use crate::places::{WidthJson, width};
use crate::{amounts, bar};

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConditionArgs {
    /// Writes only if the key is not there
    #[arg(long, conflicts_with = "if_version")]
    if_absent: bool,

    /// Writes only if this is the key's newest version
    #[arg(long, value_name = "ID")]
    if_version: Option<VersionId>,
}

impl ConditionArgs {
    pub(crate) const fn is_given(self) -> bool {
        self.if_absent || self.if_version.is_some()
    }

    pub(crate) fn condition(self) -> Condition {
        match self.if_version {
            Some(version) => Condition::Version(version),
            None if self.if_absent => Condition::Absent,
            None => Condition::Always,
        }
    }
}

/// What is put where, and how.
#[derive(Debug)]
pub(in crate::commands) struct PutNamed {
    pub(in crate::commands) url: NameUrl,
    pub(in crate::commands) condition: Condition,
    pub(in crate::commands) body: PutOptions,
    pub(in crate::commands) network: Option<NetworkId>,
}

impl PutNamed {
    /// A name that ends where a directory would is completed by the name of the file.
    pub(in crate::commands) fn complete(mut self, source: &Path) -> Result<Self, CliError> {
        if (self.url.key.is_empty() || self.url.key.ends_with(b"/"))
            && let Some(name) = source.file_name().filter(|_| source != Path::new("-"))
        {
            self.url.key.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(name));
        }
        self.url = self.url.with_key()?;
        Ok(self)
    }
}

pub(in crate::commands) async fn put(
    context: &Context,
    join: &JoinArgs,
    source: std::fs::File,
    put: PutNamed,
) -> Result<(), CliError> {
    let PutNamed { url, condition, body, network } = put;
    with_names(context, join, network, async |_, names| {
        let bucket = open(names, &url).await?;
        let (start, progress) = (Instant::now(), Progress::default());
        let mut source = tokio::fs::File::from_std(source);
        let options = PutNamedOptions { condition, body };
        let putting = bucket.put(&url.key, &mut source, &options, &progress);
        let written = bar::watch(context.output, bar::Work::Put, &progress, Box::pin(putting)).await?;
        let took = start.elapsed();
        let json = PutJson {
            written: WrittenJson::of(&url, &written, took),
            redundancy: written.body.as_ref().map(|body| body.code),
            width: written.body.as_ref().map(|body| (&body.width).into()),
        };
        if context.output.json {
            return context.output.result(&json, String::new);
        }
        let how = written
            .body
            .as_ref()
            .map_or_else(|| "in its record".to_owned(), |body| format!("{}; {}", body.code, width(&body.width)));
        note(&format!("{url}: {}, {how}; {}", amounts::bytes(written.size), amounts::pace(written.size, took)));
        if written.body.as_ref().is_some_and(|body| body.width.survives == 0) {
            note("no loss is survived: join more peers, or --redundancy replicate:2");
        }
        context.output.say(&written.version.to_string())
    })
    .await
}

/// The result in `--json`.
#[derive(Debug, Serialize)]
struct PutJson {
    #[serde(flatten)]
    written: WrittenJson,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "code_word")]
    redundancy: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<WidthJson>,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn code_word<S: serde::Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    match code {
        Some(code) => serializer.collect_str(code),
        None => serializer.serialize_none(),
    }
}
