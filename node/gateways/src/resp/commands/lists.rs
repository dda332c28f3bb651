//! Lists: elements of a key in an order, put and taken at both ends.

use bytes::Bytes;

use super::super::collections::{Collection as _, End, List, Side};
use super::super::numbers;
use super::super::reply::Reply;
use super::super::slate::Edit;
use super::super::state::State;
use super::elements::{self, bulks, counted, edit, look, numbered_keys, taken, weight};
use super::joint::together;
use super::{Begun, Command, arg, int, is, length, syntax, wrong_number};

const READ: &[&str] = &["readonly"];
const TAKE: &[&str] = &["write", "fast"];
const PUSH: &[&str] = &["write", "denyoom", "fast"];
const WRITE: &[&str] = &["write", "denyoom"];
const CUT: &[&str] = &["write"];
const ONE: (i32, i32, i32) = (1, 1, 1);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "lindex", arity: 3, flags: READ, keys: ONE, begin: lindex },
    Command { name: "linsert", arity: 5, flags: WRITE, keys: ONE, begin: linsert },
    Command { name: "llen", arity: 2, flags: &["readonly", "fast"], keys: ONE, begin: |_, args| look(args, |list: &List| length(list.len())) },
    Command { name: "lmove", arity: 5, flags: WRITE, keys: (1, 2, 1), begin: |_, args| { let (from, to) = (end(args, 3)?, end(args, 4)?); moved(args, from, to) } },
    Command { name: "lmpop", arity: -4, flags: &["write", "movablekeys"], keys: (0, 0, 0), begin: lmpop },
    Command { name: "lpop", arity: -2, flags: TAKE, keys: ONE, begin: |_, args| pop(args, "lpop", End::Left) },
    Command { name: "lpos", arity: -3, flags: READ, keys: ONE, begin: lpos },
    Command { name: "lpush", arity: -3, flags: PUSH, keys: ONE, begin: |_, args| push(args, End::Left, false) },
    Command { name: "lpushx", arity: -3, flags: PUSH, keys: ONE, begin: |_, args| push(args, End::Left, true) },
    Command { name: "lrange", arity: 4, flags: READ, keys: ONE, begin: lrange },
    Command { name: "lrem", arity: 4, flags: CUT, keys: ONE, begin: lrem },
    Command { name: "lset", arity: 4, flags: WRITE, keys: ONE, begin: lset },
    Command { name: "ltrim", arity: 4, flags: CUT, keys: ONE, begin: ltrim },
    Command { name: "rpop", arity: -2, flags: TAKE, keys: ONE, begin: |_, args| pop(args, "rpop", End::Right) },
    Command { name: "rpoplpush", arity: 3, flags: WRITE, keys: (1, 2, 1), begin: |_, args| moved(args, End::Right, End::Left) },
    Command { name: "rpush", arity: -3, flags: PUSH, keys: ONE, begin: |_, args| push(args, End::Right, false) },
    Command { name: "rpushx", arity: -3, flags: PUSH, keys: ONE, begin: |_, args| push(args, End::Right, true) },
];

fn end(args: &[Bytes], n: usize) -> Result<End, Reply> {
    match arg(args, n)? {
        word if is(word, "left") => Ok(End::Left),
        word if is(word, "right") => Ok(End::Right),
        _ => Err(syntax()),
    }
}

fn push(args: &[Bytes], end: End, if_there: bool) -> Result<Begun, Reply> {
    let new = args.get(2..).unwrap_or_default().to_vec();
    edit(args, move |list: &mut List| {
        if if_there && list.is_empty() {
            return Ok(Edit::Same(Reply::Int(0)));
        }
        for element in &new {
            list.push(end, element.clone());
        }
        Ok(Edit::Changed(length(list.len())))
    })
}

/// What it is called that something is taken at an end.
const fn popping(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// What it is called that something is put at an end.
const fn pushing(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

/// Takes so many at an end.
fn popped(list: &mut List, end: End, count_max: usize) -> Vec<Reply> {
    std::iter::from_fn(|| list.pop(end)).take(count_max).map(Reply::Bulk).collect()
}

fn pop(args: &[Bytes], command: &str, end: End) -> Result<Begun, Reply> {
    let wanted = match args.get(2..).unwrap_or_default() {
        [] => None,
        [_] => Some(taken(args, 2)?),
        _ => return Err(wrong_number(command)),
    };
    edit(args, move |list: &mut List| {
        let is_there = !list.is_empty();
        let mut popped = popped(list, end, wanted.unwrap_or(1));
        let is_same = popped.is_empty();
        let reply = match wanted {
            Some(_) if is_there => Reply::Array(popped),
            Some(_) => Reply::NilArray,
            None => popped.pop().unwrap_or(Reply::Nil),
        };
        Ok(if is_same { Edit::Same(reply) } else { Edit::Changed(reply) })
    })
}

fn lmpop(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let keys = numbered_keys(args, 1, syntax)?.to_vec();
    let at = 2 + keys.len();
    let end = end(args, at)?;
    let wanted = elements::popped(args.get(at + 1..).unwrap_or_default())?;
    together(keys.clone(), move |slates| {
        for key in &keys {
            let slate = slates.of(key)?;
            if slate.read(List::is_empty)? {
                continue;
            }
            return slate.called(popping(end)).edit(0, |list: &mut List| {
                let popped = popped(list, end, wanted);
                Ok(Edit::Changed(Reply::Array(vec![Reply::Bulk(key.clone()), Reply::Array(popped)])))
            });
        }
        Ok(Reply::NilArray)
    })
}

fn moved(args: &[Bytes], from_end: End, to_end: End) -> Result<Begun, Reply> {
    let (from, to) = (arg(args, 1)?.clone(), arg(args, 2)?.clone());
    // It is told first that the element came.
    together(vec![to.clone(), from.clone()], move |slates| {
        let index = if from_end == End::Left { 0 } else { -1 };
        let element = slates.of(&from)?.read(|list: &List| list.get(index).cloned())?;
        let Some(element) = element else { return Ok(Reply::Nil) };
        // First what may be refused. An element that is put beside itself is still at its end, or is its twin.
        let pop = |list: &mut List| {
            list.pop(from_end);
            Ok(Edit::Changed(Reply::OK))
        };
        let push = |list: &mut List| {
            list.push(to_end, element.clone());
            Ok(Edit::Changed(Reply::OK))
        };
        if from == to {
            let rotate = |list: &mut List| pop(list).and_then(|_| push(list));
            slates.of(&from)?.called(pushing(to_end)).edit(0, rotate)?;
            slates.of(&from)?.tells(popping(from_end));
        } else {
            slates.of(&to)?.called(pushing(to_end)).edit(weight([&element]), push)?;
            slates.of(&from)?.called(popping(from_end)).edit(0, pop)?;
        }
        Ok(Reply::Bulk(element))
    })
}

fn lindex(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    // What is no number matters only where there is a list.
    let index = int(args, 2);
    look(args, move |list: &List| match &index {
        _ if list.is_empty() => Reply::Nil,
        Ok(index) => list.get(*index).cloned().map_or(Reply::Nil, Reply::Bulk),
        Err(error) => error.clone(),
    })
}

fn lrange(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (start, end) = (int(args, 2)?, int(args, 3)?);
    look(args, move |list: &List| Reply::Array(bulks(list.slice(list.range(start, end)))))
}

fn lset(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (index, element) = (int(args, 2), arg(args, 3)?.clone());
    edit(args, move |list: &mut List| {
        if list.is_empty() {
            return Err(Reply::error("ERR no such key"));
        }
        if !list.set(index.clone()?, element.clone()) {
            return Err(Reply::error("ERR index out of range"));
        }
        Ok(Edit::Changed(Reply::OK))
    })
}

fn linsert(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let side = match arg(args, 2)? {
        word if is(word, "before") => Side::Before,
        word if is(word, "after") => Side::After,
        _ => return Err(syntax()),
    };
    let (pivot, element) = (arg(args, 3)?.clone(), arg(args, 4)?.clone());
    edit(args, move |list: &mut List| {
        if list.is_empty() {
            return Ok(Edit::Same(Reply::Int(0)));
        }
        let is_put = list.insert(side, &pivot, element.clone());
        Ok(if is_put { Edit::Changed(length(list.len())) } else { Edit::Same(Reply::Int(-1)) })
    })
}

fn lrem(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (wanted, element) = (int(args, 2)?, arg(args, 3)?.clone());
    let from = if wanted < 0 { End::Right } else { End::Left };
    let most = if wanted == 0 { usize::MAX } else { usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX) };
    edit(args, move |list: &mut List| Ok(counted(list.remove(from, most, &element))))
}

fn ltrim(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (start, end) = (int(args, 2)?, int(args, 3)?);
    edit(args, move |list: &mut List| {
        let is_cut = list.trim(list.range(start, end));
        Ok(if is_cut { Edit::Changed(Reply::OK) } else { Edit::Same(Reply::OK) })
    })
}

/// What LPOS looks for.
struct Sought {
    from: End,
    /// Matches that are passed over.
    passed: usize,
    /// Matches that are told; none if it is only one, by itself.
    count: Option<usize>,
    /// Elements that are looked at.
    looked_at: usize,
}

impl Sought {
    fn read(args: &[Bytes]) -> Result<Self, Reply> {
        let mut sought = Self { from: End::Left, passed: 0, count: None, looked_at: usize::MAX };
        let many = |number: usize| if number == 0 { usize::MAX } else { number };
        let mut options = args.iter();
        while let Some(option) = options.next() {
            let value = options.next().ok_or_else(syntax)?;
            let number = |negative: &'static str| {
                let number = numbers::parse_int(value).and_then(|number| usize::try_from(number).ok());
                number.map(many).ok_or_else(|| Reply::error(negative))
            };
            match () {
                () if is(option, "rank") => {
                    let rank = int(std::slice::from_ref(value), 0)?;
                    if rank == 0 {
                        return Err(Reply::error(RANK_ZERO));
                    }
                    sought.from = if rank < 0 { End::Right } else { End::Left };
                    sought.passed = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
                }
                () if is(option, "count") => sought.count = Some(number("ERR COUNT can't be negative")?),
                () if is(option, "maxlen") => sought.looked_at = number("ERR MAXLEN can't be negative")?,
                () => return Err(syntax()),
            }
        }
        Ok(sought)
    }
}

const RANK_ZERO: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list";

fn lpos(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (element, sought) = (arg(args, 2)?.clone(), Sought::read(args.get(3..).unwrap_or_default())?);
    look(args, move |list: &List| {
        let mut places = list.places(sought.from, sought.looked_at, &element).skip(sought.passed).map(length);
        match sought.count {
            None => places.next().unwrap_or(Reply::Nil),
            Some(most) => Reply::Array(places.take(most).collect()),
        }
    })
}
