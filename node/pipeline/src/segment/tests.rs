use super::*;
use crate::samples::random_bytes;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};

const KEY: [u8; 32] = [3; 32];

#[test]
fn both_ciphers_give_the_same_bytes() {
    let lengths = (1..130).chain([1023, 1024, 1025, 4095, 65_537, 131_071, 131_072]);
    for (number, length) in lengths.enumerate() {
        let compressed = length % 2 == 0;
        let plain = random_bytes(length as u64, length);
        let mut bulk = plain.clone();
        let tag =
            SegmentCipher::new(&ChunkKey::from_bytes(KEY), 200).unwrap().seal(number, compressed, &mut bulk).unwrap();

        let mut reference = plain.clone();
        let cipher = Aes256Gcm::new(&KEY.into());
        let (nonce, aad) = (nonce(number as u32).into(), associated_data(number as u32, 200, compressed));
        let expected = cipher.encrypt_inout_detached(&nonce, &aad, reference.as_mut_slice().into()).unwrap();
        assert!(bulk == reference && tag == *expected, "length {length}");
        let tag = Tag::try_from(tag.as_slice()).unwrap();
        cipher.decrypt_inout_detached(&nonce, &aad, bulk.as_mut_slice().into(), &tag).unwrap();
        assert!(bulk == plain, "length {length}");
    }
}

#[test]
fn a_segment_opens_at_its_place_alone() {
    let seal = |number, count, compressed| {
        let mut bytes = vec![1; 100];
        let cipher = SegmentCipher::new(&ChunkKey::from_bytes(KEY), count).unwrap();
        let tag = cipher.seal(number, compressed, &mut bytes).unwrap();
        bytes.extend(tag);
        bytes
    };
    let cipher = SegmentCipher::new(&ChunkKey::from_bytes(KEY), 5).unwrap();
    let opens = |mut sealed: Vec<u8>| cipher.open(2, false, &mut sealed, 0).is_ok();
    assert!(opens(seal(2, 5, false)));
    assert!(!opens(seal(3, 5, false)));
    assert!(!opens(seal(2, 6, false)));
    assert!(!opens(seal(2, 5, true)));
    assert!(!opens(vec![0; 15]));
    let mut shifted = [vec![0; 7], seal(2, 5, false)].concat();
    assert_eq!(cipher.open(2, false, &mut shifted, 7).unwrap(), [1; 100]);
}
