//! Lists: elements in the order in which they were put there.

use std::collections::VecDeque;

use bytes::Bytes;

use super::encoding::{Reader, Writer};
use super::{Collection, Damaged, ELEMENT_BYTES};
use crate::resp::content::{Content, Kind};

/// Elements from the left to the right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::resp) struct List {
    elements: VecDeque<Bytes>,
    weight: usize,
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

    /// Elements from the left to the right.
    pub(in crate::resp) fn iter(&self) -> impl DoubleEndedIterator<Item = &Bytes> + ExactSizeIterator {
        self.elements.iter()
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
}
