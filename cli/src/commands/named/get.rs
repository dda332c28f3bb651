//! Gets what a name leads to.

use std::path::PathBuf;
use std::time::Instant;

use storgo_node::object::{NamedObject, Progress, Sink};
use storgo_node::{Existing, PartialFile, Wanted as Download};
use storgo_protocol::cluster::Level;
use storgo_protocol::meta::VersionId;
use tokio::io::AsyncWriteExt as _;

use super::{open, with_names};
use crate::bar;
use crate::commands::get::{GetJson, Part, StreamSink, Target, refuse_existing};
use crate::context::{Context, JoinArgs};
use crate::error::CliError;
use crate::name_url::NameUrl;
use crate::output::json_line;

/// What is got, and where it goes.
#[derive(Debug)]
pub(in crate::commands) struct GetNamed {
    pub(in crate::commands) url: NameUrl,
    pub(in crate::commands) version: Option<VersionId>,
    pub(in crate::commands) level: Option<Level>,
    pub(in crate::commands) output: Option<PathBuf>,
    pub(in crate::commands) part: Option<Part>,
    pub(in crate::commands) force: bool,
    pub(in crate::commands) quiet: bool,
}

pub(in crate::commands) async fn get(context: &Context, join: &JoinArgs, get: GetNamed) -> Result<(), CliError> {
    let url = get.url.clone().with_key()?;
    let target = Target::of(get.output.as_deref())?;
    if let (Target::File(path), false) = (&target, get.force) {
        refuse_existing(path)?;
    }
    let json = with_names(context, join, None, async |_, names| {
        let start = Instant::now();
        let object = open(names, &url).await?.reading_at(get.level).open(&url.key, get.version).await?;
        let range = get.part.unwrap_or(Part::WHOLE).of(object.size())?;
        let report = match &target {
            Target::Stream(file) => {
                let mut sink = StreamSink(tokio::fs::File::from_std(file.try_clone().map_err(CliError::output)?));
                let report = fetch(context, &object, range, &mut sink).await?;
                sink.0.flush().await.map_err(CliError::output)?;
                report
            }
            Target::File(path) => {
                let existing = if get.force { Existing::Replace } else { Existing::Keep };
                let wanted = Download { content: object.content(), from: range.start, to: range.end };
                let mut file = PartialFile::open(path, wanted, existing).await?;
                let report = fetch(context, &object, range, &mut file).await?;
                file.finish().await?;
                report
            }
        };
        Ok(GetJson::of(object.content(), &report, start.elapsed()))
    })
    .await?;
    match target {
        Target::File(_) if context.output.json => json_line(&json),
        Target::Stream(_) if get.quiet => Ok(()),
        _ => context.output.remark(&json, || json.text()),
    }
}

async fn fetch(
    context: &Context,
    object: &NamedObject,
    range: std::ops::Range<u64>,
    sink: &mut dyn Sink,
) -> Result<storgo_node::object::GetReport, CliError> {
    let progress = Progress::default();
    let getting = object.get(range, sink, &progress);
    Ok(bar::watch(context.output, bar::Work::Get, &progress, getting).await?)
}
