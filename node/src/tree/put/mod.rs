//! Puts a directory: one object, read in one pass.

mod contents;
mod measure;
mod pipe;
mod report;
mod walk;

use std::path::Path;

use storgo_object::{Engine, Progress, PutOptions};
use storgo_protocol::ObjectKind;
use tokio::task::spawn_blocking;

use crate::error::NodeError;

pub use report::{PackReport, Remarks, TreePutReport};

use walk::PackError;

/// Puts the directory at `path` with all that is in it. Links are stored as links, and none is followed; equal files are
/// stored once; sockets, pipes and devices are left out and named in the report.
///
/// # Errors
/// [`NodeError::Io`] for what cannot be read, [`NodeError::Unfit`] for what no tree can hold, [`NodeError::Object`] as
/// [`Engine::put`]. Nothing was acknowledged then.
pub async fn put_tree(
    engine: &Engine,
    path: &Path,
    options: &PutOptions,
    progress: &Progress,
) -> Result<TreePutReport, NodeError> {
    let (writer, mut reader) = pipe::pipe();
    let root = path.to_owned();
    let packing = spawn_blocking(move || walk::pack(&root, writer));
    let options = PutOptions { kind: ObjectKind::Tree, ..options.clone() };
    let measured = path.to_owned();
    let measuring = spawn_blocking(move || measure::measure(&measured));
    let put = {
        let mut putting = std::pin::pin!(engine.put(&mut reader, &options, progress));
        tokio::select! {
            // First, since it begins by saying that nobody knows the total.
            biased;
            put = &mut putting => put,
            total = measuring => {
                progress.set_total(total.unwrap_or(0));
                putting.await
            }
        }
    };
    // Whoever still writes learns that nobody reads.
    drop(reader);
    let packed = packing.await.map_err(|died| NodeError::Died { part: "the walk", reason: died.to_string() })?;
    match packed {
        Ok(pack) => Ok(TreePutReport { put: put?, pack }),
        Err(PackError::Node(error)) => Err(error),
        Err(PackError::Stopped(stopped)) => {
            Err(put.err().map_or_else(|| NodeError::Died { part: "the put", reason: stopped.to_string() }, Into::into))
        }
    }
}
