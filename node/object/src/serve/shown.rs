//! Layouts that were shown to this node, so that a repair grant lets in what belongs to its layout and nothing else.

use std::collections::{BTreeMap, HashSet};

use parking_lot::Mutex;
use storgo_protocol::limits::SHOWN_IDS_MAX;
use storgo_protocol::message::{Refusal, RefusalKind};
use storgo_protocol::{LayoutId, LayoutItems, LayoutNode, LayoutTop, NodeId, StripeId};

use super::denied;
use super::grants::Leave;

/// What is known to belong to which layout; in all at most [`SHOWN_IDS_MAX`] ids. When full, everything is forgotten
/// and shown again: a repair under way pays one more round trip, nobody else notices.
#[derive(Debug, Default)]
pub(super) struct ShownLayouts {
    // Held only for look-ups, never across an await.
    layouts: Mutex<BTreeMap<LayoutId, Members>>,
}

#[derive(Debug, Default)]
struct Members {
    stripes: HashSet<StripeId>,
    nodes: HashSet<NodeId>,
}

impl ShownLayouts {
    /// Takes note of a layout's top, or of a node of it whose parent was shown.
    pub(super) fn show(&self, leave: &Leave, payload: &[u8]) -> Result<(), Refusal> {
        let layout = leave.layout.ok_or_else(|| denied("only a repair grant needs its layout shown"))?;
        let id = NodeId::of(payload);
        let invalid = |error| Refusal::new(RefusalKind::Invalid, format!("not a layout node: {error}"));
        let mut layouts = self.layouts.lock();
        if layouts.values().map(|members| members.stripes.len() + members.nodes.len()).sum::<usize>() > SHOWN_IDS_MAX {
            layouts.clear();
        }
        if id == NodeId::from(layout) {
            let top = LayoutTop::decode(layout, payload).map_err(invalid)?;
            let members = layouts.entry(layout).or_default();
            members.nodes.extend([id, top.content.into()]);
            members.add(&top.items);
            return Ok(());
        }
        let members = layouts.get_mut(&layout).filter(|members| members.nodes.contains(&id));
        let members = members.ok_or_else(|| denied("the node does not belong to what was shown of the layout"))?;
        members.add(&LayoutNode::decode(id, payload).map_err(invalid)?.items);
        Ok(())
    }

    /// Whether the leave covers this stripe.
    pub(super) fn check_stripe(&self, leave: &Leave, stripe: StripeId) -> Result<(), Refusal> {
        self.check(leave, |members| members.stripes.contains(&stripe))
    }

    /// Whether the leave covers this node.
    pub(super) fn check_node(&self, leave: &Leave, node: NodeId) -> Result<(), Refusal> {
        self.check(leave, |members| members.nodes.contains(&node))
    }

    fn check(&self, leave: &Leave, belongs: impl Fn(&Members) -> bool) -> Result<(), Refusal> {
        let Some(layout) = leave.layout else { return Ok(()) };
        if self.layouts.lock().get(&layout).is_some_and(belongs) {
            return Ok(());
        }
        Err(denied("not shown to belong to the layout of the repair grant"))
    }
}

impl Members {
    fn add(&mut self, items: &LayoutItems) {
        match items {
            LayoutItems::Entries(entries) => self.stripes.extend(entries.iter().map(|entry| entry.stripe)),
            LayoutItems::Children { children, .. } => self.nodes.extend(children.iter().map(|child| child.node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use storgo_protocol::{ChunkId, Code, ContentId, LayoutEntry, PeerId};

    use super::*;
    use crate::ports::Lease;

    #[test]
    fn what_is_remembered_of_layouts_is_bounded() {
        let shown = ShownLayouts::default();
        let each = LayoutItems::ENTRIES_MAX;
        let known = || shown.layouts.lock().values().map(|one| one.stripes.len() + one.nodes.len()).sum::<usize>();
        let mut forgot = false;
        for number in 0..=u32::try_from(SHOWN_IDS_MAX / each + 2).unwrap() {
            let id = |n: usize| *blake3::hash(&[&number.to_le_bytes()[..], &n.to_le_bytes()].concat()).as_bytes();
            let entry = |n| LayoutEntry { chunk: ChunkId::from_bytes(id(n)), stripe: StripeId::from_bytes(id(n)) };
            let top = LayoutTop {
                content: ContentId::from_bytes(id(0)),
                node_copies: 1,
                code: Code::new(1, 0).unwrap(),
                extents: each as u64,
                index_nodes: 0,
                items: LayoutItems::Entries((0..each).map(entry).collect()),
            };
            let bytes = top.encode();
            let layout = LayoutId::from_bytes(*NodeId::of(&bytes).as_bytes());
            let owner = PeerId::from_bytes([1; 32]);
            let leave = Leave { lease: Lease { owner, nonce: [0; 16], expiry: 0 }, layout: Some(layout) };
            let before = known();
            shown.show(&leave, &bytes).unwrap();
            assert!(shown.check_stripe(&leave, StripeId::from_bytes(id(1))).is_ok());
            assert!(known() <= SHOWN_IDS_MAX + each + 2, "{}", known());
            forgot |= known() < before;
        }
        assert!(forgot, "the bound was not met");
    }
}
