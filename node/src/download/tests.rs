//! Downloads that are interrupted at every step, and what is left of them.

use std::path::Path;

use bytes::Bytes;
use storgo_object::{Piece, Sink as _};
use storgo_protocol::ContentId;

use super::{Existing, PartialFile, Wanted, beside};
use crate::error::NodeError;

const PIECE: u64 = 1000;

fn content(number: u8) -> ContentId {
    ContentId::from_bytes([number; 32])
}

fn wanted(pieces: u64) -> Wanted {
    Wanted { content: content(1), from: 0, to: pieces * PIECE }
}

fn piece(number: u64) -> Piece {
    Piece { number, offset: number * PIECE, bytes: PIECE as u32 }
}

fn bytes(number: u64) -> Bytes {
    vec![number as u8 + 1; PIECE as usize].into()
}

async fn open(target: &Path, wanted: Wanted) -> PartialFile {
    PartialFile::open(target, wanted, Existing::Keep).await.unwrap()
}

/// Puts a piece and waits until it is recorded, as a sync in between would.
async fn put_synced(file: &mut PartialFile, number: u64) {
    file.put(&piece(number), bytes(number)).await.unwrap();
    file.start_sync();
    file.sync_done().await.unwrap();
}

#[tokio::test]
async fn pieces_in_any_order_make_the_file() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let mut file = open(&target, wanted(5)).await;
    for number in [3, 0, 4, 1, 2] {
        file.put(&piece(number), bytes(number)).await.unwrap();
        assert!(!target.try_exists().unwrap());
    }
    file.finish().await.unwrap();
    let expected: Vec<u8> = (0..5).flat_map(bytes).collect();
    assert_eq!(std::fs::read(&target).unwrap(), expected);
    assert_eq!(root.path().read_dir().unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn an_interrupted_download_keeps_what_was_synced_and_fetches_the_rest() {
    for interrupted_after in 0..=5 {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let mut file = open(&target, wanted(5)).await;
        for number in 0..interrupted_after {
            put_synced(&mut file, number).await;
        }
        if interrupted_after < 5 {
            file.put(&piece(interrupted_after), bytes(interrupted_after)).await.unwrap();
        }
        drop(file);

        let mut file = open(&target, wanted(5)).await;
        for number in 0..5 {
            assert_eq!(file.has(&piece(number)), number < interrupted_after, "piece {number} of {interrupted_after}");
            if !file.has(&piece(number)) {
                file.put(&piece(number), bytes(number)).await.unwrap();
            }
        }
        file.finish().await.unwrap();
        let expected: Vec<u8> = (0..5).flat_map(bytes).collect();
        assert_eq!(std::fs::read(&target).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_partial_file_of_something_else_is_not_continued() {
    let other_content = Wanted { content: content(2), ..wanted(5) };
    let other_range = Wanted { from: PIECE, to: 6 * PIECE, ..wanted(5) };
    for other in [other_content, other_range, wanted(4)] {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let mut file = open(&target, wanted(5)).await;
        put_synced(&mut file, 2).await;
        drop(file);
        let file = open(&target, other).await;
        assert!((0..6).all(|number| !file.has(&piece(number))), "{other:?}");
        drop(file);
        let file = open(&target, wanted(5)).await;
        assert!(!file.has(&piece(2)), "the record of {other:?} must not speak for the first download");
    }
}

type Damage = fn(&mut Vec<u8>);

/// What happens to a partial file of five pieces between two runs, and the pieces that do not survive it.
const DAMAGES: [(&str, Damage, &[u64]); 7] = [
    ("untouched", |_| {}, &[]),
    ("a byte changed", |bytes| bytes[2500] ^= 1, &[2]),
    ("cut", |bytes| bytes.truncate(3999), &[3, 4]),
    ("emptied", Vec::clear, &[0, 1, 2, 3, 4]),
    ("a hole", |bytes| bytes[1999..2001].fill(0), &[1, 2]),
    ("pieces swapped", |bytes| bytes.rotate_left(1000), &[0, 1, 2, 3, 4]),
    ("longer", |bytes| bytes.extend([9; 100]), &[]),
];

#[tokio::test]
async fn pieces_that_changed_between_two_runs_are_fetched_again() {
    for (what, damage, lost) in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let mut file = open(&target, wanted(5)).await;
        for number in [4, 0, 2, 1, 3] {
            put_synced(&mut file, number).await;
        }
        drop(file);
        let part = beside(&target, ".storgo-part");
        let mut damaged = std::fs::read(&part).unwrap();
        damage(&mut damaged);
        std::fs::write(&part, damaged).unwrap();

        let mut file = open(&target, wanted(5)).await;
        for number in 0..5 {
            assert_eq!(file.has(&piece(number)), !lost.contains(&number), "{what}: piece {number}");
        }
        for number in lost {
            put_synced(&mut file, *number).await;
        }
        drop(file);
        let file = open(&target, wanted(5)).await;
        assert!((0..5).all(|number| file.has(&piece(number))), "{what}: the second run's pieces count in the third");
        file.finish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), (0..5).flat_map(bytes).collect::<Vec<u8>>(), "{what}");
    }
}

#[tokio::test]
async fn whatever_byte_of_the_record_is_changed_only_what_is_there_counts() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let mut file = open(&target, wanted(5)).await;
    for number in [1, 3] {
        put_synced(&mut file, number).await;
    }
    drop(file);
    let paths = [beside(&target, ".storgo-part"), beside(&target, ".storgo-pieces")];
    let [part, record] = paths.each_ref().map(|path| std::fs::read(path).unwrap());
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&paths[0], &part).unwrap();
        std::fs::write(&paths[1], damaged).unwrap();
        let file = open(&target, wanted(5)).await;
        let held: Vec<u64> = (0..6).filter(|number| file.has(&piece(*number))).collect();
        let expected: &[u64] = match at {
            0..64 => &[],
            64..104 => &[3],
            _ => &[1],
        };
        assert_eq!(held, expected, "byte {at}");
    }
}

#[tokio::test]
async fn a_piece_that_lies_elsewhere_than_the_index_says_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    put_synced(&mut open(&target, wanted(5)).await, 1).await;
    let file = open(&target, wanted(5)).await;
    assert!(file.has(&piece(1)));
    assert!(!file.has(&Piece { offset: 0, ..piece(1) }) && !file.has(&Piece { bytes: 999, ..piece(1) }));
}

#[tokio::test]
async fn a_target_is_kept_unless_it_may_be_replaced() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let early = open(&target, wanted(0)).await;
    std::fs::write(&target, b"mine").unwrap();
    assert!(matches!(early.finish().await, Err(NodeError::Exists { .. })), "it came while the download ran");
    assert!(matches!(PartialFile::open(&target, wanted(0), Existing::Keep).await, Err(NodeError::Exists { .. })));
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    PartialFile::open(&target, wanted(0), Existing::Replace).await.unwrap().finish().await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"");
}

#[tokio::test]
async fn two_downloads_do_not_share_a_partial_file() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let file = open(&target, wanted(1)).await;
    let second = PartialFile::open(&target, wanted(1), Existing::Keep).await;
    assert!(matches!(second, Err(NodeError::Busy { .. })), "{second:?}");
    drop(file);
}

#[tokio::test]
async fn a_range_stands_at_the_start_of_its_file_and_nothing_goes_outside() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    let mut file = open(&target, Wanted { from: 1500, to: 2500, ..wanted(5) }).await;
    let clipped = |number, offset, bytes| Piece { number, offset, bytes };
    file.put(&clipped(1, 1500, 500), Bytes::from(vec![1; 500])).await.unwrap();
    file.put(&clipped(2, 2000, 500), Bytes::from(vec![2; 500])).await.unwrap();
    assert!(file.put(&clipped(1, 1499, 2), Bytes::from(vec![1; 2])).await.is_err());
    assert!(file.put(&clipped(2, 2499, 2), Bytes::from(vec![1; 2])).await.is_err());
    file.finish().await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), [vec![1; 500], vec![2; 500]].concat());
}
