//! Sets: members of a key, and what several keys have in common.

use bytes::Bytes;

use super::super::collections::Set;
use super::super::content::Content;
use super::super::draw::Draw;
use super::super::reply::Reply;
use super::super::slate::{Edit, Slates};
use super::super::state::State;
use super::elements::{Walk, bulks, counted, drawn, edit, look, look_drawn, most, numbered_keys, taken, weight};
use super::joint::together;
use super::{Begun, Command, arg, key, length, syntax};

const READ: &[&str] = &["readonly", "fast"];
const ALL: &[&str] = &["readonly"];
const TAKE: &[&str] = &["write", "fast"];
const WRITE: &[&str] = &["write", "denyoom", "fast"];
const STORE: &[&str] = &["write", "denyoom"];
const ONE: (i32, i32, i32) = (1, 1, 1);
const MANY: (i32, i32, i32) = (1, -1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "sadd", arity: -3, flags: WRITE, keys: ONE, begin: sadd },
    Command { name: "scard", arity: 2, flags: READ, keys: ONE, begin: |_, args| look(args, |set: &Set| length(set.len())) },
    Command { name: "sdiff", arity: -2, flags: ALL, keys: MANY, begin: |_, args| combined(args, How::Diff) },
    Command { name: "sdiffstore", arity: -3, flags: STORE, keys: MANY, begin: |_, args| stored(args, How::Diff) },
    Command { name: "sinter", arity: -2, flags: ALL, keys: MANY, begin: |_, args| combined(args, How::Inter) },
    Command { name: "sintercard", arity: -3, flags: &["readonly", "movablekeys"], keys: (0, 0, 0), begin: sintercard },
    Command { name: "sinterstore", arity: -3, flags: STORE, keys: MANY, begin: |_, args| stored(args, How::Inter) },
    Command { name: "sismember", arity: 3, flags: READ, keys: ONE, begin: sismember },
    Command { name: "smembers", arity: 2, flags: ALL, keys: ONE, begin: |_, args| look(args, members) },
    Command { name: "smismember", arity: -3, flags: READ, keys: ONE, begin: smismember },
    Command { name: "smove", arity: 4, flags: TAKE, keys: (1, 2, 1), begin: smove },
    Command { name: "spop", arity: -2, flags: TAKE, keys: ONE, begin: spop },
    Command { name: "srandmember", arity: -2, flags: ALL, keys: ONE, begin: srandmember },
    Command { name: "srem", arity: -3, flags: TAKE, keys: ONE, begin: srem },
    Command { name: "sscan", arity: -3, flags: ALL, keys: ONE, begin: sscan },
    Command { name: "sunion", arity: -2, flags: ALL, keys: MANY, begin: |_, args| combined(args, How::Union) },
    Command { name: "sunionstore", arity: -3, flags: STORE, keys: MANY, begin: |_, args| stored(args, How::Union) },
];

fn sadd(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let new = args.get(2..).unwrap_or_default().to_vec();
    edit(args, move |set: &mut Set| Ok(counted(new.iter().filter(|member| set.insert((*member).clone())).count())))
}

fn srem(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let gone = args.get(2..).unwrap_or_default().to_vec();
    edit(args, move |set: &mut Set| Ok(counted(gone.iter().filter(|member| set.remove(member)).count())))
}

fn members(set: &Set) -> Reply {
    Reply::Set(bulks(set.iter()))
}

fn sismember(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let member = arg(args, 2)?.clone();
    look(args, move |set: &Set| Reply::Int(set.contains(&member).into()))
}

fn smismember(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let asked = args.get(2..).unwrap_or_default().to_vec();
    look(args, move |set: &Set| {
        Reply::Array(asked.iter().map(|member| Reply::Int(set.contains(member).into())).collect())
    })
}

/// Members at places that were drawn.
fn at(set: &Set, places: Vec<usize>) -> Vec<Bytes> {
    let members: Vec<_> = set.iter().collect();
    places.into_iter().filter_map(|place| members.get(place).copied().cloned()).collect()
}

fn spop(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let seed = state.seed();
    let wanted = match args.get(2..).unwrap_or_default() {
        [] => None,
        [_] => Some(taken(args, 2)?),
        _ => return Err(syntax()),
    };
    edit(args, move |set: &mut Set| {
        let places = Draw::from_seed(seed).distinct(wanted.unwrap_or(1), set.len());
        let mut popped = at(set, places);
        for member in &popped {
            set.remove(member);
        }
        let is_same = popped.is_empty();
        let reply = match wanted {
            Some(_) => Reply::Set(bulks(popped.iter())),
            None => popped.pop().map_or(Reply::Nil, Reply::Bulk),
        };
        Ok(if is_same { Edit::Same(reply) } else { Edit::Changed(reply) })
    })
}

fn srandmember(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let seed = state.seed();
    let wanted = match args.get(2..).unwrap_or_default() {
        [] => None,
        [_] => Some(drawn(args, 2)?),
        _ => return Err(syntax()),
    };
    look_drawn(args, wanted.unwrap_or(1), move |set: &Set| {
        let mut drawn = at(set, Draw::from_seed(seed).places(wanted.unwrap_or(1), set.len()));
        match wanted {
            Some(_) => Reply::Array(bulks(drawn.iter())),
            None => drawn.pop().map_or(Reply::Nil, Reply::Bulk),
        }
    })
}

fn smove(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (from, to, member) = (arg(args, 1)?.clone(), arg(args, 2)?.clone(), arg(args, 3)?.clone());
    together(vec![from.clone(), to.clone()], move |slates| {
        if slates.of(&from)?.held().is_none() {
            return Ok(Reply::Int(0));
        }
        let is_there = slates.of(&from)?.read(|set: &Set| set.contains(&member))?;
        slates.of(&to)?.read(|_: &Set| ())?;
        if from == to || !is_there {
            return Ok(Reply::Int(is_there.into()));
        }
        // First what may be refused.
        slates
            .of(&to)?
            .called("sadd")
            .edit(weight([&member]), |set: &mut Set| Ok(counted(set.insert(member.clone()).into())))?;
        slates.of(&from)?.called("srem").edit(0, |set: &mut Set| Ok(counted(set.remove(&member).into())))
    })
}

/// What is made of several sets.
#[derive(Debug, Clone, Copy)]
enum How {
    /// What all have.
    Inter,
    /// What any has.
    Union,
    /// What the first has and no other.
    Diff,
}

/// Looks into sets; where there is none, into an empty one.
fn open<'a>(slates: &'a mut Slates, keys: &[Bytes]) -> Result<Vec<&'a Set>, Reply> {
    static EMPTY: Set = Set::EMPTY;
    for key in keys {
        slates.of(key)?.read(|_: &Set| ())?;
    }
    let opened = |key| match slates.held(key).map(|held| &held.content) {
        Some(Content::Set(set)) => set,
        _ => &EMPTY,
    };
    Ok(keys.iter().map(opened).collect())
}

/// What all sets have: the members of the smallest that every other has too.
fn shared(mut sets: Vec<&Set>) -> impl Iterator<Item = &Bytes> {
    sets.sort_by_key(|set| set.len());
    let smallest = sets.first().copied().into_iter().flat_map(Set::iter);
    smallest.filter(move |member| sets.iter().skip(1).all(|set| set.contains(member)))
}

fn combine(slates: &mut Slates, keys: &[Bytes], how: How) -> Result<Set, Reply> {
    let sets = open(slates, keys)?;
    Ok(match how {
        How::Inter => shared(sets).cloned().collect(),
        How::Union => sets.into_iter().flat_map(Set::iter).cloned().collect(),
        How::Diff => {
            let (first, others) = sets.split_first().map_or((None, &[][..]), |(first, others)| (Some(*first), others));
            let is_alone = |member: &&Bytes| !others.iter().any(|set| set.contains(member));
            first.into_iter().flat_map(Set::iter).filter(is_alone).cloned().collect()
        }
    })
}

fn combined(args: &[Bytes], how: How) -> Result<Begun, Reply> {
    let keys = args.get(1..).unwrap_or_default().to_vec();
    together(keys.clone(), move |slates| combine(slates, &keys, how).map(|set| members(&set)))
}

fn stored(args: &[Bytes], how: How) -> Result<Begun, Reply> {
    let (to, keys) = (key(args)?, args.get(2..).unwrap_or_default().to_vec());
    together(args.get(1..).unwrap_or_default().to_vec(), move |slates| {
        let made = combine(slates, &keys, how)?;
        let told = length(made.len());
        slates.of(&to)?.put(made, 0)?;
        Ok(told)
    })
}

fn sintercard(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let too_many = || Reply::error("ERR Number of keys can't be greater than number of args");
    let keys = numbered_keys(args, 1, too_many)?.to_vec();
    let most = most(args.get(2 + keys.len()..).unwrap_or_default())?;
    together(keys.clone(), move |slates| Ok(length(shared(open(slates, &keys)?).take(most).count())))
}

fn sscan(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let walk = Walk::read(args)?;
    look(args, move |set: &Set| walk.reply(set.iter(), |member| member.as_ref(), |member| bulks([member].into_iter())))
}
