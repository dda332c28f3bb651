//! Commands on several keys of one slot that are done in one step.

use bytes::Bytes;

use super::super::bits;
use super::super::numbers::ValueError;
use super::super::reply::Reply;
use super::super::slate::{Held, Joint, Slates};
use super::super::state::State;
use super::transactions::one_slot;
use super::{Begun, Command, arg, is, length, said, syntax, wrong_number};

const WRITE: &[&str] = &["write", "denyoom"];

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "bitop", arity: -4, flags: WRITE, keys: (2, -1, 1), begin: bitop },
    Command { name: "copy", arity: -3, flags: WRITE, keys: (1, 2, 1), begin: copy },
    Command { name: "msetnx", arity: -3, flags: WRITE, keys: (1, -1, 2), begin: msetnx },
    Command { name: "rename", arity: 3, flags: WRITE, keys: (1, 2, 1), begin: |_, args| rename(args, false) },
    Command { name: "renamenx", arity: 3, flags: WRITE, keys: (1, 2, 1), begin: |_, args| rename(args, true) },
];

/// Something that is done to keys of one slot; an error of one of them is the answer.
pub(super) fn together(
    keys: Vec<Bytes>,
    run: impl Fn(&mut Slates) -> Result<Reply, Reply> + Send + Sync + 'static,
) -> Result<Begun, Reply> {
    one_slot(keys.iter())?;
    Ok(Begun::Together(Joint::new(keys, run)))
}

fn msetnx(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (pairs, rest) = args.get(1..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong_number("msetnx"));
    }
    let pairs = pairs.to_vec();
    together(pairs.iter().map(|[key, _]| key.clone()).collect(), move |slates| {
        for [key, _] in &pairs {
            if slates.of(key)?.held().is_some() {
                return Ok(Reply::Int(0));
            }
        }
        for [key, value] in &pairs {
            slates.of(key)?.set(value.clone(), 0);
        }
        Ok(Reply::Int(1))
    })
}

fn rename(args: &[Bytes], if_absent: bool) -> Result<Begun, Reply> {
    let (from, to) = (arg(args, 1)?.clone(), arg(args, 2)?.clone());
    together(vec![from.clone(), to.clone()], move |slates| {
        let no_key = || Reply::error("ERR no such key");
        if from == to {
            slates.of(&from)?.held().ok_or_else(no_key)?;
            return Ok(if if_absent { Reply::Int(0) } else { Reply::OK });
        }
        if slates.of(&from)?.held().is_none() {
            return Err(no_key());
        }
        if if_absent && slates.of(&to)?.held().is_some() {
            return Ok(Reply::Int(0));
        }
        let Held { content, expires_ms } = slates.of(&from)?.take_away("rename_from").ok_or_else(no_key)?;
        slates.of(&to)?.hold(content, expires_ms);
        Ok(if if_absent { Reply::Int(1) } else { Reply::OK })
    })
}

fn copy(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (from, to) = (arg(args, 1)?.clone(), arg(args, 2)?.clone());
    let mut replaces = false;
    let mut options = args.iter().skip(3);
    while let Some(option) = options.next() {
        match () {
            () if is(option, "replace") => replaces = true,
            () if is(option, "db") => {
                let db = super::super::numbers::parse_int(options.next().ok_or_else(syntax)?);
                match db {
                    Some(0) => {}
                    Some(_) => return Err(Reply::error("ERR DB index is out of range")),
                    None => return Err(said(ValueError::NotAnInteger)),
                }
            }
            () => return Err(syntax()),
        }
    }
    if from == to {
        return Err(Reply::error("ERR source and destination objects are the same"));
    }
    together(vec![from.clone(), to.clone()], move |slates| {
        let Some(held) = slates.of(&from)?.held().cloned() else { return Ok(Reply::Int(0)) };
        let target = slates.of(&to)?;
        if target.held().is_some() && !replaces {
            return Ok(Reply::Int(0));
        }
        target.hold(held.content, held.expires_ms);
        Ok(Reply::Int(1))
    })
}

fn bitop(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let kind = bits::Op::parse(arg(args, 1)?).map_err(said)?;
    let (target, sources) = (arg(args, 2)?.clone(), args.get(3..).unwrap_or_default().to_vec());
    if kind == bits::Op::Not && sources.len() != 1 {
        return Err(said(ValueError::BitopNot));
    }
    together(std::iter::once(target.clone()).chain(sources.iter().cloned()).collect(), move |slates| {
        let mut texts = Vec::with_capacity(sources.len());
        for key in &sources {
            texts.push(slates.of(key)?.text()?.cloned().unwrap_or_default());
        }
        let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
        let made = bits::operate(kind, &texts).map_err(said)?;
        let bytes = made.len();
        let target = slates.of(&target)?;
        if made.is_empty() {
            target.remove();
        } else {
            target.set(made, 0);
        }
        Ok(length(bytes))
    })
}
