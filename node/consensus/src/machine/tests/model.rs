//! Random logs against a model that has no slots, no records and no bytes; and against themselves, cut in other ways.

use proptest::prelude::*;
use storgo_protocol::limits::REQUEST_WINDOW_MS;
use storgo_protocol::meta::Absence;

use super::super::{Draft, View};
use super::*;

#[derive(Debug, Clone)]
enum Op {
    Put {
        versioned: bool,
        key: u8,
        condition: Want,
        expires_ms: Option<u64>,
    },
    Delete {
        versioned: bool,
        key: u8,
        oldest: bool,
    },
    /// Changes of several keys in one slot: for each what must hold, and whether it is written, deleted or kept.
    Batch {
        versioned: bool,
        parts: BTreeMap<u8, (Want, u8)>,
    },
    Retry {
        back: usize,
    },
    Wait {
        ms: u64,
    },
    Tick,
}

#[derive(Debug, Clone, Copy)]
enum Want {
    Always,
    Absent,
    /// That it is not there, as was seen before the last so many commands.
    StillAbsent(u64),
    Newest,
    Other,
}

fn op() -> impl Strategy<Value = Op> {
    let still = || (0_u64..6).prop_map(Want::StillAbsent);
    let want = prop_oneof![Just(Want::Always), Just(Want::Absent), still(), Just(Want::Newest), Just(Want::Other)];
    let part = prop_oneof![3 => Just(Want::Always), 2 => Just(Want::Absent), 2 => still(), 3 => Just(Want::Newest)];
    let part = (part, 0_u8..3);
    let parts = proptest::collection::btree_map(0_u8..3, part, 1..4);
    let expires = proptest::option::weighted(0.3, 0_u64..5000);
    prop_oneof![
        6 => (any::<bool>(), 0_u8..3, want, expires)
            .prop_map(|(versioned, key, condition, expires_ms)| Op::Put { versioned, key, condition, expires_ms }),
        3 => (any::<bool>(), 0_u8..3, any::<bool>())
            .prop_map(|(versioned, key, oldest)| Op::Delete { versioned, key, oldest }),
        3 => (any::<bool>(), parts).prop_map(|(versioned, parts)| Op::Batch { versioned, parts }),
        3 => (0_usize..6).prop_map(|back| Op::Retry { back }),
        2 => prop_oneof![9 => 0_u64..3000, 1 => Just(REQUEST_WINDOW_MS + 1)].prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::Tick),
    ]
}

/// A version as the model keeps it: content or marker, and when it ends.
#[derive(Debug, Clone)]
struct Kept {
    id: VersionId,
    content: Option<String>,
    expires_ms: u64,
}

/// What should be there: the newest version last.
#[derive(Default)]
struct Model {
    keys: BTreeMap<(bool, u8), Vec<Kept>>,
    /// The versions of each, and the number of the command that changed which they are.
    touched: BTreeMap<(bool, u8), (Vec<VersionId>, u64)>,
    sent: Vec<(Command, Reply)>,
}

impl Model {
    fn newest(&self, key: (bool, u8)) -> Option<&Kept> {
        self.keys.get(&key)?.last()
    }

    fn live(&self, key: (bool, u8)) -> Option<VersionId> {
        self.newest(key).filter(|kept| kept.content.is_some()).map(|kept| kept.id)
    }

    /// The newest version goes when its time is over and something is written.
    fn expire_newest(&mut self, key: (bool, u8), now_ms: u64) {
        if self.newest(key).is_some_and(|kept| (1..=now_ms).contains(&kept.expires_ms)) {
            self.keys.get_mut(&key).unwrap().pop();
        }
    }

    /// What the next command of the group wants.
    fn expects(&self, want: Want, key: (bool, u8), group: &Group) -> Condition {
        let other = VersionId::from_bytes([1; 16]);
        match want {
            Want::Always => Condition::Always,
            Want::Absent => Condition::Absent,
            Want::StillAbsent(ago) => {
                Condition::AbsentSince(Absence { group: group.id, index: group.log.len() as u64 - 1 - ago })
            }
            Want::Newest => Condition::Version(self.live(key).unwrap_or(other)),
            Want::Other => Condition::Version(other),
        }
    }

    fn holds(&self, condition: Condition, key: (bool, u8)) -> bool {
        match condition {
            Condition::Always => true,
            Condition::Absent | Condition::AbsentSince(_) => self.live(key).is_none(),
            Condition::Version(id) => self.live(key) == Some(id),
        }
    }

    /// Whether nothing happened to a key since it was seen not to be there, if it was, until this command.
    fn was_absent(&self, condition: Condition, key: (bool, u8)) -> bool {
        let touched = self.touched.get(&key).map_or(0, |(_, number)| *number);
        !matches!(condition, Condition::AbsentSince(absence) if absence.index < touched)
    }

    /// Notes which keys the command of this number changed.
    fn touch(&mut self, number: u64) {
        for (key, kept) in &self.keys {
            let ids: Vec<VersionId> = kept.iter().map(|kept| kept.id).collect();
            let touched = self.touched.entry(*key).or_default();
            if touched.0 != ids {
                *touched = (ids, number);
            }
        }
    }

    /// Writes something, or nothing in its place.
    fn write(&mut self, key: (bool, u8), kept: Kept) {
        let versions = self.keys.entry(key).or_default();
        if !key.0 {
            versions.clear();
        }
        if key.0 || kept.content.is_some() {
            versions.push(kept);
        }
    }

    fn expire_all(&mut self, now_ms: u64) {
        self.keys.values_mut().for_each(|kept| kept.retain(|kept| !(1..=now_ms).contains(&kept.expires_ms)));
    }
}

fn config(is_versioned: bool) -> BucketConfig {
    if is_versioned { tree() } else { plain_tree() }
}

fn play(ops: &[Op]) -> (Group, Model) {
    // Only the slots of these keys, since every case begins anew.
    let slots = (0..3_u8).flat_map(|key| [plain_tree(), tree()].map(|config| config.slot(key.to_string().as_bytes())));
    let slots: Vec<_> = slots.map(|slot| (slot, slot)).collect();
    let (mut group, mut model) = (Group::with_slots(1, &slots), Model::default());
    for (number, op) in ops.iter().enumerate() {
        // The model's time is the stamp that the command will get.
        let stamp = Stamp::from_ms(group.now_ms).max(super::super::last_stamp(&group.records).unwrap().next());
        match op.clone() {
            Op::Wait { ms } => group.now_ms += ms,
            Op::Tick => {
                group.done(Action::Tick);
                model.expire_all(stamp.ms());
            }
            Op::Put { versioned, key, condition, expires_ms } => {
                let at = (versioned, key);
                let wanted = model.expects(condition, at, &group);
                let mut command = group.put_command(&config(versioned), &key.to_string(), &number.to_string(), wanted);
                let expires_ms = expires_ms.map_or(0, |ms| group.now_ms + ms);
                if let Action::Put(put) = &mut command.action {
                    put.version.expires_ms = expires_ms;
                }
                let reply = group.send(&command);
                // Whatever the answer: it rests on what expired.
                model.expire_newest(at, stamp.ms());
                let current = model.live(at);
                if model.holds(wanted, at) && model.was_absent(wanted, at) {
                    let id = VersionId::new(stamp, group.id);
                    assert_eq!(reply, Reply::Written { version: id, replaced: current });
                    model.write(at, Kept { id, content: Some(number.to_string()), expires_ms });
                } else {
                    assert_eq!(refused(&reply), RefusedKind::Condition(current));
                }
                model.sent.push((command, reply));
            }
            Op::Delete { versioned, key, oldest } => {
                let at = (versioned, key);
                let which = if oldest { model.keys.get(&at).and_then(|k| k.first()).map(|k| k.id) } else { None };
                let command = group.delete_command(&config(versioned), &key.to_string(), which);
                let reply = group.send(&command);
                model.expire_newest(at, stamp.ms());
                let kept = model.keys.entry(at).or_default();
                let expected = match (which, versioned) {
                    (Some(id), _) => {
                        let found = kept.iter().any(|kept| kept.id == id);
                        kept.retain(|kept| kept.id != id);
                        Reply::Deleted { version: found.then_some(id), marker: false }
                    }
                    (None, false) => Reply::Deleted { version: kept.pop().map(|kept| kept.id), marker: false },
                    (None, true) => {
                        let id = VersionId::new(stamp, group.id);
                        kept.push(Kept { id, content: None, expires_ms: 0 });
                        Reply::Deleted { version: Some(id), marker: true }
                    }
                };
                assert_eq!(reply, expected);
                model.sent.push((command, reply));
            }
            Op::Batch { versioned, parts } => {
                let (command, reply) = play_batch(&mut group, &mut model, (versioned, number, stamp), &parts);
                model.sent.push((command, reply));
            }
            Op::Retry { back } => {
                let Some((command, first)) = model.sent.iter().rev().nth(back).cloned() else { continue };
                let reply = group.send(&command);
                if command.request.unwrap().is_current(stamp.ms()) {
                    assert_eq!(reply, first);
                } else {
                    assert_eq!(refused(&reply), RefusedKind::RequestOld);
                }
            }
        }
        model.touch(group.log.len() as u64 - 1);
        for (at, kept) in &model.keys {
            let newest = group.get(&config(at.0), &at.1.to_string());
            assert_eq!(newest.as_ref().map(Version::id), kept.last().map(|kept| kept.id));
            let expected = kept.last().and_then(|kept| kept.content.clone());
            assert_eq!(group.content(&config(at.0), &at.1.to_string()), expected);
        }
    }
    (group, model)
}

/// Sends a batch, and has the model do the same.
fn play_batch(
    group: &mut Group,
    model: &mut Model,
    (versioned, number, stamp): (bool, usize, Stamp),
    parts: &BTreeMap<u8, (Want, u8)>,
) -> (Command, Reply) {
    let names: Vec<_> = parts.keys().map(u8::to_string).collect();
    let wanted: Vec<_> = parts.iter().map(|(key, (want, _))| model.expects(*want, (versioned, *key), group)).collect();
    let content = number.to_string();
    let change = |change: &u8| match change {
        0 => Change::Keep,
        1 => Change::Write(&content),
        _ => Change::Delete,
    };
    let changes: Vec<_> = names.iter().zip(&wanted).zip(parts.values()).collect();
    let changes: Vec<_> = changes.iter().map(|((key, want), (_, kind))| (key.as_str(), **want, change(kind))).collect();
    let command = group.batch_command(&config(versioned), &changes);
    let reply = group.send(&command);
    let ats: Vec<_> = parts.keys().map(|key| (versioned, *key)).collect();
    for at in &ats {
        model.expire_newest(*at, stamp.ms());
    }
    let id = VersionId::new(stamp, group.id);
    let all = || ats.iter().zip(&wanted);
    // What is there is looked at first.
    let broken = all().find(|(at, wanted)| !model.holds(**wanted, **at));
    if let Some((at, _)) = broken.or_else(|| all().find(|(at, wanted)| !model.was_absent(**wanted, **at))) {
        assert_eq!(refused(&reply), RefusedKind::Condition(model.live(*at)));
        return (command, reply);
    }
    assert_eq!(reply, Reply::Written { version: id, replaced: None });
    for (at, (_, _, change)) in ats.iter().zip(&changes) {
        let content = match change {
            Change::Keep => continue,
            Change::Write(content) => Some((*content).to_owned()),
            Change::Delete => None,
        };
        model.write(*at, Kept { id, content, expires_ms: 0 });
    }
    (command, reply)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn answers_are_those_of_the_model(ops in proptest::collection::vec(op(), 1..60)) {
        play(&ops);
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_however_it_is_committed(
        ops in proptest::collection::vec(op(), 1..40),
        cuts in proptest::collection::vec(1_usize..7, 1..20),
    ) {
        let (group, _) = play(&ops);
        // In batches of several commands that are committed together, as a member does that is behind.
        let mut records = BTreeMap::new();
        let (mut index, mut cuts) = (0, cuts.into_iter().cycle());
        while index < group.log.len() {
            let end = (index + cuts.next().unwrap()).min(group.log.len());
            let draft = Draft::over(&records);
            for (at, proposal) in group.log.iter().enumerate().take(end).skip(index) {
                let outcome = apply(&draft, group.id, at as u64, proposal).unwrap();
                draft.merge(outcome.batch);
            }
            let batch = draft.into_batch();
            commit(&mut records, &Outcome { batch, reply: Reply::Done { count: 0 }, events: Vec::new() });
            index = end;
        }
        prop_assert_eq!(&records, &group.records);
        // And from a copy of the middle on.
        let middle = group.log.len() / 2;
        let mut copy = Group::empty(1);
        for proposal in &group.log[..middle] {
            copy.outcome(proposal.stamp, proposal.command.clone());
        }
        let mut late = Group { records: copy.records.scan(&[], &[0xff; 4], usize::MAX).unwrap().into_iter().collect(), ..copy };
        for proposal in &group.log[middle..] {
            late.outcome(proposal.stamp, proposal.command.clone());
        }
        prop_assert_eq!(&late.records, &group.records);
    }
}
