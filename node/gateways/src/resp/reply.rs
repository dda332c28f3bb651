//! Replies to RESP clients, and their bytes in both versions of the protocol.
//!
//! It knows no command and no socket: whoever runs a command says what is answered, and a connection sends the bytes.
//! A reply is made once and written as the client has asked; what version 2 cannot say is said as Redis does there.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{Bytes, BytesMut};

use super::doubles;

/// The version of the protocol that a client speaks: the second until it asks for the third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Protocol {
    /// RESP2.
    #[default]
    Two,
    /// RESP3.
    Three,
}

/// What a client is told.
///
/// # Source
///
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/>, "RESP protocol description".
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    /// A short text of ours. Ends of lines in it are sent as spaces.
    Simple(Cow<'static, str>),
    /// What went wrong, its code first: `ERR syntax error`. Ends of lines in it are sent as spaces.
    Error(Cow<'static, str>),
    /// A number.
    Int(i64),
    /// Any bytes.
    Bulk(Bytes),
    /// No value.
    Nil,
    /// No array. RESP3 has one word for both.
    NilArray,
    /// Replies in an order.
    Array(Vec<Reply>),
    /// Pairs of a key and a value: in RESP2 an array, each key before its value.
    Map(Vec<(Reply, Reply)>),
    /// Pairs in an order: in RESP2 an array, each key before its value; in RESP3 one of pairs.
    Pairs(Vec<(Reply, Reply)>),
    /// Replies in no order: in RESP2 an array.
    Set(Vec<Reply>),
    /// Plain text for people: in RESP2 a bulk.
    Verbatim(Bytes),
    /// A number with a fraction, and never NaN: in RESP2 a bulk.
    Double(f64),
    /// What a client is told without having asked: in RESP2 an array.
    Push(Vec<Reply>),
    /// Replies one after the other, which have no frame together.
    Several(Vec<Reply>),
}

impl Reply {
    /// It is done.
    pub(super) const OK: Self = Self::Simple(Cow::Borrowed("OK"));

    /// Some bytes.
    pub(super) fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// An error whose text begins with its code.
    pub(super) fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Error(text.into())
    }

    /// Whether it is told who wants no answers, too.
    pub(super) const fn is_push(&self) -> bool {
        matches!(self, Self::Push(_) | Self::Several(_))
    }

    /// Bytes that it takes, about: its own, and those of what it shows, though others may show the same.
    pub(super) fn weight(&self) -> usize {
        let all = |replies: &[Self]| replies.iter().map(Self::weight).sum();
        let pairs = |pairs: &[(Self, Self)]| pairs.iter().map(|(key, value)| key.weight() + value.weight()).sum();
        size_of::<Self>()
            + match self {
                Self::Simple(text) | Self::Error(text) => text.len(),
                Self::Bulk(bytes) | Self::Verbatim(bytes) => bytes.len(),
                Self::Array(replies) | Self::Set(replies) | Self::Push(replies) | Self::Several(replies) => {
                    all(replies)
                }
                Self::Map(both) | Self::Pairs(both) => pairs(both),
                Self::Int(_) | Self::Nil | Self::NilArray | Self::Double(_) => 0,
            }
    }

    /// What is to be written of it: all.
    pub(super) fn writing(&self, protocol: Protocol) -> Writing<'_> {
        Writing { protocol, whole: Some(self), rest: Vec::new() }
    }

    /// Appends all of its bytes.
    pub(super) fn write(&self, protocol: Protocol, out: &mut BytesMut) {
        self.writing(protocol).go_on(out, usize::MAX);
    }
}

/// A reply of which some is written, and the rest is to be: what is longer than a client takes at once is written in pieces.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    protocol: Protocol,
    /// All of it, if nothing is written yet.
    whole: Option<&'a Reply>,
    /// What comes next is the last.
    rest: Vec<Rest<'a>>,
}

#[derive(Debug)]
enum Rest<'a> {
    Replies(std::slice::Iter<'a, Reply>),
    Keyed(std::slice::Iter<'a, (Reply, Reply)>),
    /// Pairs that are arrays of two each.
    Paired(std::slice::Iter<'a, (Reply, Reply)>),
    Reply(&'a Reply),
    /// What is left of a bulk.
    Bytes(&'a [u8]),
}

impl<'a> Writing<'a> {
    /// Appends more, until there are so many bytes or all is written; whether there is more.
    pub(super) fn go_on(&mut self, out: &mut BytesMut, until: usize) -> bool {
        if let Some(whole) = self.whole.take() {
            self.begin(whole, out, until);
        }
        while let Some(mut rest) = self.rest.pop() {
            if out.len() >= until {
                self.rest.push(rest);
                return true;
            }
            let next = match &mut rest {
                Rest::Replies(replies) => replies.next(),
                Rest::Keyed(pairs) => pairs.next().map(|(key, value)| {
                    self.rest.extend([Rest::Keyed(pairs.clone()), Rest::Reply(value)]);
                    key
                }),
                Rest::Paired(pairs) => pairs.next().map(|(key, value)| {
                    write_number(b'*', &2, out);
                    self.rest.extend([Rest::Paired(pairs.clone()), Rest::Reply(value)]);
                    key
                }),
                Rest::Reply(reply) => Some(*reply),
                Rest::Bytes(bytes) => {
                    self.bytes(bytes, out, until);
                    None
                }
            };
            let Some(next) = next else { continue };
            if let Rest::Replies(_) = rest {
                self.rest.push(rest);
            }
            self.begin(next, out, until);
        }
        false
    }

    /// Writes what fits of a bulk.
    fn bytes(&mut self, bytes: &'a [u8], out: &mut BytesMut, until: usize) {
        match bytes.split_at_checked(until.saturating_sub(out.len())) {
            Some((now, later)) if !later.is_empty() => {
                out.extend_from_slice(now);
                self.rest.push(Rest::Bytes(later));
            }
            _ => {
                out.extend_from_slice(bytes);
                out.extend_from_slice(LINE_END);
            }
        }
    }

    /// Writes a reply, or the head of one that has others within.
    fn begin(&mut self, reply: &'a Reply, out: &mut BytesMut, until: usize) {
        match (reply, self.protocol) {
            (Reply::Simple(text), _) => write_line(b'+', text, out),
            (Reply::Error(text), _) => write_line(b'-', text, out),
            (Reply::Int(number), _) => write_number(b':', number, out),
            (Reply::Bulk(bytes), _) | (Reply::Verbatim(bytes), Protocol::Two) => {
                write_number(b'$', &bytes.len(), out);
                self.bytes(bytes, out, until);
            }
            (Reply::Nil, Protocol::Two) => out.extend_from_slice(b"$-1\r\n"),
            (Reply::NilArray, Protocol::Two) => out.extend_from_slice(b"*-1\r\n"),
            (Reply::Nil | Reply::NilArray, Protocol::Three) => out.extend_from_slice(b"_\r\n"),
            (Reply::Array(replies), _) | (Reply::Set(replies) | Reply::Push(replies), Protocol::Two) => {
                self.replies(b'*', replies, out);
            }
            (Reply::Set(replies), Protocol::Three) => self.replies(b'~', replies, out),
            (Reply::Push(replies), Protocol::Three) => self.replies(b'>', replies, out),
            (Reply::Several(replies), _) => self.rest.push(Rest::Replies(replies.iter())),
            (Reply::Map(pairs) | Reply::Pairs(pairs), Protocol::Two) => {
                write_number(b'*', &(pairs.len() * 2), out);
                self.rest.push(Rest::Keyed(pairs.iter()));
            }
            (Reply::Map(pairs), Protocol::Three) => {
                write_number(b'%', &pairs.len(), out);
                self.rest.push(Rest::Keyed(pairs.iter()));
            }
            (Reply::Pairs(pairs), Protocol::Three) => {
                write_number(b'*', &pairs.len(), out);
                self.rest.push(Rest::Paired(pairs.iter()));
            }
            (Reply::Double(number), Protocol::Two) => write_bulk(doubles::text(*number).as_bytes(), out),
            (Reply::Double(number), Protocol::Three) => write_number(b',', &doubles::text(*number), out),
            (Reply::Verbatim(bytes), Protocol::Three) => {
                write_number(b'=', &(TEXT_MARK.len() + bytes.len()), out);
                out.extend_from_slice(TEXT_MARK);
                self.bytes(bytes, out, until);
            }
        }
    }

    fn replies(&mut self, kind: u8, replies: &'a [Reply], out: &mut BytesMut) {
        write_number(kind, &replies.len(), out);
        self.rest.push(Rest::Replies(replies.iter()));
    }
}

const LINE_END: &[u8] = b"\r\n";

/// What a verbatim text begins with in RESP3 to say that it is plain.
const TEXT_MARK: &[u8] = b"txt:";

fn write_bulk(bytes: &[u8], out: &mut BytesMut) {
    write_number(b'$', &bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(LINE_END);
}

/// Writes a text that may hold what a client has sent: with an end of a line in it the client could write replies.
fn write_line(kind: u8, text: &str, out: &mut BytesMut) {
    out.extend_from_slice(&[kind]);
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(LINE_END);
}

fn write_number(kind: u8, number: &impl std::fmt::Display, out: &mut BytesMut) {
    out.extend_from_slice(&[kind]);
    // A buffer that grows takes whatever is written.
    let _ = write!(out, "{number}");
    out.extend_from_slice(LINE_END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    fn written(reply: &Reply, protocol: Protocol) -> Vec<u8> {
        let mut out = BytesMut::from(&b"before"[..]);
        reply.write(protocol, &mut out);
        out.strip_prefix(b"before").unwrap().to_vec()
    }

    #[test]
    fn each_reply_has_its_bytes_in_both_versions() {
        let ones = || vec![Reply::Int(1), Reply::Nil];
        let cases = [
            (Reply::OK, "+OK\r\n", "+OK\r\n"),
            (Reply::error("ERR no\r\n+OK\r"), "-ERR no  +OK \r\n", "-ERR no  +OK \r\n"),
            (Reply::Simple("a\nb".into()), "+a b\r\n", "+a b\r\n"),
            (Reply::Int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            (Reply::bulk("a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
            (Reply::bulk(""), "$0\r\n\r\n", "$0\r\n\r\n"),
            (Reply::Nil, "$-1\r\n", "_\r\n"),
            (Reply::NilArray, "*-1\r\n", "_\r\n"),
            (Reply::Array(vec![]), "*0\r\n", "*0\r\n"),
            (Reply::Array(ones()), "*2\r\n:1\r\n$-1\r\n", "*2\r\n:1\r\n_\r\n"),
            (Reply::Set(ones()), "*2\r\n:1\r\n$-1\r\n", "~2\r\n:1\r\n_\r\n"),
            (Reply::Push(ones()), "*2\r\n:1\r\n$-1\r\n", ">2\r\n:1\r\n_\r\n"),
            (Reply::Several(ones()), ":1\r\n$-1\r\n", ":1\r\n_\r\n"),
            (Reply::Map(vec![(Reply::bulk("a"), Reply::Int(1))]), "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"),
            (
                Reply::Pairs(vec![(Reply::bulk("a"), Reply::Int(1)), (Reply::Int(2), Reply::Nil)]),
                "*4\r\n$1\r\na\r\n:1\r\n:2\r\n$-1\r\n",
                "*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n:2\r\n_\r\n",
            ),
            (Reply::Verbatim("hi".into()), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (Reply::Double(-0.1), "$20\r\n-0.10000000000000001\r\n", ",-0.10000000000000001\r\n"),
            (Reply::Double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
        ];
        for (reply, two, three) in cases {
            assert_eq!(written(&reply, Protocol::Two), two.as_bytes(), "{reply:?}");
            assert_eq!(written(&reply, Protocol::Three), three.as_bytes(), "{reply:?}");
        }
        assert_eq!(Protocol::default(), Protocol::Two);
    }

    /// Reads one reply off the front, none of which is longer than its own text.
    fn read(bytes: &mut &[u8]) -> Reply {
        let line_bytes = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
        let line = std::str::from_utf8(&bytes[..line_bytes]).unwrap().to_owned();
        *bytes = &bytes[line_bytes + 2..];
        let text = line[1..].to_owned();
        let count = || text.parse::<usize>().unwrap();
        match line.as_bytes()[0] {
            b'+' => Reply::Simple(text.into()),
            b'-' => Reply::error(text),
            b':' => Reply::Int(text.parse().unwrap()),
            b'_' => Reply::Nil,
            b'$' if text == "-1" => Reply::Nil,
            b'*' if text == "-1" => Reply::NilArray,
            b'$' => Reply::bulk(read_bytes(bytes, count())),
            b'=' => Reply::Verbatim(read_bytes(bytes, count()).strip_prefix(b"txt:").unwrap().to_vec().into()),
            b'*' => Reply::Array(read_all(bytes, count())),
            b'~' => Reply::Set(read_all(bytes, count())),
            b'%' => Reply::Map((0..count()).map(|_| (read(bytes), read(bytes))).collect()),
            other => panic!("no reply begins with {other}"),
        }
    }

    fn read_bytes(bytes: &mut &[u8], count: usize) -> Vec<u8> {
        let content = bytes[..count].to_vec();
        assert_eq!(&bytes[count..count + 2], b"\r\n");
        *bytes = &bytes[count + 2..];
        content
    }

    fn read_all(bytes: &mut &[u8], count: usize) -> Vec<Reply> {
        (0..count).map(|_| read(bytes)).collect()
    }

    /// What a client gets of a reply that it reads.
    fn as_read(reply: Reply, protocol: Protocol) -> Reply {
        let all = |replies: Vec<Reply>| replies.into_iter().map(|reply| as_read(reply, protocol)).collect();
        let line = |text: Cow<'static, str>| Cow::Owned(text.replace(['\r', '\n'], " "));
        match (reply, protocol) {
            (Reply::Simple(text), _) => Reply::Simple(line(text)),
            (Reply::Error(text), _) => Reply::Error(line(text)),
            (Reply::NilArray, Protocol::Three) => Reply::Nil,
            (Reply::Verbatim(bytes), Protocol::Two) => Reply::Bulk(bytes),
            (Reply::Array(replies), _) | (Reply::Set(replies), Protocol::Two) => Reply::Array(all(replies)),
            (Reply::Set(replies), Protocol::Three) => Reply::Set(all(replies)),
            (Reply::Map(pairs), Protocol::Two) => {
                Reply::Array(all(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()))
            }
            (Reply::Map(pairs), Protocol::Three) => {
                let read = |(key, value)| (as_read(key, protocol), as_read(value, protocol));
                Reply::Map(pairs.into_iter().map(read).collect())
            }
            (same, _) => same,
        }
    }

    fn replies() -> impl Strategy<Value = Reply> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
        let leaf = prop_oneof![
            "[ -~é\r\n]{0,12}".prop_map(|text| Reply::Simple(text.into())),
            "[ -~é\r\n]{0,12}".prop_map(Reply::error),
            any::<i64>().prop_map(Reply::Int),
            bytes().prop_map(Reply::Bulk),
            bytes().prop_map(Reply::Verbatim),
            Just(Reply::Nil),
            Just(Reply::NilArray),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let all = || proptest::collection::vec(inner.clone(), 0..5);
            let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
            prop_oneof![all().prop_map(Reply::Array), all().prop_map(Reply::Set), pairs.prop_map(Reply::Map),]
        })
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_are_the_whole(reply in replies(), piece in 1..40_usize) {
            for protocol in [Protocol::Two, Protocol::Three] {
                let (mut whole, mut out) = (Vec::new(), BytesMut::new());
                let mut writing = reply.writing(protocol);
                while writing.go_on(&mut out, piece) {
                    // Heads of arrays and short texts are not cut.
                    prop_assert!(out.len() < piece + 64);
                    whole.extend_from_slice(&out.split());
                }
                whole.extend_from_slice(&out);
                let mut at_once = BytesMut::new();
                reply.write(protocol, &mut at_once);
                prop_assert_eq!(&whole[..], &at_once[..]);
            }
        }

        #[test]
        fn what_is_written_is_read(reply in replies()) {
            for protocol in [Protocol::Two, Protocol::Three] {
                let bytes = written(&reply, protocol);
                let mut rest = &bytes[..];
                prop_assert_eq!(read(&mut rest), as_read(reply.clone(), protocol));
                prop_assert!(rest.is_empty());
            }
        }
    }
}
