//! One that asks nodes: sends, waits, asks another one.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use storgo_protocol::GroupId;
use turmoil::net::UdpSocket;

use crate::cluster::{NODES, name};
use crate::serve::{AHEAD, CLIENT_PORT, ELSEWHERE, OK, PROPOSE};

/// What a group answered.
pub enum Answer {
    /// This.
    Is(Bytes),
    /// That another group has it; 0 if it does not know which.
    At(GroupId),
}

pub struct Caller {
    pub rng: StdRng,
    socket: UdpSocket,
    calls: u64,
    /// The node that answered last for each group.
    favourites: BTreeMap<GroupId, u64>,
    buffer: Vec<u8>,
}

/// The time since the simulation began.
pub fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Lets simulated time pass.
pub async fn pass(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}

impl Caller {
    pub async fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let socket = UdpSocket::bind(("0.0.0.0", 9000)).await.unwrap();
        Self { rng, socket, calls: 0, favourites: BTreeMap::new(), buffer: vec![0; 64 * 1024] }
    }

    pub fn random_ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    /// Sends one request to one node; its answer, if it comes in time and says anything.
    async fn ask(&mut self, node: u64, what: u8, group: GroupId, rest: &[u8], within: Duration) -> Option<Answer> {
        self.calls += 1;
        let call = self.calls.to_le_bytes();
        let frame = [&call, &[what][..], &group.as_u64().to_le_bytes(), rest].concat();
        self.socket.send_to(&frame, (name(node).as_str(), CLIENT_PORT)).await.ok()?;
        let (socket, buffer) = (&self.socket, &mut self.buffer);
        let answered = tokio::time::timeout(within, async {
            loop {
                let (bytes, _) = socket.recv_from(buffer).await.ok()?;
                if buffer[..8] == call {
                    return Some(Bytes::copy_from_slice(&buffer[8..bytes]));
                }
            }
        });
        let answer = answered.await.ok()??;
        match answer[0] {
            OK => Some(Answer::Is(answer.slice(1..))),
            ELSEWHERE => Some(Answer::At(GroupId::new(u64::from_le_bytes(answer[1..].try_into().unwrap())))),
            _ => None,
        }
    }

    /// Asks one node after the other, until one answers for the group.
    pub async fn insist(&mut self, what: u8, group: GroupId, rest: &[u8], patience: Duration) -> Option<Answer> {
        let deadline = now() + patience;
        // Anybody may read; only who leads can propose.
        let mut anybody =
            (![PROPOSE, AHEAD].contains(&what) && self.rng.random_bool(0.5)).then(|| self.rng.random_range(0..NODES));
        while now() < deadline {
            let favourite = *self.favourites.entry(group).or_insert(group.as_u64() % NODES);
            let node = anybody.take().unwrap_or(favourite);
            if let Some(answer) = self.ask(node, what, group, rest, Duration::from_millis(500)).await {
                return Some(answer);
            }
            if node == favourite {
                self.favourites.insert(group, (node + 1) % NODES);
            }
            let pause = self.random_ms(10..60);
            pass(pause).await;
        }
        None
    }
}
