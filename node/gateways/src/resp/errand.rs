//! The form of errands and of what came of them. Whoever may write to the bucket can say them: whatever does not read as it
//! was written is not read at all.

use bytes::{BufMut as _, Bytes, BytesMut};
use storgo_protocol::PeerId;
use storgo_protocol::limits::{RESP_ARGS_MAX, RESP_ERRAND_BYTES_MAX, RESP_FOLDED_MAX, RESP_REPLY_DEPTH_MAX};

use super::reply::Reply;

/// Commands on one key that another door wants done, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errand {
    /// Beside which member the door is that wants it.
    pub(super) from: PeerId,
    /// What it calls it.
    pub(super) id: u64,
    /// Each with its name and arguments.
    pub(super) commands: Vec<Vec<Bytes>>,
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answers {
    pub(super) id: u64,
    /// What is said of each command; none of one that was not done, nor were those behind it.
    pub(super) replies: Vec<Option<Reply>>,
}

impl Errand {
    /// Bytes of one without commands.
    pub(super) const HEAD_BYTES: usize = 32 + 8 + 4;

    /// Bytes that a command takes.
    pub(super) fn bytes_of(args: &[Bytes]) -> usize {
        size_of::<u32>() + args.iter().map(|arg| size_of::<u32>() + arg.len()).sum::<usize>()
    }

    /// Member (32), id (u64), commands (u32), and of each: arguments (u32), and each with its length (u32).
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(self.from.as_bytes());
        out.put_u64_le(self.id);
        put_count(self.commands.len(), &mut out);
        for args in &self.commands {
            put_count(args.len(), &mut out);
            for arg in args {
                put_bytes(arg, &mut out);
            }
        }
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Option<Self> {
        if bytes.len() > RESP_ERRAND_BYTES_MAX {
            return None;
        }
        let mut rest = Rest(bytes);
        let (from, id) = (PeerId::from_bytes(rest.array()?), u64::from_le_bytes(rest.array()?));
        let commands = rest.many(RESP_FOLDED_MAX, |rest| rest.many(RESP_ARGS_MAX, Rest::copied))?;
        rest.end(Self { from, id, commands })
    }
}

impl Answers {
    /// Id (u64), answers (u32), and of each: 0, or 1 and the reply.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u64_le(self.id);
        put_count(self.replies.len(), &mut out);
        for reply in &self.replies {
            out.put_u8(reply.is_some().into());
            if let Some(reply) = reply {
                put_reply(reply, &mut out);
            }
        }
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Option<Self> {
        let mut rest = Rest(bytes);
        let id = u64::from_le_bytes(rest.array()?);
        let replies = rest.many(RESP_FOLDED_MAX, |rest| match rest.array()? {
            [0] => Some(None),
            [1] => rest.reply(0).map(Some),
            _ => None,
        })?;
        rest.end(Self { id, replies })
    }
}

fn put_count(count: usize, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    put_count(bytes.len(), out);
    out.put_slice(bytes);
}

fn put_reply(reply: &Reply, out: &mut BytesMut) {
    let put_all = |kind: u8, replies: &[Reply], out: &mut BytesMut| {
        out.put_u8(kind);
        put_count(replies.len(), out);
        for reply in replies {
            put_reply(reply, out);
        }
    };
    let put_pairs = |kind: u8, pairs: &[(Reply, Reply)], out: &mut BytesMut| {
        out.put_u8(kind);
        put_count(pairs.len(), out);
        for (key, value) in pairs {
            put_reply(key, out);
            put_reply(value, out);
        }
    };
    let put = |kind: u8, bytes: &[u8], out: &mut BytesMut| {
        out.put_u8(kind);
        put_bytes(bytes, out);
    };
    match reply {
        Reply::Simple(text) => put(b'+', text.as_bytes(), out),
        Reply::Error(text) => put(b'-', text.as_bytes(), out),
        Reply::Bulk(bytes) => put(b'$', bytes, out),
        Reply::Verbatim(bytes) => put(b'=', bytes, out),
        Reply::Nil => out.put_u8(b'_'),
        Reply::NilArray => out.put_u8(b'!'),
        Reply::Int(number) => {
            out.put_u8(b':');
            out.put_i64_le(*number);
        }
        Reply::Double(number) => {
            out.put_u8(b',');
            out.put_f64_le(*number);
        }
        Reply::Array(replies) => put_all(b'*', replies, out),
        Reply::Set(replies) => put_all(b'~', replies, out),
        Reply::Push(replies) => put_all(b'>', replies, out),
        Reply::Several(replies) => put_all(b'&', replies, out),
        Reply::Map(pairs) => put_pairs(b'%', pairs, out),
        Reply::Pairs(pairs) => put_pairs(b'|', pairs, out),
    }
}

/// What was not read yet.
struct Rest(Bytes);

impl Rest {
    fn array<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let array = *self.0.first_chunk()?;
        drop(self.0.split_to(COUNT));
        Some(array)
    }

    /// A count of things of which each takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let bytes = self.count()?;
        Some(self.0.split_to(bytes))
    }

    /// The same, as a copy: a short one that is kept must not keep all that came with it.
    fn copied(&mut self) -> Option<Bytes> {
        self.bytes().map(|bytes| Bytes::copy_from_slice(&bytes))
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.into()).ok()
    }

    fn many<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count().filter(|count| *count <= most)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn reply(&mut self, depth: usize) -> Option<Reply> {
        if depth >= RESP_REPLY_DEPTH_MAX {
            return None;
        }
        let [kind] = self.array()?;
        let replies = |rest: &mut Self| rest.many(usize::MAX, |rest| rest.reply(depth + 1));
        let pairs =
            |rest: &mut Self| rest.many(usize::MAX, |rest| Some((rest.reply(depth + 1)?, rest.reply(depth + 1)?)));
        Some(match kind {
            b'+' => Reply::Simple(self.text()?.into()),
            b'-' => Reply::Error(self.text()?.into()),
            b'$' => Reply::Bulk(self.bytes()?),
            b'=' => Reply::Verbatim(self.bytes()?),
            b'_' => Reply::Nil,
            b'!' => Reply::NilArray,
            b':' => Reply::Int(i64::from_le_bytes(self.array()?)),
            b',' => Reply::Double(Some(f64::from_le_bytes(self.array()?)).filter(|number| !number.is_nan())?),
            b'*' => Reply::Array(replies(self)?),
            b'~' => Reply::Set(replies(self)?),
            // What has no frame of its own, or is no answer, would put a client out of step.
            b'%' => Reply::Map(pairs(self)?),
            b'|' => Reply::Pairs(pairs(self)?),
            _ => return None,
        })
    }

    fn end<T>(self, whole: T) -> Option<T> {
        self.0.is_empty().then_some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand() -> Errand {
        let commands = vec![vec!["INCR".into(), "k".into()], vec!["SET".into(), "k".into(), Bytes::new()], Vec::new()];
        Errand { from: PeerId::from_bytes([7; 32]), id: 9, commands }
    }

    fn answers() -> Answers {
        let (int, bulk) = (|| Reply::Int(-3), || Reply::bulk("bytes\r\n"));
        let replies = vec![
            Some(Reply::OK),
            Some(Reply::error("ERR no")),
            Some(Reply::Array(vec![int(), bulk(), Reply::Nil, Reply::NilArray, Reply::Double(1.5)])),
            Some(Reply::Map(vec![(bulk(), Reply::Set(vec![int()]))])),
            Some(Reply::Pairs(vec![(bulk(), Reply::Verbatim("text".into()))])),
            None,
        ];
        Answers { id: 9, replies }
    }

    #[test]
    fn errands_and_answers_are_read_as_they_were_written_or_not_at_all() {
        assert_eq!(Errand::decode(errand().encode()), Some(errand()));
        assert_eq!(Answers::decode(answers().encode()), Some(answers()));
        for end in 0..errand().encode().len() {
            assert_eq!(Errand::decode(errand().encode().slice(..end)), None, "{end}");
        }
        for end in 0..answers().encode().len() {
            assert_eq!(Answers::decode(answers().encode().slice(..end)), None, "{end}");
        }
        let longer = |bytes: Bytes| Bytes::from([&bytes[..], b"x"].concat());
        assert_eq!(
            (Errand::decode(longer(errand().encode())), Answers::decode(longer(answers().encode()))),
            (None, None)
        );
    }

    #[test]
    fn what_is_too_long_too_many_or_too_deep_is_not_read() {
        let commands = |commands: Vec<Vec<Bytes>>| Errand { commands, ..errand() }.encode();
        let head = commands(Vec::new()).len();
        let long = |bytes: usize| commands(vec![vec![Bytes::from(vec![0; bytes - head - 8])]]);
        assert!(Errand::decode(long(RESP_ERRAND_BYTES_MAX)).is_some());
        assert_eq!(Errand::decode(long(RESP_ERRAND_BYTES_MAX + 1)), None);
        assert!(Errand::decode(commands(vec![Vec::new(); RESP_FOLDED_MAX])).is_some());
        assert_eq!(Errand::decode(commands(vec![Vec::new(); RESP_FOLDED_MAX + 1])), None);
        let deep = |depth: usize| {
            let reply = (1..depth).fold(Reply::Nil, |reply, _| Reply::Array(vec![reply]));
            Answers { id: 1, replies: vec![Some(reply)] }.encode()
        };
        assert!(Answers::decode(deep(RESP_REPLY_DEPTH_MAX)).is_some());
        assert_eq!(Answers::decode(deep(RESP_REPLY_DEPTH_MAX + 1)), None);
        for frameless in [Reply::Several(vec![Reply::Nil]), Reply::Push(vec![Reply::Nil])] {
            assert_eq!(Answers::decode(Answers { id: 1, replies: vec![Some(frameless)] }.encode()), None);
        }
        let nan = Answers { id: 1, replies: vec![Some(Reply::Double(f64::NAN))] };
        assert_eq!(Answers::decode(nan.encode()), None);
    }
}
