//! Requests of RESP clients: takes whole commands off the bytes that have arrived.
//!
//! It knows no command, no socket and no clock. Bytes come from one connection, whose reader appends them to a buffer;
//! arguments go to whoever runs commands. Every byte string is a request, the start of one, or an error, and memory is
//! taken for what has arrived, never for what a client says that it will send.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// Arguments of a request of a client that has not authenticated: AUTH and HELLO need fewer.
const UNAUTHENTICATED_ARGS_MAX: usize = 10;

/// Bytes of one argument of a client that has not authenticated.
const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a line with a length, its end apart. No number is as long; more says that the client is out of step.
const LENGTH_LINE_BYTES_MAX: usize = 64 * 1024;

/// Arguments shorter than this are copied out of the input. A slice would keep the whole read buffer in memory for as
/// long as the argument lives, and a buffer that nobody else holds is filled again in place. To copy so little costs no
/// more than to share it.
const COPIED_BYTES_MAX: usize = 1024;

/// What a client may send, by who it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Arguments of one request that is sent as an array. Inline ones are bounded by their line.
    pub(super) args_max: usize,
    /// Bytes of one argument.
    pub(super) bulk_bytes_max: usize,
    /// Bytes of an inline request, its newline apart.
    pub(super) inline_bytes_max: usize,
    /// Whether the client has said who it is. Others get 10 arguments of 16 KiB.
    pub(super) is_authenticated: bool,
}

/// What is known of a request of which a part has arrived.
///
/// # Source
///
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/>, "Sending commands to a Redis server" and "Inline
/// commands"; where that is silent, what Redis 7.0 does.
#[derive(Debug, Default)]
pub(super) struct RequestParser {
    args: Vec<Bytes>,
    /// Arguments that are still to come.
    args_missing: usize,
    /// Bytes of the argument whose length was read last.
    bulk_bytes: Option<usize>,
    /// Bytes at the front of the input in which no end of a line was found: they are not searched again.
    searched: usize,
    held_bytes: usize,
    error: Option<ProtocolError>,
}

impl RequestParser {
    /// The next request of a client, as soon as it is whole: a command and its arguments, never empty. With `None` more
    /// bytes are needed. Between calls the caller appends to the input and takes nothing from it.
    ///
    /// Requests without arguments are skipped. Of the two bytes that end a length or an argument only the `\r` behind a
    /// length is looked for; the others are skipped unseen, as Redis does.
    ///
    /// # Errors
    ///
    /// When what has arrived is no request within the bounds. Nothing tells where the next one would start, so that the
    /// connection is to be closed: every later call says the same.
    pub(super) fn next(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let taken = self.take_request(input, bounds);
        if let Err(error) = taken {
            *self = Self { error: Some(error), ..Self::default() };
        }
        taken
    }

    /// Bytes of arguments that were taken from the input for a request that is not whole yet, and of the list of them:
    /// without the list a million empty arguments would count for nothing.
    #[must_use]
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn take_request(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        while self.args_missing == 0 {
            let Some(first) = input.first() else { return Ok(None) };
            if *first == b'*' {
                let Some(count) = self.take_count(input, bounds)? else { return Ok(None) };
                self.args_missing = count;
            } else {
                let Some(args) = self.take_inline(input, bounds)? else { return Ok(None) };
                if !args.is_empty() {
                    return Ok(Some(args));
                }
            }
        }
        while self.args_missing > 0 {
            let Some(arg) = self.take_bulk(input, bounds)? else { return Ok(None) };
            self.held_bytes = self.held_bytes.saturating_add(arg.len()).saturating_add(size_of::<Bytes>());
            self.args.push(arg);
            self.args_missing -= 1;
        }
        self.held_bytes = 0;
        Ok(Some(std::mem::take(&mut self.args)))
    }

    /// Takes the line that says how many arguments follow.
    fn take_count(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<usize>, ProtocolError> {
        let Some(count) = self.take_length(input, COUNT)? else { return Ok(None) };
        // As in Redis, no arguments or less than none is a request that asks for nothing.
        let count = usize::try_from(count.max(0)).map_err(|_| COUNT.invalid)?;
        if count > bounds.args_max {
            return Err(COUNT.invalid);
        }
        if count > UNAUTHENTICATED_ARGS_MAX && !bounds.is_authenticated {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(Some(count))
    }

    /// Takes an argument with its length before it.
    fn take_bulk(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<Bytes>, ProtocolError> {
        if self.bulk_bytes.is_none() {
            self.bulk_bytes = self.take_bulk_length(input, bounds)?;
        }
        let Some(bulk_bytes) = self.bulk_bytes else { return Ok(None) };
        let Some((arg, [_, _, ..])) = input.split_at_checked(bulk_bytes) else { return Ok(None) };
        let arg = if bulk_bytes < COPIED_BYTES_MAX {
            let arg = Bytes::copy_from_slice(arg);
            input.advance(bulk_bytes);
            arg
        } else {
            input.split_to(bulk_bytes).freeze()
        };
        input.advance(LINE_END_BYTES);
        self.bulk_bytes = None;
        Ok(Some(arg))
    }

    /// Takes the line that says how long an argument is.
    fn take_bulk_length(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<usize>, ProtocolError> {
        match input.first() {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => return Err(ProtocolError::ExpectedBulk { got: *other }),
        }
        let Some(length) = self.take_length(input, BULK)? else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| BULK.invalid)?;
        if length > bounds.bulk_bytes_max {
            return Err(BULK.invalid);
        }
        if length > UNAUTHENTICATED_BULK_BYTES_MAX && !bounds.is_authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(Some(length))
    }

    /// Takes a line of one byte that says what it is, and a number.
    fn take_length(&mut self, input: &mut BytesMut, errors: LengthErrors) -> Result<Option<i64>, ProtocolError> {
        let line = Line { end: b'\r', bytes_max: LENGTH_LINE_BYTES_MAX, too_big: errors.too_big };
        let Some(line_bytes) = self.find_end(input, line)? else { return Ok(None) };
        let Some(([_, number @ ..], [_, _, ..])) = input.split_at_checked(line_bytes) else { return Ok(None) };
        let number = parse_number(number).ok_or(errors.invalid)?;
        input.advance(line_bytes + LINE_END_BYTES);
        Ok(Some(number))
    }

    /// Takes a request that is a line of words. There may be none.
    fn take_inline(&mut self, input: &mut BytesMut, bounds: &Bounds) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        let line = Line { end: b'\n', bytes_max: bounds.inline_bytes_max, too_big: ProtocolError::TooBigInline };
        let Some(line_bytes) = self.find_end(input, line)? else { return Ok(None) };
        let Some((words, [_, ..])) = input.split_at_checked(line_bytes) else { return Ok(None) };
        // A `\r` before the newline is a space to the words, unless a quote is open, which is an error anyway.
        let words = split_words(words)?;
        input.advance(line_bytes + 1);
        Ok(Some(words))
    }

    /// Bytes before the end of the line that the input begins with.
    fn find_end(&mut self, input: &[u8], line: Line) -> Result<Option<usize>, ProtocolError> {
        let unseen = input.get(self.searched..).unwrap_or_default();
        let found = unseen.iter().position(|byte| *byte == line.end).map(|at| self.searched + at);
        self.searched = if found.is_some() { 0 } else { input.len() };
        // However the line arrived: Redis takes a longer one if its end comes in the same read.
        if found.unwrap_or(input.len()) > line.bytes_max { Err(line.too_big) } else { Ok(found) }
    }
}

const LINE_END_BYTES: usize = 2;

/// A line that is looked for.
#[derive(Clone, Copy)]
struct Line {
    end: u8,
    /// Its end apart.
    bytes_max: usize,
    too_big: ProtocolError,
}

/// What is said of a line without a good length.
#[derive(Clone, Copy)]
struct LengthErrors {
    invalid: ProtocolError,
    too_big: ProtocolError,
}

const COUNT: LengthErrors =
    LengthErrors { invalid: ProtocolError::InvalidMultibulkLength, too_big: ProtocolError::TooBigMultibulkCount };

const BULK: LengthErrors =
    LengthErrors { invalid: ProtocolError::InvalidBulkLength, too_big: ProtocolError::TooBigBulkCount };

/// A decimal number as Redis takes it: one way to write each, so that `+1`, `01` and `-0` are none.
fn parse_number(number: &[u8]) -> Option<i64> {
    match number {
        [b'0'] | [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..] => std::str::from_utf8(number).ok()?.parse().ok(),
        _ => None,
    }
}

/// The words of an inline request, as a shell would split them.
fn split_words(mut rest: &[u8]) -> Result<Vec<Bytes>, ProtocolError> {
    let mut words = Vec::new();
    loop {
        match rest {
            [] => return Ok(words),
            [first, behind @ ..] if is_space(*first) => rest = behind,
            _ => {
                let (word, behind) = take_word(rest).ok_or(ProtocolError::UnbalancedQuotes)?;
                words.push(word);
                rest = behind;
            }
        }
    }
}

/// The word at the front and what is behind it, if its quotes are closed and nothing sticks to them.
fn take_word(mut rest: &[u8]) -> Option<(Bytes, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [quote @ (b'"' | b'\''), quoted @ ..] => {
                rest = if *quote == b'"' { take_double(quoted, &mut word)? } else { take_single(quoted, &mut word)? };
                if rest.first().is_some_and(|next| !is_space(*next)) {
                    return None;
                }
                break;
            }
            // Fewer than the spaces between words: Redis keeps a vertical tab within one.
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => break,
            [byte, behind @ ..] => {
                word.push(*byte);
                rest = behind;
            }
        }
    }
    Some((word.into_boxed_slice().into(), rest))
}

/// Adds what stands before the closing double quote, without escapes; what is behind it.
fn take_double<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [] => return None,
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..] if let Some(byte) = parse_hex(*high, *low) => (byte, behind),
            [b'\\', escaped, behind @ ..] => (unescape(*escaped), behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        word.push(byte);
        rest = behind;
    }
}

/// Adds what stands before the closing single quote, where only that quote is escaped; what is behind it.
fn take_single<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, behind) = match rest {
            [] => return None,
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
        };
        word.push(byte);
        rest = behind;
    }
}

fn parse_hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Spaces between words: those of ASCII, and the vertical tab that [`u8::is_ascii_whitespace`] leaves out.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Why what a client sent is no request. Shown, it is what Redis 7.0 says after "Protocol error: ", on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtocolError {
    /// The count of arguments is no number, or more than anybody may send.
    InvalidMultibulkLength,
    /// More arguments than a client may send before it has authenticated.
    UnauthenticatedMultibulkLength,
    /// The line with the count of arguments does not end.
    TooBigMultibulkCount,
    /// Something else than an argument where one must be.
    ExpectedBulk {
        /// The byte that is there.
        got: u8,
    },
    /// The length of an argument is no number, less than zero, or more than anybody may send.
    InvalidBulkLength,
    /// An argument longer than a client may send before it has authenticated.
    UnauthenticatedBulkLength,
    /// The line with the length of an argument does not end.
    TooBigBulkCount,
    /// An inline request does not end.
    TooBigInline,
    /// An inline request ends within quotes, or something follows them without a space.
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            // An end of a line is a space, as Redis shows it; what else nobody could see is escaped.
            Self::ExpectedBulk { got: b'\r' | b'\n' } => "expected '$', got ' '",
            Self::ExpectedBulk { got: got @ b' '..=b'~' } => {
                return write!(f, "expected '$', got '{}'", char::from(*got));
            }
            Self::ExpectedBulk { got } => return write!(f, "expected '$', got '{}'", got.escape_ascii()),
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInline => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        })
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    type Requests = Vec<Vec<Vec<u8>>>;

    const BOUNDS: Bounds =
        Bounds { args_max: 1 << 20, bulk_bytes_max: 512 << 20, inline_bytes_max: 64 << 10, is_authenticated: true };

    /// All requests of some pieces, and what ended them.
    fn parse<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        bounds: &Bounds,
    ) -> (Requests, Option<ProtocolError>, RequestParser) {
        let (mut parser, mut input, mut requests) = (RequestParser::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match parser.next(&mut input, bounds) {
                    Ok(Some(args)) => requests.push(args.iter().map(|arg| arg.to_vec()).collect()),
                    Ok(None) => break,
                    Err(error) => return (requests, Some(error), parser),
                }
            }
        }
        (requests, None, parser)
    }

    fn requests(bytes: &[u8]) -> Requests {
        let (requests, error, _) = parse([bytes], &BOUNDS);
        assert_eq!(error, None);
        requests
    }

    fn error(bytes: &[u8], bounds: &Bounds) -> String {
        parse([bytes], bounds).1.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn requests_are_taken_one_by_one() {
        let two = requests(b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n*1\r\n$0\r\n\r\n*1\r\n$4\r\nPI");
        assert_eq!(two, [vec![b"ECHO".to_vec(), b"a\r\n".to_vec()], vec![vec![]]]);
        let ping = [[b"PING"]];
        assert_eq!(requests(b"*0\r\n*-1\r\n*-9223372036854775808\r\n\r\n\n \t\r\nPING\n"), ping);
        // The bytes at the ends are not looked at.
        assert_eq!(requests(b"*1\rx$4\rxPINGxx"), ping);
    }

    #[test]
    fn words_are_split_as_redis_splits_them() {
        let cases: [(&[u8], &[&[u8]]); 14] = [
            (b"SET a b\r\n", &[b"SET", b"a", b"b"]),
            (b"  SET\t a\x0b\x0b \r\r\n", &[b"SET", b"a\x0b\x0b"]),
            (b"\x0b\x0cSET a\x0cb\n", &[b"SET", b"a\x0cb"]),
            (b"a\rb\n", &[b"a", b"b"]),
            (b"\"\" ''\n", &[b"", b""]),
            (b"\"a b\"\x0b'c d'\n", &[b"a b", b"c d"]),
            (b"a\"b c\"\n", &[b"ab c"]),
            (br#""\n\r\t\b\a\q\"\\\'""#, &[b"\n\r\t\x08\x07q\"\\'"]),
            (br#""\x41\xfF\x4\xg1""#, &[b"A\xffx4xg1"]),
            (br"'a\'b\n\\x'", &[br"a'b\n\\x"]),
            (br#"'"' "'""#, &[b"\"", b"'"]),
            (br"a\ b", &[b"a\\", b"b"]),
            (b"\0a \xff\xfe", &[b"\0a", b"\xff\xfe"]),
            (b"$4 +a -b :c", &[b"$4", b"+a", b"-b", b":c"]),
        ];
        for (line, words) in cases {
            let line = [line, b"\n"].concat();
            assert_eq!(requests(&line)[0], words, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_redis_says_it() {
        let invalid_count = "invalid multibulk length";
        for count in ["", "x", " 1", "1 ", "+1", "01", "-0", "00", "-", "--1", "1\n", "1\0", "1048577"] {
            assert_eq!(error(format!("*{count}\r\n").as_bytes(), &BOUNDS), invalid_count, "{count:?}");
        }
        for count in ["9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551617"] {
            assert_eq!(error(format!("*{count}\r\n").as_bytes(), &BOUNDS), invalid_count);
        }
        for length in ["", "-1", "-0", "x", "+4", "04", "536870913", "9223372036854775808"] {
            assert_eq!(error(format!("*1\r\n${length}\r\n").as_bytes(), &BOUNDS), "invalid bulk length", "{length:?}");
        }
        let bulks = [(b'x', "x"), (b'\'', "'"), (b'\r', " "), (b'\n', " "), (0, "\\x00"), (0xff, "\\xff"), (b' ', " ")];
        for (byte, shown) in bulks {
            assert_eq!(error(&[b"*1\r\n", &[byte][..]].concat(), &BOUNDS), format!("expected '$', got '{shown}'"));
        }
        for line in ["\"", "'", "a \"b", "\"a\"b", "'a'\"b\"", "'a\\'", "\"a\\\"", "\"a\\", "\"a\r"] {
            assert_eq!(error(format!("{line}\r\n").as_bytes(), &BOUNDS), "unbalanced quotes in request", "{line:?}");
        }
        assert_eq!(error(b"*1048576\r\n*", &BOUNDS), "expected '$', got '*'");
        assert_eq!(error(b"*1\r\n$536870912\r\n", &BOUNDS), "");
    }

    #[test]
    fn a_line_is_no_longer_than_its_bound() {
        let digits = vec![b'1'; LENGTH_LINE_BYTES_MAX];
        let count_line = [b"*", &digits[1..]].concat();
        assert_eq!(error(&count_line, &BOUNDS), "");
        assert_eq!(error(&[&count_line, &b"\r\n"[..]].concat(), &BOUNDS), "invalid multibulk length");
        assert_eq!(error(&[b"*", &digits[..]].concat(), &BOUNDS), "too big mbulk count string");
        assert_eq!(error(&[b"*", &digits[..], b"\r\n"].concat(), &BOUNDS), "too big mbulk count string");
        assert_eq!(error(&[b"*1\r\n$", &digits[..]].concat(), &BOUNDS), "too big bulk count string");
        let bounds = Bounds { inline_bytes_max: 4, ..BOUNDS };
        assert_eq!(error(b"PING", &bounds), "");
        assert_eq!(error(b"PING\n", &bounds), "");
        assert_eq!(error(b"PINGS", &bounds), "too big inline request");
        assert_eq!(error(b"PINGS\n", &bounds), "too big inline request");
    }

    #[test]
    fn strangers_may_send_little() {
        let bounds = Bounds { is_authenticated: false, ..BOUNDS };
        assert_eq!(error(b"*10\r\n", &bounds), "");
        assert_eq!(error(b"*11\r\n", &bounds), "unauthenticated multibulk length");
        assert_eq!(error(b"*1\r\n$16384\r\n", &bounds), "");
        assert_eq!(error(b"*1\r\n$16385\r\n", &bounds), "unauthenticated bulk length");
        assert_eq!(error(b"*1\r\n$536870913\r\n", &bounds), "invalid bulk length");
    }

    #[test]
    fn nothing_is_taken_after_an_error() {
        let (mut parser, mut input) = (RequestParser::default(), BytesMut::from(&b"*2\r\n$1\r\na\r\nPING\r\n"[..]));
        let error = ProtocolError::ExpectedBulk { got: b'P' };
        assert_eq!(parser.next(&mut input, &BOUNDS), Err(error));
        assert_eq!(parser.next(&mut input, &BOUNDS), Err(error));
        assert_eq!((parser.held_bytes(), &input[..]), (0, &b"PING\r\n"[..]));
    }

    #[test]
    fn memory_is_taken_for_what_has_arrived() {
        let (mut parser, mut input) = (RequestParser::default(), BytesMut::with_capacity(64));
        input.extend_from_slice(b"*1048576\r\n$3\r\nSET\r\n$0\r\n\r\n$536870912\r\nabc");
        assert_eq!(parser.next(&mut input, &BOUNDS), Ok(None));
        assert!(parser.args.capacity() <= 4);
        assert_eq!(parser.held_bytes(), 3 + 2 * size_of::<Bytes>());
        assert!(&input[..] == b"abc" && input.capacity() <= 64);
        // What was copied does not keep the buffer from being filled again.
        assert!(input.try_reclaim(61));
    }

    #[test]
    fn long_arguments_are_not_copied_and_short_ones_are() {
        for (length, is_copied) in [(0, true), (COPIED_BYTES_MAX - 1, true), (COPIED_BYTES_MAX, false)] {
            let mut input = BytesMut::from(format!("*1\r\n${length}\r\n{}\r\nrest", "a".repeat(length)).as_bytes());
            let buffer = input.as_ptr_range();
            let args = RequestParser::default().next(&mut input, &BOUNDS).unwrap().unwrap();
            assert!(args[0].len() == length && &input[..] == b"rest");
            assert_eq!(!buffer.contains(&args[0].as_ptr()), is_copied, "{length}");
        }
    }

    #[test]
    fn the_start_of_a_line_is_searched_once() {
        let (mut parser, mut input) = (RequestParser::default(), BytesMut::from(&b"*1\r\n$1"[..]));
        assert_eq!(parser.next(&mut input, &BOUNDS), Ok(None));
        assert_eq!((parser.searched, &input[..]), (2, &b"$1"[..]));
        input.extend_from_slice(b"\r\na\r\nPI");
        assert_eq!(parser.next(&mut input, &BOUNDS), Ok(Some(vec![Bytes::from("a")])));
        assert_eq!((parser.next(&mut input, &BOUNDS), parser.searched), (Ok(None), 2));
    }

    /// Bytes that look like requests, more or less.
    fn near_requests() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => (1_usize..4).prop_map(|count| format!("*{count}\r\n").into_bytes()),
            8 => proptest::collection::vec(any::<u8>(), 0..9)
                .prop_map(|bulk| [format!("${}\r\n", bulk.len()).as_bytes(), &bulk, b"\r\n"].concat()),
            1 => Just([&b"$1500\r\n"[..], &[b'z'; 1500], b"\r\n"].concat()),
            2 => "[ab \"'x4\\\\]{0,6}\r?\n".prop_map(String::into_bytes),
            1 => "[*$0-9\r\n-]{0,6}".prop_map(String::into_bytes),
            1 => proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(1000))]

        #[test]
        fn it_does_not_matter_how_bytes_arrive(bytes in near_requests(), piece_bytes in 1_usize..40) {
            let bounds = Bounds { inline_bytes_max: 20, bulk_bytes_max: 2000, ..BOUNDS };
            let (whole, whole_error, whole_parser) = parse([&bytes[..]], &bounds);
            for pieces in [bytes.chunks(1), bytes.chunks(piece_bytes)] {
                let (requests, error, parser) = parse(pieces, &bounds);
                prop_assert_eq!((&requests, error), (&whole, whole_error));
                prop_assert_eq!(parser.held_bytes(), whole_parser.held_bytes());
            }
            let entries = parse([&bytes[..]], &bounds).2.args.len() * size_of::<Bytes>();
            prop_assert!(whole_parser.held_bytes() <= bytes.len() + entries);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), first in 0_u8..3) {
            let start = [&b""[..], b"*3\r\n", b"*1\r\n$"][usize::from(first)];
            let (requests, _, _) = parse([start, &bytes], &BOUNDS);
            prop_assert!(requests.iter().all(|args| !args.is_empty()));
            prop_assert!(requests.iter().flatten().map(Vec::len).sum::<usize>() <= bytes.len());
        }

        #[test]
        fn what_is_sent_is_parsed(
            sent in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1100), 1..5), 0..5
            )
        ) {
            let mut bytes = Vec::new();
            for args in &sent {
                bytes.extend(format!("*{}\r\n", args.len()).bytes());
                for arg in args {
                    bytes.extend([format!("${}\r\n", arg.len()).as_bytes(), arg, b"\r\n"].concat());
                }
            }
            prop_assert_eq!(requests(&bytes), sent);
        }
    }
}
