use super::*;
use crate::open::open_chunk;
use crate::samples::{code, random_bytes, sealed};
use proptest::prelude::*;

fn stripe(length: usize, code: Code) -> Stripe {
    coded(length, code).1
}

fn coded(length: usize, code: Code) -> (ChunkRef, Stripe) {
    sealed(&random_bytes(length as u64, length)).code(code).unwrap()
}

fn present(stripe: &Stripe, shards: ShardSet) -> Vec<(ShardIndex, Bytes)> {
    let bytes = |index: ShardIndex| Some((index, stripe.shards().get(index.get())?.clone()));
    shards.iter().filter_map(bytes).collect()
}

#[test]
fn names_are_what_every_version_computes() {
    let name = |code| stripe(100_001, code).header().id().to_string();
    assert_eq!([name(code(4, 2)), name(code(1, 2))], GOLDEN_IDS, "the stripe format says this");
}

#[test]
fn data_shards_are_the_sealed_bytes_in_order() {
    let chunk = sealed(&random_bytes(1, 70_000));
    let expected = chunk.sealed().to_vec();
    let (reference, stripe) = chunk.code(code(7, 2)).unwrap();
    assert_eq!(stripe.header().chunk(), reference.id);
    let joined = stripe.shards()[..7].concat();
    assert!(joined[..expected.len()] == expected && joined[expected.len()..].iter().all(|byte| *byte == 0));
    assert!(
        stripe
            .shards()
            .iter()
            .enumerate()
            .all(|(n, bytes)| stripe.header().verifies(ShardIndex::new(n).unwrap(), bytes))
    );
}

#[test]
fn copies_share_one_memory_and_one_name() {
    let stripe = stripe(5000, code(1, 3));
    assert_eq!(stripe.shards().len(), 4);
    assert!(stripe.shards().iter().all(|shard| shard.as_ptr() == stripe.shards()[0].as_ptr()));
    let rebuilt =
        rebuild(stripe.header(), &present(&stripe, ShardSet::from_bits(0b0100)), ShardSet::from_bits(0b1011)).unwrap();
    assert_eq!(rebuilt.len(), 3);
    assert!(join(stripe.header(), &present(&stripe, ShardSet::from_bits(0b1000))).is_ok());
}

#[test]
fn too_few_shards_are_counted() {
    let stripe = stripe(5000, code(4, 2));
    let mut shards = present(&stripe, ShardSet::from_bits(0b11_0001));
    shards.push(shards[0].clone());
    let refusal = join(stripe.header(), &shards).unwrap_err();
    assert!(matches!(refusal, PipelineError::NotEnoughShards { have: 3, need: 4, .. }), "{refusal}");
    let refusal = rebuild(stripe.header(), &shards, ShardSet::first(6)).unwrap_err();
    assert!(matches!(refusal, PipelineError::NotEnoughShards { have: 3, need: 4, .. }), "{refusal}");
}

#[test]
fn a_header_that_lies_of_its_chunk_is_found_out() {
    let (mut reference, stripe) = coded(5000, code(4, 2));
    let header = stripe.header();
    let lie =
        StripeHeader::new(ChunkId::from_bytes([9; 32]), header.sealed_bytes(), header.code(), header.shards()).unwrap();
    let shards = present(&stripe, ShardSet::first(4));
    let refusal = open_chunk(&reference, join(&lie, &shards).unwrap()).unwrap_err();
    assert!(matches!(refusal, PipelineError::Corrupt { what: "chunk", .. }), "{refusal}");
    reference.id = lie.chunk();
    let refusal = open_chunk(&reference, join(&lie, &shards).unwrap()).unwrap_err();
    assert!(matches!(refusal, PipelineError::Corrupt { what: "chunk", .. }), "{refusal}");
}

#[test]
fn shards_beyond_the_code_are_neither_used_nor_rebuilt() {
    let stripe = stripe(5000, code(4, 2));
    let mut shards = present(&stripe, ShardSet::first(4));
    shards.push((ShardIndex::new(30).unwrap(), shards[0].1.clone()));
    assert!(join(stripe.header(), &shards).is_ok());
    assert!(rebuild(stripe.header(), &shards, ShardSet::from_bits(1 << 30)).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_k_shards_join_and_rebuild_all_others(data in 1u8..=12, parity in 0u8..=5, length in 1usize..40_000, left: u32) {
        let (reference, stripe) = coded(length, code(data, parity));
        let mut left = ShardSet::from_bits(left & ShardSet::first(stripe.shards().len()).bits());
        for index in ShardSet::first(stripe.shards().len()).iter() {
            if left.len() < usize::from(data) {
                left.insert(index);
            }
        }
        let shards = present(&stripe, left);
        let joined = join(stripe.header(), &shards).unwrap();
        let original = stripe.shards()[..usize::from(data)].concat();
        prop_assert!(joined.sealed == original[..stripe.header().sealed_bytes()]);
        prop_assert!(open_chunk(&reference, joined).unwrap() == random_bytes(length as u64, length));
        let lost = ShardSet::first(stripe.shards().len()).without(left);
        let rebuilt = rebuild(stripe.header(), &shards, lost).unwrap();
        prop_assert_eq!(rebuilt.len(), lost.len());
        for (index, bytes) in rebuilt {
            prop_assert!(bytes == stripe.shards()[index.get()]);
        }
    }

    #[test]
    fn a_flipped_byte_is_noticed_and_its_shard_named(length in 1usize..40_000, victim in 0usize..6, at: prop::sample::Index, flip in 1u8..) {
        let (reference, stripe) = coded(length, code(4, 2));
        let kept: ShardSet = (0..4).filter_map(|n| ShardIndex::new((victim + n) % 6)).collect();
        let victim = ShardIndex::new(victim).unwrap();
        let mut shards = present(&stripe, kept);
        for (index, bytes) in &mut shards {
            if *index == victim {
                let mut damaged = bytes.to_vec();
                *at.get_mut(&mut damaged) ^= flip;
                *bytes = damaged.into();
            }
        }
        match rebuild(stripe.header(), &shards, ShardSet::first(6).without(kept)) {
            Err(PipelineError::CorruptShards { shards, .. }) => prop_assert_eq!(shards, ShardSet::from_iter([victim])),
            other => prop_assert!(false, "{other:?}"),
        }
        match join(stripe.header(), &shards).and_then(|joined| open_chunk(&reference, joined)) {
            Err(PipelineError::CorruptShards { shards, .. }) => prop_assert_eq!(shards, ShardSet::from_iter([victim])),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_shard_of_another_length_is_refused(length in 1usize..3000, cut in 1usize..64) {
        let stripe = stripe(length, code(3, 2));
        let mut shards = present(&stripe, ShardSet::first(3));
        let short = shards[1].1.len().saturating_sub(cut);
        shards[1].1.truncate(short);
        let refused = matches!(join(stripe.header(), &shards), Err(PipelineError::CorruptShards { .. }));
        prop_assert!(refused);
    }
}

const GOLDEN_IDS: [&str; 2] = [
    "fe4789a55ef497bba9fa1649b4adbaeb8f5955782d85f9d04b2eef4212f649c5",
    "a66ae3e9be4854031ce98a2cc8f6e5af92416b7c3de275cf4cb097261c24b6e9",
];
