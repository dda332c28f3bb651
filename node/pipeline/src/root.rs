//! Seals the top of an index into a root, and opens it again.
//!
//! Roots are small, so `aes-gcm` seals them, the reference for all of storgo. Whoever holds the content key that comes
//! out reads the whole object; the root itself says only how large it is.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Tag};
use bytes::Bytes;
use storgo_protocol::limits::{INDEX_NODE_BYTES_MAX, TAG_BYTES};
use storgo_protocol::{Cipher, ContentId, ContentKey, ConvergenceSecret, IndexTop, NodeId, Root};

use crate::chunker::RawChunk;
use crate::error::PipelineError;
use crate::pack::Unpacker;

/// A content key seals one packed top, and nothing else.
const NONCE: [u8; 12] = [0; 12];

/// Seals the top of an index. Equal content under one secret gives the same root, and so the same content id.
///
/// # Errors
/// [`PipelineError::TooLarge`] for a top beyond its bound; [`PipelineError::Internal`] if the cipher refuses.
#[expect(clippy::cast_possible_truncation, reason = "a top has at most INDEX_NODE_BYTES_MAX")]
pub fn seal_root(secret: &ConvergenceSecret, top: &IndexTop) -> Result<(Root, ContentKey), PipelineError> {
    let too_large = || PipelineError::TooLarge { what: "top of the index", max: INDEX_NODE_BYTES_MAX as u64 };
    let encoded = top.encode();
    if encoded.len() > INDEX_NODE_BYTES_MAX {
        return Err(too_large());
    }
    let packed = RawChunk::new(Bytes::from(encoded)).ok_or_else(too_large)?.pack()?;
    let [part] = packed.parts() else { return Err(too_large()) };
    let key = secret.content_key(Cipher::Aes256Gcm, packed.hash());
    let (size, extents, index_nodes) = top.node.totals();
    let mut root = Root {
        cipher: Cipher::Aes256Gcm,
        size,
        extents,
        index_nodes,
        commitment: key.commitment(),
        top_plain_bytes: packed.plain_bytes() as u32,
        top: part.segment(),
        sealed_top: Vec::new(),
    };
    let mut sealed = part.bytes.to_vec();
    let tag = Aes256Gcm::new(key.expose().into())
        .encrypt_inout_detached(&NONCE.into(), &root.clear_bytes(), sealed.as_mut_slice().into())
        .map_err(|_| PipelineError::internal("sealing")("the cipher refuses the root"))?;
    sealed.extend_from_slice(&tag);
    root.sealed_top = sealed;
    Ok((root, key))
}

/// Opens the top of an index: the commitment first, since AES-GCM commits to no key, then the cipher, then the totals.
///
/// # Errors
/// [`PipelineError::WrongKey`] for a key that the root does not commit to; [`PipelineError::Corrupt`] if the top is
/// not what the clear fields say; [`PipelineError::Decode`] if it is no index node.
pub fn open_root(root: &Root, key: &ContentKey) -> Result<IndexTop, PipelineError> {
    // Hashes compare in constant time.
    if blake3::Hash::from_bytes(key.commitment()) != blake3::Hash::from_bytes(root.commitment) {
        return Err(PipelineError::WrongKey);
    }
    let plain = open_top(root, key).ok_or_else(|| corrupt(root))?;
    let top = IndexTop::decode(&plain).map_err(|source| PipelineError::Decode { what: "top of the index", source })?;
    if top.node.totals() == (root.size, root.extents, root.index_nodes) { Ok(top) } else { Err(corrupt(root)) }
}

fn open_top(root: &Root, key: &ContentKey) -> Option<Vec<u8>> {
    let plain_bytes = root.top_plain_bytes as usize;
    if plain_bytes > INDEX_NODE_BYTES_MAX {
        return None;
    }
    let (packed, tag) = root.sealed_top.split_at_checked(root.sealed_top.len().checked_sub(TAG_BYTES)?)?;
    let mut packed = packed.to_vec();
    Aes256Gcm::new(key.expose().into())
        .decrypt_inout_detached(
            &NONCE.into(),
            &root.clear_bytes(),
            packed.as_mut_slice().into(),
            &Tag::try_from(tag).ok()?,
        )
        .ok()?;
    let mut plain = vec![0; plain_bytes];
    Unpacker::default().unpack(root.top.compressed, &packed, &mut plain)?;
    Some(plain)
}

fn corrupt(root: &Root) -> PipelineError {
    PipelineError::corrupt("root", ContentId::from_bytes(*NodeId::of(&root.encode()).as_bytes()))
}

#[cfg(test)]
mod tests;
