//! All of a layout, batch by batch, with who holds what of it.

use storgo_pipeline::EncodedNode;
use storgo_protocol::NodeId;
use storgo_protocol::limits::STRIPES_SURVEYED_AT_ONCE_MAX;

use super::audit::audit;
use super::subject::Subject;
use super::survey::shard_holders;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::read::Located;
use crate::writer::Proof;

/// Walks a subject's layout from its first entry to its last.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    engine: &'a Engine,
    subject: &'a Subject,
    verify: bool,
    next: u64,
    /// The last layout nodes passed, top first: those that were met before the present batch.
    path: Vec<NodeId>,
}

/// A run of entries.
#[derive(Debug)]
pub(super) struct Batch {
    /// Stripes with their entry numbers.
    pub(super) stripes: Vec<(u64, Located)>,
    /// Layout nodes below the top that were met for the first time, each with the nodes above it.
    pub(super) nodes: Vec<(EncodedNode, Proof)>,
    /// The nodes that lead to the batch's entries.
    pub(super) proof: Proof,
}

impl<'a> Walk<'a> {
    /// A walk; with `verify` the peers read and check what they hold, and give a sample of it.
    pub(super) const fn new(engine: &'a Engine, subject: &'a Subject, verify: bool) -> Self {
        Self { engine, subject, verify, next: 0, path: Vec::new() }
    }

    /// The next entries, all below one layout node; `None` when all have been seen.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, ObjectError> {
        let Subject { layout, pool, .. } = self.subject;
        let total = layout.entries();
        let mut entries = Vec::new();
        let mut batch = Batch { stripes: Vec::new(), nodes: Vec::new(), proof: Proof::from([]) };
        let start = self.next;
        while self.next < total && entries.len() < STRIPES_SURVEYED_AT_ONCE_MAX {
            let (entry, visited) = layout.seek(self.engine, pool, self.next).await?;
            let path: Vec<NodeId> = visited.iter().map(|visited| visited.node.id).collect();
            if path != self.path && !entries.is_empty() {
                break;
            }
            let mut above = vec![self.subject.top_node()];
            for visited in visited {
                if !self.path.contains(&visited.node.id) {
                    batch.nodes.push((visited.node.clone(), above.clone().into()));
                }
                above.push(visited.node.clone());
            }
            batch.proof = above.into();
            self.path = path;
            entries.push(entry);
            self.next += 1;
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let mut located = shard_holders(self.subject, entries, self.verify).await;
        if self.verify {
            audit(self.subject, self.engine.random.as_ref(), &mut located).await;
        }
        batch.stripes = (start..).zip(located).collect();
        Ok(Some(batch))
    }
}
