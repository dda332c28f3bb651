//! Gets a directory out of a tree.
//!
//! It stands under its name only when all of it is there and on disk. An interrupted run leaves TARGET.storgo-part, and
//! the next one fetches what is not whole in there.

mod beneath;
mod plan;
mod restore;
mod sink;
mod staging;

use std::path::Path;
use std::sync::Arc;

use storgo_object::{Engine, GetReport, ObjectError, Progress, Tree};
use storgo_protocol::tree::{TreeNode, TreePath, TreeRoot, TreeTotals};
use tokio::task::spawn_blocking;

use crate::error::NodeError;

use plan::{FileJob, Plan};
use restore::Restorer;
use sink::TreeSink;
use staging::Staging;

/// What getting a directory did.
#[derive(Debug, Clone, Default)]
pub struct TreeGetReport {
    /// What getting the contents and the catalogue did.
    pub get: GetReport,
    /// What was restored.
    pub totals: TreeTotals,
    /// Files that an earlier, interrupted run had left whole.
    pub files_resumed: u64,
}

/// Restores the directory `under` of a tree as `target`, which must not be there.
///
/// # Errors
/// [`NodeError::Exists`] when something stands there, [`NodeError::Busy`] when another process restores to it,
/// [`NodeError::Io`] when the file system refuses, [`NodeError::Object`] as [`Engine::get`] and [`Tree::list`]. What was
/// restored stays for the next run.
pub async fn get_tree(
    engine: &Engine,
    tree: &Tree,
    under: &TreePath,
    target: &Path,
    progress: &Progress,
) -> Result<TreeGetReport, NodeError> {
    let root = root_of(engine, tree, under).await?;
    let (content, path, directory) = (tree.object().content(), target.to_owned(), under.clone());
    // First, so that a target that is there is told of before anything is fetched.
    let staging = blocking(move || Staging::open(&path, content, &directory)).await?;
    let plan = Arc::new(read_plan(engine, tree, under).await?);
    let mut restorer = Restorer::new(Arc::clone(&plan), staging, target.to_owned());
    let (mut restorer, there) = blocking(move || restorer.prepare().map(|there| (restorer, there))).await?;

    let is_there = |number: usize| there.get(number).copied().unwrap_or(false);
    let sources = plan.sources(is_there)?;
    let runs = plan.runs(&sources.fetched);
    let mut sink = TreeSink::new(restorer, sources.fetched);
    let got = engine.get_runs(tree.object(), &runs, &mut sink, progress).await;
    if let Some(error) = sink.failure() {
        return Err(error);
    }
    let mut get = got?;
    get.add(&tree.catalogue_report());
    let unfinished = || NodeError::Died { part: "the restoration", reason: "contents are missing".to_owned() };
    restorer = sink.into_restorer().ok_or_else(unfinished)?;

    let files_resumed = there.iter().filter(|there| **there).count() as u64;
    let totals = plan.totals;
    blocking(move || {
        let without_bytes =
            |(number, job): &(usize, &FileJob)| job.file.bytes == 0 && !there.get(*number).copied().unwrap_or(false);
        for (_, job) in plan.files.iter().enumerate().filter(without_bytes) {
            let empty = restorer.begin(job)?;
            restorer.end(&empty, job)?;
        }
        for (number, from) in sources.copied {
            if let (Some(job), Some(from)) = (plan.files.get(number), plan.files.get(from)) {
                restorer.copy(job, from)?;
            }
        }
        restorer.finish(root)
    })
    .await?;
    Ok(TreeGetReport { get, totals, files_resumed })
}

/// What the directory itself is to be like.
async fn root_of(engine: &Engine, tree: &Tree, under: &TreePath) -> Result<TreeRoot, NodeError> {
    if under.is_root() {
        return Ok(tree.trailer().root);
    }
    let item = tree.item(engine, under).await?;
    let is = match item.node {
        TreeNode::Directory { mode } => return Ok(TreeRoot { mode, modified: item.modified }),
        TreeNode::File(_) => "a file",
        TreeNode::Link { .. } => "a symbolic link",
    };
    Err(ObjectError::WrongKind { what: under.to_string(), is, wanted: "a directory" }.into())
}

async fn read_plan(engine: &Engine, tree: &Tree, under: &TreePath) -> Result<Plan, NodeError> {
    let mut plan = Plan::default();
    let mut list = tree.list(engine, under, true).await?;
    while let Some(entries) = list.next().await? {
        for entry in entries {
            plan.add(entry, under)?;
        }
    }
    Ok(plan)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let done = spawn_blocking(work).await;
    done.map_err(|died| NodeError::Died { part: "the restoration", reason: died.to_string() })?
}
