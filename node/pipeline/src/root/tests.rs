use super::*;
use crate::samples::{random_bytes, sealed, secret, text_bytes};
use storgo_protocol::{Extent, IndexNode, ObjectKind};

fn leaf(plain: &[u8]) -> IndexNode {
    if plain.is_empty() {
        return IndexNode::Leaf(Vec::new());
    }
    let chunk = sealed(plain).reference().clone();
    IndexNode::Leaf(vec![Extent { first: 0, bytes: chunk.plain_bytes, chunk }])
}

fn top(plain: &[u8]) -> IndexTop {
    IndexTop { kind: ObjectKind::File, node: leaf(plain) }
}

fn content_id(root: &Root) -> ContentId {
    ContentId::from_bytes(*NodeId::of(&root.encode()).as_bytes())
}

#[test]
fn names_are_what_every_version_computes() {
    let names =
        [b"".as_slice(), b"storgo"].map(|plain| content_id(&seal_root(&secret(), &top(plain)).unwrap().0).to_string());
    assert_eq!(names, GOLDEN_IDS, "the root's format says this: tickets would not open their objects");
}

#[test]
fn what_was_sealed_opens_from_its_bytes() {
    let many = vec![
        match leaf(&random_bytes(1, 1000)) {
            IndexNode::Leaf(extents) => extents[0].clone(),
            IndexNode::Inner { .. } => panic!("one extent fits a leaf"),
        };
        400
    ];
    let many = IndexTop { kind: ObjectKind::Tree, node: IndexNode::Leaf(many) };
    for top in [top(b""), top(b"x"), top(&text_bytes(300_000)), many] {
        let (root, key) = seal_root(&secret(), &top).unwrap();
        let decoded = Root::decode(content_id(&root), &root.encode()).unwrap();
        assert_eq!(decoded, root);
        assert_eq!(open_root(&decoded, &key).unwrap(), top);
        assert_eq!((root.size, root.extents, root.index_nodes), top.node.totals());
    }
}

#[test]
fn equal_content_has_one_root_under_one_secret() {
    let (one, key) = seal_root(&secret(), &top(b"storgo")).unwrap();
    assert_eq!(seal_root(&secret(), &top(b"storgo")).unwrap(), (one.clone(), key));
    assert_ne!(seal_root(&ConvergenceSecret::from_bytes([8; 32]), &top(b"storgo")).unwrap().0, one);
}

#[test]
fn equal_bytes_of_another_kind_are_another_object_and_look_alike() {
    let file = top(b"storgo");
    let tree = IndexTop { kind: ObjectKind::Tree, ..file.clone() };
    let [(file, file_key), (tree, tree_key)] = [file, tree].map(|top| seal_root(&secret(), &top).unwrap());
    assert_ne!((content_id(&file), file_key), (content_id(&tree), tree_key));
    let clear = |root: Root| Root { commitment: [0; 32], sealed_top: vec![0; root.sealed_top.len()], ..root };
    assert_eq!(clear(file), clear(tree), "what peers see says nothing of the kind");
}

#[test]
fn another_key_is_told_from_a_damaged_root() {
    let (root, _) = seal_root(&secret(), &top(b"storgo")).unwrap();
    let (_, other) = seal_root(&secret(), &top(b"another")).unwrap();
    assert!(matches!(open_root(&root, &other), Err(PipelineError::WrongKey)));
}

#[test]
fn no_flipped_byte_opens() {
    let (root, key) = seal_root(&secret(), &top(&text_bytes(200_000))).unwrap();
    let bytes = root.encode();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x11;
        assert!(Root::decode(content_id(&root), &damaged).is_err(), "byte {at}");
        // Even with a content id that was made to fit.
        if let Ok(root) = Root::decode_unverified(&damaged) {
            assert!(open_root(&root, &key).is_err(), "byte {at}");
        }
    }
}

const GOLDEN_IDS: [&str; 2] = [
    "bafkr4ib36o2mvidi6wujqsj6gh34jdrx6yy3mcyng6iy5puek54vkkmn7e",
    "bafkr4igsvx3da3xszd4kpbhm3nwckdtmiowf4eworhamcnqgxs4lwd4zbq",
];
