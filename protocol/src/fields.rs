//! The one door for Protobuf from outside: what repeats in a message is counted while it still is bytes.
//!
//! An empty message takes two bytes on the wire and, decoded, a hundred times as many. So each message that is decoded
//! by itself says how often its fields may stand in it ([`Shaped`]), and `fields/tests.rs` holds that against what the
//! .proto files say. Numbers are not counted: decoded, they take a few times the bytes in which they came, and a message
//! has its bound.
//!
//! It must not know what fields mean; bytes come from peers, clients and disks, and nothing leaves but messages.

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::DecodeError;

/// A field that holds bytes, text or a message, and how often it may stand in its message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    number: u32,
    max: usize,
    within: Shape,
}

/// The fields of a message that repeat, or hold what repeats. Others stand in it as often as they like: the last counts.
pub(crate) type Shape = &'static [Field];

/// A message that is decoded by itself.
pub(crate) trait Shaped: Message + Default {
    /// What repeats in it; nothing, unless it says so.
    const SHAPE: Shape = &[];
}

impl Field {
    /// Bytes, text or messages in which nothing repeats, at most `max` times.
    pub(crate) const fn many(number: u32, max: usize) -> Self {
        Self { number, max, within: &[] }
    }

    /// Messages in which something repeats, at most `max` times.
    pub(crate) const fn each(number: u32, max: usize, within: Shape) -> Self {
        Self { number, max, within }
    }

    /// A message in which something repeats. Protobuf would merge what stands twice; nobody writes it so.
    pub(crate) const fn once(number: u32, within: Shape) -> Self {
        Self { number, max: 1, within }
    }
}

/// Decodes a message.
///
/// # Errors
/// [`DecodeError::TooMany`] before anything is decoded if a field stands in it more often than it may; [`DecodeError`]
/// for anything but a whole message.
#[expect(clippy::disallowed_methods, reason = "here, what repeats has been counted")]
pub(crate) fn decode<M: Shaped>(bytes: impl Buf + AsRef<[u8]>) -> Result<M, DecodeError> {
    check(bytes.as_ref(), M::SHAPE)?;
    M::decode(bytes).map_err(|_| DecodeError::field("message"))
}

/// A field of at most `max` bytes.
pub(crate) fn at_most(bytes: Bytes, max: usize) -> Result<Bytes, DecodeError> {
    if bytes.len() > max { Err(DecodeError::TooMany { count: bytes.len(), max }) } else { Ok(bytes) }
}

/// Recurses as deep as shapes go, which are constants.
fn check(message: &[u8], shape: Shape) -> Result<(), DecodeError> {
    if shape.is_empty() {
        return Ok(());
    }
    let mut counts = vec![0; shape.len()];
    walk(message, shape, |at, _| {
        counts.iter_mut().skip(at).take(1).for_each(|count| *count += 1);
        Ok(())
    })?;
    if let Some((count, field)) = counts.into_iter().zip(shape).find(|(count, field)| *count > field.max) {
        return Err(DecodeError::TooMany { count, max: field.max });
    }
    if shape.iter().all(|field| field.within.is_empty()) {
        return Ok(());
    }
    walk(message, shape, |at, value| shape.get(at).map_or(Ok(()), |field| check(value, field.within)))
}

/// Shows each field of the shape, by its place there, and what it holds.
fn walk(
    message: &[u8],
    shape: Shape,
    mut found: impl FnMut(usize, &[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let refuse = |_| DecodeError::field("message");
    let mut rest = message;
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).map_err(refuse)?;
        let Some(at) = shape.iter().position(|field| field.number == number) else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(refuse)?;
            continue;
        };
        if wire_type != WireType::LengthDelimited {
            return Err(DecodeError::field("message"));
        }
        let bytes = usize::try_from(decode_varint(&mut rest).map_err(refuse)?).ok();
        let (value, behind) =
            bytes.and_then(|bytes| rest.split_at_checked(bytes)).ok_or(DecodeError::field("message"))?;
        rest = behind;
        found(at, value)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
