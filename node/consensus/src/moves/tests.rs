//! Moves conducted by `next` alone, over records in memory: to their end, with every answer lost or every command told
//! twice, given up and begun anew at every point, and with commands that come late.

use std::collections::BTreeMap;

use proptest::prelude::*;
use storgo_protocol::limits::SHIPPED_BYTES_MAX;
use storgo_protocol::meta::{Body, Command, FEATURE_LEVEL, ObjectId, Proposal, Reply, RequestId, Version};

use super::*;
use crate::machine::slot_state;

type Records = BTreeMap<Bytes, Bytes>;

/// Two groups and a slot, which the first one has, with `count` records.
#[derive(Clone)]
struct Two {
    groups: [Records; 2],
    indexes: [u64; 2],
    of: Move,
}

fn slot() -> Slot {
    Slot::new(77).unwrap()
}

fn at(group: GroupId) -> usize {
    usize::from(group == GroupId::new(2))
}

fn record(number: u32) -> Pair {
    let name = format!("{number:08}");
    let key = [&slot().number().to_be_bytes()[..], b"v", &[3; 16], name.as_bytes(), &[0, 1], &[0xff; 8]].concat();
    let (object, request) = (ObjectId::from_bytes([number.to_le_bytes()[0]; 16]), RequestId::new(1, [1; 10]));
    (key.into(), Version::new(object, request, Body::Marker).encode())
}

impl Two {
    fn new(count: u32) -> Self {
        let of = Move { slot: slot(), source: GroupId::new(1), target: GroupId::new(2) };
        let mut pair = Self { groups: Default::default(), indexes: [0; 2], of };
        pair.tell(of.source, Action::Assign { first: slot(), last: slot() });
        pair.groups[0].extend((0..count).map(record));
        pair
    }

    fn records(&mut self, group: GroupId) -> &mut Records {
        &mut self.groups[at(group)]
    }

    fn tell(&mut self, group: GroupId, action: Action) -> Reply {
        let index = &mut self.indexes[at(group)];
        *index += 1;
        let proposal = Proposal {
            stamp: Stamp::from_ms(*index),
            command: Command { feature: FEATURE_LEVEL, request: None, action }.encode(),
        };
        let index = *index;
        let outcome = machine::apply(self.records(group), group, index, &proposal).unwrap();
        for (key, change) in outcome.batch {
            match change {
                Some(value) => self.records(group).insert(key, value),
                None => self.records(group).remove(&key),
            };
        }
        outcome.reply
    }

    fn next(&mut self, of: Move, aim: Aim) -> Next {
        let target = look_at_target(self.records(of.target), slot()).unwrap();
        let source = look_at_source(self.records(of.source), slot(), target.last.as_ref(), SHIPPED_BYTES_MAX).unwrap();
        super::next(of, aim, &source, &target)
    }

    /// Conducts until it is over; how many commands that took.
    fn conduct(&mut self, of: Move, aim: Aim) -> Vec<(GroupId, Action)> {
        let mut told = Vec::new();
        loop {
            assert!(told.len() < 200, "{told:?}");
            match self.next(of, aim) {
                Next::Tell(group, action) => {
                    let reply = self.tell(group, action.clone());
                    assert!(matches!(reply, Reply::Done { .. }), "{action:?}: {reply:?}");
                    told.push((group, action));
                }
                Next::Done => return told,
                other @ Next::Elsewhere(_) => panic!("{other:?} after {told:?}"),
            }
        }
    }

    fn state(&mut self, group: GroupId) -> Option<SlotState> {
        slot_state(self.records(group), slot()).unwrap()
    }

    /// The numbers of the slot's records at a group.
    fn held(&mut self, group: GroupId) -> Vec<Pair> {
        page(self.records(group))
    }
}

fn page(records: &Records) -> Vec<Pair> {
    let mut all: Vec<Pair> = Vec::new();
    loop {
        let more = machine::page(records, slot(), all.last().map(|(key, _)| key), SHIPPED_BYTES_MAX).unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn below(numbers: impl IntoIterator<Item = u32>) -> Vec<Pair> {
    numbers.into_iter().map(record).map(|(key, value)| (key.slice(2..), value)).collect()
}

#[test]
fn a_slot_arrives_whole_and_comes_back() {
    for count in [0, 1, 3000] {
        let mut pair = Two::new(count);
        let of = pair.of;
        let steps = pair.conduct(of, Aim::Arrive);
        assert!(steps.len() >= 4, "{steps:?}");
        assert_eq!(pair.state(of.target), Some(SlotState::Owned));
        assert_eq!(pair.held(of.target), below(0..count));
        assert!(pair.held(of.source).is_empty());
        assert!(pair.conduct(of, Aim::Arrive).is_empty());
        let back = Move { slot: of.slot, source: of.target, target: of.source };
        pair.conduct(back, Aim::Arrive);
        assert_eq!((pair.state(of.source), pair.held(of.source)), (Some(SlotState::Owned), below(0..count)));
        assert_eq!(pair.next(of, Aim::Finish), Next::Done);
        assert!(pair.held(of.target).is_empty());
    }
}

#[test]
fn a_move_stands_still_only_where_somebody_finds_it() {
    // Whatever was told last: the groups themselves say that a move was begun, and how to end it. Of an empty slot that
    // was forwarded only the target does.
    for count in [0, 3000] {
        let of = Two::new(0).of;
        let steps = Two::new(count).conduct(of, Aim::Arrive);
        for (told, aim) in (0..=steps.len()).flat_map(|told| [(told, Aim::Finish), (told, Aim::Stay)]) {
            let mut pair = Two::new(count);
            for (group, action) in &steps[..told] {
                pair.tell(*group, action.clone());
            }
            let mut begun: Vec<Move> = [of.source, of.target]
                .into_iter()
                .flat_map(|group| super::begun(pair.records(group), group, all_slots()).unwrap())
                .collect();
            begun.dedup();
            assert_eq!(begun.len(), usize::from((1..steps.len()).contains(&told)), "{told}: {begun:?}");
            for of in begun {
                pair.conduct(of, aim);
            }
            let forwarded = steps[..told].iter().any(|(_, action)| matches!(action, Action::Forward(_)));
            let home = if told == 0 || (aim == Aim::Stay && !forwarded) { of.source } else { of.target };
            let found = (pair.state(home), pair.held(home));
            assert_eq!(found, (Some(SlotState::Owned), below(0..count)), "{told} {aim:?}");
            let other = if home == of.source { of.target } else { of.source };
            assert!(pair.held(other).is_empty() && pair.state(other) != Some(SlotState::Owned));
        }
    }
}

#[test]
fn a_slot_that_is_elsewhere_is_not_moved() {
    let mut pair = Two::new(1);
    let of = pair.of;
    let third = Move { target: GroupId::new(3), ..of };
    pair.tell(of.source, Action::Freeze(third.to()));
    let frozen = pair.state(of.source);
    assert_eq!(pair.next(of, Aim::Arrive), Next::Elsewhere(frozen));
    pair.tell(of.source, Action::Thaw(third.to()));
    // Two that both call it theirs: nothing is told to either.
    pair.tell(of.target, Action::Assign { first: slot(), last: slot() });
    assert_eq!(pair.next(of, Aim::Arrive), Next::Elsewhere(Some(SlotState::Owned)));
    let nowhere = Source::default();
    assert_eq!(super::next(of, Aim::Arrive, &nowhere, &SlotSide::default()), Next::Elsewhere(None));
}

#[test]
fn what_another_move_left_at_the_target_does_not_stand_in_the_way() {
    let mut pair = Two::new(5);
    let of = pair.of;
    // The slot came to the target from a third group, in part, and stayed there after all; then the source had it.
    let from = SlotTo { slot: slot(), group: GroupId::new(3) };
    let (since, pairs) = (Stamp::from_ms(1), below([900]));
    pair.tell(of.target, Action::Ship(Ship { from, page: 0, since, pairs }));
    pair.indexes[0] = 50;
    pair.conduct(of, Aim::Arrive);
    assert_eq!((pair.state(of.target), pair.held(of.target)), (Some(SlotState::Owned), below(0..5)));
}

proptest! {
    /// Moves to and fro, given up at random, while every command that was ever sent may come again at any time; between
    /// steps, whoever owns the slot writes. Nothing is lost, and nothing that was removed comes back.
    #[test]
    fn late_commands_do_no_harm(turns in proptest::collection::vec((0_u8..10, any::<prop::sample::Index>()), 1..120)) {
        let mut pair = Two::new(3);
        let (mut of, mut expected, mut sent) = (pair.of, (0..3).collect::<Vec<u32>>(), Vec::new());
        let mut aim = Aim::Arrive;
        for (number, (turn, which)) in turns.into_iter().enumerate() {
            match turn {
                0 => aim = Aim::Stay,
                1 | 2 if !sent.is_empty() => {
                    let (group, action): &(GroupId, Action) = which.get(&sent);
                    pair.tell(*group, action.clone());
                }
                3 => {
                    let owner = [of.source, of.target].into_iter().find(|id| pair.state(*id) == Some(SlotState::Owned));
                    if let Some(owner) = owner {
                        let removed = record(expected.remove(0)).0;
                        pair.records(owner).remove(&removed);
                        let new = 1000 + u32::try_from(number).unwrap();
                        expected.push(new);
                        pair.records(owner).extend([record(new)]);
                    }
                }
                _ => {
                    if let Next::Tell(group, action) = pair.next(of, aim) {
                        pair.tell(group, action.clone());
                        sent.push((group, action));
                    } else {
                        // Back again, or once more.
                        let arrived = pair.state(of.target) == Some(SlotState::Owned);
                        of = if arrived { Move { source: of.target, target: of.source, ..of } } else { of };
                        aim = Aim::Arrive;
                    }
                }
            }
            let owners = [1, 2].map(GroupId::new).into_iter().filter(|id| pair.state(*id) == Some(SlotState::Owned));
            prop_assert!(owners.collect::<Vec<_>>().len() <= 1);
        }
        // A late freeze may have begun what nobody wants: it is found, and brought to its end.
        for _ in 0..3 {
            let begun: Vec<Move> = [1, 2].map(GroupId::new).into_iter()
                .flat_map(|id| super::begun(pair.records(id), id, [slot()]).unwrap()).collect();
            for of in begun {
                while let Next::Tell(group, action) = pair.next(of, Aim::Finish) {
                    pair.tell(group, action);
                }
            }
        }
        let owner = [1, 2].map(GroupId::new).into_iter().find(|id| pair.state(*id) == Some(SlotState::Owned));
        prop_assert_eq!(pair.held(owner.unwrap()), below(expected));
    }
}
