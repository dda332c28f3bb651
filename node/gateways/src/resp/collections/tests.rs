//! Bodies of collections: what is written is read, nothing else is, and what is counted is what is there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use storgo_protocol::limits::VALUE_BYTES_MAX;

use super::*;

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn element() -> impl Strategy<Value = Bytes> {
    // Lengths of one byte, and of two.
    prop_oneof![4 => bytes(4), 1 => bytes(300)]
}

fn hash_of(fields: &BTreeMap<Bytes, Bytes>) -> Hash {
    let mut hash = Hash::default();
    for (field, value) in fields {
        hash.set(field.clone(), value.clone());
    }
    hash
}

fn list_of(elements: &[Bytes]) -> List {
    let mut list = List::default();
    for element in elements {
        list.push(End::Right, element.clone());
    }
    list
}

/// What all collections have in common.
fn check<C: Collection + PartialEq + std::fmt::Debug>(collection: &C) {
    let body = collection.encode();
    assert!(body.len() <= collection.weight(), "{collection:?}");
    let read = C::decode(&body).unwrap();
    assert_eq!((&read, read.weight()), (collection, collection.weight()));
    assert_eq!(read.encode(), body);
    for end in 0..body.len() {
        assert!(C::decode(&body.slice(..end)).is_err(), "{end} of {body:?}");
    }
    let longer = [&body[..], &[0]].concat();
    assert_eq!(C::decode(&longer.into()), Err(Damaged::Trailing));
}

/// Any bytes are refused, or are what is written for what was read.
fn check_hostile<C: Collection>(body: &Bytes) {
    if let Ok(read) = C::decode(body) {
        assert!(!read.is_empty());
        assert_eq!(read.encode(), body);
    }
}

#[test]
fn bodies_that_nobody_wrote_are_refused() {
    let read = |body: &'static [u8]| {
        let body = Bytes::from_static(body);
        match body.get(1) {
            Some(b'h') => Hash::decode(&body).err(),
            Some(b'l') => List::decode(&body).err(),
            _ => Set::decode(&body).err(),
        }
    };
    let refused: [(&[u8], Damaged); 17] = [
        (b"", Damaged::Head),
        (b"\x01", Damaged::Head),
        (b"\x02s\x01\x01a", Damaged::Head),
        (b"\x01z\x01\x01a", Damaged::Head),
        (b"\x01s", Damaged::Short),
        (b"\x01s\x00", Damaged::Size),
        (b"\x01h\x00", Damaged::Size),
        (b"\x01l\x00", Damaged::Size),
        (b"\x01s\x02\x01b\x01a", Damaged::Order),
        (b"\x01s\x02\x01a\x01a", Damaged::Order),
        (b"\x01h\x02\x01b\x01x\x01a\x01x", Damaged::Order),
        (b"\x01h\x02\x01a\x01x\x01a\x01y", Damaged::Order),
        (b"\x01s\x01\x01ab", Damaged::Trailing),
        (b"\x01s\x81\x00\x01a", Damaged::Number),
        // More elements than any body has, more than this one can have, and one longer than it.
        (b"\x01l\xff\xff\xff\xff\x0f\x00", Damaged::Size),
        (b"\x01l\x80\x80\x80\x08\x00\x00", Damaged::Short),
        (b"\x01l\x01\xff\xff\xff\xff\x7f", Damaged::Short),
    ];
    for (body, expected) in refused {
        assert_eq!(read(body), Some(expected), "{body:?}");
    }
    assert_eq!(read(b"\x01h\x01\x00\x00"), None);
    assert_eq!(read(b"\x01l\x02\x00\x00"), None);
}

#[test]
fn what_many_short_elements_take_in_memory_is_bounded() {
    let most = VALUE_BYTES_MAX / ELEMENT_BYTES;
    let mut writer = encoding::Writer::new(b'l', most + 1, 0);
    for _ in 0..=most {
        writer.element(b"");
    }
    assert_eq!(List::decode(&writer.finish()), Err(Damaged::Size));
}

#[test]
fn an_element_too_long_to_be_written_is_not_read() {
    // A head, a length of five bytes, and zeros that nobody touches.
    let long = |bytes: usize| {
        let mut body = vec![0; 8 + bytes];
        body[..3].copy_from_slice(b"\x01l\x01");
        for (place, byte) in body[3..8].iter_mut().enumerate() {
            *byte = u8::try_from((bytes >> (7 * place)) & 0x7f).unwrap() | if place < 4 { 0x80 } else { 0 };
        }
        List::decode(&body.into()).map(|list| list.weight())
    };
    let room = VALUE_BYTES_MAX - ELEMENT_BYTES;
    assert_eq!((long(room), long(room + 1)), (Ok(VALUE_BYTES_MAX), Err(Damaged::Size)));
}

#[test]
fn elements_are_slices_of_the_body() {
    let body = list_of(&[Bytes::from("a".repeat(100))]).encode();
    let list = List::decode(&body).unwrap();
    let element = list.get(0).unwrap();
    assert!(body.as_ptr_range().contains(&element.as_ptr()));
}

/// What is done to a list.
#[derive(Debug, Clone)]
enum Step {
    Push(End, Bytes),
    Pop(End),
    Set(i64, Bytes),
    Insert(Side, Bytes, Bytes),
    Remove(End, usize, Bytes),
    Trim(i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = || prop_oneof![Just(End::Left), Just(End::Right)];
    let side = || prop_oneof![Just(Side::Before), Just(Side::After)];
    let index = || -8_i64..8;
    let few = || "[a-c]{0,2}".prop_map(Bytes::from);
    let step = prop_oneof![
        6 => (end(), few()).prop_map(|(end, element)| Step::Push(end, element)),
        1 => end().prop_map(Step::Pop),
        1 => (index(), few()).prop_map(|(index, element)| Step::Set(index, element)),
        2 => (side(), few(), few()).prop_map(|(side, pivot, element)| Step::Insert(side, pivot, element)),
        1 => (end(), 0_usize..4, few()).prop_map(|(end, count, element)| Step::Remove(end, count, element)),
        1 => (index(), index()).prop_map(|(start, end)| Step::Trim(start, end)),
    ];
    vec(step, 0..40)
}

/// The same, done to a vector as the pages of the commands tell it.
fn model(elements: &mut Vec<Bytes>, step: &Step) {
    let total = i64::try_from(elements.len()).unwrap();
    let place = |index: i64| usize::try_from(if index < 0 { total + index } else { index }).ok();
    match step.clone() {
        Step::Push(End::Left, element) => elements.insert(0, element),
        Step::Push(End::Right, element) => elements.push(element),
        Step::Pop(End::Left) => drop((!elements.is_empty()).then(|| elements.remove(0))),
        Step::Pop(End::Right) => drop(elements.pop()),
        Step::Set(index, element) => {
            if let Some(old) = place(index).and_then(|place| elements.get_mut(place)) {
                *old = element;
            }
        }
        Step::Insert(side, pivot, element) => {
            if let Some(at) = elements.iter().position(|found| *found == pivot) {
                elements.insert(at + usize::from(side == Side::After), element);
            }
        }
        Step::Remove(end, count, element) => {
            for _ in 0..count {
                let found = match end {
                    End::Left => elements.iter().position(|found| *found == element),
                    End::Right => elements.iter().rposition(|found| *found == element),
                };
                drop(found.map(|at| elements.remove(at)));
            }
        }
        Step::Trim(start, end) => {
            let index = |index: i64| if index < 0 { total + index } else { index };
            let mut at = -1;
            elements.retain(|_| {
                at += 1;
                (index(start)..=index(end)).contains(&at)
            });
        }
    }
}

fn list_step(list: &mut List, step: &Step) {
    match step.clone() {
        Step::Push(end, element) => list.push(end, element),
        Step::Pop(end) => drop(list.pop(end)),
        Step::Set(index, element) => drop(list.set(index, element)),
        Step::Insert(side, pivot, element) => drop(list.insert(side, &pivot, element)),
        Step::Remove(end, count, element) => drop(list.remove(end, count, &element)),
        Step::Trim(start, end) => drop(list.trim(list.range(start, end))),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        fields in btree_map(element(), element(), 1..20),
        members in btree_set(element(), 1..20),
        elements in vec(element(), 1..20),
    ) {
        check(&hash_of(&fields));
        check(&members.into_iter().collect::<Set>());
        check(&list_of(&elements));
    }

    #[test]
    fn no_bytes_are_read_as_what_is_written_otherwise(
        kind in prop_oneof![Just(b'h'), Just(b'l'), Just(b's')],
        rest in vec(prop_oneof![3 => 0_u8..5, 1 => any::<u8>()], 0..24),
    ) {
        let body = Bytes::from([&[1, kind], &rest[..]].concat());
        check_hostile::<Hash>(&body);
        check_hostile::<List>(&body);
        check_hostile::<Set>(&body);
    }

    #[test]
    fn a_hash_is_a_map_and_a_set_is_a_set(steps in vec((0_u8..2, "[a-e]{0,2}", "[a-e]{0,3}"), 0..40)) {
        let (mut hash, mut map) = (Hash::default(), BTreeMap::new());
        let (mut set, mut tree) = (Set::default(), BTreeSet::new());
        for (kind, field, value) in steps {
            let (field, value) = (Bytes::from(field), Bytes::from(value));
            if kind == 0 {
                prop_assert_eq!(hash.remove(&field), map.remove(&field).is_some());
                prop_assert_eq!(set.remove(&field), tree.remove(&field));
            } else {
                prop_assert_eq!(hash.set(field.clone(), value.clone()), map.insert(field.clone(), value).is_none());
                prop_assert_eq!(set.insert(field.clone()), tree.insert(field));
            }
        }
        let weight: usize = map.iter().map(|(field, value)| 2 * ELEMENT_BYTES + field.len() + value.len()).sum();
        prop_assert_eq!(hash.weight(), weight);
        prop_assert!(hash.iter().eq(&map));
        prop_assert_eq!(&set, &tree.iter().cloned().collect::<Set>());
        prop_assert!(set.iter().eq(&tree));
    }

    #[test]
    fn a_list_is_a_vector(steps in steps(), start in -8_i64..8, end in -8_i64..8) {
        let (mut list, mut expected) = (List::default(), Vec::new());
        for step in &steps {
            list_step(&mut list, step);
            model(&mut expected, step);
            prop_assert_eq!(&list, &list_of(&expected), "{:?}", step);
        }
        let mut trimmed = expected.clone();
        model(&mut trimmed, &Step::Trim(start, end));
        prop_assert!(list.slice(list.range(start, end)).eq(&trimmed));
        for element in &expected {
            let places = |end| list.places(end, usize::MAX, element).collect::<Vec<_>>();
            let mut all: Vec<_> = (0..expected.len()).filter(|place| expected[*place] == element).collect();
            prop_assert_eq!(places(End::Left), all.clone());
            all.reverse();
            prop_assert_eq!(places(End::Right), all);
        }
    }
}
