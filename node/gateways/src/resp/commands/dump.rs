//! `DUMP` and `RESTORE`: a value as bytes that a client keeps.

use bytes::Bytes;

use super::super::content::Content;
use super::super::numbers::{self, ValueError};
use super::super::payload;
use super::super::reply::Reply;
use super::super::slate::Op;
use super::super::state::State;
use super::strings::end_of;
use super::{Begun, Command, arg, is, key, said, syntax};

const ONE: (i32, i32, i32) = (1, 1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "dump", arity: 2, flags: &["readonly"], keys: ONE, begin: dump },
    Command { name: "restore", arity: -4, flags: &["write", "denyoom"], keys: ONE, begin: restore },
];

fn dump(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let told = |content: &Content| Reply::Bulk(payload::encode(content.clone()));
    let op = Op::read(move |held, _| held.map_or(Reply::Nil, |held| told(&held.content)));
    Ok(Begun::one(key(args)?, op))
}

/// How something is restored.
#[derive(Debug, Default)]
struct Options {
    replaces: bool,
    /// Whether the time is when it ends, rather than how long it has.
    is_absolute: bool,
}

/// How long it was idle and how often it was read is read, and not kept.
fn options(args: &[Bytes]) -> Result<Options, Reply> {
    let (mut read, mut idles, mut counts) = (Options::default(), false, false);
    let mut options = args.iter();
    let int = |value: Option<&Bytes>| {
        numbers::parse_int(value.ok_or_else(syntax)?).ok_or_else(|| said(ValueError::NotAnInteger))
    };
    while let Some(option) = options.next() {
        match () {
            () if is(option, "replace") => read.replaces = true,
            () if is(option, "absttl") => read.is_absolute = true,
            () if is(option, "idletime") && !counts => {
                idles = true;
                if int(options.next())? < 0 {
                    return Err(Reply::error("ERR Invalid IDLETIME value, must be >= 0"));
                }
            }
            () if is(option, "freq") && !idles => {
                counts = true;
                if !(0..=255).contains(&int(options.next())?) {
                    return Err(Reply::error("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                }
            }
            () => return Err(syntax()),
        }
    }
    Ok(read)
}

fn restore(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (time, payload) = (arg(args, 2)?.clone(), arg(args, 3)?.clone());
    let Options { replaces, is_absolute } = options(args.get(4..).unwrap_or_default())?;
    let op = Op::change(move |slate| {
        if slate.held().is_some() && !replaces {
            return Err(Reply::error("BUSYKEY Target key name already exists."));
        }
        let time = numbers::parse_int(&time).ok_or_else(|| said(ValueError::NotAnInteger))?;
        let now_ms = (!is_absolute).then_some(slate.now_ms);
        let end_ms = if time == 0 { Some(0) } else { end_of(time, 1, now_ms).filter(|_| time > 0) };
        let end_ms = end_ms.ok_or_else(|| Reply::error("ERR Invalid TTL value, must be >= 0"))?;
        let content =
            payload::decode(&payload).ok_or_else(|| Reply::error("ERR DUMP payload version or checksum are wrong"))?;
        slate.hold(content, end_ms);
        Ok(Reply::OK)
    });
    Ok(Begun::one(key(args)?, op))
}
