//! A client: does this and that to a few keys, follows their slots, asks again where it was not answered, and notes what
//! it was told.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use storgo_protocol::GroupId;
use storgo_protocol::meta::{
    Action, Body, Command, Condition, Delete, FEATURE_LEVEL, InlineBody, ObjectId, Put, RefusedKind, Reply, RequestId,
    Slot, Version, VersionId,
};

use crate::caller::{Answer, Caller, now, pass};
use crate::cluster::{Cluster, GROUPS, KEYS, START_MS, ahead_key, bucket, key};
use crate::history::{Did, History, Operation, Told, Value};
use crate::serve::{AHEAD, LEASE, PROPOSE, READ};

/// How long a client asks for one answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same at the end, when everything is well again.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

pub struct Client {
    number: u64,
    caller: Caller,
    history: History,
    values: u64,
    /// The group that each slot was at last.
    routes: BTreeMap<Slot, GroupId>,
    /// The version and value of each key that was read last.
    known: Vec<Option<(VersionId, Value)>>,
}

impl Client {
    pub async fn new(seed: u64, number: u64, history: History) -> Self {
        let caller = Caller::new(seed.wrapping_mul(7919) + number).await;
        let known = vec![None; usize::from(KEYS)];
        Self { number, caller, history, values: 0, routes: BTreeMap::new(), known }
    }

    /// Waits until there is something to write to.
    pub async fn wait(&self, cluster: &Cluster) {
        while !cluster.is_prepared.load(Ordering::Relaxed) {
            pass(Duration::from_millis(10)).await;
        }
    }

    /// Has the group of a slot do something, wherever the slot goes meanwhile.
    async fn call(&mut self, slot: Slot, what: u8, request: &[u8], deadline: Duration) -> Option<Bytes> {
        while now() < deadline {
            let group = *self.routes.entry(slot).or_insert(GROUPS[0]);
            match self.caller.insist(what, group, request, deadline.saturating_sub(now())).await? {
                Answer::Is(answer) => return Some(answer),
                Answer::At(group) => self.follow(slot, group).await,
            }
        }
        None
    }

    async fn follow(&mut self, slot: Slot, group: GroupId) {
        let any = GROUPS[self.caller.rng.random_range(0..GROUPS.len())];
        self.routes.insert(slot, if group == GroupId::new(0) { any } else { group });
        let pause = self.caller.random_ms(5..50);
        pass(pause).await;
    }

    async fn tell(&mut self, slot: Slot, what: u8, command: &Command) -> Option<Reply> {
        let (deadline, command) = (now() + PATIENCE, command.encode());
        while now() < deadline {
            let answer = self.call(slot, what, &command, deadline).await?;
            match Reply::decode(answer).unwrap() {
                Reply::Refused(refused) => match refused.kind {
                    RefusedKind::NotHere(group) => self.follow(slot, group).await,
                    RefusedKind::Frozen(_) => pass(Duration::from_millis(30)).await,
                    _ => return Some(Reply::Refused(refused)),
                },
                reply => return Some(reply),
            }
        }
        None
    }

    /// One operation on one key.
    pub async fn act(&mut self) {
        let key = self.caller.rng.random_range(0..KEYS);
        if self.caller.rng.random_bool(0.2) {
            return self.go_ahead(key).await;
        }
        self.values += 1;
        let value = self.number * 1_000_000 + self.values;
        let did = match self.caller.rng.random_range(0..10) {
            0..3 => Did::Put { value, expires: self.caller.rng.random_bool(0.3) },
            3 => Did::PutIfAbsent { value },
            4 | 5 => self.known[usize::from(key)].map_or(Did::Get, |(_, old)| Did::Replace { old, value }),
            6 => Did::Delete,
            _ => Did::Get,
        };
        let began = now();
        let told = if did == Did::Get { self.get(key, PATIENCE).await } else { self.write(key, did).await };
        self.history.add(Operation { key, did, told, began, ended: now() });
        let pause = self.caller.random_ms(0..80);
        pass(pause).await;
    }

    /// Reads every key once more: what was acknowledged must be there.
    pub async fn look_at_all(&mut self) {
        for key in 0..KEYS {
            let began = now();
            let told = self.get(key, LAST_PATIENCE).await;
            self.history.add(Operation { key, did: Did::Get, told, began, ended: now() });
        }
    }

    async fn get(&mut self, number: u8, patience: Duration) -> Told {
        let key = key(number);
        let slot = bucket().slot(&key);
        let what = if self.caller.rng.random_bool(0.5) { LEASE } else { READ };
        let Some(answer) = self.call(slot, what, &key, now() + patience).await else { return Told::Nothing };
        let held = answer.split_at_checked(16).map(|(id, content)| {
            let value = u64::from_le_bytes(content.try_into().unwrap());
            (VersionId::from_bytes(id.try_into().unwrap()), value)
        });
        self.known[usize::from(number)] = held;
        Told::Holds(held.map(|(_, value)| value))
    }

    /// Some writes one behind the other that want to be answered early. What each is told is held against what comes of it by who
    /// tells; here, only that the one before can be seen by the next.
    async fn go_ahead(&mut self, number: u8) {
        let (mut before, key) = (None, ahead_key(number));
        for _ in 0..self.caller.rng.random_range(1..6) {
            self.values += 1;
            let value = self.number * 1_000_000 + self.values;
            let (did, condition) = match (self.caller.rng.random_range(0..4), before) {
                (0, Some(version)) => (Did::Put { value, expires: false }, Condition::Version(version)),
                (1, _) => (Did::PutIfAbsent { value }, Condition::Absent),
                (2, _) => (Did::Delete, Condition::Always),
                _ => (Did::Put { value, expires: self.caller.rng.random_bool(0.3) }, Condition::Always),
            };
            let (slot, command) = self.command(key.clone(), did, condition);
            before = match self.tell(slot, AHEAD, &command).await {
                Some(Reply::Written { version, .. }) => Some(version),
                _ => None,
            };
        }
    }

    async fn write(&mut self, number: u8, did: Did) -> Told {
        let known = self.known[usize::from(number)].map(|(id, _)| id);
        let condition = match did {
            Did::PutIfAbsent { .. } => Condition::Absent,
            Did::Replace { .. } => known.map_or(Condition::Absent, Condition::Version),
            Did::Put { .. } | Did::Delete | Did::Get => Condition::Always,
        };
        let (slot, command) = self.command(key(number), did, condition);
        let began = now();
        match self.tell(slot, PROPOSE, &command).await {
            Some(Reply::Written { version, .. }) => {
                self.history.add_version(version, began, now());
                Told::Done
            }
            Some(Reply::Deleted { .. }) => Told::Done,
            Some(Reply::Refused(refused)) if matches!(refused.kind, RefusedKind::Condition(_)) => Told::Refused,
            Some(other) => panic!("{did:?} was answered {other:?}"),
            None => Told::Nothing,
        }
    }

    /// What does that to a key, and the key's slot.
    fn command(&mut self, name: Bytes, did: Did, condition: Condition) -> (Slot, Command) {
        let now_ms = START_MS + now().as_millis() as u64;
        let request = RequestId::new(now_ms, self.caller.rng.random());
        let (value, expires) = match did {
            Did::Put { value, expires } => (value, expires),
            Did::PutIfAbsent { value } | Did::Replace { value, .. } => (value, false),
            Did::Delete | Did::Get => (0, false),
        };
        let config = bucket();
        let (bucket, slot) = (config.bucket, config.slot(&name));
        let action = if did == Did::Delete {
            let (generation, version, marker) = (1, None, None);
            Action::Delete(Box::new(Delete { bucket, generation, key: name, version, condition, marker }))
        } else {
            let previous = condition.version();
            let sealed = Bytes::copy_from_slice(&value.to_le_bytes());
            let body = Body::Inline(InlineBody { generation: 1, salt: [0; 32], sealed, unknown: Bytes::new() });
            let expires_ms = if expires { now_ms + self.caller.rng.random_range(300..2000) } else { 0 };
            let version =
                Version { previous, expires_ms, ..Version::new(ObjectId::from_bytes([1; 16]), request, body) };
            Action::Put(Box::new(Put { bucket, generation: 1, key: name, version, condition }))
        };
        (slot, Command { feature: FEATURE_LEVEL, request: Some(request), action })
    }
}
