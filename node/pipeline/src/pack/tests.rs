use super::*;
use crate::samples::{mixed_bytes, random_bytes, text_bytes};
use proptest::prelude::*;

fn pack(plain: &[u8]) -> PackedChunk {
    RawChunk::new(Bytes::copy_from_slice(plain)).unwrap().pack().unwrap()
}

fn unpack(packed: &PackedChunk) -> Vec<u8> {
    let (mut rest, mut plain) = (packed.plain_bytes(), Vec::new());
    for part in packed.parts() {
        let mut segment = vec![0; rest.min(SEGMENT_BYTES)];
        Unpacker::default().unpack(part.compressed, &part.bytes, &mut segment).unwrap();
        rest -= segment.len();
        plain.extend(segment);
    }
    plain
}

#[test]
fn text_is_compressed_and_random_bytes_are_not() {
    let text = pack(&text_bytes(SEGMENT_BYTES));
    assert!(text.segments()[0].compressed && text.segments()[0].packed_bytes < SEGMENT_BYTES as u32 / 3);
    for seed in 0..200 {
        let bytes = random_bytes(seed, SEGMENT_BYTES);
        assert!(looks_random(&bytes), "seed {seed}");
        assert!(!pack(&bytes).segments()[0].compressed);
    }
}

#[test]
fn a_tenth_of_text_among_random_bytes_is_noticed() {
    let mut bytes = random_bytes(1, SEGMENT_BYTES);
    bytes[..SEGMENT_BYTES / 10].copy_from_slice(&text_bytes(SEGMENT_BYTES / 10));
    assert!(!looks_random(&bytes));
}

#[test]
fn the_hash_is_of_count_table_and_the_hash_of_the_packed_bytes() {
    for plain in [text_bytes(300_000), random_bytes(5, 300_000), mixed_bytes(6, 300_000)] {
        let packed = pack(&plain);
        let mut expected = Vec::from(3u32.to_le_bytes());
        packed.segments().iter().for_each(|segment| expected.extend(segment.to_u32().to_le_bytes()));
        let content: Vec<u8> = packed.parts().iter().flat_map(|part| part.bytes.to_vec()).collect();
        expected.extend(blake3::hash(&content).as_bytes());
        assert_eq!(*packed.hash(), blake3::hash(&expected));
    }
}

#[test]
fn a_frame_that_gives_more_or_fewer_bytes_is_refused() {
    let mut unpacker = Unpacker::default();
    let frame = zstd::bulk::compress(&text_bytes(1000), LEVEL).unwrap();
    let mut unpack = |frame: &[u8], bytes: usize| unpacker.unpack(true, frame, &mut vec![0; bytes]);
    assert_eq!(unpack(&frame, 1000), Some(()));
    assert_eq!(unpack(&frame, 999), None);
    assert_eq!(unpack(&frame, 1001), None);
    assert_eq!(unpack(&frame[..frame.len() - 1], 1000), None);
    assert_eq!(unpack(b"no frame at all", 1000), None);
}

#[test]
fn a_bomb_fills_no_more_than_its_segment() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    assert!(bomb.len() < 16 << 10);
    let mut plain = vec![0; SEGMENT_BYTES];
    assert_eq!(Unpacker::default().unpack(true, &bomb, &mut plain), None);
    // A frame head that claims a window and a content of terabytes, and nothing behind it.
    let claim = [0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 1, 0, 0];
    assert_eq!(Unpacker::default().unpack(true, &claim, &mut plain), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_packed_unpacks(seed: u64, length in 1usize..400_000) {
        for plain in [text_bytes(length), random_bytes(seed, length), mixed_bytes(seed, length)] {
            let packed = pack(&plain);
            prop_assert!(unpack(&packed) == plain);
            prop_assert_eq!(*packed.hash(), *pack(&plain).hash());
            for (part, segment) in packed.parts().iter().zip(plain.chunks(SEGMENT_BYTES)) {
                prop_assert!(part.bytes.len() <= segment.len());
                prop_assert!(!part.bytes.is_empty());
            }
        }
    }
}
