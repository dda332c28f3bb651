//! What whoever leads group 0 does for all: it notes who answers, plans who is to sit where, and takes slots from group to
//! group.
//!
//! It keeps nothing: who leads next reads the rows and goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use storgo_protocol::cluster::{Ask, ClusterMap, GroupRow, MemberRow, MemberState, MoveSide, RowKey, SlotMove, Told};
use storgo_protocol::limits::ROWS_CHANGED_MAX;
use storgo_protocol::meta::{Reply, RowChange, Slot, Stamp};
use storgo_protocol::{GroupId, PeerId};
use tokio::time::Instant;

use super::keeper::Inner;
use super::{GROUP_0, change, plan, state};
use crate::groups::{GroupError, Groups};
use crate::machine;
use crate::moves::{self, Aim, Move, Next, Source};

/// How often the members are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// How long a member has to answer.
const PATIENCE: Duration = Duration::from_millis(900);

/// How long changes of rows may take.
const STEP: Duration = Duration::from_secs(5);

/// Steps of one move in one round, so that others get their turn.
const STEPS_MAX: usize = 256;

/// When each member answered last, or was looked at first.
#[derive(Debug, Default)]
struct Heard(BTreeMap<PeerId, Instant>);

impl Heard {
    /// The members that answered within `gone_after`.
    fn present(&self, gone_after: Duration) -> BTreeSet<PeerId> {
        self.0.iter().filter(|(_, heard)| heard.elapsed() < gone_after).map(|(peer, _)| *peer).collect()
    }
}

pub(super) async fn conduct(inner: Arc<Inner>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = Heard::default();
    loop {
        rounds.tick().await;
        if !inner.leads(GROUP_0) {
            // Silence towards another leader says nothing.
            heard.0.clear();
            inner.present.note(None);
            continue;
        }
        let Some(map) = inner.client.map() else { continue };
        listen(&inner, &map, &mut heard).await;
        let present = heard.present(inner.config.gone_after);
        inner.present.note(Some(present.clone()));
        if let Err(reason) = seat(&inner, &map, &present).await {
            tracing::info!(reason, "seats are not planned anew yet");
        }
        match inner.config.groups.look(GROUP_0, state::read_moves) {
            Ok(moves) => {
                for (slot, wanted, revision) in moves {
                    if let Err(reason) = carry(&inner, slot, wanted, revision).await {
                        tracing::info!(%slot, reason, "a slot is still on its way");
                    }
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the moves cannot be read"),
        }
    }
}

/// Asks all members whether they are there.
async fn listen(inner: &Inner, map: &ClusterMap, heard: &mut Heard) {
    let members: Vec<PeerId> =
        map.members.values().filter(|member| member.state != MemberState::Removed).map(MemberRow::peer).collect();
    heard.0.retain(|peer, _| members.contains(peer));
    let ask = Ask::Map { known: map.revision };
    let asked = members.iter().map(|peer| async {
        let answered = inner.client.ask_one(*peer, GROUP_0, &ask, PATIENCE).await.is_ok();
        (*peer, answered)
    });
    for (peer, answered) in futures::future::join_all(asked).await {
        let at = heard.0.entry(peer).or_insert_with(Instant::now);
        if answered {
            *at = Instant::now();
        }
    }
}

/// Writes down who is to sit where, if that is to change.
async fn seat(inner: &Inner, map: &ClusterMap, present: &BTreeSet<PeerId>) -> Result<(), String> {
    if map.groups.values().any(|group| !group.founded) {
        return Ok(());
    }
    let changes = plan::seats(map, present, plan::MOVES_FOR_BALANCE);
    let changes: BTreeMap<_, _> = changes.into_iter().take(ROWS_CHANGED_MAX).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let rows = seating(&inner.config.groups, map, &changes).map_err(|error| error.to_string())?;
    if rows.is_empty() { Ok(()) } else { set_rows(inner, rows).await }
}

/// The changes of rows that seat groups so, where they are as the map has them still: a plan from a map that is behind says
/// nothing of what was wanted since.
pub(super) fn seating(
    groups: &Groups,
    map: &ClusterMap,
    changes: &BTreeMap<GroupId, Vec<PeerId>>,
) -> Result<Vec<RowChange>, GroupError> {
    let mut rows = Vec::new();
    for (id, seats) in changes {
        let Some((group, revision)) = groups.look(GROUP_0, |view| state::read_group(view, *id))? else { continue };
        if map.groups.get(id) == Some(&group) {
            let row = GroupRow { seats: seats.clone(), ..group };
            rows.push(change::row(&RowKey::Group(*id), Some(revision), Some(row.encode())));
        }
    }
    Ok(rows)
}

/// Changes rows of group 0, which this member leads.
async fn set_rows(inner: &Inner, rows: Vec<RowChange>) -> Result<(), String> {
    match inner.config.groups.propose(GROUP_0, change::rows(rows), STEP).await {
        Ok(Reply::Refused(refusal)) => Err(refusal.reason),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes a slot to its group, step by step, and writes down that it is there.
async fn carry(inner: &Inner, slot: Slot, wanted: SlotMove, revision: Stamp) -> Result<(), String> {
    let of = Move { slot, source: wanted.from, target: wanted.to };
    for _ in 0..STEPS_MAX {
        // The target first: what it has decides what is read at the source.
        let target = look(inner, of.target, slot, MoveSide::Target).await?.side;
        let source = look(inner, of.source, slot, MoveSide::Source(target.last.clone())).await?;
        match moves::next(of, Aim::Arrive, &source, &target) {
            Next::Tell(group, action) => {
                let ask = Ask::Command(change::command(action));
                // Whatever came of it, the next look shows it.
                if let Err(error) = inner.client.ask(group, &ask, STEP).await {
                    tracing::debug!(%slot, error = &error as &dyn std::error::Error, "a step of a move has no answer");
                }
            }
            Next::Done => return arrived(inner, slot, wanted, revision).await,
            Next::Elsewhere(state) => return Err(format!("it is not where the move begins: {state:?}")),
        }
    }
    Err("it takes longer".to_owned())
}

async fn look(inner: &Inner, group: GroupId, slot: Slot, side: MoveSide) -> Result<Source, String> {
    match inner.client.ask(group, &Ask::SlotLook { slot, side }, STEP).await {
        Ok(Told::SlotSide { state, holds, last, rest }) => {
            Ok(Source { side: machine::SlotSide { state, holds, last }, rest })
        }
        Ok(Told::Failed(failed)) => Err(failed.reason),
        Ok(_) => Err("an answer to another question".to_owned()),
        Err(error) => Err(super::chain(&error)),
    }
}

/// The slot's new group, and the end of its move, in one step.
async fn arrived(inner: &Inner, slot: Slot, wanted: SlotMove, revision: Stamp) -> Result<(), String> {
    let look = |view: &dyn machine::View| Ok((state::read_map(view)?, state::revision(view, &RowKey::Slots)?));
    let (map, slots) = inner.config.groups.look(GROUP_0, look).map_err(|error| error.to_string())?;
    let map = map.ok_or("there is no map")?;
    let rows = vec![
        change::row(&RowKey::Slots, slots, Some(map.slots.with(slot, wanted.to).encode())),
        change::row(&RowKey::Move(slot), Some(revision), None),
    ];
    set_rows(inner, rows).await?;
    inner.config.groups.courier().metrics.slot_moves.inc();
    tracing::info!(%slot, to = %wanted.to, "a slot has moved");
    Ok(())
}
