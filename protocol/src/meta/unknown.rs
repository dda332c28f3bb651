//! The fields of a message that this program does not know, kept as they came.
//!
//! Protobuf reads fields in any order, so appending them to what is encoded anew gives a record that a newer program
//! reads as it wrote it.

use bytes::{Buf as _, Bytes};
use prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::DecodeError;

/// The top-level fields of `message` with numbers above `known`, one behind the other.
///
/// # Errors
/// [`DecodeError`] for anything but a whole Protobuf message.
pub(crate) fn unknown_fields(message: &Bytes, known: u32) -> Result<Bytes, DecodeError> {
    let refuse = |_| DecodeError::field("message");
    let mut rest = message.clone();
    let mut kept = Vec::new();
    while rest.has_remaining() {
        let field = rest.clone();
        let (number, wire_type) = decode_key(&mut rest).map_err(refuse)?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(refuse)?;
        if number > known {
            kept.extend_from_slice(field.get(..field.len() - rest.len()).unwrap_or_default());
        }
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_newer_program_are_kept_and_known_ones_are_not() {
        // Field 1, varint 5; field 30, two bytes; field 2, fixed 64; field 31, varint 300.
        let newer = [&[0x08, 5][..], &[0xf2, 0x01, 2, 7, 8], &[0x11, 1, 2, 3, 4, 5, 6, 7, 8], &[0xf8, 0x01, 0xac, 2]];
        let kept = unknown_fields(&newer.concat().into(), 29).unwrap();
        assert_eq!(kept, [newer[1], newer[3]].concat());
        assert!(unknown_fields(&Bytes::from_static(&[0x08]), 29).is_err());
        assert!(unknown_fields(&Bytes::from_static(&[0xf2, 0x01, 200, 1]), 29).is_err());
    }
}
