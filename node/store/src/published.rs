//! The nodes that are to be announced.

use std::ops::ControlFlow;

use storgo_object::ports::StoreError;
use storgo_protocol::NodeId;

use crate::core::Core;
use crate::item::Item;

/// At most `max` marked nodes after `after`, in ascending order, of which a good disk holds a copy. A mark outlives its
/// node's quarantine, so that a repaired node is announced again.
pub(crate) fn page(core: &Core, after: Option<NodeId>, max: usize) -> Result<Vec<NodeId>, StoreError> {
    let mut marked: Vec<NodeId> = Vec::new();
    let (mut page, mut from) = (Vec::new(), after);
    while page.len() < max {
        marked.clear();
        core.catalog.marks(from, &mut |node, slot| {
            if marked.last() != Some(&node) && core.good(slot).is_some() {
                marked.push(node);
            }
            if marked.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let Some(&last) = marked.last() else { break };
        for &node in &marked {
            if page.len() < max && !core.holders(Item::Node(node))?.is_empty() {
                page.push(node);
            }
        }
        from = Some(last);
    }
    Ok(page)
}
