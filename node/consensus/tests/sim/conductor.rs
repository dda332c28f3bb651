//! Who moves slots between groups, and is crashed in the middle of it: it remembers nothing and goes on from what the
//! groups say. Now and then it gives a move up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use rand::RngExt as _;
use storgo_consensus::machine::SlotSide;
use storgo_consensus::moves::{self, Aim, Move, Next};
use storgo_protocol::GroupId;
use storgo_protocol::meta::{Action, Command, FEATURE_LEVEL, Slot, SlotState};

use crate::caller::{Answer, Caller, now, pass};
use crate::cluster::{Cluster, GROUPS, slots};
use crate::serve::{PROPOSE, SOURCE, TARGET, put_part, read_source, read_target};

pub const NAME: &str = "conductor";

/// How long an answer is waited for before all is looked at again.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long moves that nobody meant to begin may last.
const FINISHES_EVERY: Duration = Duration::from_millis(300);

struct Conductor {
    caller: Caller,
    cluster: Cluster,
    until: Duration,
    /// What was told, for what comes late.
    told: Vec<(GroupId, Action)>,
}

/// Conducts until `until`, and from then on ends what was begun.
pub async fn run(cluster: Cluster, start: u64, until: Duration) -> turmoil::Result {
    let seed = cluster.seed.wrapping_mul(31) ^ (start + 1).wrapping_mul(0xc0_4d0c);
    let mut conductor = Conductor { caller: Caller::new(seed).await, cluster, until, told: Vec::new() };
    conductor.cluster.is_settled.store(false, Ordering::Relaxed);
    if !conductor.cluster.is_prepared.load(Ordering::Relaxed) {
        conductor.prepare().await;
    }
    conductor.finish().await;
    while now() < until {
        let pause = conductor.caller.random_ms(20..500);
        pass(pause).await;
        conductor.begin().await;
    }
    // What was told before a crash can come late, and begin a move again.
    loop {
        conductor.finish().await;
        conductor.cluster.is_settled.store(true, Ordering::Relaxed);
        pass(FINISHES_EVERY).await;
    }
}

impl Conductor {
    /// Tells all groups of the bucket, and gives each its slots.
    async fn prepare(&mut self) {
        for group in GROUPS {
            self.surely(group, Action::SetBucket(Box::new(crate::cluster::bucket()))).await;
        }
        for (number, slot) in slots().into_iter().enumerate() {
            self.surely(GROUPS[number % GROUPS.len()], Action::Assign { first: slot, last: slot }).await;
        }
        self.cluster.is_prepared.store(true, Ordering::Relaxed);
    }

    async fn surely(&mut self, group: GroupId, action: Action) {
        while self.tell(group, action.clone()).await.is_none() {}
    }

    async fn tell(&mut self, group: GroupId, action: Action) -> Option<Answer> {
        let command = Command { feature: FEATURE_LEVEL, request: None, action }.encode();
        self.caller.insist(PROPOSE, group, &command, PATIENCE).await
    }

    async fn look(&mut self, group: GroupId, slot: Slot) -> Option<SlotSide> {
        match self.caller.insist(TARGET, group, &slot.number().to_le_bytes(), PATIENCE).await? {
            Answer::Is(answer) => Some(read_target(answer)),
            Answer::At(_) => None,
        }
    }

    async fn look_at_source(&mut self, of: Move, target: &SlotSide) -> Option<moves::Source> {
        let mut request = BytesMut::new();
        request.put_u16_le(of.slot.number());
        put_part(&mut request, target.last.as_ref());
        match self.caller.insist(SOURCE, of.source, &request, PATIENCE).await? {
            Answer::Is(answer) => Some(read_source(answer)),
            Answer::At(_) => None,
        }
    }

    /// Begins a move of some slot to some group.
    async fn begin(&mut self) {
        let slots: Vec<Slot> = slots().into_iter().collect();
        let slot = slots[self.caller.rng.random_range(0..slots.len())];
        let target = GROUPS[self.caller.rng.random_range(0..GROUPS.len())];
        for source in GROUPS {
            let side = self.look(source, slot).await.unwrap_or_default();
            if side.state == Some(SlotState::Owned) && source != target {
                self.conduct(Move { slot, source, target }, Aim::Arrive).await;
                return;
            }
        }
    }

    /// Ends what was begun, by whomever.
    async fn finish(&mut self) {
        for slot in slots() {
            let mut begun = Vec::new();
            for group in GROUPS {
                let side = loop {
                    if let Some(side) = self.look(group, slot).await {
                        break side;
                    }
                };
                begun.extend(match side.state {
                    Some(SlotState::Frozen { to, .. }) => Some(Move { slot, source: group, target: to }),
                    Some(SlotState::Forwarded { to, .. }) if side.holds => {
                        Some(Move { slot, source: group, target: to })
                    }
                    Some(SlotState::Receiving { from, .. }) => Some(Move { slot, source: from, target: group }),
                    _ => None,
                });
            }
            begun.dedup();
            for of in begun {
                let aim = if self.caller.rng.random_bool(0.3) { Aim::Stay } else { Aim::Finish };
                self.conduct(of, aim).await;
            }
        }
    }

    /// A command that was told before comes again, late.
    async fn tell_again(&mut self) {
        if now() < self.until && self.caller.rng.random_bool(0.15) {
            let recent = self.told.len().saturating_sub(12);
            let (group, action) = self.told[self.caller.rng.random_range(recent..self.told.len())].clone();
            drop(self.tell(group, action).await);
        }
    }

    /// Goes from step to step until it is over.
    async fn conduct(&mut self, of: Move, mut aim: Aim) {
        loop {
            let Some(target) = self.look(of.target, of.slot).await else { continue };
            let Some(source) = self.look_at_source(of, &target).await else { continue };
            if aim == Aim::Arrive && self.caller.rng.random_bool(0.08) {
                aim = Aim::Stay;
            }
            match moves::next(of, aim, &source, &target) {
                // Whatever came of it is seen at the next look.
                Next::Tell(group, action) => {
                    self.told.push((group, action.clone()));
                    drop(self.tell(group, action).await);
                    self.tell_again().await;
                }
                Next::Done | Next::Elsewhere(_) => return,
            }
        }
    }
}
