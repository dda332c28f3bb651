//! What stands in any, in all, or in the first alone of several sets, plain ones too: told, counted, and kept in another key.

use bytes::Bytes;

use super::super::super::collections::Set;
use super::super::super::collections::sorted::{
    Aggregate, Score, Scored, Sorted, Weighted, difference, intersection, shared_count, union,
};
use super::super::super::content::{Content, Kind, wrong_kind};
use super::super::super::reply::Reply;
use super::super::super::slate::Slates;
use super::super::super::state::State;
use super::super::elements::most;
use super::super::joint::together;
use super::super::{Begun, arg, int, is, length, syntax};
use super::told;

/// Which members are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Any,
    Shared,
    /// In the first, and in no other.
    Alone,
}

/// Sets, and what is made of them.
#[derive(Debug)]
struct Combined {
    kept: Kept,
    sources: Vec<Bytes>,
    /// One for each.
    weights: Vec<Score>,
    aggregate: Aggregate,
}

impl Combined {
    /// Reads how many sets there are, and which, from `args` on; what stands behind them is left to read.
    fn sources<'a>(args: &'a [Bytes], name: &str) -> Result<(Vec<Bytes>, &'a [Bytes]), Reply> {
        let count = int(args, 0)?;
        if count < 1 {
            return Err(Reply::error(format!("ERR at least 1 input key is needed for '{name}' command")));
        }
        let named = args.get(1..).unwrap_or_default();
        let count = usize::try_from(count).map_err(|_| syntax())?;
        let (sources, options) = named.split_at_checked(count).ok_or_else(syntax)?;
        Ok((sources.to_vec(), options))
    }

    /// Reads sets and options; and whether scores are wanted.
    fn parse(args: &[Bytes], name: &str, kept: Kept, takes_scores: bool) -> Result<(Self, bool), Reply> {
        let (sources, mut options) = Self::sources(args, name)?;
        let (mut weights, mut aggregate, mut with_scores) =
            (vec![Score::ONE; sources.len()], Aggregate::default(), false);
        let is_weighted = kept != Kept::Alone;
        while let [option, behind @ ..] = options {
            options = match () {
                () if is_weighted && is(option, "weights") => {
                    let (words, behind) = behind.split_at_checked(sources.len()).ok_or_else(syntax)?;
                    let weight = |word: &Bytes| Score::parse(word);
                    let read: Option<Vec<_>> = words.iter().map(weight).collect();
                    weights = read.ok_or_else(|| Reply::error("ERR weight value is not a float"))?;
                    behind
                }
                () if is_weighted && is(option, "aggregate") => {
                    let (word, behind) = behind.split_first().ok_or_else(syntax)?;
                    aggregate = Aggregate::parse(word).ok_or_else(syntax)?;
                    behind
                }
                () if takes_scores && is(option, "withscores") => {
                    with_scores = true;
                    behind
                }
                () => return Err(syntax()),
            };
        }
        Ok((Self { kept, sources, weights, aggregate }, with_scores))
    }

    fn make(&self, slates: &mut Slates) -> Result<Sorted, Reply> {
        open(slates, &self.sources)?;
        let sets: Vec<&dyn Scored> = self.sources.iter().map(|key| scored(slates, key)).collect();
        let weighted: Vec<Weighted<'_>> = sets.iter().copied().zip(self.weights.iter().copied()).collect();
        Ok(match self.kept {
            Kept::Any => union(&weighted, self.aggregate),
            Kept::Shared => intersection(&weighted, self.aggregate),
            Kept::Alone => difference(&sets),
        })
    }
}

/// Looks into sets of both kinds.
fn open(slates: &mut Slates, keys: &[Bytes]) -> Result<(), Reply> {
    for key in keys {
        let slate = slates.of(key)?;
        match slate.kind() {
            None => {}
            Some(Kind::Sorted) => slate.read(|_: &Sorted| ())?,
            Some(Kind::Set) => slate.read(|_: &Set| ())?,
            Some(_) => return Err(wrong_kind()),
        }
    }
    Ok(())
}

/// A set that was looked into; an empty one where there is none.
fn scored<'a>(slates: &'a Slates, key: &Bytes) -> &'a dyn Scored {
    match slates.held(key).map(|held| &held.content) {
        Some(Content::Sorted(set)) => set,
        Some(Content::Set(set)) => set,
        _ => &(),
    }
}

pub(super) fn tell(args: &[Bytes], name: &str, kept: Kept) -> Result<Begun, Reply> {
    let (combined, with_scores) = Combined::parse(args.get(1..).unwrap_or_default(), name, kept, true)?;
    together(combined.sources.clone(), move |slates| Ok(told(combined.make(slates)?.iter(), with_scores)))
}

pub(super) fn store(args: &[Bytes], name: &str, kept: Kept) -> Result<Begun, Reply> {
    let target = arg(args, 1)?.clone();
    let (combined, _) = Combined::parse(args.get(2..).unwrap_or_default(), name, kept, false)?;
    let keys = std::iter::once(&target).chain(&combined.sources).cloned().collect();
    together(keys, move |slates| {
        let made = combined.make(slates)?.kept();
        let count = made.len();
        slates.of(&target)?.put(made, 0)?;
        Ok(length(count))
    })
}

pub(super) fn count(_: &mut State, args: &[Bytes]) -> Result<Begun, Reply> {
    let (sources, options) = Combined::sources(args.get(1..).unwrap_or_default(), "zintercard")?;
    let most = most(options)?;
    together(sources.clone(), move |slates| {
        open(slates, &sources)?;
        let sets: Vec<&dyn Scored> = sources.iter().map(|key| scored(slates, key)).collect();
        Ok(length(shared_count(&sets, most)))
    })
}
