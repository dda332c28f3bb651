use super::*;
use crate::samples::{alone, mixed_bytes, random_bytes, sealed, text_bytes};
use crate::stripe::join;
use proptest::prelude::*;
use storgo_protocol::limits::CHUNK_BYTES_MAX;

fn reopen(reference: &ChunkRef, sealed: &[u8]) -> Result<Bytes, PipelineError> {
    let (header, shards) = alone(reference.id, sealed);
    open_chunk(reference, join(&header, &shards)?)
}

#[test]
fn chunks_of_every_kind_and_border_open() {
    const S: usize = SEGMENT_BYTES;
    for length in [1, 2, 63, 64, 65, S - 1, S, S + 1, 2 * S - 1, 2 * S, 2 * S + 1, 1 << 20, CHUNK_BYTES_MAX] {
        for plain in [random_bytes(length as u64, length), text_bytes(length), mixed_bytes(9, length)] {
            let chunk = sealed(&plain);
            assert!(reopen(chunk.reference(), chunk.sealed()).unwrap() == plain, "{length} bytes");
        }
    }
}

#[test]
fn a_chunk_of_stored_segments_opens_in_its_own_memory() {
    let plain = random_bytes(1, 500_000);
    let chunk = sealed(&plain);
    let (header, shards) = alone(chunk.reference().id, chunk.sealed());
    let mut joined = join(&header, &shards).unwrap();
    let place = joined.sealed_mut().as_ptr();
    let opened = open_chunk(chunk.reference(), joined).unwrap();
    assert!(opened == plain && opened.as_ptr() == place);
}

#[test]
fn another_key_or_chunk_does_not_open() {
    let (one, other) = (sealed(&random_bytes(1, 5000)), sealed(&random_bytes(2, 5000)));
    let mut reference = one.reference().clone();
    reference.key = other.reference().key.clone();
    assert!(matches!(reopen(&reference, one.sealed()), Err(PipelineError::Corrupt { .. })));
    assert!(matches!(reopen(one.reference(), other.sealed()), Err(PipelineError::Corrupt { .. })));
    let (header, shards) = alone(other.reference().id, other.sealed());
    let joined = join(&header, &shards).unwrap();
    assert!(matches!(open_chunk(one.reference(), joined), Err(PipelineError::Corrupt { .. })));
}

#[test]
fn a_table_that_was_changed_does_not_open() {
    for plain in [random_bytes(1, 300_000), text_bytes(300_000), mixed_bytes(2, 300_000)] {
        let chunk = sealed(&plain);
        let change = |change: &dyn Fn(&mut ChunkRef)| {
            let mut reference = chunk.reference().clone();
            change(&mut reference);
            assert_ne!(&reference, chunk.reference());
            assert!(reopen(&reference, chunk.sealed()).is_err(), "{reference:?}");
        };
        for n in 0..3 {
            change(&|r| r.segments[n].compressed ^= true);
            change(&|r| r.segments[n].packed_bytes -= 1);
            change(&|r| r.segments[n].packed_bytes += 1);
            change(&|r| r.segments[n].packed_bytes = u32::MAX);
        }
        change(&|r| r.segments.truncate(2));
        change(&|r| r.segments.push(r.segments[2]));
        change(&|r| r.segments.clear());
        change(&|r| r.segments[0].packed_bytes -= r.segments[1].packed_bytes / 2);
        change(&|r| r.plain_bytes -= 1);
        change(&|r| r.plain_bytes += 1);
        change(&|r| r.plain_bytes = u32::MAX);
        change(&|r| r.sealed_bytes += 64);
    }
}

/// Whoever may read a chunk can seal others under its key, with tags that hold.
#[test]
fn another_chunk_under_the_same_key_does_not_open() {
    for plain in [random_bytes(1, 300_000), text_bytes(300_000)] {
        let chunk = sealed(&plain);
        let reference = chunk.reference();
        let mut forged = chunk.sealed().to_vec();
        let cipher = SegmentCipher::new(&reference.key, reference.segments.len()).unwrap();
        let first = reference.segments[0];
        let end = first.packed_bytes as usize + TAG_BYTES;
        let packed = cipher.open(0, first.compressed, &mut forged[..end], 0).unwrap();
        packed[7] ^= 1;
        let tag = cipher.seal(0, first.compressed, packed).unwrap();
        forged[end - TAG_BYTES..end].copy_from_slice(&tag);
        let part = open_segments(reference, 1..2, BytesMut::from(&forged[sealed_range(reference, 1..2).unwrap()]));
        assert_eq!(part.unwrap(), plain[SEGMENT_BYTES..2 * SEGMENT_BYTES]);
        assert!(matches!(reopen(reference, &forged), Err(PipelineError::Corrupt { .. })));
    }
}

#[test]
fn ranges_of_nothing_and_beyond_the_chunk() {
    let chunk = sealed(&random_bytes(1, 300_000));
    assert_eq!(sealed_range(chunk.reference(), 1..1), Some(SEGMENT_BYTES + 16..SEGMENT_BYTES + 16));
    assert_eq!(sealed_range(chunk.reference(), 2..4), None);
    assert_eq!(segments_of(5..5), 0..0);
    assert_eq!(segments_of(SEGMENT_BYTES - 1..SEGMENT_BYTES), 0..1);
    assert_eq!(segments_of(SEGMENT_BYTES - 1..SEGMENT_BYTES + 1), 0..2);
    assert!(open_segments(chunk.reference(), 0..1, BytesMut::from(&chunk.sealed()[..100])).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn runs_of_segments_open_by_themselves(length in 1usize..900_000, from: prop::sample::Index, to: prop::sample::Index, mixed: bool) {
        let plain = if mixed { mixed_bytes(3, length) } else { random_bytes(3, length) };
        let chunk = sealed(&plain);
        let (from, to) = (from.index(length), to.index(length) + 1);
        prop_assume!(from < to);
        let segments = segments_of(from..to);
        let range = sealed_range(chunk.reference(), segments.clone()).unwrap();
        let opened = open_segments(chunk.reference(), segments.clone(), BytesMut::from(&chunk.sealed()[range])).unwrap();
        let first = segments.start * SEGMENT_BYTES;
        prop_assert!(opened[from - first..to - first] == plain[from..to]);
    }

    #[test]
    fn no_flipped_byte_gives_wrong_bytes(length in 1usize..300_000, at: prop::sample::Index, flip in 1u8.., mixed: bool) {
        let plain = if mixed { mixed_bytes(4, length) } else { random_bytes(4, length) };
        let chunk = sealed(&plain);
        let mut bytes = chunk.sealed().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(reopen(chunk.reference(), &bytes).is_err());
    }
}
