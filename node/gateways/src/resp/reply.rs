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

    /// Appends the bytes of the reply. It calls itself for replies within replies, which are as deep as we nest them.
    pub(super) fn write(&self, protocol: Protocol, out: &mut BytesMut) {
        match (self, protocol) {
            (Self::Simple(text), _) => write_line(b'+', text, out),
            (Self::Error(text), _) => write_line(b'-', text, out),
            (Self::Int(number), _) => write_number(b':', number, out),
            (Self::Bulk(bytes), _) | (Self::Verbatim(bytes), Protocol::Two) => write_bulk(bytes, out),
            (Self::Nil, Protocol::Two) => out.extend_from_slice(b"$-1\r\n"),
            (Self::NilArray, Protocol::Two) => out.extend_from_slice(b"*-1\r\n"),
            (Self::Nil | Self::NilArray, Protocol::Three) => out.extend_from_slice(b"_\r\n"),
            (Self::Array(replies), _) | (Self::Set(replies), Protocol::Two) => {
                write_all(b'*', replies, protocol, out);
            }
            (Self::Set(replies), Protocol::Three) => write_all(b'~', replies, protocol, out),
            (Self::Map(pairs), _) | (Self::Pairs(pairs), Protocol::Two) => write_map(pairs, protocol, out),
            (Self::Pairs(pairs), Protocol::Three) => {
                write_number(b'*', &pairs.len(), out);
                for (key, value) in pairs {
                    write_number(b'*', &2, out);
                    key.write(protocol, out);
                    value.write(protocol, out);
                }
            }
            (Self::Double(number), Protocol::Two) => write_bulk(doubles::text(*number).as_bytes(), out),
            (Self::Double(number), Protocol::Three) => write_number(b',', &doubles::text(*number), out),
            (Self::Verbatim(bytes), Protocol::Three) => {
                write_number(b'=', &(TEXT_MARK.len() + bytes.len()), out);
                out.extend_from_slice(TEXT_MARK);
                out.extend_from_slice(bytes);
                out.extend_from_slice(LINE_END);
            }
        }
    }
}

const LINE_END: &[u8] = b"\r\n";

/// What a verbatim text begins with in RESP3 to say that it is plain.
const TEXT_MARK: &[u8] = b"txt:";

fn write_all(kind: u8, replies: &[Reply], protocol: Protocol, out: &mut BytesMut) {
    write_number(kind, &replies.len(), out);
    for reply in replies {
        reply.write(protocol, out);
    }
}

fn write_map(pairs: &[(Reply, Reply)], protocol: Protocol, out: &mut BytesMut) {
    match protocol {
        Protocol::Two => write_number(b'*', &(pairs.len() * 2), out),
        Protocol::Three => write_number(b'%', &pairs.len(), out),
    }
    for (key, value) in pairs {
        key.write(protocol, out);
        value.write(protocol, out);
    }
}

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
