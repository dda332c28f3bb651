//! Bits of strings, and what two strings share.

use bytes::Bytes;
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::super::bits::{self, Field, Unit};
use super::super::numbers::{self, ValueError};
use super::super::reply::Reply;
use super::super::slate::{Joint, Op, Slates};
use super::super::state::State;
use super::super::strings;
use super::strings::{change, read};
use super::transactions::one_slot;
use super::{Begun, Command, arg, int, is, key, length, lost, said, syntax};

const READ: &[&str] = &["readonly"];
const WRITE: &[&str] = &["write", "denyoom"];
const ONE: (i32, i32, i32) = (1, 1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "bitcount", arity: -2, flags: READ, keys: ONE, begin: bitcount },
    Command { name: "bitfield", arity: -2, flags: WRITE, keys: ONE, begin: |_, args| bitfield(args, true) },
    Command { name: "bitfield_ro", arity: -2, flags: READ, keys: ONE, begin: |_, args| bitfield(args, false) },
    Command { name: "bitpos", arity: -3, flags: READ, keys: ONE, begin: bitpos },
    Command { name: "getbit", arity: 3, flags: READ, keys: ONE, begin: getbit },
    Command { name: "lcs", arity: -3, flags: READ, keys: (1, 2, 1), begin: lcs },
    Command { name: "setbit", arity: 4, flags: WRITE, keys: ONE, begin: setbit },
];

/// What there is of a text is looked at before what is wanted of it: where there is none, that is not read.
fn bitcount(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let range = match args.len() {
        2 => Ok(None),
        4 | 5 => range_of(args).map(Some),
        _ => Err(syntax()),
    };
    let count = move |text: Option<&Bytes>| match (text, &range) {
        (None, _) => Reply::Int(0),
        (Some(text), Ok(range)) => Reply::Int(bits::count(text, *range)),
        (Some(_), Err(refusal)) => refusal.clone(),
    };
    Ok(Begun::one(key(args)?, Op::read_text(count)))
}

fn range_of(args: &[Bytes]) -> Result<(i64, i64, Unit), Reply> {
    let unit = || args.get(4).map_or(Ok(Unit::Byte), |unit| Unit::parse(unit).map_err(said));
    Ok((int(args, 2)?, int(args, 3)?, unit()?))
}

fn bitpos(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let bit = bits::parse_sought_bit(arg(args, 2)?).map_err(said)?;
    let span = span_of(args);
    let position = move |text: Option<&Bytes>| match (text, &span) {
        (Some(_), Err(refusal)) => refusal.clone(),
        (None, Err(_)) => Reply::Int(bits::position(None, bit, None, None, Unit::Byte)),
        (text, Ok((start, end, unit))) => Reply::Int(bits::position(text.map(AsRef::as_ref), bit, *start, *end, *unit)),
    };
    Ok(Begun::one(key(args)?, Op::read_text(position)))
}

fn span_of(args: &[Bytes]) -> Result<(Option<i64>, Option<i64>, Unit), Reply> {
    if args.len() > 6 {
        return Err(syntax());
    }
    let place = |n| args.get(n).map(|_| int(args, n)).transpose();
    let start = place(3)?;
    let unit = args.get(5).map_or(Ok(Unit::Byte), |unit| Unit::parse(unit).map_err(said))?;
    Ok((start, place(4)?, unit))
}

fn getbit(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let offset = bits::parse_offset(arg(args, 2)?, VALUE_BYTES_MAX).map_err(said)?;
    read(args, move |bytes| Reply::Int(bits::get_bit(bytes, offset).into()))
}

fn setbit(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let offset = bits::parse_offset(arg(args, 2)?, VALUE_BYTES_MAX).map_err(said)?;
    let bit = bits::parse_bit(arg(args, 3)?).map_err(said)?;
    change(args, move |slate| {
        let old = slate.text()?.map(AsRef::as_ref);
        let (bytes, before) = bits::set_bit(old.unwrap_or_default(), offset, bit, VALUE_BYTES_MAX).map_err(said)?;
        // What stays as it was is not written again.
        if old != Some(&bytes) {
            slate.set_bytes(bytes);
        }
        Ok(Reply::Int(before.into()))
    })
}

fn bitfield(args: &[Bytes], may_write: bool) -> Result<Begun, Reply> {
    let fields = bits::parse_fields(args.get(2..).unwrap_or_default(), VALUE_BYTES_MAX).map_err(said)?;
    let writes = fields.iter().any(Field::is_written);
    if writes && !may_write {
        return Err(said(ValueError::BitfieldReadOnly));
    }
    let answers = |answers: Vec<Option<i64>>| {
        Reply::Array(answers.into_iter().map(|answer| answer.map_or(Reply::Nil, Reply::Int)).collect())
    };
    if !writes {
        return read(args, move |bytes| match bits::apply(bytes, &fields, VALUE_BYTES_MAX) {
            Err(error) => said(error),
            Ok((_, found)) => answers(found),
        });
    }
    change(args, move |slate| {
        let old = slate.text()?.map(AsRef::as_ref).unwrap_or_default();
        let (changed, found) = bits::apply(old, &fields, VALUE_BYTES_MAX).map_err(said)?;
        if let Some(bytes) = changed {
            slate.set_bytes(bytes);
        }
        Ok(answers(found))
    })
}

/// How an answer about what two strings share is given.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    length: bool,
    places: bool,
    with_lengths: bool,
    length_min: usize,
}

impl Shown {
    fn read(args: &[Bytes]) -> Result<Self, Reply> {
        let mut shown = Self::default();
        let mut options = args.iter();
        while let Some(option) = options.next() {
            match () {
                () if is(option, "len") => shown.length = true,
                () if is(option, "idx") => shown.places = true,
                () if is(option, "withmatchlen") => shown.with_lengths = true,
                () if is(option, "minmatchlen") => {
                    let least = numbers::parse_int(options.next().ok_or_else(syntax)?);
                    let least = least.ok_or_else(|| said(ValueError::NotAnInteger))?;
                    shown.length_min = usize::try_from(least).unwrap_or(0);
                }
                () => return Err(syntax()),
            }
        }
        if shown.length && shown.places {
            return Err(said(ValueError::LcsLengthAndPlaces));
        }
        Ok(shown)
    }

    fn reply(self, found: &strings::Lcs) -> Reply {
        if self.length {
            return length(found.length());
        }
        if !self.places {
            return Reply::bulk(found.string.clone());
        }
        let ends = |start: usize, end: usize| Reply::Array(vec![length(start), length(end)]);
        let matches = found.matches(self.length_min).map(|part| {
            let mut shown =
                vec![ends(*part.left.start(), *part.left.end()), ends(*part.right.start(), *part.right.end())];
            if self.with_lengths {
                shown.push(length(part.length));
            }
            Reply::Array(shown)
        });
        Reply::Map(vec![
            (Reply::bulk("matches"), Reply::Array(matches.collect())),
            (Reply::bulk("len"), length(found.length())),
        ])
    }
}

/// Bytes up to which two texts are compared: it takes as long as the one times the other, where groups run.
const COMPARED_BYTES_MAX: usize = 64 * 1024 * 1024;

fn lcs(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let shown = Shown::read(args.get(3..).unwrap_or_default());
    let (left, right) = (arg(args, 1)?.clone(), arg(args, 2)?.clone());
    one_slot([&left, &right].into_iter())?;
    let keys = [left, right];
    let named = keys.to_vec();
    let run = move |slates: &mut Slates| {
        let mut texts = Vec::with_capacity(2);
        for key in &keys {
            let text = slates.of(key)?.text();
            let text = text.map_err(|_| Reply::error("ERR The specified keys must contain string values"))?;
            texts.push(text.cloned().unwrap_or_default());
        }
        match (texts.as_slice(), &shown) {
            (_, Err(refusal)) => Err(refusal.clone()),
            ([left, right], Ok(shown)) => {
                strings::lcs(left, right, COMPARED_BYTES_MAX).map(|found| shown.reply(&found)).map_err(said)
            }
            _ => Err(lost()),
        }
    };
    Ok(Begun::Together(Joint::new(named, run).long()))
}
