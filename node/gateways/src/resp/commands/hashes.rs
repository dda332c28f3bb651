//! Hashes: fields of a key, each with a value.

use bytes::Bytes;

use super::super::collections::Hash;
use super::super::draw::Draw;
use super::super::numbers::{self, ValueError};
use super::super::reply::Reply;
use super::super::slate::Edit;
use super::super::state::State;
use super::elements::{Walk, bulks, counted, drawn, edit, look, look_drawn};
use super::{Begun, Command, arg, int, is, length, said, syntax, wrong_number};

const READ: &[&str] = &["readonly", "fast"];
const ALL: &[&str] = &["readonly"];
const TAKE: &[&str] = &["write", "fast"];
const WRITE: &[&str] = &["write", "denyoom", "fast"];
const ONE: (i32, i32, i32) = (1, 1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "hdel", arity: -3, flags: TAKE, keys: ONE, begin: hdel },
    Command { name: "hexists", arity: 3, flags: READ, keys: ONE, begin: hexists },
    Command { name: "hget", arity: 3, flags: READ, keys: ONE, begin: hget },
    Command { name: "hgetall", arity: 2, flags: ALL, keys: ONE, begin: hgetall },
    Command { name: "hincrby", arity: 4, flags: WRITE, keys: ONE, begin: hincrby },
    Command { name: "hincrbyfloat", arity: 4, flags: WRITE, keys: ONE, begin: hincrbyfloat },
    Command { name: "hkeys", arity: 2, flags: ALL, keys: ONE, begin: |_, args| look(args, |hash: &Hash| Reply::Array(bulks(hash.iter().map(|(field, _)| field)))) },
    Command { name: "hlen", arity: 2, flags: READ, keys: ONE, begin: |_, args| look(args, |hash: &Hash| length(hash.len())) },
    Command { name: "hmget", arity: -3, flags: READ, keys: ONE, begin: hmget },
    Command { name: "hmset", arity: -4, flags: WRITE, keys: ONE, begin: |_, args| hset(args, "hmset", |_| Reply::OK) },
    Command { name: "hrandfield", arity: -2, flags: ALL, keys: ONE, begin: hrandfield },
    Command { name: "hscan", arity: -3, flags: ALL, keys: ONE, begin: hscan },
    Command { name: "hset", arity: -4, flags: WRITE, keys: ONE, begin: |_, args| hset(args, "hset", length) },
    Command { name: "hsetnx", arity: 4, flags: WRITE, keys: ONE, begin: hsetnx },
    Command { name: "hstrlen", arity: 3, flags: READ, keys: ONE, begin: hstrlen },
    Command { name: "hvals", arity: 2, flags: ALL, keys: ONE, begin: |_, args| look(args, |hash: &Hash| Reply::Array(bulks(hash.iter().map(|(_, value)| value)))) },
];

/// Sets fields; what is told of how many are new.
fn hset(args: &[Bytes], command: &str, told: fn(usize) -> Reply) -> Result<Begun, Reply> {
    let (pairs, rest) = args.get(2..).unwrap_or_default().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong_number(command));
    }
    let pairs = pairs.to_vec();
    edit(args, move |hash: &mut Hash| {
        let new = pairs.iter().filter(|[field, value]| hash.set(field.clone(), value.clone())).count();
        Ok(Edit::Changed(told(new)))
    })
}

fn hsetnx(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (field, value) = (arg(args, 2)?.clone(), arg(args, 3)?.clone());
    edit(args, move |hash: &mut Hash| {
        let is_new = hash.get(&field).is_none() && hash.set(field.clone(), value.clone());
        Ok(counted(is_new.into()))
    })
}

fn hdel(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let fields = args.get(2..).unwrap_or_default().to_vec();
    edit(args, move |hash: &mut Hash| Ok(counted(fields.iter().filter(|field| hash.remove(field)).count())))
}

/// A field's value as it is told.
fn shown(hash: &Hash, field: &[u8]) -> Reply {
    hash.get(field).cloned().map_or(Reply::Nil, Reply::Bulk)
}

fn hget(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let field = arg(args, 2)?.clone();
    look(args, move |hash: &Hash| shown(hash, &field))
}

fn hmget(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let fields = args.get(2..).unwrap_or_default().to_vec();
    look(args, move |hash: &Hash| Reply::Array(fields.iter().map(|field| shown(hash, field)).collect()))
}

/// A field and its value, as both are told.
fn pair((field, value): (&Bytes, &Bytes)) -> (Reply, Reply) {
    (Reply::Bulk(field.clone()), Reply::Bulk(value.clone()))
}

fn hgetall(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    look(args, |hash: &Hash| Reply::Map(hash.iter().map(pair).collect()))
}

fn hexists(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let field = arg(args, 2)?.clone();
    look(args, move |hash: &Hash| Reply::Int(hash.get(&field).is_some().into()))
}

fn hstrlen(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let field = arg(args, 2)?.clone();
    look(args, move |hash: &Hash| length(hash.get(&field).map_or(0, Bytes::len)))
}

fn hincrby(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (field, by) = (arg(args, 2)?.clone(), int(args, 3)?);
    edit(args, move |hash: &mut Hash| {
        let number = numbers::increment(hash.get(&field).map(AsRef::as_ref), by).map_err(|error| match error {
            ValueError::NotAnInteger => Reply::error("ERR hash value is not an integer"),
            error => said(error),
        })?;
        hash.set(field.clone(), number.to_string().into());
        Ok(Edit::Changed(Reply::Int(number)))
    })
}

fn hincrbyfloat(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (field, by) = (arg(args, 2)?.clone(), arg(args, 3)?.clone());
    // What is added is looked at first, so what is wrong afterwards is the field's.
    let number = numbers::parse_float(&by).ok_or_else(|| said(ValueError::NotAFloat))?;
    if number.is_infinite() {
        return Err(Reply::error("ERR value is NaN or Infinity"));
    }
    edit(args, move |hash: &mut Hash| {
        let sum = numbers::increment_float(hash.get(&field).map(AsRef::as_ref), &by).map_err(|error| match error {
            ValueError::NotAFloat => Reply::error("ERR hash value is not a float"),
            error => said(error),
        })?;
        let sum = Bytes::from(sum);
        hash.set(field.clone(), sum.clone());
        Ok(Edit::Changed(Reply::Bulk(sum)))
    })
}

fn hrandfield(state: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let seed = state.seed();
    let (wanted, with_values) = match args.get(2..).unwrap_or_default() {
        [] => (None, false),
        [_] => (Some(drawn(args, 2)?), false),
        [_, option] if is(option, "withvalues") => (Some(drawn(args, 2)?), true),
        _ => return Err(syntax()),
    };
    look_drawn(args, wanted.unwrap_or(1), move |hash: &Hash| {
        let fields: Vec<_> = hash.iter().collect();
        let mut draw = Draw::from_seed(seed);
        let Some(wanted) = wanted else {
            let drawn = fields.get(draw.below(fields.len()));
            return drawn.map_or(Reply::Nil, |(field, _)| Reply::Bulk((*field).clone()));
        };
        let places = draw.places(wanted, fields.len());
        let drawn = places.into_iter().filter_map(|place| fields.get(place).copied());
        if with_values {
            Reply::Pairs(drawn.map(pair).collect())
        } else {
            Reply::Array(bulks(drawn.map(|(field, _)| field)))
        }
    })
}

fn hscan(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let walk = Walk::read(args)?;
    look(args, move |hash: &Hash| {
        let told = |(field, value)| bulks([field, value].into_iter());
        walk.reply(hash.iter(), |(field, _)| field.as_ref(), told)
    })
}
