use super::*;
use crate::gear::{NORMALIZATION, least_bytes};
use crate::samples::{random_bytes, secret, text_bytes};
use proptest::prelude::*;

/// Cuts `bytes`, fed in pieces of at most `piece` bytes.
fn cut_all(chunking: Chunking, bytes: &[u8], piece: usize) -> Vec<Bytes> {
    let mut chunker = Chunker::new(chunking, &secret());
    let (mut rest, mut chunks) = (bytes, Vec::new());
    while !rest.is_empty() {
        let mut space = chunker.space();
        assert!((CHUNK_READ_BYTES_MIN..=CHUNK_READ_BYTES_MAX).contains(&space.remaining_mut()));
        let (now, later) = rest.split_at(rest.len().min(piece).min(space.remaining_mut()));
        space.put_slice(now);
        rest = later;
        while let Some(chunk) = chunker.next_chunk() {
            chunks.push(chunk.into_plain());
        }
    }
    while let Some(chunk) = chunker.finish() {
        chunks.push(chunk.into_plain());
    }
    assert_eq!(chunker.offset(), bytes.len() as u64);
    chunks
}

#[test]
fn no_chunk_is_empty_or_too_long() {
    assert_eq!(RawChunk::new(Bytes::new()), None);
    assert!(RawChunk::new(vec![0; CHUNK_BYTES_MAX].into()).is_some());
    assert_eq!(RawChunk::new(vec![0; CHUNK_BYTES_MAX + 1].into()), None);
}

#[test]
fn an_empty_stream_has_no_chunk_and_one_byte_has_one() {
    for chunking in [Chunking::ContentDefined, Chunking::Fixed] {
        assert!(cut_all(chunking, &[], 1).is_empty());
        assert_eq!(cut_all(chunking, &[9], 1), [Bytes::from_static(&[9])]);
    }
}

#[test]
fn the_cuts_are_those_of_the_reference_and_of_every_other_version() {
    let bytes = random_bytes(1, 8 << 20);
    let chunks = cut_all(Chunking::ContentDefined, &bytes, usize::MAX);
    let average = CHUNK_AVERAGE_BYTES_MIN;
    let reference = fastcdc::v2020::FastCDC::with_level_and_seed(
        &bytes,
        least_bytes(average),
        average,
        average * 2,
        NORMALIZATION,
        secret().gear_seed(),
    );
    let lengths: Vec<usize> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(lengths, reference.map(|chunk| chunk.length).collect::<Vec<_>>());
    assert_eq!(lengths, GOLDEN_LENGTHS, "the format says where chunks end: stored data would not be found again");
}

#[test]
fn an_insertion_changes_only_the_chunks_around_it() {
    let bytes = random_bytes(2, 24 << 20);
    let mut edited = bytes.clone();
    edited.splice(10_000_000..10_000_000, [1, 2, 3]);
    let before = cut_all(Chunking::ContentDefined, &bytes, usize::MAX);
    let after = cut_all(Chunking::ContentDefined, &edited, usize::MAX);
    let kept = after.iter().filter(|chunk| before.contains(chunk)).count();
    assert!(kept + 4 >= after.len(), "{kept} of {} chunks kept", after.len());
}

#[test]
fn monotonous_bytes_are_cut_at_the_greatest_length() {
    let chunks = cut_all(Chunking::ContentDefined, &vec![0; 5 << 20], usize::MAX);
    assert_eq!(chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [2 << 20, 2 << 20, 1 << 20]);
}

#[test]
fn another_secret_cuts_elsewhere() {
    let bytes = random_bytes(3, 6 << 20);
    let cut = |secret: &ConvergenceSecret| Gear::new(secret.gear_seed()).cut(&bytes, CHUNK_AVERAGE_BYTES_MIN);
    assert_ne!(cut(&secret()), cut(&ConvergenceSecret::from_bytes([8; 32])));
}

#[test]
fn the_average_grows_with_the_offset_alone() {
    let growth = CHUNK_GROWTH_BYTES;
    let averages = [0, growth - 1, growth, 4 * growth - 1, 4 * growth, 16 * growth, 64 * growth, u64::MAX];
    let mib = averages.map(|offset| average_bytes_at(offset) >> 20);
    assert_eq!(mib, [1, 1, 2, 2, 4, 8, 8, 8]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn chunks_are_the_stream_however_it_arrives(
        length in 1usize..5 << 20, piece in 1usize..3 << 20, random: bool, fixed: bool,
    ) {
        let bytes = if random { random_bytes(length as u64, length) } else { text_bytes(length) };
        let chunking = if fixed { Chunking::Fixed } else { Chunking::ContentDefined };
        let chunks = cut_all(chunking, &bytes, piece.max(length / 64));
        prop_assert_eq!(&chunks, &cut_all(chunking, &bytes, usize::MAX));
        prop_assert!(chunks.concat() == bytes);
        if let Some((_, full)) = chunks.split_last() {
            let least = if fixed { CHUNK_AVERAGE_BYTES_MIN } else { least_bytes(CHUNK_AVERAGE_BYTES_MIN) };
            prop_assert!(full.iter().all(|chunk| chunk.len() >= least && chunk.len() <= 2 * CHUNK_AVERAGE_BYTES_MIN));
        }
    }
}

const GOLDEN_LENGTHS: &[usize] = &[1_275_116, 1_274_669, 1_518_920, 1_481_426, 1_053_034, 1_304_881, 480_562];
