//! What of an object is wanted: all of it, a part, a file of a tree, or a directory of it.

use std::ops::Range;

use storgo_node::object::{Engine, Object, ObjectError, Tree};
use storgo_protocol::ObjectKind;
use storgo_protocol::tree::{TreeFile, TreeNode, TreePath, TreeTime};

use super::part::Part;
use crate::error::CliError;

/// What is to be got.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Bytes, which stand in the object at this range.
    Bytes { object: Object, range: Range<u64>, attributes: Option<Attributes> },
    /// A directory of a tree.
    Directory { tree: Tree, under: TreePath },
}

/// What a file of a tree gets when all of it was restored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub(super) file: TreeFile,
    pub(super) modified: TreeTime,
}

/// Looks up a path in what was opened; `None` for none. A part is of a file, so of a directory there is none.
pub(super) async fn find(
    engine: &Engine,
    object: Object,
    path: Option<TreePath>,
    part: Option<Part>,
) -> Result<Wanted, CliError> {
    if object.kind() == ObjectKind::File && path.is_none() {
        let range = part.unwrap_or(Part::WHOLE).of(object.size())?;
        return Ok(Wanted::Bytes { object, range, attributes: None });
    }
    let tree = engine.open_tree(object).await?;
    let under = path.unwrap_or_default();
    let (file, modified) = match find_file(engine, &tree, &under).await? {
        Some(found) => found,
        None if part.is_some() => {
            return Err(wrong_kind(&under, "a directory", "a file, of which --range could get a part").into());
        }
        None => return Ok(Wanted::Directory { tree, under }),
    };
    let Range { start, end } = part.unwrap_or(Part::WHOLE).of(file.bytes)?;
    let attributes = part.is_none().then_some(Attributes { file, modified });
    let range = file.offset + start..file.offset + end;
    Ok(Wanted::Bytes { object: tree.into_object(), range, attributes })
}

/// The file at a path; `None` for a directory.
async fn find_file(engine: &Engine, tree: &Tree, path: &TreePath) -> Result<Option<(TreeFile, TreeTime)>, ObjectError> {
    if path.is_root() {
        return Ok(None);
    }
    let item = tree.item(engine, path).await?;
    match item.node {
        TreeNode::File(file) => Ok(Some((file, item.modified))),
        TreeNode::Directory { .. } => Ok(None),
        TreeNode::Link { .. } => Err(wrong_kind(path, "a symbolic link", "a file or a directory")),
    }
}

fn wrong_kind(path: &TreePath, is: &'static str, wanted: &'static str) -> ObjectError {
    let what = if path.is_root() { "what the ticket opens".to_owned() } else { path.to_string() };
    ObjectError::WrongKind { what, is, wanted }
}
