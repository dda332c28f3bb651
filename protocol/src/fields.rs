//! Fields of a Protobuf message while it still is bytes, so that they are counted before they take memory.
//!
//! An empty message takes two bytes on the wire and, decoded, a hundred times as many: what repeats has its bound before
//! it is decoded. It must not know what fields mean; bytes come from peers and disks, and nothing leaves but slices.

use bytes::{Buf as _, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::DecodeError;

/// Decodes a message whose bounds were checked, or are checked behind.
pub(crate) fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, DecodeError> {
    M::decode(bytes).map_err(|_| DecodeError::field("message"))
}

/// A field of at most `max` bytes.
pub(crate) fn at_most(bytes: Bytes, max: usize) -> Result<Bytes, DecodeError> {
    if bytes.len() > max { Err(DecodeError::TooMany { count: bytes.len(), max }) } else { Ok(bytes) }
}

/// What stands in the field `number` of `message`, as often as it stands there, and at most `max` times.
///
/// # Errors
/// [`DecodeError::TooMany`] if it stands there more often; [`DecodeError`] for anything but a whole message in which
/// that field holds bytes.
pub(crate) fn values(message: &Bytes, number: u32, max: usize) -> Result<Vec<Bytes>, DecodeError> {
    let refuse = |_| DecodeError::field("message");
    let (mut found, mut count) = (Vec::new(), 0);
    let mut rest = message.clone();
    while rest.has_remaining() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(refuse)?;
        if tag != number {
            skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(refuse)?;
            continue;
        }
        let bytes = decode_varint(&mut rest).map_err(refuse)?;
        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= rest.len());
        let (Some(bytes), WireType::LengthDelimited) = (bytes, wire_type) else {
            return Err(DecodeError::field("message"));
        };
        let value = rest.split_to(bytes);
        count += 1;
        if count <= max {
            found.push(value);
        }
    }
    if count > max { Err(DecodeError::TooMany { count, max }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_field_are_found_among_others_and_counted() {
        // Field 2, "a"; field 1, varint 5; field 2, empty; field 3, "b"; field 2, "cd".
        let message = Bytes::from_static(&[0x12, 1, b'a', 0x08, 5, 0x12, 0, 0x1a, 1, b'b', 0x12, 2, b'c', b'd']);
        let expected = ["a", "", "cd"].map(Bytes::from).to_vec();
        assert_eq!(values(&message, 2, 3), Ok(expected));
        assert_eq!(values(&message, 2, 1), Err(DecodeError::TooMany { count: 3, max: 1 }));
        assert_eq!(values(&message, 4, 0), Ok(Vec::new()));
        assert!(values(&message, 1, 9).is_err(), "a number is no bytes");
        for cut in [1, 2, 4, 13] {
            assert!(values(&message.slice(..cut), 2, 9).is_err(), "{cut}");
        }
        assert!(
            values(&Bytes::from_static(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), 2, 9)
                .is_err()
        );
    }
}
