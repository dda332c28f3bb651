//! A slot goes from one group to another: nothing is lost, nothing is answered twice, and retries find their answers.

use storgo_protocol::meta::{Ship, SlotTo};

use super::super::{floor, page, slot_state};
use super::*;

const KEYS: u32 = 30;

struct Move {
    source: Group,
    target: Group,
    slot: Slot,
}

impl Move {
    /// A source with keys in one slot, and a target with no slots.
    fn new() -> Self {
        let (mut source, mut target) = (Group::new(1), Group::empty(2));
        target.done(Action::SetBucket(Box::new(versioned())));
        target.now_ms -= 50_000;
        for n in 0..KEYS {
            source.put_with(&versioned(), &key(n), |version| version.expires_ms = START_MS + 1000 + u64::from(n));
            source.put(&versioned(), &key(n), "newer");
        }
        Self { source, target, slot: versioned().slot(key(0).as_bytes()) }
    }

    fn to(&self) -> SlotTo {
        SlotTo { slot: self.slot, group: self.target.id }
    }

    fn from(&self) -> SlotTo {
        SlotTo { slot: self.slot, group: self.source.id }
    }

    /// The pages of the slot as they would be sent.
    fn pages(&self) -> Vec<Ship> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let (pairs, next) = page(&self.source.records, self.slot, after.as_ref(), 2000).unwrap();
            let floor = floor(&self.source.records).unwrap();
            pages.push(Ship { from: self.from(), page: pages.len() as u64, floor, pairs });
            let Some(next) = next else { return pages };
            after = Some(next);
        }
    }
}

fn key(n: u32) -> String {
    format!("{{tag}}{n}")
}

#[test]
fn a_slot_arrives_as_it_left_and_is_answered_by_one_group_at_any_time() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    let retried = group.source.put_command(&versioned(), &key(0), "last", Condition::Always);
    let first = group.source.send(&retried);

    let refused_write = |group: &mut Group| refused(&group.put_if(&versioned(), &key(1), "x", Condition::Always));
    let read = |group: &Group| super::super::get(&group.records, versioned().bucket, key(1).as_bytes(), None).unwrap();
    assert_eq!(group.source.done(Action::Freeze(to)), 1);
    assert_eq!(refused_write(&mut group.source), RefusedKind::Frozen(to.group));
    assert!(read(&group.source).is_ok());
    // What expires meanwhile stays: it was frozen with the rest.
    group.source.now_ms += 10_000;
    assert_eq!(group.source.done(Action::Tick), 0);

    let pages = group.pages();
    assert!(pages.len() > 2, "{}", pages.len());
    for ship in &pages {
        group.target.done(Action::Ship(ship.clone()));
        // Told again, it changes nothing.
        assert_eq!(group.target.done(Action::Ship(ship.clone())), 0);
        assert!(read(&group.target).is_err());
        assert_eq!(refused_write(&mut group.target), RefusedKind::NotHere(from.group));
    }
    assert_eq!(group.source.done(Action::Forward(to)), 1);
    assert!(read(&group.source).is_err() && read(&group.target).is_err());
    assert_eq!(refused_write(&mut group.source), RefusedKind::NotHere(to.group));
    let early = group.target.tell(Action::Switch { from, pages: pages.len() as u64 + 1 });
    assert_eq!(refused(&early), RefusedKind::Page(pages.len() as u64));
    assert_eq!(group.target.done(Action::Switch { from, pages: pages.len() as u64 }), 1);

    // Everything is there, and the retry finds its answer though its group is another.
    for n in 0..KEYS {
        let name = key(n);
        assert_eq!(group.target.get(&versioned(), &name), {
            let listing = super::super::keys::versions(group.slot, versioned().bucket, name.as_bytes());
            let newest = group.source.records.range(listing.0..listing.1).next();
            newest.map(|(_, record)| Version::decode(record).unwrap())
        });
    }
    assert_eq!(group.target.send(&retried), first);
    // What is written from now on is later than all that came, though this clock is behind.
    let newest = group.target.get(&versioned(), &key(0)).unwrap().id();
    assert!(group.target.put(&versioned(), &key(0), "after") > newest);
    // What expired on the way expires here.
    group.target.now_ms = group.source.now_ms;
    assert_eq!(group.target.done(Action::Tick), u64::from(KEYS));

    while group.source.done(Action::Drop(to)) > 0 {}
    let (first, end) = super::super::keys::section(group.slot, b'v');
    assert_eq!(group.source.records.range(first..end).count(), 0);
    assert!(!super::super::is_due(&group.source.records, u64::MAX - 1).unwrap());
    assert_eq!(group.source.done(Action::Drop(to)), 0);
    assert_eq!(
        slot_state(&group.source.records, group.slot).unwrap(),
        Some(storgo_protocol::meta::SlotState::Forwarded { to: to.group })
    );

    // And back again.
    let back = group.from();
    group.target.done(Action::Freeze(back));
    let home = Move { source: group.target, target: group.source, slot: group.slot };
    let (pages, from) = (home.pages(), home.from());
    let Move { mut target, mut source, .. } = home;
    for ship in &pages {
        target.done(Action::Ship(ship.clone()));
    }
    source.done(Action::Forward(back));
    target.done(Action::Switch { from, pages: pages.len() as u64 });
    assert_eq!(target.content(&versioned(), &key(0)), Some("after".to_owned()));
}

#[test]
fn a_move_that_is_given_up_leaves_the_slot_where_it_was() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    group.source.done(Action::Freeze(to));
    let pages = group.pages();
    group.target.done(Action::Ship(pages[0].clone()));
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[2].clone()))), RefusedKind::Page(1));
    assert_eq!(group.source.done(Action::Thaw(to)), 1);
    group.source.put(&versioned(), &key(0), "home");
    // The target drops what came and begins anew.
    while group.target.done(Action::Drop(from)) > 0 {}
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[1].clone()))), RefusedKind::Page(0));
    group.source.done(Action::Freeze(to));
    let again = group.pages();
    for ship in &again {
        group.target.done(Action::Ship(ship.clone()));
    }
    group.source.done(Action::Forward(to));
    // From here on there is no way back but another move.
    assert_eq!(refused(&group.source.tell(Action::Thaw(to))), RefusedKind::NotHere(to.group));
    group.target.done(Action::Switch { from, pages: again.len() as u64 });
    assert_eq!(group.target.content(&versioned(), &key(0)), Some("home".to_owned()));
}

#[test]
fn steps_out_of_order_are_refused() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    for action in [Action::Forward(to), Action::Drop(to)] {
        assert_eq!(refused(&group.source.tell(action)), RefusedKind::Invalid);
    }
    assert_eq!(refused(&group.target.tell(Action::Switch { from, pages: 0 })), RefusedKind::NotHere(GroupId::new(0)));
    group.source.done(Action::Freeze(to));
    let third = SlotTo { group: GroupId::new(3), ..to };
    for action in [Action::Freeze(third), Action::Thaw(third), Action::Forward(third), Action::Drop(third)] {
        assert_eq!(refused(&group.source.tell(action)), RefusedKind::Frozen(to.group));
    }
    let own = Ship { from: SlotTo { group: group.source.id, ..to }, page: 0, floor: Stamp::ZERO, pairs: Vec::new() };
    assert_eq!(refused(&group.source.tell(Action::Ship(own))), RefusedKind::Frozen(to.group));
    for below in [&b"s"[..], b"", b"x123", b"vshort", b"r", b"r0123456789abcdef"] {
        let pairs = vec![(Bytes::from_static(below), Bytes::new())];
        let ship = Ship { from, page: 0, floor: Stamp::ZERO, pairs };
        assert_eq!(refused(&group.target.tell(Action::Ship(ship))), RefusedKind::Invalid, "{below:?}");
    }
}
