//! What goes on by itself: leaders say that they are there, clocks that are off give up the lead, what expired is put in the log, and changes of seats that
//! were begun are finished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::GroupId;
use storgo_protocol::meta::{Action, Command};
use storgo_protocol::raft::{ReadIndex, envelope::Body};
use tokio::time::MissedTickBehavior;

use super::{Group, Groups};
use crate::machine;
use crate::raft::{Looking, Member, QUIET_PULSES};
use crate::seat::Seat;

/// How often a node asks what others' clocks show while its own is off, or differs from any that it knows.
const ASK_AROUND_EVERY: Duration = Duration::from_millis(500);

/// After what time a node that stops asks another voter to lead: the one before may not have been as far as it was.
const HAND_OVER_AGAIN: Duration = Duration::from_millis(100);

/// How often a leader looks for what expired.
const EXPIRY_EVERY: Duration = Duration::from_secs(1);

/// How often a leader looks for changes of seats that nobody goes on with.
const CHANGES_EVERY: Duration = Duration::from_secs(2);

/// The feature level that a tick needs.
const TICK_FEATURE: u32 = 1;

/// Has leaders say that they are there, all at once, so that what goes to one peer goes together. Groups that nobody uses
/// say so at every second pulse, and all at the same one.
pub(super) async fn pulse(groups: Groups) {
    let (courier, elections) = (Arc::clone(&groups.0.courier), groups.0.config.elections);
    let heartbeat = elections.heartbeat;
    let mut pulses = tokio::time::interval(heartbeat);
    pulses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u32.. {
        tokio::select! {
            biased;
            () = courier.stop.cancelled() => return,
            _ = pulses.tick() => {}
        }
        let all = groups.all();
        let is_for_all = number.is_multiple_of(QUIET_PULSES);
        let pulse = futures::future::join_all(all.iter().map(|(_, group)| group.member.pulse(is_for_all, elections)));
        // One that is busy holds up no other.
        if tokio::time::timeout(heartbeat, pulse).await.is_err() {
            tracing::debug!("a group is too busy to say that it is there");
        }
        for (id, group) in all.iter().filter(|(_, group)| group.member.leads_wrongly()) {
            let (id, group) = (*id, Arc::clone(group));
            courier.spawn(async move { give_up(id, &group).await });
        }
        // Who hands over in order to stop needs to lead no more.
        let is_off = courier.guard.is_off();
        let in_vain = |member: &Member| member.handed_over_in_vain() && (is_off || !member.is_barred());
        for (id, _) in all.into_iter().filter(|(_, group)| in_vain(&group.member)) {
            let groups = groups.clone();
            let restart = async move {
                tracing::info!(group = %id, "nobody took the lead that was handed over: the group starts again here");
                if let Err(error) = groups.restart(id).await {
                    tracing::error!(group = %id, error = &error as &dyn std::error::Error, "a group cannot be opened");
                }
            };
            // It takes its time, and the others go on.
            courier.spawn(restart);
        }
    }
}

/// Keeps a node from leading while its clock is off; what it leads it gives up at the next sign of life.
pub(super) async fn clocks(groups: Groups) {
    let stop = groups.0.courier.stop.clone();
    let mut off = groups.0.courier.guard.watch();
    let mut was_off = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = off.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(ASK_AROUND_EVERY) => {}
        }
        let is_off = *off.borrow_and_update();
        let is_news = std::mem::replace(&mut was_off, is_off) != is_off;
        if !is_news && (is_off || is_in_doubt(&groups)) {
            ask_around(&groups);
        }
        if is_news && is_off {
            groups.0.config.metrics.clock_barred.inc();
            tracing::error!(
                "this node's clock differs from most others' by more than half a second: it leads no group"
            );
        } else if is_news {
            tracing::info!("this node's clock agrees with others': it may lead");
        } else if !is_off {
            // Who stops, and may not lead for that reason, is left alone.
            continue;
        }
        for (_, group) in groups.all() {
            group.member.may_lead(!is_off);
        }
    }
}

/// Whether the clock of any voter in this node's groups differs from its own, as far as is known. One that was wrong when it
/// was heard of may be right since, and speaks meanwhile for a clock that is wrong as it was.
fn is_in_doubt(groups: &Groups) -> bool {
    let courier = &groups.0.courier;
    let differing = courier.guard.differing(courier.now_ms());
    // Who is no voter is not asked, and would be doubted for ever.
    !differing.is_empty()
        && groups.all().iter().any(|(_, group)| group.member.voters().iter().any(|seat| differing.contains(&seat.peer)))
}

/// Asks others for anything, since their answers say what their clocks show: a node that leads nothing asks nobody, and
/// would never hear that its clock is right again.
fn ask_around(groups: &Groups) {
    let mut asked = BTreeSet::new();
    for (id, group) in groups.all() {
        for voter in group.member.voters() {
            if voter.peer == groups.me().peer || !asked.insert(voter.peer) {
                continue;
            }
            let courier = Arc::clone(&groups.0.courier);
            groups.0.courier.tasks.spawn(async move {
                if let Err(error) = courier.call(voter, id, Body::ReadIndex(ReadIndex {}), ASK_AROUND_EVERY).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a clock was not told");
                }
            });
        }
    }
}

/// Asks one of those that can take over soonest to lead, each time another one. From then on nobody learns anything of this
/// leader any more, so who is asked in vain costs the group some seconds.
async fn give_up(id: GroupId, group: &Group) {
    let others = group.member.successors(|_| true);
    // Whoever it is has to be as far as this one, or refuses; stamps are refused here meanwhile.
    let Some(to) = group.in_turn(&others) else { return };
    if let Err(error) = group.member.transfer(to).await {
        tracing::warn!(group = %id, %to, error = &error as &dyn std::error::Error, "no transfer");
    }
}

/// Has others lead what this node leads, before it stops: who waits for a leader to be missed waits far longer. Returns
/// when that is so, or after `within`.
pub(super) async fn hand_over(groups: &Groups, within: Duration) {
    let led = groups.all().into_iter().map(|(id, group)| async move {
        group.member.may_lead(false);
        let is_alone = group.member.voters().len() < 2;
        while group.member.is_leader() && !is_alone {
            give_up(id, &group).await;
            group.member.is_led_by_another(HAND_OVER_AGAIN).await;
        }
    });
    if tokio::time::timeout(within, futures::future::join_all(led)).await.is_err() {
        tracing::warn!(?within, "nobody takes over some of the groups that this node leads");
    }
}

/// Proposes ticks while this node leads and something expires; and notes since when it leads, being there.
pub(super) async fn expiry(groups: Groups) {
    let stop = groups.0.courier.stop.clone();
    let command = Command { feature: TICK_FEATURE, request: None, action: Action::Tick }.encode();
    let mut led: BTreeMap<GroupId, u64> = BTreeMap::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EXPIRY_EVERY) => {}
        }
        for (id, group) in groups.all() {
            let now_ms = groups.0.courier.now_ms();
            let leads = group.member.is_leader();
            if leads && led.insert(id, group.member.term()) != Some(group.member.term()) {
                groups.0.config.metrics.leaderships.inc();
            }
            let due = leads
                && Looking::at(group.member.records()).and_then(|view| machine::is_due(&view, now_ms)).unwrap_or(false);
            if due && let Err(error) = groups.propose(id, command.clone(), EXPIRY_EVERY).await {
                tracing::debug!(group = %id, error = &error as &dyn std::error::Error, "no tick");
            }
        }
    }
}

/// Finishes changes of seats whose author is gone: while both configurations hold, a change needs most of both, and the
/// next one has to wait.
pub(super) async fn changes(groups: Groups) {
    let stop = groups.0.courier.stop.clone();
    let mut seen: BTreeMap<GroupId, BTreeSet<Seat>> = BTreeMap::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CHANGES_EVERY) => {}
        }
        let now: BTreeMap<GroupId, BTreeSet<Seat>> = groups
            .all()
            .into_iter()
            .filter(|(_, group)| group.member.is_leader())
            .filter_map(|(id, group)| Some((id, group.member.changing_to()?)))
            .collect();
        // What was so last time already is nobody's.
        for (id, voters) in now.iter().filter(|(id, voters)| seen.get(id) == Some(voters)) {
            if let Err(error) = groups.set_voters(*id, voters.clone(), CHANGES_EVERY).await {
                tracing::debug!(group = %id, error = &error as &dyn std::error::Error, "seats still change");
            }
        }
        seen = now;
    }
}
