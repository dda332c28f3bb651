//! Roots and layout nodes onto their holders, and the owner's record beside the root.

use std::collections::BTreeMap;
use std::sync::Arc;

use storgo_pipeline::EncodedNode;
use storgo_protocol::{LayoutRecord, PeerId};

use crate::error::ObjectError;
use crate::pool::Pool;
use crate::remote::NodePush;
use crate::straggler::ask_all;
use crate::writer::{Proof, Writer};

/// Writes the nodes of one object.
#[derive(Debug)]
pub(crate) struct NodeWriter {
    pub(crate) writer: Arc<Writer>,
    pub(crate) pool: Arc<Pool>,
    /// Copies of each node, or one on every peer if there are fewer.
    pub(crate) copies: usize,
}

/// Who holds a node, and how many copies.
pub(crate) type Holders = Vec<(PeerId, u32)>;

impl NodeWriter {
    /// Makes a node durable on as many peers as it should be on; when one fails, the next in rank takes its place.
    /// Who is in `held` has it already, and counts.
    pub(crate) async fn write(
        &self,
        node: &EncodedNode,
        publish: bool,
        held: Holders,
        proof: &Proof,
    ) -> Result<Holders, ObjectError> {
        let mut held: BTreeMap<PeerId, u32> = held.into_iter().collect();
        loop {
            let missing = self.missing(node, &held)?;
            if missing.is_empty() {
                return Ok(held.into_iter().collect());
            }
            let asked: Vec<PeerId> = missing.iter().map(|(peer, _)| *peer).collect();
            let pushes = missing.into_iter().map(|(peer, copies)| {
                let push = NodePush { node: node.id, copies, publish, payload: node.bytes.clone() };
                (peer, async move { self.writer.push_node(peer, &push, proof).await.map(|()| copies) })
            });
            let spares = || self.pool.spares(|peer| held.contains_key(&peer) || asked.contains(&peer));
            let written = ask_all(pushes, spares).await;
            for (peer, pushed) in written.done {
                match pushed {
                    Ok(copies) => drop(held.insert(peer, u32::from(copies))),
                    Err(miss) => self.pool.fail(peer, &miss),
                }
            }
            written.late.into_iter().for_each(|peer| self.pool.late(peer));
        }
    }

    /// As [`NodeWriter::write`] for a root, with the owner's record beside it on each of its holders.
    pub(crate) async fn write_root(
        &self,
        root: &EncodedNode,
        record: &LayoutRecord,
        held: Holders,
        proof: &Proof,
    ) -> Result<Holders, ObjectError> {
        let mut held = held;
        loop {
            held = self.write(root, true, held, proof).await?;
            let without = self.write_record(record, &held, proof).await;
            if without.is_empty() {
                return Ok(held);
            }
            held.retain(|(peer, _)| !without.contains(peer));
        }
    }

    /// Puts the record on each of the root's holders; gives those that did not take it, which have failed by that or
    /// were late.
    async fn write_record(&self, record: &LayoutRecord, holders: &Holders, proof: &Proof) -> Vec<PeerId> {
        let pushes = holders.iter().map(|(peer, _)| (*peer, self.writer.push_record(*peer, record, proof)));
        let spares = || self.pool.spares(|peer| holders.iter().any(|(holder, _)| *holder == peer));
        let written = ask_all(pushes, spares).await;
        let mut without = written.late;
        for peer in &without {
            self.pool.late(*peer);
        }
        for (peer, pushed) in written.done {
            if let Err(miss) = pushed {
                self.pool.fail(peer, &miss);
                without.push(peer);
            }
        }
        without
    }

    /// The peers that should take the node now, with the copies that each should keep on its disks.
    fn missing(&self, node: &EncodedNode, held: &BTreeMap<PeerId, u32>) -> Result<Vec<(PeerId, u8)>, ObjectError> {
        let takers = self.pool.ranked_takers(node.id.as_bytes(), held);
        // A holder that takes no more, being full, is a holder.
        let full = held.keys().filter(|peer| !takers.contains(peer) && !self.pool.is_gone(**peer)).count();
        if takers.len() + full == 0 {
            return Err(self.pool.exhausted(format!("node {}", node.id)));
        }
        let peers = self.copies.min(takers.len() + full);
        let each = u8::try_from(self.copies.div_ceil(peers)).unwrap_or(u8::MAX);
        let disks = self.pool.disks();
        let enough = |peer: &PeerId| {
            let wanted = u32::from(each).min(disks.get(peer).copied().unwrap_or(1)).max(1);
            held.get(peer).is_some_and(|copies| *copies >= wanted)
        };
        let holding = full + takers.iter().filter(|peer| enough(peer)).count();
        let missing = takers.iter().filter(|peer| !enough(peer)).take(peers.saturating_sub(holding));
        Ok(missing.map(|peer| (*peer, each)).collect())
    }
}
