//! Hashes: fields with a value each.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::encoding::{Reader, Writer};
use super::{Collection, Damaged, ELEMENT_BYTES};
use crate::resp::content::{Content, Kind};

/// Fields in ascending order, and their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::resp) struct Hash {
    fields: BTreeMap<Bytes, Bytes>,
    weight: usize,
}

const MARK: u8 = b'h';

impl Collection for Hash {
    const KIND: Kind = Kind::Hash;

    fn decode(body: &Bytes) -> Result<Self, Damaged> {
        let (mut reader, count) = Reader::new(body, MARK, 2)?;
        let mut pairs: Vec<(Bytes, Bytes)> = Vec::with_capacity(count);
        for _ in 0..count {
            let pair = (reader.element()?, reader.element()?);
            if pairs.last().is_some_and(|last| last.0 >= pair.0) {
                return Err(Damaged::Order);
            }
            pairs.push(pair);
        }
        Ok(Self { weight: reader.finish()?, fields: pairs.into_iter().collect() })
    }

    fn encode(&self) -> Bytes {
        let mut writer = Writer::new(MARK, self.fields.len(), self.weight);
        for (field, value) in &self.fields {
            writer.element(field);
            writer.element(value);
        }
        writer.finish()
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn within(content: &mut Content) -> Option<&mut Self> {
        if let Content::Hash(hash) = content { Some(hash) } else { None }
    }
}

impl Hash {
    /// How Redis keeps it, as it is set by default.
    pub(in crate::resp) fn encoding(&self) -> &'static str {
        const FIELDS_MAX: usize = 512;
        const BYTES_MAX: usize = 64;
        let is_short = |(field, value): (&Bytes, &Bytes)| field.len().max(value.len()) <= BYTES_MAX;
        if self.len() <= FIELDS_MAX && self.iter().all(is_short) { "listpack" } else { "hashtable" }
    }

    /// How many fields.
    pub(in crate::resp) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Fields and values, in ascending order of the fields.
    pub(in crate::resp) fn iter(&self) -> impl ExactSizeIterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter()
    }

    /// A field's value.
    pub(in crate::resp) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        self.fields.get(field)
    }

    /// Sets a field; whether it is new.
    pub(in crate::resp) fn set(&mut self, field: Bytes, value: Bytes) -> bool {
        self.weight += value.len();
        let field_bytes = field.len();
        let old = self.fields.insert(field, value);
        match &old {
            Some(old) => self.weight -= old.len(),
            None => self.weight += 2 * ELEMENT_BYTES + field_bytes,
        }
        old.is_none()
    }

    /// Takes a field away; whether it was there.
    pub(in crate::resp) fn remove(&mut self, field: &[u8]) -> bool {
        let removed = self.fields.remove(field);
        if let Some(value) = &removed {
            self.weight -= 2 * ELEMENT_BYTES + field.len() + value.len();
        }
        removed.is_some()
    }
}
