//! A client: does this and that to a few keys, asks again where it was not answered, and notes what it was told.

use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_protocol::meta::{
    Action, Body, Command, Condition, Delete, InlineBody, ObjectId, Put, RefusedKind, Reply, RequestId, Slot, Version,
    VersionId,
};
use turmoil::net::UdpSocket;

use crate::history::{Did, History, Operation, Told, Value};
use crate::node::{CLIENT_PORT, START_MS, bucket, name};

const KEYS: u8 = 3;

/// How long a client asks for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Client {
    number: u64,
    nodes: u64,
    rng: StdRng,
    socket: UdpSocket,
    history: History,
    calls: u64,
    /// The node that answered last.
    favourite: u64,
    /// The version and value of each key that was read last.
    known: Vec<Option<(VersionId, Value)>>,
}

fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Lets simulated time pass.
async fn pass(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}

impl Client {
    pub async fn new(seed: u64, number: u64, nodes: u64, history: History) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(7919) + number);
        let socket = UdpSocket::bind(("0.0.0.0", 9000)).await.unwrap();
        let known = vec![None; usize::from(KEYS)];
        Self { number, nodes, rng, socket, history, calls: 0, favourite: number % nodes, known }
    }

    /// Sends one request to one node; its answer, if it comes in time.
    async fn ask(&mut self, node: u64, kind: u8, request: &[u8], within: Duration) -> Option<Bytes> {
        self.calls += 1;
        let call = self.calls.to_le_bytes();
        let frame = [&call, &[kind][..], request].concat();
        self.socket.send_to(&frame, (name(node).as_str(), CLIENT_PORT)).await.ok()?;
        let mut buffer = vec![0; 64 * 1024];
        let answered = tokio::time::timeout(within, async {
            loop {
                let (bytes, _) = self.socket.recv_from(&mut buffer).await.ok()?;
                if buffer[..8] == call {
                    return Some(Bytes::copy_from_slice(&buffer[8..bytes]));
                }
            }
        });
        let answer = answered.await.ok()??;
        (answer.first() == Some(&0)).then(|| answer.slice(1..))
    }

    /// Asks one node after the other, until one answers.
    async fn insist(&mut self, kind: u8, request: &[u8], patience: Duration) -> Option<Bytes> {
        let deadline = now() + patience;
        while now() < deadline {
            let node = self.favourite;
            if let Some(answer) = self.ask(node, kind, request, Duration::from_millis(700)).await {
                return Some(answer);
            }
            self.favourite = (node + 1) % self.nodes;
            let pause = self.rng.random_range(10..60);
            pass(Duration::from_millis(pause)).await;
        }
        None
    }

    async fn tell(&mut self, command: &Command, patience: Duration) -> Option<Reply> {
        let deadline = now() + patience;
        while now() < deadline {
            let answer = self.insist(0, &command.encode(), deadline.saturating_sub(now())).await?;
            match Reply::decode(answer).ok()? {
                // Not there yet, or a retry that came too late to know.
                Reply::Refused(refused) if matches!(refused.kind, RefusedKind::NoBucket | RefusedKind::NotHere(_)) => {
                    pass(Duration::from_millis(50)).await;
                }
                reply => return Some(reply),
            }
        }
        None
    }

    /// Makes the bucket and gives the group all slots.
    pub async fn prepare(&mut self) {
        let config = bucket();
        let slots = (0..KEYS).map(|key| config.slot(&[b'k', b'0' + key]));
        let slots: Vec<Slot> = slots.collect();
        let mut actions = vec![Action::SetBucket(Box::new(config))];
        actions.extend(slots.into_iter().map(|slot| Action::Assign { first: slot, last: slot }));
        for action in actions {
            let done = self.tell(&Command { feature: 1, request: None, action }, Duration::from_mins(1)).await;
            assert!(matches!(done, Some(Reply::Done { .. })), "{done:?}");
        }
    }

    /// One operation on one key.
    pub async fn act(&mut self) {
        let key = self.rng.random_range(0..KEYS);
        let value = self.number * 1_000_000 + self.calls + 1;
        let did = match self.rng.random_range(0..10) {
            0..3 => Did::Put { value, expires: self.rng.random_bool(0.3) },
            3 => Did::PutIfAbsent { value },
            4 | 5 => self.known[usize::from(key)].map_or(Did::Get, |(_, old)| Did::Replace { old, value }),
            6 => Did::Delete,
            _ => Did::Get,
        };
        let began = now();
        let told = if did == Did::Get { self.get(key).await } else { self.write(key, did).await };
        self.history.add(Operation { key, did, told, began, ended: now() });
        let pause = self.rng.random_range(0..120);
        pass(Duration::from_millis(pause)).await;
    }

    async fn get(&mut self, key: u8) -> Told {
        let Some(answer) = self.insist(1, &[b'k', b'0' + key], PATIENCE).await else { return Told::Nothing };
        let held = answer.split_at_checked(16).map(|(id, content)| {
            let value = u64::from_le_bytes(content.try_into().unwrap());
            (VersionId::from_bytes(id.try_into().unwrap()), value)
        });
        self.known[usize::from(key)] = held;
        Told::Holds(held.map(|(_, value)| value))
    }

    async fn write(&mut self, key: u8, did: Did) -> Told {
        let now_ms = START_MS + now().as_millis() as u64;
        let request = RequestId::new(now_ms, self.rng.random());
        let (condition, value, expires) = match did {
            Did::Put { value, expires } => (Condition::Always, value, expires),
            Did::PutIfAbsent { value } => (Condition::Absent, value, false),
            Did::Replace { value, .. } => {
                let known = self.known[usize::from(key)].map(|(id, _)| id);
                (known.map_or(Condition::Absent, Condition::Version), value, false)
            }
            Did::Delete | Did::Get => (Condition::Always, 0, false),
        };
        let (bucket, name) = (bucket().bucket, Bytes::from(vec![b'k', b'0' + key]));
        let action = if did == Did::Delete {
            let (generation, version, marker) = (1, None, None);
            Action::Delete(Box::new(Delete { bucket, generation, key: name, version, condition, marker }))
        } else {
            let previous = if let Condition::Version(id) = condition { Some(id) } else { None };
            let sealed = Bytes::copy_from_slice(&value.to_le_bytes());
            let body = Body::Inline(InlineBody { generation: 1, salt: [0; 32], sealed, unknown: Bytes::new() });
            let expires_ms = if expires { now_ms + self.rng.random_range(500..3000) } else { 0 };
            let version =
                Version { previous, expires_ms, ..Version::new(ObjectId::from_bytes([1; 16]), request, body) };
            Action::Put(Box::new(Put { bucket, generation: 1, key: name, version, condition }))
        };
        let command = Command { feature: 1, request: Some(request), action };
        match self.tell(&command, PATIENCE).await {
            Some(Reply::Written { .. } | Reply::Deleted { .. }) => Told::Done,
            Some(Reply::Refused(refused)) if matches!(refused.kind, RefusedKind::Condition(_)) => Told::Refused,
            Some(other) => panic!("{did:?} was answered {other:?}"),
            None => Told::Nothing,
        }
    }
}
