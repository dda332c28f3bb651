//! Gets a directory: where it goes, and what is told of it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use storgo_node::object::{Progress, Tree};
use storgo_node::{Client, TreeGetReport, get_tree};
use storgo_protocol::tree::TreePath;

use super::target::Target;
use crate::context::Context;
use crate::error::{CliError, Exit};
use crate::{amounts, bar};

pub(super) async fn get(
    context: &Context,
    client: &Client,
    tree: &Tree,
    under: &TreePath,
    target: &Path,
) -> Result<DirectoryJson, CliError> {
    let (start, progress) = (Instant::now(), Progress::default());
    let getting = get_tree(client.engine(), tree, under, target, &progress);
    let report = bar::watch(context.output, bar::Work::Get, &progress, Box::pin(getting)).await?;
    Ok(DirectoryJson::of(&tree.object().content().to_string(), &report, start.elapsed()))
}

/// Where a directory may go.
pub(super) fn place(target: &Target, force: bool) -> Result<&Path, CliError> {
    let refuse = |text: &str, hint: &str| Err(CliError::new(Exit::Usage, text).hint(hint));
    match target {
        Target::Stream(_) => refuse("a directory cannot go to a stream", "say where with -o DIR"),
        Target::File(_) if force => refuse("a directory replaces nothing", "name one that is not there with -o DIR"),
        Target::File(path) => Ok(path),
    }
}

/// The result in `--json`.
#[derive(Debug, Serialize)]
pub(super) struct DirectoryJson {
    content: String,
    files: u64,
    directories: u64,
    links: u64,
    bytes: u64,
    files_resumed: u64,
    chunks: u64,
    chunks_decoded: u64,
    shards_bad: u64,
    bytes_pulled: u64,
    seconds: f64,
}

impl DirectoryJson {
    fn of(content: &str, report: &TreeGetReport, took: Duration) -> Self {
        Self {
            content: content.to_owned(),
            files: report.totals.files,
            directories: report.totals.directories,
            links: report.totals.links,
            bytes: report.totals.bytes,
            files_resumed: report.files_resumed,
            chunks: report.get.chunks,
            chunks_decoded: report.get.chunks_decoded,
            shards_bad: report.get.shards_bad,
            bytes_pulled: report.get.bytes_pulled,
            seconds: took.as_secs_f64(),
        }
    }

    pub(super) fn text(&self) -> String {
        let took = Duration::from_secs_f64(self.seconds);
        let mut parts = vec![
            format!("{} in {}", amounts::bytes(self.bytes), amounts::count(self.files, "file")),
            if self.files_resumed > 0 { amounts::time(took) } else { amounts::pace(self.bytes, took) },
        ];
        if self.files_resumed > 0 {
            parts.push(format!("{} were there already", amounts::count(self.files_resumed, "file")));
        }
        if self.chunks_decoded > 0 {
            parts.push(format!("{} decoded from parity", amounts::count(self.chunks_decoded, "chunk")));
        }
        if self.shards_bad > 0 {
            parts.push(format!("{} damaged and not used", amounts::count(self.shards_bad, "shard")));
        }
        parts.join("; ")
    }
}
