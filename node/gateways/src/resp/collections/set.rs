//! Sets: members, each once.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::encoding::{Reader, Writer};
use super::{Collection, Damaged, ELEMENT_BYTES};
use crate::resp::content::{Content, Kind};
use crate::resp::numbers::parse_int;

/// Members in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::resp) struct Set {
    members: BTreeSet<Bytes>,
    weight: usize,
}

const MARK: u8 = b's';

impl Collection for Set {
    const KIND: Kind = Kind::Set;

    fn decode(body: &Bytes) -> Result<Self, Damaged> {
        let (mut reader, count) = Reader::new(body, MARK, 1)?;
        let mut members: Vec<Bytes> = Vec::with_capacity(count);
        for _ in 0..count {
            let member = reader.element()?;
            if members.last().is_some_and(|last| *last >= member) {
                return Err(Damaged::Order);
            }
            members.push(member);
        }
        Ok(Self { weight: reader.finish()?, members: members.into_iter().collect() })
    }

    fn encode(&self) -> Bytes {
        let mut writer = Writer::new(MARK, self.members.len(), self.weight);
        self.members.iter().for_each(|member| writer.element(member));
        writer.finish()
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn within(content: &mut Content) -> Option<&mut Self> {
        if let Content::Set(set) = content { Some(set) } else { None }
    }
}

impl Set {
    /// One without members.
    pub(in crate::resp) const EMPTY: Self = Self { members: BTreeSet::new(), weight: 0 };

    /// How Redis keeps it, as it is set by default.
    pub(in crate::resp) fn encoding(&self) -> &'static str {
        const MEMBERS_MAX: usize = 512;
        let is_small = self.len() <= MEMBERS_MAX && self.iter().all(|member| parse_int(member).is_some());
        if is_small { "intset" } else { "hashtable" }
    }

    /// How many members.
    pub(in crate::resp) fn len(&self) -> usize {
        self.members.len()
    }

    /// Members in ascending order.
    pub(in crate::resp) fn iter(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.members.iter()
    }

    pub(in crate::resp) fn contains(&self, member: &[u8]) -> bool {
        self.members.contains(member)
    }

    /// Adds a member; whether it is new.
    pub(in crate::resp) fn insert(&mut self, member: Bytes) -> bool {
        let bytes = ELEMENT_BYTES + member.len();
        let is_new = self.members.insert(member);
        self.weight += if is_new { bytes } else { 0 };
        is_new
    }

    /// Takes a member away; whether it was there.
    pub(in crate::resp) fn remove(&mut self, member: &[u8]) -> bool {
        let was_there = self.members.remove(member);
        self.weight -= if was_there { ELEMENT_BYTES + member.len() } else { 0 };
        was_there
    }
}

impl FromIterator<Bytes> for Set {
    fn from_iter<I: IntoIterator<Item = Bytes>>(members: I) -> Self {
        let members: BTreeSet<Bytes> = members.into_iter().collect();
        let weight = members.iter().map(|member| ELEMENT_BYTES + member.len()).sum();
        Self { members, weight }
    }
}
