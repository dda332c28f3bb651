//! Ranges of members: told, counted, taken out, and kept in another key.

use bytes::Bytes;

use super::super::super::collections::sorted::{LexRange, Limit, Query, ScoreRange, Selection, Sorted};
use super::super::super::reply::Reply;
use super::super::super::state::State;
use super::super::elements::{counted, edit, look};
use super::super::joint::together;
use super::super::{Begun, arg, int, is, length, syntax};
use super::{refused, told};

/// What the ends of a range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What a command's name says of its range, and what is left to options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    by: Option<By>,
    is_reverse: Option<bool>,
    takes_scores: bool,
}

pub(super) const ANY: Named = Named { by: None, is_reverse: None, takes_scores: true };
pub(super) const MEMBERS: Named = named(By::Member, false);
pub(super) const MEMBERS_REVERSE: Named = named(By::Member, true);
pub(super) const RANKS_REVERSE: Named = named(By::Rank, true);
pub(super) const SCORES: Named = named(By::Score, false);
pub(super) const SCORES_REVERSE: Named = named(By::Score, true);

const fn named(by: By, is_reverse: bool) -> Named {
    Named { by: Some(by), is_reverse: Some(is_reverse), takes_scores: true }
}

impl Named {
    /// Reads the ends of a range and what stands behind them; and whether scores are wanted.
    fn parse(mut self, args: &[Bytes]) -> Result<(Query, bool), Reply> {
        let (mut limit, mut with_scores) = (None, false);
        let mut options = args.iter().skip(2);
        while let Some(option) = options.next() {
            match () {
                () if is(option, "withscores") && self.takes_scores => with_scores = true,
                () if is(option, "limit") && options.len() >= 2 => {
                    let (offset, count) = (options.next().ok_or_else(syntax)?, options.next().ok_or_else(syntax)?);
                    limit = Some(Limit::parse(offset, count).map_err(refused)?);
                }
                () if is(option, "rev") && self.is_reverse.is_none() => self.is_reverse = Some(true),
                () if is(option, "bylex") && self.by.is_none() => self.by = Some(By::Member),
                () if is(option, "byscore") && self.by.is_none() => self.by = Some(By::Score),
                () => return Err(syntax()),
            }
        }
        let (by, is_reverse) = (self.by.unwrap_or(By::Rank), self.is_reverse.unwrap_or(false));
        if by == By::Rank {
            // One that leaves nothing out at the end is no limit.
            if limit.take().is_some_and(|limit| limit.count != -1) {
                return Err(Reply::error(
                    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
                ));
            }
        }
        if by == By::Member && with_scores {
            return Err(Reply::error("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        // The end that is told first comes first, but for ranks.
        let mut ends = [arg(args, 0)?.clone(), arg(args, 1)?.clone()];
        if is_reverse && by != By::Rank {
            ends.reverse();
        }
        let selection = match by {
            By::Rank => by_rank(&ends)?,
            By::Score => by_score(&ends)?,
            By::Member => by_member(&ends)?,
        };
        Ok((Query { selection, is_reverse, limit }, with_scores))
    }
}

pub(super) fn by_rank(ends: &[Bytes]) -> Result<Selection, Reply> {
    Ok(Selection::Ranks(int(ends, 0)?, int(ends, 1)?))
}

pub(super) fn by_score(ends: &[Bytes]) -> Result<Selection, Reply> {
    ScoreRange::parse(arg(ends, 0)?, arg(ends, 1)?).map(Selection::Scores).map_err(refused)
}

pub(super) fn by_member(ends: &[Bytes]) -> Result<Selection, Reply> {
    LexRange::parse(arg(ends, 0)?, arg(ends, 1)?).map(Selection::Members).map_err(refused)
}

pub(super) fn tell(args: &[Bytes], named: Named) -> Result<Begun, Reply> {
    let (query, with_scores) = named.parse(args.get(2..).unwrap_or_default())?;
    look(args, move |set: &Sorted| told(query.entries(set), with_scores))
}

pub(super) fn store(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (target, source) = (arg(args, 1)?.clone(), arg(args, 2)?.clone());
    let named = Named { takes_scores: false, ..ANY };
    let (query, _) = named.parse(args.get(3..).unwrap_or_default())?;
    together(vec![target.clone(), source.clone()], move |slates| {
        let made: Sorted = slates.of(&source)?.read(|set: &Sorted| {
            query.entries(set).into_iter().map(|entry| (entry.member.clone(), entry.score)).collect()
        })?;
        let count = made.len();
        slates.of(&target)?.put(made, 0)?;
        Ok(length(count))
    })
}

pub(super) fn count(args: &[Bytes], by: fn(&[Bytes]) -> Result<Selection, Reply>) -> Result<Begun, Reply> {
    let query = Query::of(by(args.get(2..).unwrap_or_default())?);
    look(args, move |set: &Sorted| length(query.ranks(set).len()))
}

pub(super) fn remove(args: &[Bytes], by: fn(&[Bytes]) -> Result<Selection, Reply>) -> Result<Begun, Reply> {
    let query = Query::of(by(args.get(2..).unwrap_or_default())?);
    edit(args, move |set: &mut Sorted| {
        let removed = set.remove_ranks(query.ranks(set)).len();
        Ok(counted(removed))
    })
}
