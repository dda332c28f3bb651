//! Members that are taken from an end, and some that are drawn.

use std::ops::Range;

use bytes::Bytes;

use super::super::super::collections::Collection as _;
use super::super::super::collections::sorted::{Entry, Sorted};
use super::super::super::doubles;
use super::super::super::draw::Draw;
use super::super::super::reply::Reply;
use super::super::super::slate::Edit;
use super::super::super::state::State;
use super::super::elements::{Walk, drawn, edit, look, look_drawn, numbered_keys, popped, taken};
use super::super::joint::together;
use super::super::{Begun, int, is, syntax};
use super::{number, told};

/// An end of a sorted set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Lowest,
    Highest,
}

impl End {
    /// So many places from there, of all that there are.
    fn ranks(self, count: usize, all: usize) -> Range<usize> {
        match self {
            Self::Lowest => 0..count.min(all),
            Self::Highest => all - count.min(all)..all,
        }
    }

    /// What it is called that something is taken there.
    const fn event(self) -> &'static str {
        match self {
            Self::Lowest => "zpopmin",
            Self::Highest => "zpopmax",
        }
    }

    /// Takes so many out; that which stood at the end first.
    fn take(self, set: &mut Sorted, count: usize) -> Vec<Entry> {
        let mut taken = set.remove_ranks(self.ranks(count, set.len()));
        if self == Self::Highest {
            taken.reverse();
        }
        taken
    }
}

pub(super) fn pop(args: &[Bytes], end: End) -> Result<Begun, Reply> {
    let count = match args.get(2..).unwrap_or_default() {
        [] => None,
        [_] => Some(taken(args, 2)?),
        _ => return Err(syntax()),
    };
    edit(args, move |set: &mut Sorted| {
        let entries = end.take(set, count.unwrap_or(1));
        let reply = match (count, entries.first()) {
            // One that was not asked for by number stands by itself.
            (None, Some(entry)) => Reply::Array(vec![Reply::Bulk(entry.member.clone()), number(entry.score)]),
            _ => told(&entries, true),
        };
        Ok(if entries.is_empty() { Edit::Same(reply) } else { Edit::Changed(reply) })
    })
}

pub(super) fn pop_of_many(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let keys = numbered_keys(args, 1, syntax)?.to_vec();
    let options = args.get(2 + keys.len()..).unwrap_or_default();
    let (end, options) = options.split_first().ok_or_else(syntax)?;
    let end = match () {
        () if is(end, "min") => End::Lowest,
        () if is(end, "max") => End::Highest,
        () => return Err(syntax()),
    };
    let count = popped(options)?;
    together(keys.clone(), move |slates| {
        for key in &keys {
            let slate = slates.of(key)?;
            if slate.read(|set: &Sorted| set.is_empty())? {
                continue;
            }
            return slate.called(end.event()).edit(0, |set: &mut Sorted| {
                let pair = |entry: Entry| Reply::Array(vec![Reply::Bulk(entry.member), number(entry.score)]);
                let entries = end.take(set, count).into_iter().map(pair).collect();
                Ok(Edit::Changed(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::Array(entries)])))
            });
        }
        Ok(Reply::NilArray)
    })
}

pub(super) fn random(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let seed = state.seed();
    if args.len() == 2 {
        return look(args, move |set: &Sorted| {
            let place = Draw::from_seed(seed).below(set.len());
            let entry = set.entries(place..place + 1).next();
            entry.map_or(Reply::Nil, |entry| Reply::Bulk(entry.member.clone()))
        });
    }
    if int(args, 2)? == i64::MIN {
        let (least, most) = (-i64::MAX, i64::MAX);
        return Err(Reply::error(format!("ERR value is out of range, value must between {least} and {most}")));
    }
    let with_scores = match args.get(3..).unwrap_or_default() {
        [] => false,
        [word] if is(word, "withscores") => true,
        _ => return Err(syntax()),
    };
    let wanted = drawn(args, 2)?;
    if with_scores && wanted.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Reply::error("ERR value is out of range"));
    }
    look_drawn(args, wanted, move |set: &Sorted| {
        let all: Vec<&Entry> = set.iter().collect();
        let places = Draw::from_seed(seed).places(wanted, all.len());
        told(places.into_iter().filter_map(|place| all.get(place).copied()), with_scores)
    })
}

pub(super) fn scan(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let walk = Walk::read(args)?;
    look(args, move |set: &Sorted| {
        let told =
            |entry: &Entry| vec![Reply::Bulk(entry.member.clone()), Reply::bulk(doubles::text(entry.score.number()))];
        walk.reply(set.iter(), |entry| entry.member.as_ref(), told)
    })
}
