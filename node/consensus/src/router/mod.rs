//! Finding the leader of a group from anywhere: one deadline, and within it whoever may know is asked in turn.
//!
//! ```text
//!   cached leader ─► hint of who was asked ─► other members in turn ─ pause, longer each round, never in step ─► …
//! ```
//!
//! A peer that failed several times is passed over for a while, unless nobody else is left. It must not know what is
//! asked: a proposal keeps its request id, so asking twice is asking once.

mod breaker;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storgo_object::ports::Random;
use storgo_protocol::limits::{ROUTER_PAUSE_MS_MAX, ROUTER_PAUSE_MS_MIN};
use storgo_protocol::{GroupId, PeerId};
use tokio::time::Instant;

use crate::metrics::Metrics;

use breaker::Breakers;

/// One question to one member.
#[async_trait]
pub trait Ask: Send + Sync + fmt::Debug {
    /// What a leader answers.
    type Answer: Send;

    /// Has a member do what `request` says, as the leader of the group.
    ///
    /// # Errors
    /// [`AskError`] if it was not answered by the leader.
    async fn ask(
        &self,
        peer: PeerId,
        group: GroupId,
        request: Bytes,
        within: Duration,
    ) -> Result<Self::Answer, AskError>;
}

/// Why a member did not answer as the leader.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Another one leads, as far as it knows.
    #[error("{peer} does not lead")]
    NotLeader {
        /// Who was asked.
        peer: PeerId,
        /// Who leads, if it knows.
        leader: Option<PeerId>,
    },
    /// It cannot be reached, or does not answer.
    #[error("{peer} does not answer: {reason}")]
    Silent {
        /// Who was asked.
        peer: PeerId,
        /// What stands in the way.
        reason: String,
    },
    /// It answers, but not now: it is overloaded, elects, or has no quorum.
    #[error("{peer} cannot now: {reason}")]
    Busy {
        /// Who was asked.
        peer: PeerId,
        /// Why.
        reason: String,
    },
}

/// Why a group did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Nobody is known of this group.
    #[error("no member of group {group} is known")]
    NoMembers {
        /// The group.
        group: GroupId,
    },
    /// Nobody answered as its leader before the deadline. It may or may not be done.
    #[error("group {group} did not answer within {within:?}: asked {asked} times")]
    TimedOut {
        /// The group.
        group: GroupId,
        /// How long was tried.
        within: Duration,
        /// How many questions were asked.
        asked: u32,
        /// What the last one met.
        #[source]
        last: Option<AskError>,
    },
}

/// Asks groups.
#[derive(Debug)]
pub struct Router<A> {
    ask: Arc<A>,
    random: Arc<dyn Random>,
    members: Mutex<BTreeMap<GroupId, Vec<PeerId>>>,
    leaders: Mutex<BTreeMap<GroupId, PeerId>>,
    breakers: Breakers,
    metrics: Metrics,
}

impl<A: Ask> Router<A> {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(ask: Arc<A>, random: Arc<dyn Random>, metrics: Metrics) -> Self {
        let (members, leaders) = (Mutex::default(), Mutex::default());
        Self { ask, random, members, leaders, breakers: Breakers::default(), metrics }
    }

    /// Says who sits in a group: one that lives is enough.
    pub fn set_members(&self, group: GroupId, members: Vec<PeerId>) {
        self.members.lock().insert(group, members);
    }

    /// Has the leader of a group do something.
    ///
    /// # Errors
    /// [`RouteError`] if that did not come about within the time.
    pub async fn call(&self, group: GroupId, request: Bytes, within: Duration) -> Result<A::Answer, RouteError> {
        let deadline = Instant::now() + within;
        let (mut asked, mut last, mut hint) = (0, None, self.leaders.lock().get(&group).copied());
        let mut pause_ms = ROUTER_PAUSE_MS_MIN;
        loop {
            let members = self.members.lock().get(&group).cloned().unwrap_or_default();
            if members.is_empty() && hint.is_none() {
                return Err(RouteError::NoMembers { group });
            }
            // A round: the leader as far as is known, then the others; a hint goes first, once.
            let mut round = self.breakers.in_order(members);
            let mut hints = round.len() + 1;
            while let Some(peer) = hint.take().or_else(|| round.pop()) {
                round.retain(|other| *other != peer);
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(RouteError::TimedOut { group, within, asked, last });
                }
                asked += 1;
                // Nobody gets all of the time while others are left to ask.
                let patience = if round.is_empty() { left } else { left / 2 };
                match self.one(peer, group, request.clone(), patience).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        hints = hints.saturating_sub(1);
                        if let AskError::NotLeader { leader: Some(leader), .. } = &error
                            && *leader != peer
                            && hints > 0
                        {
                            hint = Some(*leader);
                        }
                        // Who says why it cannot says more than others.
                        if !matches!(last, Some(AskError::Busy { .. })) || matches!(error, AskError::Busy { .. }) {
                            last = Some(error);
                        }
                    }
                }
            }
            let pause = self.pause(pause_ms);
            pause_ms = (pause_ms * 2).min(ROUTER_PAUSE_MS_MAX);
            if tokio::time::timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
                return Err(RouteError::TimedOut { group, within, asked, last });
            }
        }
    }

    async fn one(&self, peer: PeerId, group: GroupId, request: Bytes, within: Duration) -> Result<A::Answer, AskError> {
        let asked = tokio::time::timeout(within, self.ask.ask(peer, group, request, within)).await;
        let answer = asked.unwrap_or_else(|_| Err(AskError::Silent { peer, reason: format!("nothing in {within:?}") }));
        self.metrics.note_ask(&answer);
        if self.breakers.note(peer, !matches!(answer, Err(AskError::Silent { .. }))) {
            self.metrics.breaker_opens.inc();
        }
        let mut leaders = self.leaders.lock();
        match &answer {
            Ok(_) => drop(leaders.insert(group, peer)),
            Err(_) if leaders.get(&group) == Some(&peer) => drop(leaders.remove(&group)),
            Err(_) => {}
        }
        answer
    }

    /// Between half of it and all of it, so that those who wait for the same leader do not come back together.
    fn pause(&self, ms: u64) -> Duration {
        let draw = u64::from_le_bytes(self.random.array());
        Duration::from_millis(ms / 2 + draw % (ms / 2 + 1))
    }
}

#[cfg(test)]
mod tests;
