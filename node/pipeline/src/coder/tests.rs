use super::*;
use crate::samples::{code, random_bytes};
use reed_solomon_erasure::galois_8::ReedSolomon;

#[test]
fn both_coders_give_the_same_bytes() {
    for data in 1..=20u8 {
        for parity_count in 1..=6u8 {
            for length in [1usize, 2, 31, 64, 1001] {
                let (k, m) = (usize::from(data), usize::from(parity_count));
                let seed = u64::from(data) << 32 | u64::from(parity_count) << 16 | length as u64;
                let mut expected: Vec<Vec<u8>> =
                    random_bytes(seed, k * length).chunks(length).map(<[u8]>::to_vec).collect();
                expected.resize(k + m, vec![0; length]);
                let oracle = ReedSolomon::new(k, m).unwrap();
                oracle.encode(&mut expected).unwrap();

                let shards: Vec<&[u8]> = expected.iter().take(k).map(Vec::as_slice).collect();
                let parity = parity(code(data, parity_count), &shards, length).unwrap();
                assert!(parity == expected[k..], "{data}+{parity_count} of {length} bytes");

                // The last m shards that a rotation reaches are lost, data and parity mixed.
                let lost: Vec<ShardIndex> =
                    (0..m).map(|n| ShardIndex::new((n * 3 + length) % (k + m)).unwrap()).collect();
                let mut left: Vec<Option<&[u8]>> = expected.iter().map(|shard| Some(shard.as_slice())).collect();
                lost.iter().for_each(|index| left[index.get()] = None);
                let mut lost: Vec<ShardIndex> = lost;
                lost.sort_unstable();
                lost.dedup();
                let rebuilt = recover(code(data, parity_count), &left, &lost, length).unwrap();
                for (index, bytes) in lost.iter().zip(rebuilt) {
                    assert!(bytes == expected[index.get()], "{data}+{parity_count} of {length} bytes, shard {index}");
                }
            }
        }
    }
}

#[test]
fn the_widest_codes_work_and_no_parity_is_none() {
    let shards = vec![[5u8; 9].as_slice(); 31];
    assert_eq!(parity(code(31, 1), &shards, 9).unwrap().len(), 1);
    assert_eq!(parity(code(1, 31), &shards[..1], 9).unwrap(), vec![vec![5u8; 9]; 31], "one data shard is copied");
    assert!(parity(code(31, 0), &shards, 9).unwrap().is_empty());
}
