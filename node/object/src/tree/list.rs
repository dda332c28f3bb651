//! What is in a directory of a tree, page by page.

use std::collections::VecDeque;

use storgo_protocol::tree::{TreeItem, TreeNode, TreePage, TreePath, TreeTotals, TreeWalk};

use super::open::Tree;
use super::pages::damaged;
use crate::engine::Engine;
use crate::error::ObjectError;

const CATALOGUE: &str = "the catalogue of the tree";

/// An item with its path from the tree's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Where it stands.
    pub path: TreePath,
    /// What it is.
    pub item: TreeItem,
}

/// A listing under way. Memory holds the pages that were read together.
#[derive(Debug)]
pub struct TreeList<'t> {
    engine: &'t Engine,
    tree: &'t Tree,
    under: TreePath,
    recursive: bool,
    /// The walk through the pages so far; `None` before the first, and behind pages that were passed over.
    walk: Option<TreeWalk>,
    ready: VecDeque<TreePage>,
    next_page: usize,
    totals: TreeTotals,
    ended: bool,
}

impl Tree {
    /// Lists what is in the directory at `under`, in the order of paths; with `recursive`, all that is below it.
    ///
    /// # Errors
    /// [`ObjectError::NotInTree`] if there is none, [`ObjectError::WrongKind`] for what is no directory, otherwise as
    /// [`Tree::item`].
    pub async fn list<'t>(
        &'t self,
        engine: &'t Engine,
        under: &TreePath,
        recursive: bool,
    ) -> Result<TreeList<'t>, ObjectError> {
        if !under.is_root() {
            let item = self.item(engine, under).await?;
            if !item.is_directory() {
                let is = if matches!(item.node, TreeNode::Link { .. }) { "a symbolic link" } else { "a file" };
                return Err(ObjectError::WrongKind { what: under.to_string(), is, wanted: "a directory" });
            }
        }
        Ok(TreeList {
            engine,
            tree: self,
            under: under.clone(),
            recursive,
            walk: None,
            ready: VecDeque::new(),
            next_page: self.table.page_of(under).unwrap_or(0),
            totals: TreeTotals::default(),
            ended: false,
        })
    }
}

impl TreeList<'_> {
    /// The entries of the next page that has some; `None` at the end.
    ///
    /// # Errors
    /// As [`Tree::item`]; nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<Vec<TreeEntry>>, ObjectError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            // Whatever fails below, it is not gone on with.
            self.ended = true;
            let Some(page) = self.next_page().await? else {
                self.check_totals()?;
                return Ok(None);
            };
            let entries = self.take(&page)?;
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
    }

    async fn next_page(&mut self) -> Result<Option<TreePage>, ObjectError> {
        if self.ready.is_empty() {
            let first = self.next_page;
            let numbers = if self.recursive { self.tree.read_ahead(first) } else { first..first + 1 };
            self.next_page = numbers.end;
            self.ready = self.tree.pages(self.engine, numbers).await?.into();
        }
        Ok(self.ready.pop_front())
    }

    /// The entries of a page that are asked for.
    fn take(&mut self, page: &TreePage) -> Result<Vec<TreeEntry>, ObjectError> {
        let walk = self.walk.get_or_insert_with(|| TreeWalk::below(page.parent().clone()));
        walk.enter(page.parent()).map_err(|error| damaged(CATALOGUE, error))?;
        let child_levels = self.under.levels() + 1;
        let (mut entries, mut child) = (Vec::new(), None);
        for item in page.items() {
            let path = walk.step(item).map_err(|error| damaged(CATALOGUE, error))?;
            if *path <= self.under {
                continue;
            }
            if !path.starts_with(&self.under) {
                return Ok(entries);
            }
            self.totals.add(item).map_err(|error| damaged(CATALOGUE, error))?;
            let is_child = usize::from(item.depth) + 1 == child_levels;
            if is_child {
                child = Some(path.clone());
            }
            if is_child || self.recursive {
                entries.push(TreeEntry { path: path.clone(), item: item.clone() });
            }
        }
        self.ended = false;
        if !self.recursive {
            self.pass_over(child);
        }
        Ok(entries)
    }

    /// Goes on behind all that is in the last child, if that is on pages of its own.
    fn pass_over(&mut self, child: Option<TreePath>) {
        let Some(child) = child else { return };
        let behind = self.tree.table.page_behind(&child);
        if behind > self.next_page {
            (self.next_page, self.walk) = (behind, None);
        }
    }

    /// Whoever has seen everything knows whether the trailer counted right.
    fn check_totals(&self) -> Result<(), ObjectError> {
        if self.recursive && self.under.is_root() && self.totals != self.tree.trailer.totals {
            return Err(ObjectError::corrupt(CATALOGUE, "it has other items than the trailer counts"));
        }
        Ok(())
    }
}
