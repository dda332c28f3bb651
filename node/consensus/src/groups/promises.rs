//! How leaders make sure that they lead, many groups in one question to each node.
//!
//! ```text
//!   reads ─► those who wait ─► claims of their leaders ─► one question to each node ─► terms of its votes
//!     ▲                                                                                     │
//!     └───────── the claim is upheld: nobody led in a later term when it was made ◄─────────┘
//! ```
//!
//! Whoever is elected was promised most votes before, and a vote is kept before it is given. So it is enough to ask the
//! votes that logs keep: openraft is not disturbed by reads. Whoever comes while a round is under way waits for the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use storgo_protocol::raft::{Promise, Promised, Promises as Question, envelope::Body};
use storgo_protocol::{GroupId, LogIncarnation, PeerId};
use storgo_store::log::Log;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Group;
use super::error::GroupError;
use super::gather::Gather;
use super::rounds::{Told, tell};
use crate::courier::{ANY_LOG, Courier, NO_GROUP};
use crate::planted::{Planted, is_planted};
use crate::raft::{Claim, promised_term};
use crate::seat::Seat;

/// How long a round waits for answers.
const WITHIN: Duration = Duration::from_secs(1);

/// How long is waited for those who are enough, before the others are asked too.
const HURRY: Duration = Duration::from_millis(10);

/// How long the next round waits for one in which somebody does not answer.
const PATIENCE: Duration = Duration::from_millis(20);

/// The term of a seat that is not here: later than any.
const NOT_HERE: u64 = u64::MAX;

/// Rounds of all groups that this node leads. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Promises {
    courier: Arc<Courier>,
    log: Log,
    waiting: Arc<Gather<Waiting>>,
    /// Nodes that were asked and have not answered.
    asked: Arc<Mutex<BTreeSet<PeerId>>>,
}

/// What is asked of whom.
type Questions = BTreeMap<PeerId, Vec<(GroupId, Seat)>>;

#[derive(Debug)]
struct Waiting {
    id: GroupId,
    group: Arc<Group>,
    tell: oneshot::Sender<Told>,
}

/// A group whose claim is not upheld yet.
struct Open {
    claim: Claim,
    group: Arc<Group>,
    upheld_by: BTreeSet<Seat>,
    is_later: bool,
    tell: Vec<oneshot::Sender<Told>>,
}

impl Promises {
    pub(super) fn new(courier: Arc<Courier>, log: Log) -> Self {
        Self { courier, log, waiting: Arc::default(), asked: Arc::default() }
    }

    /// Waits for a round that begins from now on: when it began, and an index from which on a state holds all that was
    /// acknowledged before.
    pub(super) async fn round(&self, id: GroupId, group: &Arc<Group>) -> Told {
        let ready = tokio::time::timeout(WITHIN, group.member.until_ready()).await;
        ready.map_err(|_| GroupError::NoQuorum { group: id })?.map_err(|error| error.of(id))?;
        let (tell, told) = oneshot::channel();
        if self.waiting.add(Waiting { id, group: Arc::clone(group), tell }) {
            self.courier.tasks.spawn(self.clone().run());
        }
        told.await.unwrap_or(Err(GroupError::NotHere { group: id }))
    }

    /// Asks for those who wait, until nobody does.
    async fn run(self) {
        // Who came with the same frame comes in the same moment.
        tokio::task::yield_now().await;
        while let Some(waiting) = self.waiting.take(|all| all.drain(..).collect()) {
            let round = self.courier.tasks.spawn(self.clone().ask(waiting));
            // Those that cannot be reached do not keep the next ones waiting.
            drop(tokio::time::timeout(PATIENCE, round).await);
        }
    }

    async fn ask(self, waiting: Vec<Waiting>) {
        let began = Instant::now();
        let mut open = self.claims(waiting);
        settle(&mut open, began);
        let (first, others) = self.choose(&open);
        let ask = |(peer, seats)| self.asks(peer, seats);
        let mut asked: FuturesUnordered<_> = first.into_iter().map(ask).collect();
        let mut others = Some(others);
        while !open.is_empty() {
            let hurry = if others.is_some() { HURRY } else { WITHIN };
            match tokio::time::timeout(hurry, asked.next()).await {
                Ok(Some(terms)) => {
                    hear(&mut open, terms);
                    settle(&mut open, began);
                }
                Ok(None) | Err(_) => match others.take() {
                    Some(others) => asked.extend(others.into_iter().map(ask)),
                    None => break,
                },
            }
        }
        for (group, open) in open {
            // A later term may be that of a seat which is not there: then others know who leads.
            let error = if open.is_later {
                GroupError::NotLeader { group, leader: None }
            } else {
                GroupError::NoQuorum { group }
            };
            tell(open.tell, &Err(error));
        }
    }

    /// What those say who lead.
    fn claims(&self, waiting: Vec<Waiting>) -> BTreeMap<GroupId, Open> {
        let mut groups: BTreeMap<GroupId, (Arc<Group>, Vec<oneshot::Sender<Told>>)> = BTreeMap::new();
        for Waiting { id, group, tell } in waiting {
            groups.entry(id).or_insert_with(|| (group, Vec::new())).1.push(tell);
        }
        let mut open = BTreeMap::new();
        for (id, (group, waiting)) in groups {
            match group.member.claim() {
                Ok(claim) => {
                    self.courier.metrics.note_round("leader");
                    let upheld_by = BTreeSet::from([self.courier.seats().of(id)]);
                    open.insert(id, Open { claim, group, upheld_by, is_later: false, tell: waiting });
                }
                Err(error) => tell(waiting, &Err(error.of(id))),
            }
        }
        open
    }

    /// Whom to ask for what at first, so that most votes are told of and no more, by those who answer soon; and whom else.
    fn choose(&self, open: &BTreeMap<GroupId, Open>) -> (Questions, Questions) {
        let me = self.courier.peer();
        let (mut first, mut others) = (Questions::new(), Questions::new());
        let slow = self.asked.lock().clone();
        for (id, group) in open {
            let voters: BTreeSet<Seat> = group.claim.configs.iter().flatten().copied().collect();
            let mut voters: Vec<Seat> = voters.into_iter().filter(|seat| seat.peer != me).collect();
            voters.sort_by_key(|seat| (slow.contains(&seat.peer), *seat));
            let mut told = group.upheld_by.clone();
            for seat in voters {
                let questions = if group.claim.is_upheld_by(&told) { &mut others } else { &mut first };
                questions.entry(seat.peer).or_default().push((*id, seat));
                told.insert(seat);
            }
        }
        (first, others)
    }

    /// Which terms a node has promised itself to, in groups in which it votes; nothing if it does not answer.
    async fn asks(&self, peer: PeerId, seats: Vec<(GroupId, Seat)>) -> Vec<(GroupId, Seat, u64)> {
        let promise =
            |(group, seat): &(GroupId, Seat)| Promise { group: group.as_u64(), incarnation: seat.incarnation.as_u64() };
        let question = Body::Promises(Question { seats: seats.iter().map(promise).collect() });
        let node = Seat { peer, incarnation: ANY_LOG };
        self.asked.lock().insert(peer);
        match self.courier.call(node, NO_GROUP, question, WITHIN).await {
            Ok(Body::Promised(Promised { terms })) if terms.len() == 8 * seats.len() => {
                self.asked.lock().remove(&peer);
                let terms = terms.as_chunks().0.iter().copied().map(u64::from_le_bytes);
                seats.into_iter().zip(terms).map(|((id, seat), term)| (id, seat, term)).collect()
            }
            Ok(_) => {
                tracing::warn!(%peer, "an answer to another question");
                Vec::new()
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "no promise was told");
                Vec::new()
            }
        }
    }

    /// Answers another node's question.
    pub(super) fn tell(&self, question: &Question) -> Promised {
        let term = |asked: &Promise| {
            if is_planted(Planted::PromiseUntold) {
                return 0;
            }
            let group = GroupId::new(asked.group);
            // Who keeps no vote may have forgotten one at this moment.
            let kept = self.log.group(group).vote().ok().flatten();
            let is_here = self.courier.seats().of(group).incarnation == LogIncarnation::new(asked.incarnation);
            kept.filter(|_| is_here).and_then(|vote| promised_term(vote).ok()).unwrap_or(NOT_HERE)
        };
        Promised { terms: question.seats.iter().flat_map(|asked| term(asked).to_le_bytes()).collect() }
    }
}

/// Takes in what a node told.
fn hear(open: &mut BTreeMap<GroupId, Open>, terms: Vec<(GroupId, Seat, u64)>) {
    for (id, seat, term) in terms {
        let Some(group) = open.get_mut(&id) else { continue };
        if term <= group.claim.term {
            group.upheld_by.insert(seat);
        } else {
            group.is_later = true;
        }
    }
}

/// Tells those who wait for groups whose claims are upheld.
fn settle(open: &mut BTreeMap<GroupId, Open>, began: Instant) {
    for (_, upheld) in open.extract_if(.., |_, group| group.claim.is_upheld_by(&group.upheld_by)) {
        let round = (began, upheld.claim.applied);
        upheld.group.own.note(round);
        tell(upheld.tell, &Ok(round));
    }
}
