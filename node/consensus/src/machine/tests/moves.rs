//! A slot goes from one group to another: nothing is lost, nothing is answered twice, and retries find their answers.

use storgo_protocol::limits::{REQUEST_WINDOW_MS, SHIPPED_PAIRS_MAX};
use storgo_protocol::meta::{Ship, SlotState, SlotTo};

use super::super::{keys, page, slot_side, slot_state};
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
        let mut pages: Vec<Ship> = Vec::new();
        loop {
            let behind = pages.last().and_then(|page| Some(page.pairs.last()?.0.clone()));
            let pairs = page(&self.source.records, self.slot, behind.as_ref(), 2000).unwrap();
            if pairs.is_empty() {
                return pages;
            }
            pages.push(Ship { from: self.from(), page: pages.len() as u64, since: self.since(), pairs });
        }
    }

    /// When the slot was frozen.
    fn since(&self) -> Stamp {
        match slot_state(&self.source.records, self.slot).unwrap() {
            Some(SlotState::Frozen { since, .. } | SlotState::Forwarded { since, .. }) => since,
            other => panic!("{other:?}"),
        }
    }

    fn switch(&self, pages: u64) -> Action {
        Action::Switch { from: self.from(), pages, since: self.since() }
    }

    /// All of a move, but for what is left behind.
    fn carry(&mut self) {
        self.source.done(Action::Freeze(self.to()));
        let pages = self.pages();
        let count = pages.len() as u64;
        for page in pages {
            self.target.done(Action::Ship(page));
        }
        self.source.done(Action::Forward(self.to()));
        self.target.done(self.switch(count));
    }

    /// Removes what is left behind.
    fn drop_left(&mut self) {
        let (other, since) = (self.to(), self.since());
        while self.source.done(Action::Drop { other, since }) > 0 {}
    }
}

fn key(n: u32) -> String {
    format!("{{tag}}{n}")
}

#[test]
fn what_happened_to_a_slot_elsewhere_is_not_known_where_it_comes() {
    let mut group = Move::new();
    // Both groups know of a time at which the key was not there, and neither of what the other one saw.
    group.source.put(&versioned(), &key(99), "comes");
    group.source.delete(&versioned(), &key(99), None);
    let absent = |group: &Group| Condition::AbsentSince(super::super::absence(&group.records, group.id).unwrap());
    let [first, second] = [absent(&group.source), absent(&group.target)];
    let beside = "another slot";
    assert_ne!(versioned().slot(beside.as_bytes()), group.slot);
    // There and back again.
    for _ in 0..2 {
        let refused_all = |group: &mut Group| {
            for condition in [first, second] {
                let refusal = group.put_if(&versioned(), &key(99), "x", condition);
                assert_eq!(refused(&refusal), RefusedKind::Condition(None));
            }
        };
        group.carry();
        refused_all(&mut group.target);
        let now = absent(&group.target);
        assert!(matches!(group.target.put_if(&versioned(), &key(99), "x", now), Reply::Written { .. }));
        group.target.delete(&versioned(), &key(99), None);
        group.drop_left();
        std::mem::swap(&mut group.source, &mut group.target);
    }
    // Keys of other slots were there all the time.
    assert!(matches!(group.source.put_if(&versioned(), beside, "x", first), Reply::Written { .. }));
}

#[test]
fn a_slot_arrives_as_it_left_and_is_answered_by_one_group_at_any_time() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    let retried = group.source.put_command(&versioned(), &key(0), "last", Condition::Always);
    let first = group.source.send(&retried);
    let (one, other) = (key(2), key(3));
    let changes =
        [(one.as_str(), Condition::Always, Change::Write("both")), (&other, Condition::Always, Change::Delete)];
    let together = group.source.batch_command(&versioned(), &changes);
    let first_together = group.source.send(&together);
    assert!(matches!(first_together, Reply::Written { .. }));

    let refused_write = |group: &mut Group| refused(&group.put_if(&versioned(), &key(1), "x", Condition::Always));
    let read = |group: &Group| super::super::get(&group.records, versioned().bucket, key(1).as_bytes(), None).unwrap();
    assert_eq!(group.source.done(Action::Freeze(to)), 1);
    assert_eq!(refused_write(&mut group.source), RefusedKind::Frozen(to.group));
    assert_eq!(refused(&group.source.batch(&versioned(), &changes)), RefusedKind::Frozen(to.group));
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
    let (early, late) = (group.switch(pages.len() as u64 + 1), group.switch(pages.len() as u64));
    assert_eq!(refused(&group.target.tell(early)), RefusedKind::Page(pages.len() as u64));
    assert_eq!(group.target.done(late), 1);

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
    assert_eq!(group.target.send(&together), first_together);
    assert_eq!(refused(&group.source.batch(&versioned(), &changes)), RefusedKind::NotHere(to.group));
    // What is written from now on is later than all that came, though this clock is behind.
    let newest = group.target.get(&versioned(), &key(0)).unwrap().id();
    assert!(group.target.put(&versioned(), &key(0), "after") > newest);
    // What expired on the way expires here.
    group.target.now_ms = group.source.now_ms;
    assert_eq!(group.target.done(Action::Tick), u64::from(KEYS));

    let since = group.since();
    while group.source.done(Action::Drop { other: to, since }) > 0 {}
    let (first, end) = super::super::keys::slot_versions(group.slot);
    assert_eq!(group.source.records.range(first..end).count(), 0);
    assert!(!super::super::is_due(&group.source.records, u64::MAX - 1).unwrap());
    assert_eq!(group.source.done(Action::Drop { other: to, since }), 0);
    assert_eq!(
        slot_state(&group.source.records, group.slot).unwrap(),
        Some(SlotState::Forwarded { to: to.group, since })
    );

    // And back again.
    let back = group.from();
    group.target.done(Action::Freeze(back));
    let home = Move { source: group.target, target: group.source, slot: group.slot };
    let (pages, switch) = (home.pages(), home.switch(home.pages().len() as u64));
    let Move { mut target, mut source, .. } = home;
    for ship in &pages {
        target.done(Action::Ship(ship.clone()));
    }
    source.done(Action::Forward(back));
    target.done(switch);
    assert_eq!(target.content(&versioned(), &key(0)), Some("after".to_owned()));
}

#[test]
fn a_move_that_is_given_up_leaves_the_slot_where_it_was() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    group.source.done(Action::Freeze(to));
    let (pages, since) = (group.pages(), group.since());
    group.target.done(Action::Ship(pages[0].clone()));
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[2].clone()))), RefusedKind::Page(1));
    assert_eq!(group.source.done(Action::Thaw(to)), 1);
    group.source.put(&versioned(), &key(0), "home");
    // The target drops what came and begins anew.
    while group.target.done(Action::Drop { other: from, since }) > 0 {}
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[1].clone()))), RefusedKind::Page(0));
    group.source.done(Action::Freeze(to));
    let again = group.pages();
    for ship in &again {
        group.target.done(Action::Ship(ship.clone()));
    }
    group.source.done(Action::Forward(to));
    // From here on there is no way back but another move.
    assert_eq!(refused(&group.source.tell(Action::Thaw(to))), RefusedKind::NotHere(to.group));
    let switch = group.switch(again.len() as u64);
    group.target.done(switch);
    assert_eq!(group.target.content(&versioned(), &key(0)), Some("home".to_owned()));
}

#[test]
fn nothing_of_an_attempt_that_was_given_up_gets_into_the_next() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    group.source.done(Action::Freeze(to));
    let (old, before) = (group.pages(), group.since());
    for ship in &old {
        group.target.done(Action::Ship(ship.clone()));
    }
    group.source.done(Action::Thaw(to));
    (0..KEYS).for_each(|n| drop(group.source.delete(&versioned(), &key(n), None)));
    group.source.done(Action::Freeze(to));
    let new = group.pages();
    // While old records are there, none of the new come: what is deleted now would stand among them.
    assert_eq!(refused(&group.target.tell(Action::Ship(new[0].clone()))), RefusedKind::NotHere(from.group));
    while group.target.done(Action::Drop { other: from, since: before }) > 0 {}
    group.target.done(Action::Ship(new[0].clone()));
    // All of these were sent for the first attempt and come late.
    let pages = old.len() as u64;
    for late in [old[0].clone(), old[1].clone()].map(Action::Ship) {
        assert_eq!(refused(&group.target.tell(late)), RefusedKind::NotHere(from.group));
    }
    for late in [Action::Drop { other: from, since: before }, Action::Switch { from, pages, since: before }] {
        assert_eq!(refused(&group.target.tell(late)), RefusedKind::NotHere(from.group));
    }
    for ship in &new[1..] {
        group.target.done(Action::Ship(ship.clone()));
    }
    group.source.done(Action::Forward(to));
    let (switch, since) = (group.switch(new.len() as u64), group.since());
    assert_eq!(refused(&group.source.tell(Action::Drop { other: to, since: before })), RefusedKind::NotHere(to.group));
    group.target.done(switch);
    assert_eq!(group.target.content(&versioned(), &key(0)), None);
    while group.source.done(Action::Drop { other: to, since }) > 0 {}
    // The first attempt does not even begin anew where the slot has gone on since.
    assert_eq!(refused(&group.source.tell(Action::Ship(Ship { from: to, since: before, ..old[0].clone() }))), {
        RefusedKind::NotHere(to.group)
    });
}

#[test]
fn an_attempt_of_which_answers_alone_came_goes_before_the_next_begins() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    group.source.done(Action::Freeze(to));
    let since = group.since();
    group.target.done(Action::Ship(group.pages()[0].clone()));
    let (first, end) = keys::slot_versions(group.slot);
    assert_eq!(group.target.records.range(first..end).next(), None);
    group.source.done(Action::Thaw(to));
    // By a client whose clock is behind: its answer sorts before those that came.
    group.source.now_ms -= 5000;
    let retried = group.source.put_command(&versioned(), &key(0), "last", Condition::Always);
    let first = group.source.send(&retried);
    group.source.done(Action::Freeze(to));
    // What is asked for behind the place of the first attempt would be without it.
    assert!(slot_side(&group.target.records, group.slot).unwrap().holds);
    let pages = group.pages();
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[0].clone()))), RefusedKind::NotHere(from.group));
    group.target.done(Action::Drop { other: from, since });
    let side = slot_side(&group.target.records, group.slot).unwrap();
    assert_eq!((side.holds, side.last), (false, None));
    for ship in &pages {
        group.target.done(Action::Ship(ship.clone()));
    }
    group.source.done(Action::Forward(to));
    let switch = group.switch(pages.len() as u64);
    group.target.done(switch);
    assert_eq!(group.target.send(&retried), first);
    // What was answered long ago does not go with a slot.
    group.target.now_ms = group.source.now_ms + 2 * REQUEST_WINDOW_MS;
    group.target.done(Action::Tick);
    assert!(page(&group.target.records, group.slot, None, 1 << 20).unwrap().iter().all(|(key, _)| key[0] == b'v'));
    // However far back somebody asks.
    let behind = Bytes::from([&b"r"[..], &[0; 16]].concat());
    assert!(!page(&group.target.records, group.slot, Some(&behind), 1 << 20).unwrap().is_empty());
}

#[test]
fn records_that_are_half_dropped_are_no_beginning() {
    let mut group = Move::new();
    let (to, from) = (group.to(), group.from());
    // More than one command drops.
    for n in 0..u32::try_from(SHIPPED_PAIRS_MAX).unwrap() {
        group.source.put(&versioned(), &key(KEYS + n), "more");
    }
    group.source.done(Action::Freeze(to));
    let (pages, since) = (group.pages(), group.since());
    for ship in &pages {
        group.target.done(Action::Ship(ship.clone()));
    }
    assert_eq!(group.target.done(Action::Drop { other: from, since }), SHIPPED_PAIRS_MAX as u64);
    assert!(slot_side(&group.target.records, group.slot).unwrap().holds);
    assert_eq!(refused(&group.target.tell(Action::Ship(pages[0].clone()))), RefusedKind::NotHere(from.group));
    while group.target.done(Action::Drop { other: from, since }) > 0 {}
    assert!(!slot_side(&group.target.records, group.slot).unwrap().holds);
    group.target.done(Action::Ship(pages[0].clone()));
}

#[test]
fn records_come_in_order_or_not_at_all() {
    let mut group = Move::new();
    group.source.done(Action::Freeze(group.to()));
    let pages = group.pages();
    group.target.done(Action::Ship(pages[0].clone()));
    let again = Action::Ship(Ship { page: 1, ..pages[0].clone() });
    assert_eq!(refused(&group.target.tell(again)), RefusedKind::Invalid);
    let last = pages[0].pairs.last().map(|(key, _)| key.clone());
    assert_eq!(slot_side(&group.target.records, group.slot).unwrap().last, last);
}

#[test]
fn steps_out_of_order_are_refused() {
    let mut group = Move::new();
    let (to, from, since) = (group.to(), group.from(), Stamp::from_ms(1));
    for action in [Action::Forward(to), Action::Drop { other: to, since }] {
        assert_eq!(refused(&group.source.tell(action)), RefusedKind::Invalid);
    }
    let switch = Action::Switch { from, pages: 0, since };
    assert_eq!(refused(&group.target.tell(switch)), RefusedKind::NotHere(GroupId::new(0)));
    group.source.done(Action::Freeze(to));
    let third = SlotTo { group: GroupId::new(3), ..to };
    let drop = Action::Drop { other: third, since };
    for action in [Action::Freeze(third), Action::Thaw(third), Action::Forward(third), drop] {
        assert_eq!(refused(&group.source.tell(action)), RefusedKind::Frozen(to.group));
    }
    let own = SlotTo { group: group.source.id, ..to };
    let own = Ship { from: own, page: 0, since: Stamp::from_ms(u64::MAX >> 16), pairs: Vec::new() };
    assert_eq!(refused(&group.source.tell(Action::Ship(own))), RefusedKind::Frozen(to.group));
    for below in [&b"s"[..], b"", b"x123", b"vshort", b"r", b"r0123456789abcdef"] {
        let pairs = vec![(Bytes::from_static(below), Bytes::new())];
        let ship = Ship { from, page: 0, since, pairs };
        assert_eq!(refused(&group.target.tell(Action::Ship(ship))), RefusedKind::Invalid, "{below:?}");
    }
}
