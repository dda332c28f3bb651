//! What commands do, told by examples and against a model.
//!
//! ```text
//!   writes    puts, deletes, conditions, locks, retries, configurations, expiry, events, listings
//!   batches   several keys of a slot together
//!   moves     a slot goes from one group to another
//!   rows      what is changed together, if it is as was thought
//!   model     random logs: the answers of a small model, and the same bytes however they are cut
//! ```

mod batches;
mod model;
mod moves;
mod rows;
mod writes;

use std::collections::BTreeMap;

use bytes::Bytes;
use storgo_protocol::GroupId;
use storgo_protocol::meta::{
    Action, Batch, Body, BucketConfig, BucketId, Command, Condition, Delete, FEATURE_LEVEL, InlineBody, KeyRule,
    ObjectId, Part, PartChange, Proposal, Put, Refused, RefusedKind, Reply, RequestId, Slot, Stamp, Version, VersionId,
};

use super::{Outcome, apply};

/// Records of one group in memory, and the log that made them.
#[derive(Clone)]
struct Group {
    id: GroupId,
    records: BTreeMap<Bytes, Bytes>,
    log: Vec<Proposal>,
    now_ms: u64,
    requests: u64,
}

/// What becomes of one of several keys.
#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    Keep,
    Write(&'a str),
    Delete,
}

const START_MS: u64 = 1_800_000_000_000;

/// A bucket that keeps no versions, and one that does.
fn plain() -> BucketConfig {
    BucketConfig {
        bucket: BucketId::from_bytes([1; 16]),
        generation: 1,
        rule: KeyRule::Flat { spread: 4 },
        versioning: false,
        inline_bytes_max: 64,
        fenced: false,
        members: Vec::new(),
        unknown: Bytes::new(),
    }
}

fn versioned() -> BucketConfig {
    BucketConfig { bucket: BucketId::from_bytes([2; 16]), versioning: true, rule: KeyRule::Redis, ..plain() }
}

fn body(content: &str) -> Body {
    let sealed = Bytes::copy_from_slice(content.as_bytes());
    Body::Inline(InlineBody { generation: 1, salt: [5; 32], sealed, unknown: Bytes::new() })
}

fn content(version: &Version) -> String {
    let Body::Inline(body) = &version.body else { panic!("{version:?} holds nothing") };
    String::from_utf8(body.sealed.to_vec()).unwrap()
}

/// As those, each in a single slot.
fn tree() -> BucketConfig {
    BucketConfig { bucket: BucketId::from_bytes([3; 16]), rule: KeyRule::Tree, ..versioned() }
}

fn plain_tree() -> BucketConfig {
    BucketConfig { bucket: BucketId::from_bytes([4; 16]), rule: KeyRule::Tree, ..plain() }
}

impl Group {
    /// A group that has all slots and knows all buckets.
    fn new(id: u64) -> Self {
        Self::with_slots(id, &[(Slot::default(), Slot::new(16383).unwrap())])
    }

    /// A group that has some slots.
    fn with_slots(id: u64, slots: &[(Slot, Slot)]) -> Self {
        let mut group = Self::empty(id);
        for (first, last) in slots {
            group.done(Action::Assign { first: *first, last: *last });
        }
        for config in [plain(), versioned(), tree(), plain_tree()] {
            group.done(Action::SetBucket(Box::new(config)));
        }
        group
    }

    fn empty(id: u64) -> Self {
        Self { id: GroupId::new(id), records: BTreeMap::new(), log: Vec::new(), now_ms: START_MS, requests: 0 }
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        let [_, _, _, _, _, _, random @ ..] = u128::from(self.requests).to_be_bytes();
        RequestId::new(self.now_ms, random)
    }

    fn outcome(&mut self, stamp: Stamp, command: Bytes) -> Outcome {
        let proposal = Proposal { stamp, command };
        let index = self.log.len() as u64;
        let outcome = apply(&self.records, self.id, index, &proposal).unwrap();
        self.log.push(proposal);
        commit(&mut self.records, &outcome);
        outcome
    }

    fn send(&mut self, command: &Command) -> Reply {
        self.outcome(Stamp::from_ms(self.now_ms), command.encode()).reply
    }

    /// Does what groups tell themselves.
    fn tell(&mut self, action: Action) -> Reply {
        self.send(&Command { feature: FEATURE_LEVEL, request: None, action })
    }

    fn done(&mut self, action: Action) -> u64 {
        match self.tell(action) {
            Reply::Done { count } => count,
            other => panic!("{other:?}"),
        }
    }

    fn put_command(&mut self, config: &BucketConfig, key: &str, content: &str, condition: Condition) -> Command {
        let request = self.request();
        let previous = condition.version();
        let version = Version { previous, ..Version::new(ObjectId::from_bytes([8; 16]), request, body(content)) };
        let (bucket, generation, key) = (config.bucket, config.generation, Bytes::copy_from_slice(key.as_bytes()));
        let action = Action::Put(Box::new(Put { bucket, generation, key, version, condition }));
        Command { feature: FEATURE_LEVEL, request: Some(request), action }
    }

    fn put_if(&mut self, config: &BucketConfig, key: &str, content: &str, condition: Condition) -> Reply {
        let command = self.put_command(config, key, content, condition);
        self.send(&command)
    }

    fn put(&mut self, config: &BucketConfig, key: &str, content: &str) -> VersionId {
        match self.put_if(config, key, content, Condition::Always) {
            Reply::Written { version, .. } => version,
            other => panic!("{other:?}"),
        }
    }

    /// A put whose version was changed before it was sent.
    fn put_with(&mut self, config: &BucketConfig, key: &str, change: impl FnOnce(&mut Version)) -> Reply {
        let mut command = self.put_command(config, key, "changed", Condition::Always);
        if let Action::Put(put) = &mut command.action {
            change(&mut put.version);
        }
        self.send(&command)
    }

    fn delete_command(&mut self, config: &BucketConfig, key: &str, version: Option<VersionId>) -> Command {
        let request = self.request();
        let marker = Some(Version::new(ObjectId::from_bytes([8; 16]), request, Body::Marker));
        let (bucket, generation, key) = (config.bucket, config.generation, Bytes::copy_from_slice(key.as_bytes()));
        let condition = Condition::Always;
        let action = Action::Delete(Box::new(Delete { bucket, generation, key, version, condition, marker }));
        Command { feature: FEATURE_LEVEL, request: Some(request), action }
    }

    fn delete(&mut self, config: &BucketConfig, key: &str, version: Option<VersionId>) -> Reply {
        let command = self.delete_command(config, key, version);
        self.send(&command)
    }

    /// A command that changes several keys together; in ascending order, as they have to be.
    fn batch_command(&mut self, config: &BucketConfig, changes: &[(&str, Condition, Change<'_>)]) -> Command {
        let request = self.request();
        let part = |(key, condition, change): &(&str, Condition, Change<'_>)| {
            let previous = condition.version();
            let version = |body| Version { previous, ..Version::new(ObjectId::from_bytes([8; 16]), request, body) };
            let change = match change {
                Change::Keep => PartChange::Keep,
                Change::Write(content) => PartChange::Write(Box::new(version(body(content)))),
                Change::Delete if config.versioning => PartChange::Write(Box::new(version(Body::Marker))),
                Change::Delete => PartChange::Remove,
            };
            Part { key: Bytes::copy_from_slice(key.as_bytes()), condition: *condition, change }
        };
        let (bucket, generation) = (config.bucket, config.generation);
        let parts = changes.iter().map(part).collect();
        let action = Action::Batch(Box::new(Batch { bucket, generation, parts }));
        Command { feature: FEATURE_LEVEL, request: Some(request), action }
    }

    fn batch(&mut self, config: &BucketConfig, changes: &[(&str, Condition, Change<'_>)]) -> Reply {
        let command = self.batch_command(config, changes);
        self.send(&command)
    }

    fn get(&self, config: &BucketConfig, key: &str) -> Option<Version> {
        super::get(&self.records, config.bucket, key.as_bytes(), None).unwrap().unwrap()
    }

    fn content(&self, config: &BucketConfig, key: &str) -> Option<String> {
        self.get(config, key).filter(|version| version.body != Body::Marker).as_ref().map(content)
    }
}

fn commit(records: &mut BTreeMap<Bytes, Bytes>, outcome: &Outcome) {
    for (key, change) in &outcome.batch {
        match change {
            Some(value) => records.insert(key.clone(), value.clone()),
            None => records.remove(key),
        };
    }
}

fn refused(reply: &Reply) -> RefusedKind {
    match reply {
        Reply::Refused(Refused { kind, .. }) => *kind,
        other => panic!("{other:?}"),
    }
}
