//! Members by name: given scores, taken out, and asked for.

use bytes::Bytes;

use super::super::super::collections::sorted::{Add, Added, Score, Sorted, member_weight};
use super::super::super::numbers::ValueError;
use super::super::super::reply::Reply;
use super::super::super::slate::{Edit, Op};
use super::super::super::state::State;
use super::super::elements::{counted, edit, look};
use super::super::{Begun, arg, key, length, said};
use super::pops::End;
use super::{number, refused};

pub(super) fn add(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (add, members) = Add::parse(args.get(2..).unwrap_or_default()).map_err(refused)?;
    give(args, add, members)
}

pub(super) fn increment(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let score = Score::parse(arg(args, 2)?).ok_or_else(|| said(ValueError::NotAFloat))?;
    give(args, Add::INCREMENT, vec![(arg(args, 3)?.clone(), score)])
}

fn give(args: &[Bytes], add: Add, members: Vec<(Bytes, Score)>) -> Result<Begun, Reply> {
    let more_bytes = members.iter().map(|(member, _)| member_weight(member)).fold(0, usize::saturating_add);
    let op = Op::edit(more_bytes, move |set: &mut Sorted| {
        let (mut new, mut changed, mut last) = (0, 0, Added::Refused);
        for (member, score) in &members {
            // It can fail with one member alone, so that nothing has changed then.
            last = add.apply(set, member, *score).map_err(refused)?;
            match last {
                Added::New(_) => new += 1,
                Added::Changed(_) => changed += 1,
                Added::Same(_) | Added::Refused => {}
            }
        }
        let reply = match () {
            () if add.increments => last.score().map_or(Reply::Nil, number),
            () if add.counts_changed => length(new + changed),
            () => length(new),
        };
        Ok(if new + changed > 0 { Edit::Changed(reply) } else { Edit::Same(reply) })
    });
    Ok(Begun::one(key(args)?, if add.increments { op.called("zincr") } else { op }))
}

pub(super) fn remove(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let members = args.get(2..).unwrap_or_default().to_vec();
    edit(args, move |set: &mut Sorted| {
        let removed = members.iter().filter(|member| set.remove(member).is_some()).count();
        Ok(counted(removed))
    })
}

pub(super) fn card(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    look(args, |set: &Sorted| length(set.len()))
}

pub(super) fn score(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let member = arg(args, 2)?.clone();
    look(args, move |set: &Sorted| set.score(&member).map_or(Reply::Nil, number))
}

pub(super) fn scores(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let members = args.get(2..).unwrap_or_default().to_vec();
    look(args, move |set: &Sorted| {
        Reply::Array(members.iter().map(|member| set.score(member).map_or(Reply::Nil, number)).collect())
    })
}

pub(super) fn rank(args: &[Bytes], from: End) -> Result<Begun, Reply> {
    let member = arg(args, 2)?.clone();
    look(args, move |set: &Sorted| match set.rank(&member) {
        None => Reply::Nil,
        Some(rank) if from == End::Lowest => length(rank),
        Some(rank) => length(set.len() - 1 - rank),
    })
}
