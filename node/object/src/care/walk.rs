//! All of a layout, batch by batch, with who holds what of it.

use storgo_pipeline::EncodedNode;
use storgo_protocol::limits::STRIPES_SURVEYED_AT_ONCE_MAX;
use storgo_protocol::message::RefusalKind;
use storgo_protocol::{NodeId, PeerId};

use super::audit::audit;
use super::subject::Subject;
use crate::engine::Engine;
use crate::error::ObjectError;
use crate::miss::Miss;
use crate::nodes::Holders;
use crate::read::{Located, survey};
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
        let Subject { layout, pool, fetcher, .. } = self.subject;
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
        let mut located = survey(&fetcher.remote, pool, entries, self.verify).await;
        if self.verify {
            audit(fetcher, self.engine.random.as_ref(), &mut located).await;
        }
        batch.stripes = (start..).zip(located).collect();
        Ok(Some(batch))
    }
}

/// Who holds a node. With `verify` the peers read and check their copies, and each gives one.
pub(super) async fn node_holders(subject: &Subject, node: NodeId, verify: bool) -> Holders {
    let ask = |peer| async move { (peer, node_copies(subject, peer, node, verify).await) };
    let mut holders = Holders::new();
    for (peer, answer) in futures::future::join_all(subject.pool.peers().into_iter().map(ask)).await {
        match answer {
            Ok(0) => {}
            Ok(copies) => holders.push((peer, copies)),
            Err(miss) => subject.pool.fail(peer, &miss),
        }
    }
    holders
}

async fn node_copies(subject: &Subject, peer: PeerId, node: NodeId, verify: bool) -> Result<u32, Miss> {
    let remote = &subject.fetcher.remote;
    let copies = remote.has(peer, &[], &[node], verify).await?.nodes.first().copied().unwrap_or(0);
    if verify && copies > 0 {
        match remote.pull_node(peer, node).await {
            Err(Miss::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
                return Err(remote.lied(peer, "a claim to a node that it does not hold"));
            }
            given => drop(given?),
        }
    }
    Ok(copies)
}
