//! Lists: elements in the order in which they were put there.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::encoding::{Reader, Writer};
use super::{Collection, Damaged, ELEMENT_BYTES, places};
use crate::resp::content::{Content, Kind};

/// Elements from the left to the right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::resp) struct List {
    elements: VecDeque<Bytes>,
    weight: usize,
}

/// A side of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resp) enum Side {
    Before,
    After,
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resp) enum End {
    Left,
    Right,
}

const MARK: u8 = b'l';

impl Collection for List {
    const KIND: Kind = Kind::List;

    fn decode(body: &Bytes) -> Result<Self, Damaged> {
        let (mut reader, count) = Reader::new(body, MARK, 1)?;
        let mut elements = VecDeque::with_capacity(count);
        for _ in 0..count {
            elements.push_back(reader.element()?);
        }
        Ok(Self { elements, weight: reader.finish()? })
    }

    fn encode(&self) -> Bytes {
        let mut writer = Writer::new(MARK, self.elements.len(), self.weight);
        self.elements.iter().for_each(|element| writer.element(element));
        writer.finish()
    }

    fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn within(content: &mut Content) -> Option<&mut Self> {
        if let Content::List(list) = content { Some(list) } else { None }
    }
}

impl List {
    /// How many elements.
    pub(in crate::resp) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Puts an element at an end.
    pub(in crate::resp) fn push(&mut self, end: End, element: Bytes) {
        self.weight += ELEMENT_BYTES + element.len();
        match end {
            End::Left => self.elements.push_front(element),
            End::Right => self.elements.push_back(element),
        }
    }

    /// Takes the element at an end.
    pub(in crate::resp) fn pop(&mut self, end: End) -> Option<Bytes> {
        let popped = match end {
            End::Left => self.elements.pop_front(),
            End::Right => self.elements.pop_back(),
        };
        if let Some(element) = &popped {
            self.weight -= ELEMENT_BYTES + element.len();
        }
        popped
    }

    /// The place that an index means: negative ones count from the right.
    fn place(&self, index: i64) -> Option<usize> {
        let total = i64::try_from(self.len()).unwrap_or(i64::MAX);
        let place = if index < 0 { index + total } else { index };
        usize::try_from(place).ok().filter(|place| *place < self.len())
    }

    /// The places from one index to another, both among them.
    pub(in crate::resp) fn range(&self, start: i64, end: i64) -> Range<usize> {
        places(start, end, self.len())
    }

    /// Elements at places that [`List::range`] gave.
    pub(in crate::resp) fn slice(&self, range: Range<usize>) -> impl Iterator<Item = &Bytes> {
        self.elements.iter().skip(range.start).take(range.len())
    }

    /// The element at an index.
    pub(in crate::resp) fn get(&self, index: i64) -> Option<&Bytes> {
        self.elements.get(self.place(index)?)
    }

    /// Puts an element in the place of another; whether there was one.
    pub(in crate::resp) fn set(&mut self, index: i64, element: Bytes) -> bool {
        let Some(old) = self.place(index).and_then(|place| self.elements.get_mut(place)) else { return false };
        self.weight = self.weight + element.len() - old.len();
        *old = element;
        true
    }

    /// Puts an element beside the first that is equal to another; whether there is one.
    pub(in crate::resp) fn insert(&mut self, side: Side, pivot: &[u8], element: Bytes) -> bool {
        let Some(place) = self.elements.iter().position(|found| found == pivot) else { return false };
        self.weight += ELEMENT_BYTES + element.len();
        self.elements.insert(if side == Side::Before { place } else { place + 1 }, element);
        true
    }

    /// Takes away so many elements that are equal to one, from an end on; how many there were.
    pub(in crate::resp) fn remove(&mut self, from: End, count_max: usize, equal: &[u8]) -> usize {
        let all = self.elements.iter().filter(|element| *element == equal).count();
        let (count, mut seen) = (all.min(count_max), 0);
        let gone = if from == End::Left { 0..count } else { all - count..all };
        self.elements.retain(|element| {
            let is_equal = element == equal;
            seen += usize::from(is_equal);
            !(is_equal && gone.contains(&(seen - 1)))
        });
        self.weight -= count * (ELEMENT_BYTES + equal.len());
        count
    }

    /// Keeps what is at places that [`List::range`] gave; whether anything went.
    pub(in crate::resp) fn trim(&mut self, range: Range<usize>) -> bool {
        let before = self.len();
        self.elements.truncate(range.end);
        self.elements.drain(..range.start.min(range.end));
        self.weight = self.elements.iter().map(|element| ELEMENT_BYTES + element.len()).sum();
        self.len() < before
    }

    /// Places of what is equal to an element, from an end on, among the first so many that are looked at.
    pub(in crate::resp) fn places(&self, from: End, looked_at: usize, equal: &[u8]) -> impl Iterator<Item = usize> {
        let (total, count) = (self.len(), looked_at.min(self.len()));
        let in_order = (0..count).map(move |step| if from == End::Left { step } else { total - 1 - step });
        in_order.filter(move |place| self.elements.get(*place).is_some_and(|element| element == equal))
    }
}
