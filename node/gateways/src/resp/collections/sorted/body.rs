//! The body of a sorted set.
//!
//! # Shape
//!
//! As that of other collections, its kind being `z`. An element is a score, a number of 64 bits in IEEE 754 whose lowest
//! byte comes first, and the member with its length before it. Elements stand in the order of their scores, those of one
//! score in the order of their members, each member once; so what is the same has the same bytes.

use std::collections::HashMap;

use bytes::Bytes;
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::ranked::{Entry, Ranked};
use super::score::Score;
use super::{MEMBER_BYTES, Sorted};
use crate::resp::collections::encoding::{Reader, Writer};
use crate::resp::collections::{Collection, Damaged, ELEMENT_BYTES};
use crate::resp::content::{Content, Kind};

const MARK: u8 = b'z';

/// Bytes of an element at the least: a score, and the length of an empty member.
const ELEMENT_BYTES_MIN: usize = size_of::<f64>() + 1;

// A score fits in what a member counts beside what other elements do, so that a body has no more bytes than its set.
const _: () = assert!(MEMBER_BYTES >= ELEMENT_BYTES + size_of::<f64>());

impl Collection for Sorted {
    const KIND: Kind = Kind::Sorted;

    fn decode(body: &Bytes) -> Result<Self, Damaged> {
        let (mut reader, count) = Reader::new(body, MARK, ELEMENT_BYTES_MIN)?;
        if count > VALUE_BYTES_MAX / MEMBER_BYTES {
            return Err(Damaged::Size);
        }
        let (mut entries, mut scores) = (Vec::with_capacity(count), HashMap::with_capacity(count));
        for _ in 0..count {
            let score = decode_score(reader.eight()?)?;
            let entry = Entry { score, member: reader.element()? };
            if entries.last().is_some_and(|last| *last >= entry) {
                return Err(Damaged::Order);
            }
            if scores.insert(entry.member.clone(), score).is_some() {
                return Err(Damaged::Order);
            }
            entries.push(entry);
        }
        let weight = reader.finish()? + count * (MEMBER_BYTES - ELEMENT_BYTES);
        if weight > VALUE_BYTES_MAX {
            return Err(Damaged::Size);
        }
        Ok(Self { scores, ranked: Ranked::of(entries), weight })
    }

    fn encode(&self) -> Bytes {
        let weight = self.weight - self.len() * (MEMBER_BYTES - ELEMENT_BYTES - size_of::<f64>());
        let mut writer = Writer::new(MARK, self.len(), weight);
        for Entry { score, member } in self.iter() {
            writer.eight(score.kept().number().to_le_bytes());
            writer.element(member);
        }
        writer.finish()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn within(content: &mut Content) -> Option<&mut Self> {
        if let Content::Sorted(set) = content { Some(set) } else { None }
    }
}

fn decode_score(bytes: [u8; 8]) -> Result<Score, Damaged> {
    let number = f64::from_le_bytes(bytes);
    // Zero is written in one way.
    Score::new(number).filter(|score| score.kept().number().to_bits() == number.to_bits()).ok_or(Damaged::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(members: &[(&'static str, f64)]) -> Sorted {
        members
            .iter()
            .map(|(member, number)| (Bytes::from_static(member.as_bytes()), Score::new(*number).unwrap()))
            .collect()
    }

    fn text(members: &[(f64, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![1, b'z', u8::try_from(members.len()).unwrap()];
        for (number, member) in members {
            bytes.extend(number.to_le_bytes());
            bytes.push(u8::try_from(member.len()).unwrap());
            bytes.extend_from_slice(member);
        }
        bytes
    }

    #[test]
    fn a_set_has_one_text() {
        let expected = "01 7a 03 000000000000f0bf 01 62 0000000000000000 00 000000000000f03f 02 6161";
        let hex = expected.replace(' ', "");
        let expected: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let bytes = set(&[("aa", 1.0), ("", -0.0), ("b", -1.0)]).encode();
        assert_eq!(bytes, expected);
        assert_eq!(bytes, text(&[(-1.0, b"b"), (0.0, b""), (1.0, b"aa")]));
    }

    #[test]
    fn members_are_parts_of_what_was_read() {
        let bytes = Bytes::from(text(&[(1.0, b"abc")]));
        let set = Sorted::decode(&bytes).unwrap();
        let member = &set.iter().next().unwrap().member;
        assert!(bytes.as_ptr_range().contains(&member.as_ptr()));
    }

    #[test]
    fn other_bytes_are_refused() {
        let refuse = |bytes: Vec<u8>, why: Damaged| {
            assert_eq!(Sorted::decode(&bytes.clone().into()), Err(why), "{bytes:x?}");
        };
        let good = text(&[(1.0, b"a"), (2.0, b"b")]);
        assert!(Sorted::decode(&good.clone().into()).is_ok());
        for length in 3..good.len() {
            refuse(good[..length].to_vec(), Damaged::Short);
        }
        refuse([&good[..], b"x"].concat(), Damaged::Trailing);
        refuse([b"\x01s", &good[2..]].concat(), Damaged::Head);
        refuse([b"\x02z", &good[2..]].concat(), Damaged::Head);
        refuse([b"\x01z\x01", &good[3..]].concat(), Damaged::Trailing);
        refuse(b"\x01z\x00".to_vec(), Damaged::Size);
        refuse([b"\x01z\xff\xff\xff\x7f", &good[3..]].concat(), Damaged::Size);
        refuse([b"\x01z\xff\xff\xff\x01", &good[3..]].concat(), Damaged::Short);
        refuse([&good[..11], b"\x81\x00", &good[12..]].concat(), Damaged::Number);
        refuse(text(&[(2.0, b"b"), (1.0, b"a")]), Damaged::Order);
        refuse(text(&[(1.0, b"b"), (1.0, b"a")]), Damaged::Order);
        refuse(text(&[(1.0, b"a"), (1.0, b"a")]), Damaged::Order);
        refuse(text(&[(1.0, b"a"), (2.0, b"a")]), Damaged::Order);
        refuse(text(&[(f64::NAN, b"a")]), Damaged::Number);
        refuse(text(&[(-0.0, b"a")]), Damaged::Number);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            members in proptest::collection::hash_map(proptest::collection::vec(any::<u8>(), 0..8), any::<f64>(), 1..600),
        ) {
            let members = members.into_iter().filter(|(_, number)| !number.is_nan());
            let set: Sorted = members.map(|(member, number)| (member.into(), Score::new(number).unwrap())).collect();
            prop_assume!(!set.is_empty());
            let bytes = set.encode();
            prop_assert!(bytes.len() <= set.weight());
            let read = Sorted::decode(&bytes).unwrap();
            prop_assert_eq!((&read, read.weight()), (&set, set.weight()));
            prop_assert!(read.iter().eq(set.iter()));
            prop_assert_eq!(read.encode(), bytes);
        }

        #[test]
        fn whatever_is_read_is_written_so(
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = text(&[(-1.0, b"b"), (0.0, b""), (1.0, b"aa"), (1.0, b"ab")]);
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(set) = Sorted::decode(&bytes.clone().into()) {
                prop_assert_eq!(set.encode(), bytes);
            }
        }
    }
}
