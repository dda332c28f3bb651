//! Sorted sets: members with scores, found by name, by place, by score, and by what stands in several sets.

mod members;
mod pops;
mod ranges;
mod unions;

use super::super::collections::sorted::{Entry, Score, SortedError};
use super::super::reply::Reply;
use super::Command;

use unions::Kept;

const READ: &[&str] = &["readonly"];
const READ_FAST: &[&str] = &["readonly", "fast"];
const READ_MOVABLE: &[&str] = &["readonly", "movablekeys"];
const ADD: &[&str] = &["write", "denyoom", "fast"];
const TAKE: &[&str] = &["write", "fast"];
const REMOVE: &[&str] = &["write"];
const REMOVE_MOVABLE: &[&str] = &["write", "movablekeys"];
const STORE: &[&str] = &["write", "denyoom"];
const STORE_MOVABLE: &[&str] = &["write", "denyoom", "movablekeys"];
const ONE: (i32, i32, i32) = (1, 1, 1);
const NONE: (i32, i32, i32) = (0, 0, 0);

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "zadd", arity: -4, flags: ADD, keys: ONE, begin: members::add },
    Command { name: "zcard", arity: 2, flags: READ_FAST, keys: ONE, begin: members::card },
    Command { name: "zcount", arity: 4, flags: READ_FAST, keys: ONE, begin: |_, args| ranges::count(args, ranges::by_score) },
    Command { name: "zdiff", arity: -3, flags: READ_MOVABLE, keys: NONE, begin: |_, args| unions::tell(args, "zdiff", Kept::Alone) },
    Command { name: "zdiffstore", arity: -4, flags: STORE_MOVABLE, keys: ONE, begin: |_, args| unions::store(args, "zdiffstore", Kept::Alone) },
    Command { name: "zincrby", arity: 4, flags: ADD, keys: ONE, begin: members::increment },
    Command { name: "zinter", arity: -3, flags: READ_MOVABLE, keys: NONE, begin: |_, args| unions::tell(args, "zinter", Kept::Shared) },
    Command { name: "zintercard", arity: -3, flags: READ_MOVABLE, keys: NONE, begin: unions::count },
    Command { name: "zinterstore", arity: -4, flags: STORE_MOVABLE, keys: ONE, begin: |_, args| unions::store(args, "zinterstore", Kept::Shared) },
    Command { name: "zlexcount", arity: 4, flags: READ_FAST, keys: ONE, begin: |_, args| ranges::count(args, ranges::by_member) },
    Command { name: "zmpop", arity: -4, flags: REMOVE_MOVABLE, keys: NONE, begin: pops::pop_of_many },
    Command { name: "zmscore", arity: -3, flags: READ_FAST, keys: ONE, begin: members::scores },
    Command { name: "zpopmax", arity: -2, flags: TAKE, keys: ONE, begin: |_, args| pops::pop(args, pops::End::Highest) },
    Command { name: "zpopmin", arity: -2, flags: TAKE, keys: ONE, begin: |_, args| pops::pop(args, pops::End::Lowest) },
    Command { name: "zrandmember", arity: -2, flags: READ, keys: ONE, begin: pops::random },
    Command { name: "zrange", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::ANY) },
    Command { name: "zrangebylex", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::MEMBERS) },
    Command { name: "zrangebyscore", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::SCORES) },
    Command { name: "zrangestore", arity: -5, flags: STORE, keys: (1, 2, 1), begin: ranges::store },
    Command { name: "zrank", arity: 3, flags: READ_FAST, keys: ONE, begin: |_, args| members::rank(args, pops::End::Lowest) },
    Command { name: "zrem", arity: -3, flags: TAKE, keys: ONE, begin: members::remove },
    Command { name: "zremrangebylex", arity: 4, flags: REMOVE, keys: ONE, begin: |_, args| ranges::remove(args, ranges::by_member) },
    Command { name: "zremrangebyrank", arity: 4, flags: REMOVE, keys: ONE, begin: |_, args| ranges::remove(args, ranges::by_rank) },
    Command { name: "zremrangebyscore", arity: 4, flags: REMOVE, keys: ONE, begin: |_, args| ranges::remove(args, ranges::by_score) },
    Command { name: "zrevrange", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::RANKS_REVERSE) },
    Command { name: "zrevrangebylex", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::MEMBERS_REVERSE) },
    Command { name: "zrevrangebyscore", arity: -4, flags: READ, keys: ONE, begin: |_, args| ranges::tell(args, ranges::SCORES_REVERSE) },
    Command { name: "zrevrank", arity: 3, flags: READ_FAST, keys: ONE, begin: |_, args| members::rank(args, pops::End::Highest) },
    Command { name: "zscan", arity: -3, flags: READ, keys: ONE, begin: pops::scan },
    Command { name: "zscore", arity: 3, flags: READ_FAST, keys: ONE, begin: members::score },
    Command { name: "zunion", arity: -3, flags: READ_MOVABLE, keys: NONE, begin: |_, args| unions::tell(args, "zunion", Kept::Any) },
    Command { name: "zunionstore", arity: -4, flags: STORE_MOVABLE, keys: ONE, begin: |_, args| unions::store(args, "zunionstore", Kept::Any) },
];

fn refused(error: SortedError) -> Reply {
    Reply::error(format!("ERR {error}"))
}

fn number(score: Score) -> Reply {
    Reply::Double(score.number())
}

/// Members, and their scores if these are wanted.
fn told<'a>(entries: impl IntoIterator<Item = &'a Entry>, with_scores: bool) -> Reply {
    let member = |entry: &Entry| Reply::Bulk(entry.member.clone());
    let entries = entries.into_iter();
    if with_scores {
        return Reply::Pairs(entries.map(|entry| (member(entry), number(entry.score))).collect());
    }
    Reply::Array(entries.map(member).collect())
}
