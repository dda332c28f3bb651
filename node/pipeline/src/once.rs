//! Seals one thing under a key that seals nothing else, so that no nonce is ever used twice.
//!
//! Whoever calls derives such a key, and says what the sealed thing is bound to.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use storgo_protocol::limits::TAG_BYTES;

use crate::error::PipelineError;

const NONCE: [u8; 12] = [0; 12];

/// Seals `body` where it stands; its tag. `context` is authenticated with it, and not kept.
///
/// # Errors
/// [`PipelineError::Internal`] if the cipher refuses.
pub(crate) fn seal(key: &[u8; 32], context: &[u8], body: &mut [u8]) -> Result<[u8; TAG_BYTES], PipelineError> {
    let tag = cipher(key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(NONCE), Aad::from(context), body)
        .map_err(|_| PipelineError::internal("sealing")("the cipher refuses what it is to seal"))?;
    tag.as_ref().try_into().map_err(PipelineError::internal("sealing"))
}

/// Opens what was sealed, body and tag, where it stands: the body, or nothing if it was sealed under another key or for another
/// context, or was changed.
///
/// # Errors
/// [`PipelineError::Internal`] if the cipher refuses the key.
pub(crate) fn open<'a>(
    key: &[u8; 32],
    context: &[u8],
    sealed: &'a mut [u8],
) -> Result<Option<&'a mut [u8]>, PipelineError> {
    Ok(cipher(key)?.open_in_place(Nonce::assume_unique_for_key(NONCE), Aad::from(context), sealed).ok())
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, PipelineError> {
    let key = UnboundKey::new(&AES_256_GCM, key);
    key.map(LessSafeKey::new).map_err(|_| PipelineError::internal("sealing")("the cipher refuses a key"))
}
