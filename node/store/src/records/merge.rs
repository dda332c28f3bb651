//! One order of rows out of three: changes over earlier changes over the rows of the database.

use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;
use redb::{AccessGuard, Range};

use super::base::Table;
use super::error::RecordsError;
use super::memory::Changes;

/// Where a range begins and ends.
pub(super) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

type Guard = AccessGuard<'static, &'static [u8]>;

/// A row that is there.
pub(super) enum Row<'a> {
    /// One that is in memory.
    Plain(&'a Bytes, &'a Bytes),
    /// One of the database, its value sealed.
    Sealed(Guard, Guard),
}

/// The rows of a range that are there, in the order of their keys.
pub(super) struct Merge<'a, A: Iterator<Item = Change<'a>>> {
    above: Peekable<A>,
    /// Rows of the database, which go on behind the range: redb looks for both ends of what it is asked for, and where
    /// the range ends is as far from memory as where it begins, but the last page of all is not.
    below: Option<Range<'static, &'static [u8], &'static [u8]>>,
    end: Bound<&'a [u8]>,
    /// The next row of the database.
    next: Option<(Guard, Guard)>,
}

type Change<'a> = (&'a Bytes, &'a Option<Bytes>);

/// Merges a range that keys can be in.
pub(super) fn merge<'a>(
    fresh: &'a Changes,
    writing: &'a Changes,
    rows: Option<&Table>,
    bounds: Bounds<'a>,
) -> Result<Merge<'a, impl Iterator<Item = Change<'a>>>, RecordsError> {
    let (first, end) = bounds;
    let below = rows.map(|rows| rows.range::<&[u8]>((first, Bound::Unbounded))).transpose();
    let below = below.map_err(RecordsError::during(WHAT))?;
    let mut merge = Merge { above: laid_over(fresh, writing, bounds).peekable(), below, end, next: None };
    merge.step()?;
    Ok(merge)
}

const WHAT: &str = "scanning the records";

/// Changes, and those earlier ones of other keys.
fn laid_over<'a>(fresh: &'a Changes, writing: &'a Changes, bounds: Bounds<'a>) -> impl Iterator<Item = Change<'a>> {
    let mut fresh = fresh.range::<[u8], _>(bounds).peekable();
    let mut writing = writing.range::<[u8], _>(bounds).peekable();
    std::iter::from_fn(move || match (fresh.peek(), writing.peek()) {
        (Some((newer, _)), Some((older, _))) if older < newer => writing.next(),
        (Some((newer, _)), Some((older, _))) if older == newer => {
            writing.next();
            fresh.next()
        }
        (Some(_), _) => fresh.next(),
        (None, _) => writing.next(),
    })
}

impl<'a, A: Iterator<Item = Change<'a>>> Merge<'a, A> {
    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row<'a>>, RecordsError> {
        loop {
            let lower = self.next.as_ref().map(|(key, _)| key.value());
            let Some((key, change)) = self.above.next_if(|(key, _)| lower.is_none_or(|lower| lower >= key.as_ref()))
            else {
                let row = self.step()?;
                return Ok(row.map(|(key, value)| Row::Sealed(key, value)));
            };
            if lower == Some(key.as_ref()) {
                self.step()?;
            }
            if let Some(value) = change {
                return Ok(Some(Row::Plain(key, value)));
            }
        }
    }

    /// Goes on in the database; the row that was the next.
    fn step(&mut self) -> Result<Option<(Guard, Guard)>, RecordsError> {
        let further = self.below.as_mut().and_then(Iterator::next).transpose().map_err(RecordsError::during(WHAT))?;
        let further = further.filter(|(key, _)| match self.end {
            Bound::Included(last) => key.value() <= last,
            Bound::Excluded(end) => key.value() < end,
            Bound::Unbounded => true,
        });
        if further.is_none() {
            self.below = None;
        }
        Ok(std::mem::replace(&mut self.next, further))
    }
}
