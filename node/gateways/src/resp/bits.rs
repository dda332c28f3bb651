//! Strings as rows of bits: single ones, how many are set, the first of a kind, what two strings make, and numbers of
//! any width within.
//!
//! Knows nothing of keys and replies: a missing string is an empty one unless said otherwise. Bit 0 is the highest of
//! the first byte. Offsets and ranges come from clients, so no memory is taken before they are held against a limit.

use std::ops::Range;

use super::numbers::{ValueError, parse_int};
use super::strings::{forward_span, place, span};

/// What a range counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Bytes, which is meant if nothing is said.
    Byte,
    /// Bits.
    Bit,
}

impl Unit {
    /// Reads `BYTE` or `BIT`, in any case.
    ///
    /// # Errors
    ///
    /// [`ValueError::Syntax`] for any other word.
    pub(super) fn parse(word: &[u8]) -> Result<Self, ValueError> {
        named(word, [("byte", Self::Byte), ("bit", Self::Bit)]).ok_or(ValueError::Syntax)
    }

    /// How many there are in a string.
    fn total(self, value: &[u8]) -> u64 {
        match self {
            Self::Byte => value.len() as u64,
            Self::Bit => bits_of(value),
        }
    }

    /// The bits of a range that is inside a string.
    fn bits(self, span: Range<u64>) -> Range<u64> {
        match self {
            Self::Byte => span.start * 8..span.end * 8,
            Self::Bit => span,
        }
    }
}

/// What a word names, in any case.
fn named<T, const N: usize>(word: &[u8], all: [(&str, T); N]) -> Option<T> {
    all.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, found)| found)
}

/// Reads the place of a bit, as GETBIT and SETBIT take it.
///
/// # Errors
///
/// [`ValueError::BitOffset`] if it is no number, is negative, or is not within `bytes_max` bytes.
pub(super) fn parse_offset(argument: &[u8], bytes_max: usize) -> Result<u64, ValueError> {
    let offset = parse_int(argument).and_then(|offset| u64::try_from(offset).ok());
    offset.filter(|offset| is_within(*offset, bytes_max)).ok_or(ValueError::BitOffset)
}

/// Reads the place of a field of a width: one of a bit, or `#` and how many fields of that width are before it.
fn parse_field_offset(argument: &[u8], bits: u32, bytes_max: usize) -> Result<u64, ValueError> {
    let Some(fields) = argument.strip_prefix(b"#") else { return parse_offset(argument, bytes_max) };
    let fields = parse_int(fields).and_then(|fields| u64::try_from(fields).ok());
    let offset = fields.and_then(|fields| fields.checked_mul(bits.into()));
    offset.filter(|offset| is_within(*offset, bytes_max)).ok_or(ValueError::BitOffset)
}

fn is_within(offset: u64, bytes_max: usize) -> bool {
    place(offset / 8) < bytes_max
}

/// Reads the bit that SETBIT writes.
///
/// # Errors
///
/// [`ValueError::BitValue`] if it is neither 0 nor 1.
pub(super) fn parse_bit(argument: &[u8]) -> Result<bool, ValueError> {
    match argument {
        b"0" => Ok(false),
        b"1" => Ok(true),
        _ => Err(ValueError::BitValue),
    }
}

/// Reads the bit that BITPOS looks for.
///
/// # Errors
///
/// [`ValueError::NotAnInteger`] if it is no number, [`ValueError::BitArgument`] if it is neither 0 nor 1.
pub(super) fn parse_sought_bit(argument: &[u8]) -> Result<bool, ValueError> {
    match parse_int(argument).ok_or(ValueError::NotAnInteger)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ValueError::BitArgument),
    }
}

/// Whether a bit is set; none is behind the end.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/getbit/>
#[must_use]
pub(super) fn get_bit(value: &[u8], offset: u64) -> bool {
    value.get(place(offset / 8)).is_some_and(|byte| byte & mask(offset) != 0)
}

/// A string with one bit written, and whether it was set before. It grows by zeros up to the bit.
///
/// # Errors
///
/// [`ValueError::BitOffset`] if the bit is not within `bytes_max` bytes.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/setbit/>
pub(super) fn set_bit(value: &[u8], offset: u64, bit: bool, bytes_max: usize) -> Result<(Vec<u8>, bool), ValueError> {
    if !is_within(offset, bytes_max) {
        return Err(ValueError::BitOffset);
    }
    let mut changed = grown(value, place(offset / 8) + 1);
    if let Some(byte) = changed.get_mut(place(offset / 8)) {
        *byte = if bit { *byte | mask(offset) } else { *byte & !mask(offset) };
    }
    Ok((changed, get_bit(value, offset)))
}

/// The bit of its byte that an offset leads to.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// A copy of a string, with zeros at its end if it is shorter than `bytes_min`.
fn grown(value: &[u8], bytes_min: usize) -> Vec<u8> {
    let mut grown = Vec::with_capacity(bytes_min.max(value.len()));
    grown.extend_from_slice(value);
    grown.resize(bytes_min.max(value.len()), 0);
    grown
}

/// How many bits are set, in a string or from a place in it to another, both counted; negative places count from the
/// end.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/bitcount/>
#[must_use]
pub(super) fn count(value: &[u8], range: Option<(i64, i64, Unit)>) -> i64 {
    let Some((start, end, unit)) = range else { return ones(value) };
    let range = unit.bits(forward_span(start, end, unit.total(value)));
    let bytes = touched(value, &range);
    // What the first and the last byte have outside of the range.
    let before = bytes.first().map_or(0, |byte| u32::from(*byte) >> (8 - range.start % 8));
    let behind = bytes.last().map_or(0, |byte| u32::from(*byte) & (0xff >> ((range.end + 7) % 8 + 1)));
    ones(bytes) - i64::from(before.count_ones()) - i64::from(behind.count_ones())
}

/// Counts eight bytes at a time.
fn ones(bytes: &[u8]) -> i64 {
    let (words, rest) = bytes.as_chunks();
    let words: i64 = words.iter().map(|word| i64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    words + rest.iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>()
}

/// The bytes that a range of bits lies in.
fn touched<'a>(value: &'a [u8], bits: &Range<u64>) -> &'a [u8] {
    value.get(place(bits.start / 8)..place(bits.end.div_ceil(8))).unwrap_or_default()
}

/// The place of the first bit that is as `bit` says, in a string or from a place in it to another, both looked at;
/// negative places count from the end. -1 if there is none.
///
/// A missing string (None) is endless zeros, whatever the range; one that is there but empty has no bit at all. Zeros
/// follow a string if no end is given, so that a string of ones has its first 0 behind it; an end means that range
/// alone. A range that begins behind the string has none either way.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/bitpos/>
#[must_use]
pub(super) fn position(value: Option<&[u8]>, bit: bool, start: Option<i64>, end: Option<i64>, unit: Unit) -> i64 {
    let Some(value) = value else { return if bit { -1 } else { 0 } };
    let range = unit.bits(span(start.unwrap_or(0), end.unwrap_or(i64::MAX), unit.total(value)));
    let behind = (!bit && end.is_none() && !range.is_empty()).then_some(range.end);
    let found = first(value, bit, &range).or(behind);
    found.and_then(|offset| i64::try_from(offset).ok()).unwrap_or(-1)
}

fn first(value: &[u8], bit: bool, range: &Range<u64>) -> Option<u64> {
    // Where a 0 is sought every byte is turned round, so that it is always a 1.
    let flip = if bit { 0x00 } else { 0xff };
    let (head, rest) = touched(value, range).split_first()?;
    let head = (head ^ flip) & (0xff >> (range.start % 8));
    let (index, byte) = if head == 0 {
        let index = rest.len() - without_leading(rest, flip).len();
        (index + 1, rest.get(index)? ^ flip)
    } else {
        (0, head)
    };
    let found = (range.start / 8 + index as u64) * 8 + u64::from(byte.leading_zeros());
    // The last byte may have it behind the range.
    (found < range.end).then_some(found)
}

/// The bytes from the first that is another than `byte` on, skipping words of eight that have no other.
fn without_leading(bytes: &[u8], byte: u8) -> &[u8] {
    let (words, _) = bytes.as_chunks();
    let alike = words.iter().take_while(|word| **word == [byte; 8]).count();
    let rest = bytes.get(alike * 8..).unwrap_or_default();
    let alike = rest.iter().take_while(|other| **other == byte).count();
    rest.get(alike..).unwrap_or_default()
}

fn bits_of(value: &[u8]) -> u64 {
    value.len() as u64 * 8
}

/// What BITOP makes of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// A bit is set that is set in all.
    And,
    /// A bit is set that is set in any.
    Or,
    /// A bit is set that is set in an odd number of them.
    Xor,
    /// A bit is set that is not.
    Not,
}

impl Op {
    /// Reads the name of an operation, in any case.
    ///
    /// # Errors
    ///
    /// [`ValueError::Syntax`] for any other word.
    pub(super) fn parse(word: &[u8]) -> Result<Self, ValueError> {
        let all = [("and", Self::And), ("or", Self::Or), ("xor", Self::Xor), ("not", Self::Not)];
        named(word, all).ok_or(ValueError::Syntax)
    }
}

/// What an operation makes of strings: a string as long as the longest, the others having zeros at their ends.
///
/// # Errors
///
/// [`ValueError::BitopNot`] if [`Op::Not`] is asked of other than one string.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/bitop/>
pub(super) fn operate(op: Op, sources: &[&[u8]]) -> Result<Vec<u8>, ValueError> {
    let bytes = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let (first, others) = match (op, sources) {
        (Op::Not, [source]) => return Ok(source.iter().map(|byte| !byte).collect()),
        (Op::Not, _) => return Err(ValueError::BitopNot),
        (_, [first, others @ ..]) => (first, others),
        (_, []) => return Ok(Vec::new()),
    };
    let mut made = grown(first, bytes);
    for source in others {
        let (common, rest) = made.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(*source);
        match op {
            Op::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                rest.fill(0);
            }
            Op::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Op::Xor | Op::Not => pairs.for_each(|(byte, other)| *byte ^= other),
        }
    }
    Ok(made)
}

/// One number within a string, and what is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Its sign and width.
    pub(super) kind: FieldType,
    /// The place of its first bit, which is its highest.
    pub(super) offset: u64,
    /// What is done.
    pub(super) action: FieldAction,
}

/// What is done with a number within a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldAction {
    /// It is answered.
    Get,
    /// It becomes another, and what it was is answered.
    Set(i64, Overflow),
    /// It becomes greater, and what it becomes is answered.
    Increment(i64, Overflow),
}

/// What becomes of a number that does not fit into its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Its lowest bits are kept, which is done if nothing is said.
    Wrap,
    /// The nearest number that fits is taken. Redis 7.0 takes the greatest where one near the least of 64 bits is set,
    /// since its check itself overflows.
    Saturate,
    /// It is not written.
    Fail,
}

impl Overflow {
    fn parse(word: &[u8]) -> Result<Self, ValueError> {
        let all = [("wrap", Self::Wrap), ("sat", Self::Saturate), ("fail", Self::Fail)];
        named(word, all).ok_or(ValueError::BitfieldOverflow)
    }
}

impl Field {
    /// Whether it is more than read.
    #[must_use]
    pub(super) fn is_written(&self) -> bool {
        self.action != FieldAction::Get
    }
}

/// The sign and the width of a number: 1 to 64 bits with a sign, 1 to 63 without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldType {
    signed: bool,
    bits: u32,
}

impl FieldType {
    /// Reads `i` or `u` and a number of bits.
    ///
    /// # Errors
    ///
    /// [`ValueError::BitfieldType`] if it is none, or too wide.
    pub(super) fn parse(argument: &[u8]) -> Result<Self, ValueError> {
        let (signed, bits) = match argument {
            [b'i', bits @ ..] => (true, bits),
            [b'u', bits @ ..] => (false, bits),
            _ => return Err(ValueError::BitfieldType),
        };
        let bits = parse_int(bits).and_then(|bits| u32::try_from(bits).ok());
        let bits_max = if signed { 64 } else { 63 };
        let bits = bits.filter(|bits| (1..=bits_max).contains(bits)).ok_or(ValueError::BitfieldType)?;
        Ok(Self { signed, bits })
    }

    fn least(self) -> i64 {
        if self.signed { i64::MIN >> (64 - self.bits) } else { 0 }
    }

    fn greatest(self) -> i64 {
        let digits = if self.signed { self.bits - 1 } else { self.bits };
        // A shift of 63 bits leaves 0, which is the greatest of one bit with a sign.
        i64::MAX >> (63 - digits)
    }

    /// The number that the lowest bits are.
    fn number(self, bits: u64) -> i64 {
        let highest = bits << (64 - self.bits);
        if self.signed {
            // The highest bit, which is the sign, comes down with the others.
            highest.cast_signed() >> (64 - self.bits)
        } else {
            (highest >> (64 - self.bits)).cast_signed()
        }
    }

    /// What a field holds after `sum` is put into it: a sum that wrapped round 64 bits does not fit even if it looks as
    /// though it did, and `limit` is the end that one that does not fit is past. None if it is not written.
    fn settled(self, sum: i64, wrapped: bool, limit: i64, overflow: Overflow) -> Option<i64> {
        if !wrapped && (self.least()..=self.greatest()).contains(&sum) {
            return Some(sum);
        }
        match overflow {
            Overflow::Wrap => Some(self.number(sum.cast_unsigned())),
            Overflow::Saturate => Some(limit),
            Overflow::Fail => None,
        }
    }
}

/// Reads the arguments of BITFIELD behind its key: `GET type offset`, `SET type offset value`,
/// `INCRBY type offset increment`, each as often as one likes, and `OVERFLOW WRAP|SAT|FAIL` for those behind it.
///
/// # Errors
///
/// [`ValueError::Syntax`] for another word or too few arguments, [`ValueError::BitfieldType`],
/// [`ValueError::BitOffset`] if a field does not begin within `bytes_max` bytes, [`ValueError::NotAnInteger`],
/// [`ValueError::BitfieldOverflow`].
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/bitfield/>
pub(super) fn parse_fields<A: AsRef<[u8]>>(arguments: &[A], bytes_max: usize) -> Result<Vec<Field>, ValueError> {
    let mut fields = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = arguments;
    while let [word, behind @ ..] = rest {
        let word = word.as_ref();
        rest = match behind {
            [kind, offset, behind @ ..] if word.eq_ignore_ascii_case(b"get") => {
                fields.push(Field::parse(kind.as_ref(), offset.as_ref(), bytes_max)?);
                behind
            }
            [kind, offset, number, behind @ ..] if word.eq_ignore_ascii_case(b"set") => {
                let field = Field::parse(kind.as_ref(), offset.as_ref(), bytes_max)?;
                let number = parse_int(number.as_ref()).ok_or(ValueError::NotAnInteger)?;
                fields.push(Field { action: FieldAction::Set(number, overflow), ..field });
                behind
            }
            [kind, offset, number, behind @ ..] if word.eq_ignore_ascii_case(b"incrby") => {
                let field = Field::parse(kind.as_ref(), offset.as_ref(), bytes_max)?;
                let number = parse_int(number.as_ref()).ok_or(ValueError::NotAnInteger)?;
                fields.push(Field { action: FieldAction::Increment(number, overflow), ..field });
                behind
            }
            [word_of_overflow, behind @ ..] if word.eq_ignore_ascii_case(b"overflow") => {
                overflow = Overflow::parse(word_of_overflow.as_ref())?;
                behind
            }
            _ => return Err(ValueError::Syntax),
        };
    }
    Ok(fields)
}

impl Field {
    /// A field that is read.
    fn parse(kind: &[u8], offset: &[u8], bytes_max: usize) -> Result<Self, ValueError> {
        let kind = FieldType::parse(kind)?;
        let offset = parse_field_offset(offset, kind.bits, bytes_max)?;
        Ok(Self { kind, offset, action: FieldAction::Get })
    }

    /// How many bytes a string has at least that holds all of it.
    fn bytes_min(&self) -> usize {
        place(self.offset.saturating_add(self.kind.bits.into()).div_ceil(8))
    }

    /// How many bits are behind it in the bytes that a field lies in at most.
    fn bits_behind(&self) -> u32 {
        FIELD_BYTES_MAX * 8 - (self.offset % 8) as u32 - self.kind.bits
    }
}

/// What [`apply`] makes: the string, and an answer for each field.
pub(super) type Applied = (Option<Vec<u8>>, Vec<Option<i64>>);

/// Does what is asked with the numbers within a string, one after another: the string, and the answers.
///
/// The string is None if it stays as it was. It grows by zeros to hold every field that is to be written, as Redis has
/// it even those that then are not. An answer is None if its number did not fit and so was not written.
///
/// # Errors
///
/// [`ValueError::BitOffset`] if a field does not begin within `bytes_max` bytes; as in Redis, it may end up to eight
/// bytes behind.
///
/// # Source
///
/// <https://redis.io/docs/latest/commands/bitfield/>
pub(super) fn apply(value: &[u8], fields: &[Field], bytes_max: usize) -> Result<Applied, ValueError> {
    if !fields.iter().all(|field| is_within(field.offset, bytes_max)) {
        return Err(ValueError::BitOffset);
    }
    let Some(bytes_min) = fields.iter().filter(|field| field.is_written()).map(Field::bytes_min).max() else {
        return Ok((None, fields.iter().map(|field| Some(read(value, field))).collect()));
    };
    let mut changed = grown(value, bytes_min);
    let answers = fields.iter().map(|field| act(&mut changed, field)).collect();
    Ok(((changed != value).then_some(changed), answers))
}

/// Does what is asked with one number; the answer.
fn act(value: &mut [u8], field: &Field) -> Option<i64> {
    let kind = field.kind;
    let old = read(value, field);
    let (new, answers_old) = match field.action {
        FieldAction::Get => return Some(old),
        FieldAction::Set(number, overflow) => {
            // A negative number is one too great for a field without a sign, not one too small.
            let limit = if kind.signed && number < 0 { kind.least() } else { kind.greatest() };
            (kind.settled(number, false, limit, overflow)?, true)
        }
        FieldAction::Increment(number, overflow) => {
            let (sum, wrapped) = old.overflowing_add(number);
            let limit = if number < 0 { kind.least() } else { kind.greatest() };
            (kind.settled(sum, wrapped, limit, overflow)?, false)
        }
    };
    write(value, field, new);
    Some(if answers_old { old } else { new })
}

/// Most bytes that a field lies in: 64 bits that begin within one.
const FIELD_BYTES_MAX: u32 = 9;

/// The number in a field, with zeros for what is behind the end.
fn read(value: &[u8], field: &Field) -> i64 {
    let bytes = value.get(place(field.offset / 8)..).unwrap_or_default();
    let bytes = bytes.iter().chain(std::iter::repeat(&0)).take(FIELD_BYTES_MAX as usize);
    let window = bytes.fold(0_u128, |window, byte| window << 8 | u128::from(*byte));
    let bits = (window >> field.bits_behind()) & u128::from(u64::MAX);
    field.kind.number(u64::try_from(bits).unwrap_or_default())
}

/// Writes a number that fits, into a string that is long enough.
fn write(value: &mut [u8], field: &Field, number: i64) {
    let mask = u64::MAX >> (64 - field.kind.bits);
    let window = |bits: u64| (u128::from(bits) << field.bits_behind()).to_be_bytes();
    let (mask, bits) = (window(mask), window(number.cast_unsigned() & mask));
    let bytes = value.get_mut(place(field.offset / 8)..).unwrap_or_default();
    let pairs = mask.iter().zip(&bits).skip(mask.len() - FIELD_BYTES_MAX as usize);
    for (byte, (mask, bits)) in bytes.iter_mut().zip(pairs) {
        *byte = *byte & !mask | bits;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 512 << 20;

    #[test]
    fn words_and_numbers_are_read() {
        assert_eq!([Unit::parse(b"BIT"), Unit::parse(b"byte")], [Ok(Unit::Bit), Ok(Unit::Byte)]);
        assert_eq!(Unit::parse(b"hello"), Err(ValueError::Syntax));
        assert_eq!([Op::parse(b"And"), Op::parse(b"OR")], [Ok(Op::And), Ok(Op::Or)]);
        assert_eq!([Op::parse(b"xor"), Op::parse(b"nOt")], [Ok(Op::Xor), Ok(Op::Not)]);
        assert_eq!(Op::parse(b"nand"), Err(ValueError::Syntax));
        assert_eq!(parse_offset(b"4294967295", LIMIT), Ok(4_294_967_295));
        for argument in ["4294967296", "-1", "", "x", "#1", "9223372036854775808"] {
            assert_eq!(parse_offset(argument.as_bytes(), LIMIT), Err(ValueError::BitOffset), "{argument}");
        }
        assert_eq!([parse_bit(b"0"), parse_bit(b"1")], [Ok(false), Ok(true)]);
        assert_eq!([parse_bit(b"2"), parse_bit(b"a")], [Err(ValueError::BitValue); 2]);
        assert_eq!([parse_sought_bit(b"0"), parse_sought_bit(b"1")], [Ok(false), Ok(true)]);
        assert_eq!(parse_sought_bit(b"2"), Err(ValueError::BitArgument));
        assert_eq!(parse_sought_bit(b"a"), Err(ValueError::NotAnInteger));
    }

    #[test]
    fn single_bits() {
        assert_eq!(set_bit(b"", 1, true, LIMIT), Ok((b"@".to_vec(), false)));
        assert_eq!(set_bit(b"@", 2, true, LIMIT), Ok((b"`".to_vec(), false)));
        assert_eq!(set_bit(b"`", 1, false, LIMIT), Ok((b" ".to_vec(), true)));
        assert_eq!(set_bit(b"", 17, false, LIMIT), Ok((vec![0, 0, 0], false)));
        assert_eq!(set_bit(b"", 15, true, 2), Ok((vec![0, 1], false)));
        assert_eq!(set_bit(b"", 16, true, 2), Err(ValueError::BitOffset));
        assert_eq!(set_bit(b"", u64::MAX, true, LIMIT), Err(ValueError::BitOffset));
        assert!(get_bit(b"`", 1) && get_bit(b"`", 2));
        assert!(!get_bit(b"`", 0) && !get_bit(b"`", 8) && !get_bit(b"`", u64::MAX));
    }

    #[test]
    fn bits_are_counted() {
        let known = [
            (0, 0, Unit::Byte, 4),
            (1, 1, Unit::Byte, 6),
            (0, -1, Unit::Byte, 26),
            (1, -2, Unit::Byte, 18),
            (-2, 1, Unit::Byte, 0),
            (0, 1000, Unit::Byte, 26),
            (6, 1000, Unit::Byte, 0),
            (-6, -7, Unit::Byte, 0),
            (-9, -8, Unit::Byte, 4),
            (5, 30, Unit::Bit, 17),
            (0, -1, Unit::Bit, 26),
            (-1, 10_000, Unit::Bit, 0),
            (-6, -15, Unit::Bit, 0),
            (i64::MIN, i64::MAX, Unit::Bit, 26),
        ];
        for (start, end, unit, bits) in known {
            assert_eq!(count(b"foobar", Some((start, end, unit))), bits, "{start} {end} {unit:?}");
        }
        assert_eq!(count(b"foobar", None), 26);
        assert_eq!(count(b"\x00\x00\xff", None), 8);
        assert_eq!(count(b"__PPxxxxxxxxxxxxxxxxRR__", Some((2, -3, Unit::Byte))), 74);
        assert_eq!(count(b"", None), 0);
        assert_eq!(count(b"", Some((0, -1, Unit::Bit))), 0);
    }

    #[test]
    fn bits_are_found() {
        let at = |value: &[u8], bit, start, end, unit| position(Some(value), bit, start, end, unit);
        let (byte, bit) = (Unit::Byte, Unit::Bit);
        assert_eq!(at(b"\xff\xf0\x00", false, None, None, byte), 12);
        assert_eq!(at(b"\xff\xf0\x00", false, Some(1), None, byte), 12);
        assert_eq!(at(b"\x00\x0f\x00", true, None, None, byte), 12);
        assert_eq!(at(b"\x00\xff\xf0", true, Some(2), None, byte), 16);
        assert_eq!(at(b"\x00\xff\xf0", true, Some(7), Some(15), bit), 8);
        assert_eq!(at(b"\x00\xff\xf0", true, Some(7), Some(-3), bit), 8);
        assert_eq!(at(b"\x00\xff\x00", false, Some(2), Some(200), byte), 16);
        assert_eq!(at(b"\x00\xff\x00", false, Some(1), Some(1), byte), -1);
        assert_eq!(at(b"\x00\xff\x00", true, Some(2), Some(200), byte), -1);
        assert_eq!(at(b"\x00\xff\x00", false, Some(8), Some(8), bit), -1);
        assert_eq!(at(b"\x00\xff\x00", true, Some(8), Some(8), bit), 8);
        assert_eq!(at(b"\x00\x00\x00", true, None, None, byte), -1);
        // Both before the first byte: BITPOS looks at that one, unlike BITCOUNT.
        assert_eq!(at(b"\xff", true, Some(-6), Some(-7), byte), 0);
    }

    #[test]
    fn the_first_zero_behind_ones() {
        let ones = b"\xff\xff\xff";
        let zero = |start, end, unit| position(Some(ones), false, start, end, unit);
        assert_eq!(zero(None, None, Unit::Byte), 24);
        assert_eq!(zero(Some(0), None, Unit::Byte), 24);
        assert_eq!(zero(Some(2), None, Unit::Byte), 24);
        assert_eq!(zero(Some(3), None, Unit::Byte), -1);
        assert_eq!(zero(Some(0), Some(-1), Unit::Byte), -1);
        assert_eq!(zero(Some(0), Some(-1), Unit::Bit), -1);
        assert_eq!(zero(Some(0), Some(200), Unit::Byte), -1);
    }

    #[test]
    fn a_missing_string_is_zeros_and_an_empty_one_has_no_bits() {
        assert_eq!(position(None, false, None, None, Unit::Byte), 0);
        assert_eq!(position(None, false, Some(5), Some(6), Unit::Bit), 0);
        assert_eq!(position(None, true, None, None, Unit::Byte), -1);
        assert_eq!(position(Some(b""), false, None, None, Unit::Byte), -1);
        assert_eq!(position(Some(b""), false, Some(0), Some(-1), Unit::Bit), -1);
        assert_eq!(position(Some(b""), true, None, None, Unit::Byte), -1);
    }

    #[test]
    fn strings_are_combined() {
        let made = |op, sources: &[&[u8]]| operate(op, sources).unwrap();
        assert_eq!(made(Op::Not, &[b"\xaa\x00\xff\x55"]), b"\x55\xff\x00\xaa");
        assert_eq!(made(Op::Not, &[b""]), b"");
        for op in [Op::And, Op::Or, Op::Xor] {
            assert_eq!(made(op, &[b"\x01\x02\xff"]), b"\x01\x02\xff");
            assert_eq!(made(op, &[b"", b""]), b"");
            assert_eq!(made(op, &[&[0; 32], b""]), [0; 32]);
        }
        let sources: [&[u8]; 2] = [b"\x01\x02\xff\xff", b"\x01\x02\xff"];
        assert_eq!(made(Op::And, &sources), b"\x01\x02\xff\x00");
        assert_eq!(made(Op::Or, &sources), b"\x01\x02\xff\xff");
        assert_eq!(made(Op::Xor, &sources), b"\x00\x00\x00\xff");
        assert_eq!(made(Op::And, &[b"foobar", b"abcdef"]), b"`bc`ab");
        assert_eq!(made(Op::And, &[b"", b"\x01\x02"]), b"\x00\x00");
        assert_eq!(made(Op::Xor, &[b"1", b"2", b"1"]), b"2");
        assert_eq!(operate(Op::Not, &[b"a", b"b"]), Err(ValueError::BitopNot));
        assert_eq!(operate(Op::Not, &[]), Err(ValueError::BitopNot));
    }

    /// Does what a line of arguments says; the answers.
    fn bitfield(value: &mut Vec<u8>, line: &str) -> Vec<Option<i64>> {
        let arguments: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let (changed, answers) = apply(value, &parse_fields(&arguments, LIMIT).unwrap(), LIMIT).unwrap();
        *value = changed.unwrap_or_else(|| value.clone());
        answers
    }

    fn from_zeros(line: &str) -> Vec<Option<i64>> {
        bitfield(&mut Vec::new(), line)
    }

    #[test]
    fn fields_are_set_and_read() {
        assert_eq!(from_zeros(""), []);
        assert_eq!(from_zeros("set i8 0 -100 set i8 0 101 get i8 0"), [Some(0), Some(-100), Some(101)]);
        assert_eq!(from_zeros("set u8 0 255 set u8 0 100 get u8 0"), [Some(0), Some(255), Some(100)]);
        assert_eq!(from_zeros("set i8 0 255 set i8 0 100 get i8 0"), [Some(0), Some(-1), Some(100)]);
        assert_eq!(from_zeros("SET u8 0 255 INCRBY u8 0 100 GET u8 0"), [Some(0), Some(99), Some(99)]);
        assert_eq!(from_zeros("set i8 0 10 set i8 64 10 incrby i8 10 99900"), [Some(0), Some(0), Some(60)]);
        let mut value = Vec::new();
        bitfield(&mut value, "set u8 #0 65 set u8 #1 66 set u8 #2 67");
        assert_eq!(value, b"ABC");
        assert_eq!(bitfield(&mut b"1".to_vec(), "get u1 0 get u63 500 get i4 4"), [Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn fields_overflow() {
        let wraps = "set u8 0 100 overflow wrap incrby u8 0 257 incrby u8 0 255";
        assert_eq!(from_zeros(wraps), [Some(0), Some(101), Some(100)]);
        let stays = "set u8 0 100 overflow sat incrby u8 0 257 incrby u8 0 -300";
        assert_eq!(from_zeros(stays), [Some(0), Some(255), Some(0)]);
        let wraps = "set i8 0 100 overflow wrap incrby i8 0 257 incrby i8 0 255";
        assert_eq!(from_zeros(wraps), [Some(0), Some(101), Some(100)]);
        let stays = "set i8 0 100 overflow sat incrby i8 0 257 incrby i8 0 -256";
        assert_eq!(from_zeros(stays), [Some(0), Some(127), Some(-128)]);
        let fails = "overflow fail incrby u2 102 3 incrby u2 102 1 get u2 102";
        assert_eq!(from_zeros(fails), [Some(3), None, Some(3)]);
        // Without a sign, a negative number to be set is one that is too great.
        assert_eq!(from_zeros("overflow sat set u8 0 -1 get u8 0"), [Some(0), Some(255)]);
        assert_eq!(from_zeros("overflow sat set i8 0 -999 get i8 0"), [Some(0), Some(-128)]);
        let greatest = "set i64 0 9223372036854775807 incrby i64 0 1 overflow fail incrby i64 0 -1";
        assert_eq!(from_zeros(greatest), [Some(0), Some(i64::MIN), None]);
    }

    #[test]
    fn a_string_that_stays_is_not_answered() {
        let does = |value: &[u8], line: &[&str]| apply(value, &parse_fields(line, LIMIT).unwrap(), LIMIT).unwrap();
        assert_eq!(does(b"a", &["get", "u8", "0"]), (None, vec![Some(97)]));
        assert_eq!(does(b"a", &["set", "u8", "0", "97"]), (None, vec![Some(97)]));
        assert_eq!(does(b"", &["set", "u8", "0", "0"]), (Some(vec![0]), vec![Some(0)]));
        // Redis grows the string before it finds that nothing is to be written.
        assert_eq!(does(b"", &["overflow", "fail", "set", "u8", "4", "256"]), (Some(vec![0, 0]), vec![None]));
    }

    #[test]
    fn fields_that_make_no_sense() {
        let refused = |line: &str| {
            let arguments: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            parse_fields(&arguments, LIMIT).unwrap_err()
        };
        for line in ["put u8 0", "get u8", "set u8 0", "incrby u8 0", "overflow", "get u8 0 get"] {
            assert_eq!(refused(line), ValueError::Syntax, "{line}");
        }
        for kind in ["u64", "i65", "u0", "i0", "i-1", "i", "8", "I8", "u08", "x8", "i99999999999", ""] {
            assert_eq!(refused(&format!("get {kind} 0")), ValueError::BitfieldType, "{kind}");
        }
        for offset in ["-1", "#-1", "#", "##1", "x", "4294967296", "#536870912", "#9223372036854775807", ""] {
            assert_eq!(refused(&format!("get u8 {offset}")), ValueError::BitOffset, "{offset}");
        }
        assert_eq!(refused("set u8 0 x"), ValueError::NotAnInteger);
        assert_eq!(refused("overflow never"), ValueError::BitfieldOverflow);
        let field = Field { kind: FieldType::parse(b"u8").unwrap(), offset: 16, action: FieldAction::Get };
        assert_eq!(apply(b"", &[field], 2), Err(ValueError::BitOffset));
        assert!(field.is_written() != Field { action: FieldAction::Set(0, Overflow::Wrap), ..field }.is_written());
    }

    fn bits_in(value: &[u8]) -> Vec<bool> {
        value.iter().flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1 == 1)).collect()
    }

    fn bytes_of(bits: &[bool]) -> Vec<u8> {
        bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    /// The places of the bits in a range.
    fn places(value: &[u8], start: i64, end: i64, unit: Unit) -> Vec<usize> {
        let unit_bits = if unit == Unit::Bit { 1 } else { 8 };
        let total = i64::try_from(value.len() * 8).unwrap() / unit_bits;
        let inside = |index: i64| if index < 0 { (total + index).max(0) } else { index };
        let is_in = |at: &usize| {
            let at = i64::try_from(*at).unwrap() / unit_bits;
            inside(start) <= at && at <= inside(end)
        };
        (0..value.len() * 8).filter(is_in).collect()
    }

    /// Strings with long runs of the same bits, as well as any others.
    fn strings() -> impl Strategy<Value = Vec<u8>> {
        let runs = prop::collection::vec((prop_oneof![Just(0x00_u8), Just(0xff), any::<u8>()], 0_usize..20), 0..5);
        runs.prop_map(|runs| runs.into_iter().flat_map(|(byte, times)| vec![byte; times]).collect())
    }

    fn units() -> impl Strategy<Value = Unit> {
        prop_oneof![Just(Unit::Byte), Just(Unit::Bit)]
    }

    /// The arithmetic of a field in numbers that are wide enough, written from what the page of the command says.
    fn slow_field(bits: &mut Vec<bool>, field: &Field) -> Option<i64> {
        let width = usize::try_from(field.kind.bits).unwrap();
        let from = usize::try_from(field.offset).unwrap();
        if field.is_written() && bits.len() < from + width {
            bits.resize((from + width).next_multiple_of(8), false);
        }
        let modulus = 1_i128 << width;
        let signed = |number: i128| if field.kind.signed && number >= modulus / 2 { number - modulus } else { number };
        let bit = |at: usize| i128::from(bits.get(at).copied().unwrap_or(false));
        let old = signed((from..from + width).fold(0, |number, at| number * 2 + bit(at)));
        let (least, greatest) = if field.kind.signed { (-modulus / 2, modulus / 2 - 1) } else { (0, modulus - 1) };
        let (wanted, overflow) = match field.action {
            FieldAction::Get => return Some(i64::try_from(old).unwrap()),
            FieldAction::Increment(by, overflow) => (old + i128::from(by), overflow),
            FieldAction::Set(to, overflow) if to < 0 && !field.kind.signed => (i128::from(to) + (1 << 64), overflow),
            FieldAction::Set(to, overflow) => (to.into(), overflow),
        };
        let new = match overflow {
            Overflow::Wrap => signed(wanted.rem_euclid(modulus)),
            Overflow::Saturate => wanted.clamp(least, greatest),
            Overflow::Fail if wanted < least || wanted > greatest => return None,
            Overflow::Fail => wanted,
        };
        for at in 0..width {
            bits[from + at] = new.rem_euclid(modulus) >> (width - 1 - at) & 1 == 1;
        }
        let answer = if matches!(field.action, FieldAction::Set(..)) { old } else { new };
        Some(i64::try_from(answer).unwrap())
    }

    fn fields() -> impl Strategy<Value = Field> {
        let kinds = prop_oneof![
            (1_u32..=64).prop_map(|bits| FieldType { signed: true, bits }),
            (1_u32..=63).prop_map(|bits| FieldType { signed: false, bits }),
        ];
        let numbers = prop_oneof![any::<i64>(), -300_i64..300, Just(i64::MIN), Just(i64::MAX)];
        let overflows = prop_oneof![Just(Overflow::Wrap), Just(Overflow::Saturate), Just(Overflow::Fail)];
        (kinds, 0_u64..200, 0..3, numbers, overflows).prop_map(|(kind, offset, action, number, overflow)| {
            let action = match action {
                0 => FieldAction::Get,
                1 => FieldAction::Set(number, overflow),
                _ => FieldAction::Increment(number, overflow),
            };
            Field { kind, offset, action }
        })
    }

    proptest! {
        #[test]
        fn single_bits_are_those_of_a_row(value: Vec<u8>, offset in 0_usize..1200, bit: bool) {
            let mut bits = bits_in(&value);
            let old = bits.get(offset).copied().unwrap_or(false);
            let place = u64::try_from(offset).unwrap();
            prop_assert_eq!(get_bit(&value, place), old);
            bits.resize(bits.len().max((offset + 1).next_multiple_of(8)), false);
            bits[offset] = bit;
            prop_assert_eq!(set_bit(&value, place, bit, LIMIT), Ok((bytes_of(&bits), old)));
        }

        #[test]
        fn counts_are_those_of_a_row(
            value in strings(),
            start in -900_i64..900,
            end in -900_i64..900,
            unit in units(),
        ) {
            let bits = bits_in(&value);
            let all = bits.iter().filter(|bit| **bit).count();
            prop_assert_eq!(count(&value, None), i64::try_from(all).unwrap());
            let backwards = start < 0 && end < 0 && start > end;
            let set = places(&value, start, end, unit).into_iter().filter(|at| bits[*at] && !backwards).count();
            prop_assert_eq!(count(&value, Some((start, end, unit))), i64::try_from(set).unwrap());
        }

        #[test]
        fn positions_are_those_of_a_row(
            value in strings(),
            bit: bool,
            start in prop::option::of(-900_i64..900),
            end in prop::option::of(-900_i64..900),
            unit in units(),
        ) {
            let bits = bits_in(&value);
            let places = places(&value, start.unwrap_or(0), end.unwrap_or(-1), unit);
            let found = places.iter().copied().find(|at| bits[*at] == bit);
            let behind = (!bit && end.is_none() && !places.is_empty()).then_some(bits.len());
            let expected = found.or(behind).map_or(-1, |at| i64::try_from(at).unwrap());
            prop_assert_eq!(position(Some(&value), bit, start, end, unit), expected);
        }

        #[test]
        fn operations_are_those_of_rows(sources in prop::collection::vec(strings(), 1..6)) {
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let rows: Vec<_> = sources.iter().map(|source| bits_in(source)).collect();
            let longest = rows.iter().map(Vec::len).max().unwrap();
            let column = |at: usize| rows.iter().filter(|row| row.get(at).copied().unwrap_or(false)).count();
            let model = |rule: &dyn Fn(usize) -> bool| {
                bytes_of(&(0..longest).map(|at| rule(column(at))).collect::<Vec<_>>())
            };
            prop_assert_eq!(operate(Op::And, &slices).unwrap(), model(&|set| set == rows.len()));
            prop_assert_eq!(operate(Op::Or, &slices).unwrap(), model(&|set| set > 0));
            prop_assert_eq!(operate(Op::Xor, &slices).unwrap(), model(&|set| set % 2 == 1));
            let not: Vec<bool> = rows[0].iter().map(|bit| !bit).collect();
            prop_assert_eq!(operate(Op::Not, &slices[..1]).unwrap(), bytes_of(&not));
        }

        #[test]
        fn fields_are_those_of_a_row(
            value in prop::collection::vec(any::<u8>(), 0..40),
            fields in prop::collection::vec(fields(), 0..8),
        ) {
            let mut bits = bits_in(&value);
            let expected: Vec<_> = fields.iter().map(|field| slow_field(&mut bits, field)).collect();
            let (changed, answers) = apply(&value, &fields, LIMIT).unwrap();
            prop_assert_eq!(answers, expected);
            prop_assert_ne!(changed.as_ref(), Some(&value));
            prop_assert_eq!(changed.unwrap_or(value), bytes_of(&bits));
        }
    }
}
