//! The body of a collection: a head, how many elements there are, and each with its length before it.
//!
//! # Shape
//!
//! | what | bytes |
//! |---|---|
//! | version, now 1 | 1 |
//! | kind: `h`, `l`, `s` or `z` | 1 |
//! | elements; pairs of a hash | 1 to 5 |
//! | of each: its score, in a sorted set | 8 |
//! | its length | 1 to 5 |
//! | itself | as many |
//!
//! Numbers have 7 bits in a byte, the lowest first; all bytes but the last have the eighth bit, and no more of them stand
//! there than are needed. So what is the same has the same bytes.

use bytes::{Buf as _, Bytes};
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::{Damaged, ELEMENT_BYTES};

const VERSION: u8 = 1;

/// Bytes of a number at the most: a body has no lengths that need more.
const NUMBER_BYTES_MAX: u32 = 5;

const _: () = assert!(VALUE_BYTES_MAX < 1 << 31 && NUMBER_BYTES_MAX * 7 > 31);

/// Bytes before the elements, at the most.
const HEAD_BYTES_MAX: usize = 2 + NUMBER_BYTES_MAX as usize;

// An element and its length fit in what it counts, and the first has room for the head.
const _: () = assert!(ELEMENT_BYTES >= NUMBER_BYTES_MAX as usize + HEAD_BYTES_MAX);

/// A body that is written.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// One of so many elements, which count so many bytes in all.
    pub(super) fn new(kind: u8, count: usize, weight: usize) -> Self {
        let bytes = weight.saturating_sub(count.saturating_mul(ELEMENT_BYTES - NUMBER_BYTES_MAX as usize));
        let mut writer = Self(Vec::with_capacity(HEAD_BYTES_MAX + bytes));
        writer.0.extend_from_slice(&[VERSION, kind]);
        writer.number(count);
        writer
    }

    fn number(&mut self, mut number: usize) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    /// The next element.
    pub(super) fn element(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Eight bytes that belong to the next element.
    pub(super) fn eight(&mut self, bytes: [u8; 8]) {
        self.0.extend_from_slice(&bytes);
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// A body that is read.
pub(super) struct Reader {
    rest: Bytes,
    weight: usize,
}

impl Reader {
    /// One of a kind; with it, how many elements it says to have, each of which takes so many lengths.
    pub(super) fn new(body: &Bytes, kind: u8, lengths: usize) -> Result<(Self, usize), Damaged> {
        let mut rest = body.clone();
        if rest.try_get_u8() != Ok(VERSION) || rest.try_get_u8() != Ok(kind) {
            return Err(Damaged::Head);
        }
        let mut reader = Self { rest, weight: 0 };
        let count = reader.number()?;
        // Nothing is made for more than can stand there: a length takes a byte.
        match count.checked_mul(lengths) {
            Some(1..) if count <= VALUE_BYTES_MAX / ELEMENT_BYTES => {}
            _ => return Err(Damaged::Size),
        }
        if count.saturating_mul(lengths) > reader.rest.len() {
            return Err(Damaged::Short);
        }
        Ok((reader, count))
    }

    fn number(&mut self) -> Result<usize, Damaged> {
        let mut number = 0_u64;
        for place in 0..NUMBER_BYTES_MAX {
            let byte = self.rest.try_get_u8().map_err(|_| Damaged::Short)?;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                let is_padded = byte == 0 && place > 0;
                return usize::try_from(number).ok().filter(|_| !is_padded).ok_or(Damaged::Number);
            }
        }
        Err(Damaged::Number)
    }

    /// The next element, a slice of the body.
    pub(super) fn element(&mut self) -> Result<Bytes, Damaged> {
        let bytes = self.number()?;
        if bytes > self.rest.len() {
            return Err(Damaged::Short);
        }
        self.weight = self.weight.saturating_add(ELEMENT_BYTES + bytes);
        if self.weight > VALUE_BYTES_MAX {
            return Err(Damaged::Size);
        }
        Ok(self.rest.split_to(bytes))
    }

    /// Eight bytes that belong to the next element.
    pub(super) fn eight(&mut self) -> Result<[u8; 8], Damaged> {
        let mut bytes = [0; 8];
        self.rest.try_copy_to_slice(&mut bytes).map_err(|_| Damaged::Short)?;
        Ok(bytes)
    }

    /// What was read counts so many bytes, and nothing is left.
    pub(super) fn finish(self) -> Result<usize, Damaged> {
        if self.rest.is_empty() { Ok(self.weight) } else { Err(Damaged::Trailing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn number(bytes: &[u8]) -> Result<usize, Damaged> {
        Reader { rest: Bytes::copy_from_slice(bytes), weight: 0 }.number()
    }

    #[test]
    fn a_number_has_one_spelling() {
        let spelt = [
            (&[0][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 1], Ok(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0x7f], Ok((1 << 35) - 1)),
            (&[0x80, 0], Err(Damaged::Number)),
            (&[0xff, 0], Err(Damaged::Number)),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 1], Err(Damaged::Number)),
            (&[0x80], Err(Damaged::Short)),
            (&[], Err(Damaged::Short)),
        ];
        for (bytes, expected) in spelt {
            assert_eq!(number(bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(wanted in any::<u32>()) {
            let mut writer = Writer(Vec::new());
            writer.number(wanted as usize);
            prop_assert_eq!(number(&writer.0), Ok(wanted as usize));
        }
    }
}
