//! What a liar makes of honest answers, for peers in memory and for real ones in tests.
//!
//! It changes decoded answers and knows no network. A lie needs what the peer was told before: whoever asks for one
//! shows every request to [`Liar::hear`] first.

use bytes::Bytes;
use parking_lot::Mutex;
use storgo_protocol::limits::STRIPE_SHARDS_MAX;
use storgo_protocol::message::{Answer, Refusal, RefusalKind, Request};
use storgo_protocol::{LayoutRecord, ShardSet, StripeHeader};

/// A way to lie that needs nothing but wrong answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// One byte of every payload is another.
    WrongBytes,
    /// Payloads lack their last byte.
    Short,
    /// Payloads have one byte more.
    Long,
    /// Another shard of the same object, under the right header.
    OthersShard,
    /// A right shard of another stripe, whole with its header.
    OtherStripe,
    /// The first layout record that it ever saw, and never a newer one.
    StaleLayout,
    /// Everything that is asked for is claimed to be held, and checked; most of it is not there.
    FalseHas,
    /// Every shard is claimed to be held and to have been checked, and none is given.
    GivesNothing,
    /// No, to everything.
    RefusesAll,
    /// Come back later, to everything, for ever.
    BusyForever,
    /// The answer to another question.
    OtherAnswer,
}

impl Lie {
    /// All lies.
    pub const ALL: [Self; 11] = [
        Self::WrongBytes,
        Self::Short,
        Self::Long,
        Self::OthersShard,
        Self::OtherStripe,
        Self::StaleLayout,
        Self::FalseHas,
        Self::GivesNothing,
        Self::RefusesAll,
        Self::BusyForever,
        Self::OtherAnswer,
    ];

    /// Whether a reader who meets it can know that it is one: to refuse and to be behind the times is no proof.
    #[must_use]
    pub const fn is_provable(self) -> bool {
        !matches!(self, Self::StaleLayout | Self::RefusesAll | Self::BusyForever)
    }
}

/// A liar's memory.
#[derive(Debug, Default)]
pub struct Liar {
    // Held only for look-ups, never across an await.
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    records: Vec<LayoutRecord>,
    shards: Vec<(StripeHeader, Bytes)>,
}

/// Shards that a liar keeps to give in place of others.
const SHARDS_KEPT: usize = 8;

impl Liar {
    /// Remembers what it may lie with later.
    pub fn hear(&self, request: &Request) {
        let mut memory = self.memory.lock();
        match request {
            Request::PushRecord { record, .. } => memory.records.push(record.clone()),
            Request::Push { shards, .. } => {
                let room = SHARDS_KEPT - memory.shards.len();
                let heard = shards.iter().take(room).map(|shard| (shard.header.clone(), shard.payload.clone()));
                memory.shards.extend(heard);
            }
            _ => {}
        }
    }

    /// What is said in place of an honest answer.
    pub fn tell(&self, lie: Lie, request: &Request, honest: Answer) -> Answer {
        match (lie, honest) {
            (Lie::RefusesAll, _) => Answer::Refused(Refusal::new(RefusalKind::Denied, "no")),
            (Lie::BusyForever, _) => Answer::Refused(Refusal::new(RefusalKind::Busy, "later")),
            (Lie::OtherAnswer, Answer::Stored) => Answer::Offered { have: Vec::new() },
            (Lie::OtherAnswer, _) => Answer::Stored,
            (Lie::FalseHas | Lie::GivesNothing, Answer::Holds { shards, nodes }) => Answer::Holds {
                shards: vec![ShardSet::first(STRIPE_SHARDS_MAX); shards.len()],
                nodes: vec![1; nodes.len()],
            },
            (Lie::GivesNothing, Answer::Shard { .. } | Answer::Node { .. }) => {
                Answer::Refused(Refusal::new(RefusalKind::NotFound, "not held here"))
            }
            (Lie::StaleLayout, Answer::Records { records }) => Answer::Records { records: self.first_record(records) },
            (lie, Answer::Shard { header, payload }) => self.shard(lie, request, header, &payload),
            (lie, Answer::Node { payload }) => Answer::Node { payload: changed(lie, &payload) },
            (_, honest) => honest,
        }
    }

    fn shard(&self, lie: Lie, request: &Request, header: StripeHeader, payload: &Bytes) -> Answer {
        let memory = self.memory.lock();
        let other = memory.shards.iter().find(|(kept, _)| *kept != header);
        match (lie, other) {
            (Lie::OthersShard, Some((_, other))) if matches!(request, Request::Pull { .. }) => {
                let mut lie = other.to_vec();
                lie.resize(payload.len(), 0);
                Answer::Shard { header, payload: lie.into() }
            }
            (Lie::OtherStripe, Some((header, payload))) => {
                Answer::Shard { header: header.clone(), payload: payload.clone() }
            }
            _ => Answer::Shard { header, payload: changed(lie, payload) },
        }
    }

    fn first_record(&self, honest: Vec<LayoutRecord>) -> Vec<LayoutRecord> {
        let memory = self.memory.lock();
        let first = |record: LayoutRecord| {
            let same = |old: &&LayoutRecord| (old.content, old.owner) == (record.content, record.owner);
            memory.records.iter().find(same).cloned().unwrap_or(record)
        };
        honest.into_iter().map(first).collect()
    }
}

fn changed(lie: Lie, payload: &Bytes) -> Bytes {
    let mut bytes = payload.to_vec();
    match lie {
        Lie::WrongBytes | Lie::OthersShard | Lie::OtherStripe => {
            let middle = bytes.len() / 2;
            bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x80);
        }
        Lie::Short => drop(bytes.pop()),
        Lie::Long => bytes.push(0),
        _ => {}
    }
    bytes.into()
}
