//! What commands on collections share: how they begin, and how they read counts and cursors.

use bytes::Bytes;
use storgo_protocol::limits::RESP_ARGS_MAX;

use super::super::collections::{Collection, ELEMENT_BYTES, page};
use super::super::glob;
use super::super::numbers::{self, ValueError};
use super::super::reply::Reply;
use super::super::slate::{Edit, Op};
use super::{Begun, arg, int, is, key, length, said, syntax};

/// Reads the collection of the first key that is named.
pub(super) fn look<C: Collection>(
    args: &[Bytes],
    run: impl Fn(&C) -> Reply + Send + Sync + 'static,
) -> Result<Begun, Reply> {
    Ok(Begun::one(key(args)?, Op::read_as(run)))
}

/// Changes the collection of the first key that is named.
pub(super) fn edit<C: Collection>(
    args: &[Bytes],
    run: impl Fn(&mut C) -> Result<Edit, Reply> + Send + Sync + 'static,
) -> Result<Begun, Reply> {
    Ok(Begun::one(key(args)?, Op::edit(weight(args), run)))
}

/// What arguments weigh if all of them become elements.
pub(super) fn weight<'a>(args: impl IntoIterator<Item = &'a Bytes>) -> usize {
    args.into_iter().map(|arg| ELEMENT_BYTES + arg.len()).sum()
}

/// What is said of a number of changes: if there are none, nothing changed.
pub(super) fn counted(changes: usize) -> Edit {
    let reply = length(changes);
    if changes > 0 { Edit::Changed(reply) } else { Edit::Same(reply) }
}

/// Elements as they are told.
pub(super) fn bulks<'a>(elements: impl Iterator<Item = &'a Bytes>) -> Vec<Reply> {
    elements.cloned().map(Reply::Bulk).collect()
}

/// How many elements are to be taken away.
pub(super) fn taken(args: &[Bytes], n: usize) -> Result<usize, Reply> {
    let count = numbers::parse_int(arg(args, n)?).filter(|count| *count >= 0);
    let count = count.ok_or_else(|| Reply::error("ERR value is out of range, must be positive"))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How many elements are to be drawn: so many others if it is positive, so many with repetitions if it is negative. Those are
/// all made before the first is sent, so they are no more than a request has arguments.
pub(super) fn drawn(args: &[Bytes], n: usize) -> Result<i64, Reply> {
    let count = int(args, n)?;
    if count < 0 && count.unsigned_abs() > RESP_ARGS_MAX as u64 {
        return Err(Reply::error("ERR value is out of range"));
    }
    Ok(count)
}

/// Reads the collection of the first key that is named, and draws so many elements of it.
pub(super) fn look_drawn<C: Collection>(
    args: &[Bytes],
    wanted: i64,
    run: impl Fn(&C) -> Reply + Send + Sync + 'static,
) -> Result<Begun, Reply> {
    /// Elements that are drawn in no time.
    const FEW: u64 = 10_000;
    let begun = look(args, run)?;
    Ok(if wanted.unsigned_abs() > FEW { begun.long() } else { begun })
}

/// The keys behind an argument that says how many they are; what is said where there are fewer.
pub(super) fn numbered_keys(args: &[Bytes], n: usize, too_many: fn() -> Reply) -> Result<&[Bytes], Reply> {
    let count = numbers::parse_int(arg(args, n)?).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or_else(|| Reply::error("ERR numkeys should be greater than 0"))?;
    let rest = args.get(n + 1..).unwrap_or_default();
    rest.get(..count).ok_or_else(too_many)
}

/// At how many elements an intersection stops to count, as its options say.
pub(super) fn most(mut options: &[Bytes]) -> Result<usize, Reply> {
    let mut most = 0;
    while let [option, behind @ ..] = options {
        let (word, behind) = behind.split_first().filter(|_| is(option, "limit")).ok_or_else(syntax)?;
        let limit = numbers::parse_int(word).and_then(|limit| usize::try_from(limit).ok());
        most = limit.ok_or_else(|| Reply::error("ERR LIMIT can't be negative"))?;
        options = behind;
    }
    // None is no limit.
    Ok(if most == 0 { usize::MAX } else { most })
}

/// How many elements are to be popped, as the options behind the end say.
pub(super) fn popped(options: &[Bytes]) -> Result<usize, Reply> {
    let [option, count] = options else { return if options.is_empty() { Ok(1) } else { Err(syntax()) } };
    if !is(option, "count") {
        return Err(syntax());
    }
    let count = numbers::parse_int(count).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    count.ok_or_else(|| Reply::error("ERR count should be greater than 0"))
}

/// Which elements a scan wants next.
pub(super) struct Walk {
    cursor: u64,
    count: usize,
    pattern: Option<Bytes>,
}

impl Walk {
    pub(super) fn read(args: &[Bytes]) -> Result<Self, Reply> {
        let cursor = str::from_utf8(arg(args, 2)?).ok().and_then(|cursor| cursor.parse().ok());
        let cursor = cursor.ok_or_else(|| Reply::error("ERR invalid cursor"))?;
        let mut walk = Self { cursor, count: 10, pattern: None };
        let mut options = args.iter().skip(3);
        while let Some(option) = options.next() {
            let value = options.next().ok_or_else(syntax)?;
            match () {
                () if is(option, "match") => walk.pattern = Some(value.clone()),
                () if is(option, "count") => {
                    let count = numbers::parse_int(value).ok_or_else(|| said(ValueError::NotAnInteger))?;
                    walk.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(syntax)?;
                }
                () => return Err(syntax()),
            }
        }
        Ok(walk)
    }

    /// The next page of some elements: by which bytes they are known, and what is told of one.
    pub(super) fn reply<T>(
        &self,
        elements: impl Iterator<Item = T>,
        name: impl Fn(&T) -> &[u8],
        told: impl Fn(T) -> Vec<Reply>,
    ) -> Reply {
        let (next, found) = page(elements, &name, self.cursor, self.count);
        let is_wanted = |element: &T| self.pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name(element)));
        let told = found.into_iter().filter(is_wanted).flat_map(told).collect();
        Reply::Array(vec![Reply::bulk(next.to_string()), Reply::Array(told)])
    }
}
