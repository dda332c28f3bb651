//! Keys: whether they are there, when they end, which there are.

#![expect(clippy::unnecessary_wraps, reason = "all commands begin alike, those too that cannot be refused")]

use bytes::Bytes;
use futures::future::BoxFuture;
use storgo_object::{ListOptions, ObjectError};
use storgo_protocol::limits::{LISTED_MAX, RESP_SCAN_COUNT_MAX};
use storgo_protocol::meta::Slot;

use super::super::content::Kind;
use super::super::glob;
use super::super::keyspace::{Keyspace, refusal};
use super::super::numbers::{self, ValueError};
use super::super::position::Position;
use super::super::reply::Reply;
use super::super::slate::{Op, Slate};
use super::super::state::State;
use super::super::step::Told;
use super::strings::{end_of, invalid_expire};
use super::{Begun, Command, arg, int, is, key, length, lost, said, syntax};

const READ: &[&str] = &["readonly", "fast"];
const ALL: &[&str] = &["readonly"];
const WRITE: &[&str] = &["write", "fast"];
const ONE: (i32, i32, i32) = (1, 1, 1);
const MANY: (i32, i32, i32) = (1, -1, 1);
const NONE: (i32, i32, i32) = (0, 0, 0);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "dbsize", arity: 1, flags: ALL, keys: NONE, begin: dbsize },
    Command { name: "del", arity: -2, flags: WRITE, keys: MANY, begin: del },
    Command { name: "exists", arity: -2, flags: READ, keys: MANY, begin: exists },
    Command { name: "expire", arity: -3, flags: WRITE, keys: ONE, begin: |state, args| expire(state, args, "expire", 1000, true) },
    Command { name: "expireat", arity: -3, flags: WRITE, keys: ONE, begin: |state, args| expire(state, args, "expireat", 1000, false) },
    Command { name: "expiretime", arity: 2, flags: READ, keys: ONE, begin: |_, args| ends(args, |end, _| end.saturating_add(500) / 1000) },
    Command { name: "flushall", arity: -1, flags: WRITE, keys: NONE, begin: flush },
    Command { name: "flushdb", arity: -1, flags: WRITE, keys: NONE, begin: flush },
    Command { name: "keys", arity: 2, flags: ALL, keys: NONE, begin: keys },
    Command { name: "persist", arity: 2, flags: WRITE, keys: ONE, begin: persist },
    Command { name: "pexpire", arity: -3, flags: WRITE, keys: ONE, begin: |state, args| expire(state, args, "pexpire", 1, true) },
    Command { name: "pexpireat", arity: -3, flags: WRITE, keys: ONE, begin: |state, args| expire(state, args, "pexpireat", 1, false) },
    Command { name: "pexpiretime", arity: 2, flags: READ, keys: ONE, begin: |_, args| ends(args, |end, _| end) },
    Command { name: "pttl", arity: 2, flags: READ, keys: ONE, begin: |_, args| ends(args, u64::saturating_sub) },
    Command { name: "randomkey", arity: 1, flags: ALL, keys: NONE, begin: randomkey },
    Command { name: "scan", arity: -2, flags: ALL, keys: NONE, begin: scan },
    Command { name: "touch", arity: -2, flags: READ, keys: MANY, begin: exists },
    Command { name: "ttl", arity: 2, flags: READ, keys: ONE, begin: |_, args| ends(args, |end, now| end.saturating_sub(now).saturating_add(500) / 1000) },
    Command { name: "type", arity: 2, flags: READ, keys: ONE, begin: kind },
    Command { name: "unlink", arity: -2, flags: WRITE, keys: MANY, begin: del },
];

/// One of these for each key that is named.
fn each(args: &[Bytes], op: fn() -> Op) -> Begun {
    let keys = args.iter().skip(1).map(|key| (key.clone(), op())).collect();
    Begun::Keys(keys, sum)
}

/// The sum of numbers, unless one of the answers is an error.
fn sum(replies: Vec<Reply>) -> Reply {
    let mut sum = 0_i64;
    for reply in replies {
        match reply {
            Reply::Int(number) => sum = sum.saturating_add(number),
            other => return other,
        }
    }
    Reply::Int(sum)
}

fn del(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    Ok(each(args, || Op::change(|slate| Reply::Int(slate.remove().is_some().into()))))
}

fn exists(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    Ok(each(args, || Op::read(|held, _| Reply::Int(held.is_some().into()))))
}

fn kind(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let op = Op::read(|held, _| Reply::Simple(held.map_or("none", |held| held.content.kind().name()).into()));
    Ok(Begun::one(key(args)?, op))
}

/// When a key ends: what `shown` makes of that and of now, -1 if never, -2 if there is no such key.
fn ends(args: &[Bytes], shown: fn(u64, u64) -> u64) -> Result<Begun, Reply> {
    let op = Op::read(move |held, now_ms| match held {
        None => Reply::Int(-2),
        Some(held) if held.expires_ms == 0 => Reply::Int(-1),
        Some(held) => Reply::Int(i64::try_from(shown(held.expires_ms, now_ms)).unwrap_or(i64::MAX)),
    });
    Ok(Begun::one(key(args)?, op))
}

/// Under which condition a key is given an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    HasNone,
    HasOne,
    Later,
    Earlier,
}

impl When {
    /// Those that are named; all of them must hold.
    fn read(args: &[Bytes]) -> Result<Vec<Self>, Reply> {
        let read = |option: &Bytes| match () {
            () if is(option, "nx") => Ok(Self::HasNone),
            () if is(option, "xx") => Ok(Self::HasOne),
            () if is(option, "gt") => Ok(Self::Later),
            () if is(option, "lt") => Ok(Self::Earlier),
            () => Err(Reply::error(format!("ERR Unsupported option {}", String::from_utf8_lossy(option)))),
        };
        let when: Vec<_> = args.iter().map(read).collect::<Result<_, _>>()?;
        if when.contains(&Self::HasNone) && when.iter().any(|other| *other != Self::HasNone) {
            return Err(Reply::error("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if when.contains(&Self::Later) && when.contains(&Self::Earlier) {
            return Err(Reply::error("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(when)
    }

    /// Whether it holds for a key that ends then (0 for never) and shall end at `new_ms`. Never is later than any time.
    const fn holds(self, old_ms: u64, new_ms: u64) -> bool {
        let never = old_ms == 0;
        match self {
            Self::HasNone => never,
            Self::HasOne => !never,
            Self::Later => !never && new_ms > old_ms,
            Self::Earlier => never || new_ms < old_ms,
        }
    }
}

fn expire(
    state: &State,
    args: &[Bytes],
    command: &'static str,
    unit_ms: i64,
    is_relative: bool,
) -> Result<Begun, Reply> {
    let when = When::read(args.get(3..).unwrap_or_default())?;
    let number = int(args, 2)?;
    let end_ms = end_of(number, unit_ms, is_relative.then(|| state.keyspace().now_ms()));
    let end_ms = end_ms.ok_or_else(|| invalid_expire(command))?;
    let op = Op::change(move |slate| match slate.held() {
        Some(held) if when.iter().all(|when| when.holds(held.expires_ms, end_ms)) => {
            slate.set_end(end_ms);
            Reply::Int(1)
        }
        _ => Reply::Int(0),
    });
    Ok(Begun::one(key(args)?, op))
}

fn persist(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let run = |slate: &mut Slate| match slate.held() {
        Some(held) if held.expires_ms > 0 => {
            slate.set_end(0);
            Reply::Int(1)
        }
        _ => Reply::Int(0),
    };
    Ok(Begun::one(key(args)?, Op::change(run)))
}

/// Windows that one `SCAN` looks into before it answers with what it found, be that nothing.
const SCANNED_WINDOWS_MAX: usize = 8;

/// Keys of a bucket in pages, those alone that are there now.
struct Listing {
    keyspace: Keyspace,
    prefix: Bytes,
    /// The kind of those that are wanted, as a client calls it.
    kind: Option<Bytes>,
    limit: usize,
    /// Where the next page begins; none behind the last.
    at: Option<Position>,
}

impl Listing {
    fn new(keyspace: &Keyspace, pattern: &[u8]) -> Self {
        let prefix = Bytes::from(glob::literal_prefix(pattern));
        let at = Some(Position::start(&prefix));
        Self { keyspace: keyspace.clone(), prefix, kind: None, limit: LISTED_MAX, at }
    }

    fn of_slot(keyspace: &Keyspace, slot: Slot) -> Self {
        Self { at: Some(Position::only(slot)), ..Self::new(keyspace, b"") }
    }

    /// How many there are.
    async fn count(&mut self) -> Result<Reply, ObjectError> {
        let mut count = 0;
        while let Some(page) = self.next().await? {
            count += page.len();
        }
        Ok(length(count))
    }

    /// The next page, which may be empty; none behind the last.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, ObjectError> {
        let Some(at) = self.at.take() else { return Ok(None) };
        let after = at.after.clone().map(|key| (key, None));
        let (prefix, limit, slots) = (self.prefix.clone(), self.limit, Some(at.slots()));
        let page = self.keyspace.list(&ListOptions { prefix, after, limit, versions: false, slots }).await?;
        self.at = at.behind(page.entries.len(), limit, page.next.map(|(key, _)| key));
        let now_ms = self.keyspace.now_ms();
        let there = page.entries.into_iter().filter(|entry| {
            let kind = Kind::of(&entry.version.metadata);
            let is_wanted = self.kind.as_ref().is_none_or(|wanted| is(wanted, kind.name()));
            is_wanted && entry.forged.is_none() && !entry.version.is_over(now_ms)
        });
        Ok(Some(there.map(|entry| entry.key).collect()))
    }
}

fn alone(work: impl Future<Output = Result<Reply, ObjectError>> + Send + 'static) -> Begun {
    let work: BoxFuture<'static, Reply> = Box::pin(async move { work.await.unwrap_or_else(|error| refusal(&error)) });
    Begun::Alone(work)
}

fn dbsize(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let mut listing = Listing::new(state.keyspace(), b"*");
    Ok(alone(async move { listing.count().await }))
}

/// How many keys there are in a slot.
pub(super) fn count_in_slot(keyspace: &Keyspace, slot: Slot) -> Begun {
    let mut listing = Listing::of_slot(keyspace, slot);
    alone(async move { listing.count().await })
}

/// Tells of keys of a slot, `most` of them.
pub(super) fn keys_in_slot(
    keyspace: &Keyspace,
    slot: Slot,
    most: usize,
    told: impl FnOnce(Vec<Bytes>) -> Reply + Send + 'static,
) -> Begun {
    let mut listing = Listing::of_slot(keyspace, slot);
    alone(async move {
        let mut found = Vec::new();
        while found.len() < most
            && let Some(page) = listing.next().await?
        {
            found.extend(page);
        }
        found.truncate(most);
        Ok(told(found))
    })
}

fn keys(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let pattern = key(args)?;
    let mut listing = Listing::new(state.keyspace(), &pattern);
    Ok(alone(async move {
        let mut found = Vec::new();
        while let Some(page) = listing.next().await? {
            found.extend(page.into_iter().filter(|key| glob::matches(&pattern, key)).map(Reply::Bulk));
        }
        Ok(Reply::Array(found))
    }))
}

fn randomkey(state: &mut State, _: &[Bytes]) -> Result<Begun, Reply> {
    let (keyspace, mut random) = (state.keyspace().clone(), state.random());
    Ok(alone(async move {
        // One in each page has its turn with a chance of the page's part in all that were seen: all are equally likely.
        let (mut listing, mut seen, mut chosen) = (Listing::new(&keyspace, b"*"), 0, None);
        while let Some(page) = listing.next().await? {
            for key in page {
                seen += 1;
                if random(seen) == 0 {
                    chosen = Some(key);
                }
            }
        }
        Ok(chosen.map_or(Reply::Nil, Reply::Bulk))
    }))
}

fn flush(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    match args.get(1..).unwrap_or_default() {
        [] => {}
        [how] if is(how, "sync") || is(how, "async") => {}
        _ => return Err(syntax()),
    }
    let (keyspace, unsent) = (state.keyspace().clone(), state.shared().unsent());
    Ok(alone(async move {
        let mut listing = Listing::new(&keyspace, b"*");
        while let Some(page) = listing.next().await? {
            let remove = |key| {
                keyspace.submit(
                    key,
                    Op::change(|slate| slate.remove().map_or(Reply::Nil, |_| Reply::OK)),
                    &unsent,
                    true,
                )
            };
            let removed: Vec<_> = page.into_iter().map(remove).collect();
            for answer in removed {
                let Ok(Told::Reply(reply)) = answer.await else { return Ok(lost()) };
                unsent.sent(reply.weight());
                if let error @ Reply::Error(_) = reply {
                    return Ok(error);
                }
            }
        }
        Ok(Reply::OK)
    }))
}

fn scan(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let invalid = || Reply::error("ERR invalid cursor");
    let cursor = arg(args, 1)?;
    let cursor: u64 = str::from_utf8(cursor).ok().and_then(|cursor| cursor.parse().ok()).ok_or_else(invalid)?;
    let (mut pattern, mut count, mut wanted) = (Bytes::from_static(b"*"), 10, None);
    let mut options = args.iter().skip(2);
    while let Some(option) = options.next() {
        let value = options.next().ok_or_else(syntax)?;
        match () {
            () if is(option, "match") => pattern = value.clone(),
            () if is(option, "count") => {
                count = numbers::parse_int(value).ok_or_else(|| said(ValueError::NotAnInteger))?;
                if count < 1 {
                    return Err(syntax());
                }
            }
            () if is(option, "type") => wanted = Some(value.clone()),
            () => return Err(syntax()),
        }
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(RESP_SCAN_COUNT_MAX).min(LISTED_MAX);
    let (cursors, mut random) = (state.cursors().clone(), state.random());
    let mut listing = Listing::new(state.keyspace(), &pattern);
    (listing.limit, listing.kind) = (count, wanted);
    if cursor != 0 {
        listing.at = Some(state.cursors().place(cursor).ok_or_else(invalid)?);
    }
    Ok(alone(async move {
        let mut found = Vec::new();
        for _ in 0..SCANNED_WINDOWS_MAX {
            let Some(page) = listing.next().await? else { break };
            found.extend(page.into_iter().filter(|key| glob::matches(&pattern, key)).map(Reply::Bulk));
            listing.limit = count.saturating_sub(found.len());
            if listing.limit == 0 {
                break;
            }
        }
        let next = listing.at.take().map_or(0, |place| cursors.keep(random(u64::MAX).max(1), place));
        Ok(Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(found)]))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_set_under_the_condition_that_is_named() {
        let when = |words: &[&'static str]| {
            When::read(&words.iter().map(|word| Bytes::from_static(word.as_bytes())).collect::<Vec<_>>())
        };
        let table = [
            (&["NX"][..], [true, false, false]),
            (&["xx"][..], [false, true, true]),
            (&["GT"][..], [false, true, false]),
            (&["LT"][..], [true, false, true]),
            (&["xx", "LT"][..], [false, false, true]),
            (&[][..], [true, true, true]),
        ];
        for (words, expected) in table {
            let when = when(words).unwrap();
            let holds = |old_ms| when.iter().all(|when| when.holds(old_ms, 50));
            assert_eq!([holds(0), holds(40), holds(60)], expected, "{words:?}");
        }
        assert!(when(&["NX", "XX"]).is_err() && when(&["GT", "LT"]).is_err() && when(&["what"]).is_err());
    }
}
