use super::*;
use crate::chunker::RawChunk;
use crate::samples::{random_bytes, sealed, text_bytes};
use bytes::Bytes;
use storgo_protocol::limits::{CHUNK_BYTES_MAX, SEALED_BYTES_MAX, SEGMENT_BYTES, SEGMENTS_MAX};

#[test]
fn lengths_are_padded_to_a_grid() {
    for (bytes, padded) in [
        (1, 64),
        (64, 64),
        (65, 128),
        (8192, 8192),
        (8193, 8256),
        (1 << 20, 1 << 20),
        ((1 << 20) + 1, (1 << 20) + 8192),
    ] {
        assert_eq!(padded_bytes(bytes), padded, "{bytes}");
    }
    let largest = CHUNK_BYTES_MAX + SEGMENTS_MAX * TAG_BYTES;
    assert!(padded_bytes(largest) <= SEALED_BYTES_MAX);
    for bytes in (1..largest).step_by(99_991) {
        let padded = padded_bytes(bytes);
        assert!(padded >= bytes && padded - bytes <= (bytes / PADDING_GRID_DIVISOR).max(64), "{bytes}");
    }
}

#[test]
fn names_are_what_every_version_computes() {
    let names =
        [b"storgo".to_vec(), random_bytes(1, SEGMENT_BYTES + 1)].map(|plain| sealed(&plain).reference().id.to_string());
    assert_eq!(names, GOLDEN_IDS, "the chunk format says this: stored data would not be found again");
    // Compressed: it changes with zstd's version too, and then old chunks are still read but no longer shared.
    assert_eq!(sealed(&text_bytes(SEGMENT_BYTES)).reference().id.to_string(), GOLDEN_TEXT_ID);
}

#[test]
fn equal_plaintext_is_stored_once_under_one_secret_only() {
    let plain = text_bytes(200_000);
    assert_eq!(sealed(&plain).sealed(), sealed(&plain).sealed());
    let other = ConvergenceSecret::from_bytes([8; 32]);
    let stranger = RawChunk::new(Bytes::from(plain.clone())).unwrap().pack().unwrap().seal(&other).unwrap();
    assert_ne!(stranger.reference().id, sealed(&plain).reference().id);
    assert_ne!(stranger.reference().key, sealed(&plain).reference().key);
}

#[test]
fn the_reference_passes_its_own_decoder() {
    use storgo_protocol::{Extent, IndexNode};
    for length in [1, 100, SEGMENT_BYTES, SEGMENT_BYTES + 1, CHUNK_BYTES_MAX] {
        let chunk = sealed(&random_bytes(2, length)).reference().clone();
        let node = IndexNode::Leaf(vec![Extent { bytes: chunk.plain_bytes, first: 0, chunk }]);
        assert_eq!(IndexNode::decode(&node.encode()), Ok(node));
    }
}

#[test]
fn the_plaintext_is_not_in_the_sealed_bytes() {
    let canary = b"a canary of some thirty-two bytes";
    let chunk = sealed(&[random_bytes(3, 9000).as_slice(), canary].concat());
    assert!(!chunk.sealed().windows(8).any(|window| canary.windows(8).any(|part| part == window)));
}

const GOLDEN_IDS: [&str; 2] = [
    "daa095345ab15424b935688070be39e01ac244ebd7377650deb51adf1d95e1e1",
    "68d76dbce35d1f8c726245acdfee7a06872673f75d7be8da8b273f09e1a95713",
];
const GOLDEN_TEXT_ID: &str = "52b55d1f4b1726dc394b94a22ecf0be168bbc8198d0bf6c62ba37a87f566f7d0";
