//! Every key and id, derived a second time straight from the words of `spec/objects.md`.
//!
//! The product derives them elsewhere; both must give the bytes of `golden/derivations.v1.txt`.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use storgo_protocol::message::kad_protocol;
use storgo_protocol::{CHUNK_FORMAT, Cipher, ConvergenceSecret, Identity, NetworkId, NodeId, PackedSegment};

use super::samples;

pub fn secret() -> ConvergenceSecret {
    ConvergenceSecret::from_bytes(samples::run(0x10))
}

/// The hash of a packed chunk: segment count, each length with its flag, and the hash of the packed bytes.
pub fn packed_hash(segments: &[(PackedSegment, &[u8])]) -> blake3::Hash {
    let mut bytes = (segments.len() as u32).to_le_bytes().to_vec();
    segments.iter().for_each(|(segment, _)| bytes.extend(segment.to_u32().to_le_bytes()));
    let packed: Vec<u8> = segments.iter().flat_map(|(_, packed)| packed.iter().copied()).collect();
    bytes.extend_from_slice(blake3::hash(&packed).as_bytes());
    blake3::hash(&bytes)
}

/// AES-256-GCM: ciphertext and tag, the nonce being a number of 96 bits, big-endian.
pub fn seal(key: &[u8; 32], number: u32, associated: &[u8], packed: &[u8]) -> Vec<u8> {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    cipher.encrypt(&Nonce::from(nonce), Payload { msg: packed, aad: associated }).expect("sealing")
}

/// What a chunk of one stored segment becomes under [`secret`]: its key, its sealed bytes and its id.
pub fn chunk(plain: &[u8]) -> ([u8; 32], Vec<u8>, [u8; 32]) {
    let segment = PackedSegment { packed_bytes: plain.len() as u32, compressed: false };
    let packed = packed_hash(&[(segment, plain)]);
    let key = derived(b"chunk", packed);
    let associated = [&[CHUNK_FORMAT][..], &0u32.to_le_bytes(), &1u32.to_le_bytes(), &[0]].concat();
    let mut sealed = seal(&key, 0, &associated, plain);
    let mut padding = vec![0; sealed.len().next_multiple_of(64) - sealed.len()];
    blake3::Hasher::new_keyed(&key).update(b"storgo v1 padding").finalize_xof().fill(&mut padding);
    sealed.extend(padding);
    let length = (sealed.len() as u32).to_le_bytes();
    let id = [b"storgo v1 chunk", &[CHUNK_FORMAT][..], &length, &key, packed.as_bytes()].concat();
    (key, sealed, *blake3::hash(&id).as_bytes())
}

fn derived(what: &[u8], packed: blake3::Hash) -> [u8; 32] {
    let message = [b"storgo v1 key ", what, &[1, 1], packed.as_bytes()].concat();
    *blake3::keyed_hash(&samples::run(0x10), &message).as_bytes()
}

/// The lines of the golden file, from the product where it has the derivation.
pub fn lines() -> String {
    let plain = b"a chunk of one stored segment";
    let (key, sealed, id) = chunk(plain);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let layout = samples::layout();
    let node = NodeId::from(layout);
    let rows = [
        ("secret", hex(secret().expose())),
        ("gear_seed", hex(&secret().gear_seed().to_le_bytes())),
        ("chunk.plain", hex(plain)),
        ("chunk.key", hex(&key)),
        ("chunk.sealed", hex(&sealed)),
        ("chunk.id", hex(&id)),
        ("stripe_header.id", samples::stripe_header().id().to_string()),
        ("root.content_key", hex(samples::content_key().expose())),
        ("root.commitment", hex(&samples::content_key().commitment())),
        ("root.content_id", samples::content().to_string()),
        ("root.provider_key", hex(&NodeId::from(samples::content()).provider_key())),
        ("layout.id", layout.to_string()),
        ("layout.provider_key", hex(&node.provider_key())),
        ("network.storgo", samples::network().to_string()),
        ("network.storgo.kad", kad_protocol(samples::network())),
        ("owner.seed", hex(&samples::owner().seed())),
        ("owner.peer_id", samples::owner().id().to_string()),
        ("owner.public_key", hex(samples::owner().id().as_bytes())),
    ];
    rows.map(|(name, value)| [name, " = ", &value, "\n"].concat()).concat()
}

#[test]
fn the_product_derives_what_the_specification_says() {
    let secret = secret();
    let packed = blake3::hash(b"packed");
    assert_eq!(secret.chunk_key(Cipher::Aes256Gcm, &packed).expose(), &derived(b"chunk", packed));
    let content_key = secret.content_key(Cipher::Aes256Gcm, &packed);
    assert_eq!(content_key.expose(), &derived(b"root", packed));
    let commitment = blake3::keyed_hash(content_key.expose(), b"storgo v1 commit");
    assert_eq!(&content_key.commitment(), commitment.as_bytes());
    let gear = blake3::keyed_hash(secret.expose(), b"storgo v1 gear");
    assert_eq!(secret.gear_seed().to_le_bytes(), gear.as_bytes()[..8]);
    let mut hasher = blake3::Hasher::new_derive_key("storgo v1 network name");
    hasher.update(b"any name");
    assert_eq!(NetworkId::from_name("any name").as_bytes(), hasher.finalize().as_bytes());
    assert_eq!(samples::stripe_header().id().as_bytes(), blake3::hash(&samples::stripe_header().encode()).as_bytes());
}

#[test]
fn padding_comes_from_the_chunk_key() {
    let (key, sealed, _) = chunk(b"a chunk of one stored segment");
    let mut padding = [0; 19];
    storgo_protocol::ChunkKey::from_bytes(key).fill_padding(&mut padding);
    assert_eq!(sealed[29 + 16..], padding);
}

#[test]
fn an_identity_is_ed25519() {
    // RFC 8032, section 7.1, test 1.
    let seed = data_encoding::HEXLOWER.decode(b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let identity = Identity::from_seed(&seed.expect("hex").try_into().expect("32 bytes"));
    assert_eq!(data_encoding::HEXLOWER.encode(identity.id().as_bytes()), public);
    assert!(data_encoding::HEXLOWER.encode(&identity.sign(b"")).starts_with("e5564300c360ac729086e2cc806e828a"));
}
