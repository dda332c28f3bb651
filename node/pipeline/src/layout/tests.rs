use super::*;
use crate::samples::code;
use std::collections::HashMap;
use storgo_protocol::{ChunkId, StripeId};

fn entry(number: u64) -> LayoutEntry {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    LayoutEntry { chunk: ChunkId::from_bytes(bytes), stripe: StripeId::from_bytes([!bytes[0]; 32]) }
}

/// Builds a layout of `extents` extents with an index node after each hundred of them.
fn build(extents: u64) -> (HashMap<NodeId, Bytes>, EncodedLayout) {
    let mut builder = LayoutBuilder::new();
    let mut nodes = Vec::new();
    for number in 0..extents {
        nodes.extend(builder.push_extent(entry(number)).unwrap());
        if number % 100 == 99 {
            builder.push_index_node(entry(extents + number / 100));
        }
    }
    let (last, layout) = builder.finish(ContentId::from_bytes([1; 32]), code(4, 2)).unwrap();
    nodes.extend(last);
    (nodes.into_iter().map(|node| (node.id, node.bytes)).collect(), layout)
}

fn seek(nodes: &HashMap<NodeId, Bytes>, top: &LayoutTop, mut number: u64) -> Option<LayoutEntry> {
    let mut items = top.items.clone();
    loop {
        match layout_seek(&items, number)? {
            LayoutStep::Entry(entry) => return Some(entry),
            LayoutStep::Child { child, first } => {
                items = open_layout_node(layout_height(&items), &child, &nodes[&child.node]).unwrap();
                number -= first;
            }
        }
    }
}

#[test]
fn entries_are_found_by_their_number_in_layouts_of_every_size() {
    let leaf = LayoutItems::ENTRIES_MAX as u64;
    for (extents, height) in [(0, 0), (1, 0), (leaf - 10, 0), (leaf, 1), (5 * leaf, 1)] {
        let (nodes, layout) = build(extents);
        assert_eq!(layout_height(&layout.top.items), height, "{extents} extents");
        assert_eq!(LayoutTop::decode(layout.id, &layout.bytes).unwrap(), layout.top);
        assert_eq!((layout.top.extents, layout.top.index_nodes, layout.top.node_copies), (extents, extents / 100, 3));
        for number in 0..extents + extents / 100 {
            assert_eq!(seek(&nodes, &layout.top, number), Some(entry(number)));
        }
        assert_eq!(seek(&nodes, &layout.top, extents + extents / 100), None);
    }
}

#[test]
fn a_layout_of_three_levels_is_whole() {
    let fan = (LayoutItems::ENTRIES_MAX * LayoutItems::CHILDREN_MAX) as u64;
    let mut builder = LayoutBuilder::new();
    let mut nodes = HashMap::new();
    for number in 0..fan + 5 {
        nodes.extend(builder.push_extent(entry(number)).unwrap().into_iter().map(|node| (node.id, node.bytes)));
    }
    let (last, layout) = builder.finish(ContentId::from_bytes([1; 32]), code(4, 2)).unwrap();
    nodes.extend(last.into_iter().map(|node| (node.id, node.bytes)));
    assert_eq!(layout_height(&layout.top.items), 2);
    for number in [0, 1021, 1022, fan - 1, fan, fan + 4] {
        assert_eq!(seek(&nodes, &layout.top, number), Some(entry(number)), "entry {number}");
    }
    assert_eq!(seek(&nodes, &layout.top, fan + 5), None);
}

#[test]
fn a_node_that_is_not_what_its_parent_says_is_refused() {
    let (nodes, layout) = build(5000);
    let LayoutItems::Children { height: 1, children } = &layout.top.items else { panic!("{:?}", layout.top.items) };
    let (child, bytes) = (children[0], &nodes[&children[0].node]);
    assert!(open_layout_node(1, &child, bytes).is_ok());
    assert!(open_layout_node(2, &child, bytes).is_err());
    assert!(open_layout_node(1, &LayoutChild { entries: child.entries + 1, ..child }, bytes).is_err());
    let mut damaged = bytes.to_vec();
    damaged[100] ^= 1;
    assert!(matches!(open_layout_node(1, &child, &damaged), Err(PipelineError::Decode { .. })));
}
