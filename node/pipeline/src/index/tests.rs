use super::*;
use crate::samples::{alone, random_bytes, secret};
use crate::stripe::join;
use crate::walk::{IndexPosition, IndexStep, index_seek, index_steps, open_index_node};
use std::collections::HashMap;
use storgo_protocol::{ChunkId, ChunkKey, ChunkRef, PackedSegment};

/// An extent that claims a chunk of `segments` stored segments.
fn extent(number: u64, segments: usize, bytes: u32) -> Extent {
    let plain_bytes = (segments * (128 << 10)) as u32;
    let chunk = ChunkRef {
        id: ChunkId::from_bytes(random_bytes(number, 32).try_into().unwrap()),
        key: ChunkKey::from_bytes(random_bytes(!number, 32).try_into().unwrap()),
        sealed_bytes: plain_bytes + 16 * segments as u32,
        plain_bytes,
        segments: vec![PackedSegment { packed_bytes: 128 << 10, compressed: false }; segments],
    };
    Extent { chunk, first: 0, bytes }
}

/// A whole index in memory: the top, and the sealed nodes below it in the order in which they came.
struct Built {
    top: IndexNode,
    nodes: Vec<SealedChunk>,
    extents: Vec<Extent>,
}

fn build(extents: Vec<Extent>) -> Built {
    let mut builder = IndexBuilder::new(secret());
    let mut nodes = Vec::new();
    for extent in &extents {
        nodes.extend(builder.push(extent.clone()).unwrap());
    }
    let (last, top) = builder.finish().unwrap();
    nodes.extend(last);
    Built { top, nodes, extents }
}

impl Built {
    fn open(&self, parent_height: u8, child: &IndexChild) -> Result<IndexNode, PipelineError> {
        let sealed = self.nodes.iter().find(|node| node.reference().id == child.chunk.id).unwrap();
        let (header, shards) = alone(child.chunk.id, sealed.sealed());
        open_index_node(parent_height, child, join(&header, &shards)?)
    }

    /// Walks everything below a node; `extents` and `nodes` take what was met, in layout order.
    fn walk(&self, node: &IndexNode, at: IndexPosition, entries: &mut HashMap<u64, ChunkId>) -> u64 {
        let total = self.extents.len() as u64;
        let mut bytes = 0;
        for step in index_steps(node, at) {
            assert_eq!(step.first_byte(), at.bytes + bytes);
            bytes += step.bytes();
            let id = match step {
                IndexStep::Extent { extent, .. } => extent.chunk.id,
                IndexStep::Child { child, at } => {
                    let node = self.open(node.height(), child).unwrap();
                    assert_eq!(self.walk(&node, at, entries), child.bytes);
                    child.chunk.id
                }
            };
            assert_eq!(entries.insert(step.layout_entry(total), id), None);
        }
        bytes
    }

    fn seek(&self, offset: u64) -> Option<(u64, Extent)> {
        let (mut node, mut at) = (self.top.clone(), IndexPosition::default());
        loop {
            let next = match index_seek(&node, at, offset)? {
                IndexStep::Extent { extent, at } => return Some((at.extents, extent.clone())),
                IndexStep::Child { child, at } => (self.open(node.height(), child).unwrap(), at),
            };
            (node, at) = next;
        }
    }
}

fn check(built: &Built) {
    let mut entries = HashMap::new();
    let size = built.walk(&built.top, IndexPosition::default(), &mut entries);
    assert_eq!(size, built.extents.iter().map(|extent| u64::from(extent.bytes)).sum::<u64>());
    assert_eq!(built.top.totals(), (size, built.extents.len() as u64, built.nodes.len() as u64));
    // The order in which extents and nodes came is the order of the layout's entries.
    let came =
        built.extents.iter().map(|extent| extent.chunk.id).chain(built.nodes.iter().map(|node| node.reference().id));
    for (number, id) in came.enumerate() {
        assert_eq!(entries.get(&(number as u64)), Some(&id), "entry {number}");
    }
    assert!(built.top.encode().len() <= INDEX_NODE_BYTES_MAX);
}

#[test]
fn an_empty_object_has_an_empty_leaf() {
    let built = build(Vec::new());
    assert_eq!(built.top, IndexNode::Leaf(Vec::new()));
    assert_eq!(built.seek(0), None);
    check(&built);
}

#[test]
fn trees_of_every_shape_are_walked_in_layout_order() {
    // 96 extents of 128 segments fill a leaf, 573 children an inner node.
    for (count, height) in
        [(1, 0), (96, 0), (97, 1), (1000, 1), (96 * 573, 1), (96 * 573 + 1, 2), (96 * 573 * 2 + 200, 2)]
    {
        let built = build((0..count).map(|n| extent(n, 128, 1 + (n % 7) as u32)).collect());
        assert_eq!(built.top.height(), height, "{count} extents");
        check(&built);
    }
}

#[test]
fn every_offset_leads_to_its_extent() {
    let built = build((0..500).map(|n| extent(n, 100, 1 + (n % 5) as u32)).collect());
    let mut offset = 0;
    for (number, extent) in built.extents.iter().enumerate() {
        for at in [offset, offset + u64::from(extent.bytes) - 1] {
            assert_eq!(built.seek(at), Some((number as u64, extent.clone())), "offset {at}");
        }
        offset += u64::from(extent.bytes);
    }
    assert_eq!(built.seek(offset), None);
    assert_eq!(built.seek(u64::MAX), None);
}

#[test]
fn a_child_that_is_not_what_its_parent_says_is_refused() {
    let built = build((0..300).map(|n| extent(n, 100, 9)).collect());
    let IndexNode::Inner { height: 1, children } = &built.top else { panic!("{:?}", built.top) };
    assert!(built.open(1, &children[0]).is_ok());
    assert!(built.open(2, &children[0]).is_err());
    let change = |change: &dyn Fn(&mut IndexChild)| {
        let mut child = children[0].clone();
        change(&mut child);
        assert!(built.open(1, &child).is_err(), "{child:?}");
    };
    change(&|child| child.bytes += 1);
    change(&|child| child.extents -= 1);
    change(&|child| child.nodes += 1);
    change(&|child| child.chunk = children[2].chunk.clone());
    change(&|child| child.chunk.key = children[1].chunk.key.clone());
}

#[test]
fn an_object_beyond_its_bound_is_refused() {
    let mut builder = IndexBuilder::new(secret());
    builder.object_bytes = OBJECT_BYTES_MAX - 5;
    assert!(builder.push(extent(1, 1, 5)).is_ok());
    assert!(matches!(builder.push(extent(2, 1, 1)), Err(PipelineError::TooLarge { .. })));
}
