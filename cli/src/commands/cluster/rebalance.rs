//! `storgo cluster rebalance`: what would move, and moving it now.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use storgo_protocol::cluster::{Ask, GroupStatus, Steer, Told};
use storgo_protocol::{GroupId, PeerId};
use tokio::time::Instant;

use super::Asked;
use crate::amounts;
use crate::context::{Context, NodeArg};
use crate::error::{CliError, Exit};

/// How often it is looked what has moved.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How often a lead that did not move is asked for again: transfers fail while a member is behind.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Spreads seats and leads evenly now
///
/// This goes on by itself, a little at a time, and so seldom finds anything; after much has changed it need not be waited
/// for. It says what has moved and ends when nothing is left to move; what is interrupted goes on by itself.
///
/// Examples:
///   storgo cluster rebalance --dry-run
///   storgo cluster rebalance --patience 300
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RebalanceArgs {
    /// Says what would move, and moves nothing
    #[arg(long)]
    dry_run: bool,

    /// Gives up after so many seconds in which nothing moved
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,

    #[command(flatten)]
    node: NodeArg,
}

pub(super) async fn run(context: &Context, args: &RebalanceArgs) -> Result<(), CliError> {
    let mut asked = Asked::connect(&args.node).await?;
    let first = Moves::found(&mut asked, Steer::PlanSeats).await?;
    if args.dry_run || first.is_empty() {
        return context.output.result(&MovesJson::of(&first), || first.table());
    }
    context.output.say(&first.table())?;
    let mut state = Pace { left: first.count(), moved: Instant::now(), asked: None };
    loop {
        if state.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            state.asked = Some(Instant::now());
            let moves = Moves::found(&mut asked, Steer::Rebalance).await?;
            for (group, (_, to)) in &moves.leads {
                if let Err(error) = asked.steer(*group, Steer::Transfer(*group, *to)).await {
                    // It is asked again.
                    let why = error.lines().join(": ");
                    context.output.say(&format!("group {group} keeps its leader for now: {why}"))?;
                }
            }
        }
        asked.refresh().await?;
        let left = Moves::found(&mut asked, Steer::PlanSeats).await?;
        if left.is_empty() {
            break;
        }
        state.note(context, left.count())?;
        if state.moved.elapsed() > Duration::from_secs(args.patience) {
            let error = CliError::new(Exit::Unavailable, format!("nothing moved for {} s", args.patience));
            return Err(error.hint(format!("this is left:\n{}", left.table())));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    context.output.result(&MovesJson::of(&first), || "seats and leads are even".to_owned())
}

/// How it goes on.
struct Pace {
    left: usize,
    moved: Instant,
    asked: Option<Instant>,
}

impl Pace {
    fn note(&mut self, context: &Context, left: usize) -> Result<(), CliError> {
        if left != self.left {
            self.left = left;
            self.moved = Instant::now();
            context.output.say(&format!("{} left to move", amounts::count(left as u64, "seat or lead")))?;
        }
        Ok(())
    }
}

/// What is not where it is to be.
#[derive(Debug, Default)]
struct Moves {
    /// Of each group, who gives up a seat and who takes one.
    seats: BTreeMap<GroupId, (Vec<PeerId>, Vec<PeerId>)>,
    /// Of each group, who leads and whose turn it is.
    leads: BTreeMap<GroupId, (PeerId, PeerId)>,
}

impl Moves {
    /// What is planned anew, what was planned and has not happened yet, and leads that are out of turn. `ask` is what group 0
    /// is asked: to plan only, or to write it down.
    async fn found(asked: &mut Asked, ask: Steer) -> Result<Self, CliError> {
        let Told::Seating(planned) = asked.node.ask(None, GroupId::new(0), &Ask::Steer(ask)).await? else {
            return Err(CliError::new(Exit::Failed, "an answer to another question"));
        };
        let statuses = asked.all_groups().await;
        let mut moves = Self::default();
        for (id, status) in statuses {
            let silent = || CliError::new(Exit::Unavailable, format!("no member of group {id} answers"));
            let status = status.ok_or_else(silent)?;
            let wanted = planned.get(&id).map_or_else(|| asked.map.seats(id), Vec::as_slice);
            let turn = if planned.contains_key(&id) { None } else { asked.map.leader_in_turn(id) };
            moves.of_group(id, &status, wanted, turn);
        }
        Ok(moves)
    }

    fn of_group(&mut self, id: GroupId, status: &GroupStatus, wanted: &[PeerId], turn: Option<PeerId>) {
        let missing = |these: &[PeerId], those: &[PeerId]| -> Vec<PeerId> {
            these.iter().filter(|peer| !those.contains(peer)).copied().collect()
        };
        let (go, come) = (missing(&status.voters, wanted), missing(wanted, &status.voters));
        if !go.is_empty() || !come.is_empty() {
            self.seats.insert(id, (go, come));
        } else if let Some((leader, turn)) = status.leader.zip(turn).filter(|(leader, turn)| leader != turn) {
            self.leads.insert(id, (leader, turn));
        }
    }

    fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.leads.is_empty()
    }

    fn count(&self) -> usize {
        self.seats.values().map(|(go, come)| go.len().max(come.len())).sum::<usize>() + self.leads.len()
    }

    fn table(&self) -> String {
        if self.is_empty() {
            return "seats and leads are even: nothing moves".to_owned();
        }
        let short = |peers: &[PeerId]| {
            if peers.is_empty() {
                "-".to_owned()
            } else {
                peers.iter().map(PeerId::short).collect::<Vec<_>>().join(" ")
            }
        };
        let line = |[group, what, from, to]: [&str; 4]| format!("{group:>5}  {what:<5}  {from:<17}  {to}");
        let mut lines = vec![line(["GROUP", "WHAT", "FROM", "TO"])];
        let seats = self.seats.iter();
        lines.extend(seats.map(|(id, (go, come))| line([&id.to_string(), "seat", &short(go), &short(come)])));
        let leads = self.leads.iter();
        lines.extend(leads.map(|(id, (from, to))| line([&id.to_string(), "lead", &short(&[*from]), &short(&[*to])])));
        lines.join("\n")
    }
}

#[derive(Debug, Serialize)]
struct MovesJson {
    seats: Vec<SeatsJson>,
    leads: Vec<LeadJson>,
}

#[derive(Debug, Serialize)]
struct SeatsJson {
    group: u64,
    go: Vec<String>,
    come: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LeadJson {
    group: u64,
    from: String,
    to: String,
}

impl MovesJson {
    fn of(moves: &Moves) -> Self {
        let words = |peers: &[PeerId]| peers.iter().map(ToString::to_string).collect();
        Self {
            seats: moves
                .seats
                .iter()
                .map(|(id, (go, come))| SeatsJson { group: id.as_u64(), go: words(go), come: words(come) })
                .collect(),
            leads: moves
                .leads
                .iter()
                .map(|(id, (from, to))| LeadJson { group: id.as_u64(), from: from.to_string(), to: to.to_string() })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> PeerId {
        PeerId::from_bytes([n; 32])
    }

    #[test]
    fn what_is_not_where_it_is_to_be_moves() {
        let mut moves = Moves::default();
        let status = |leader, voters: &[u8]| GroupStatus {
            leader: Some(peer(leader)),
            voters: voters.iter().map(|n| peer(*n)).collect(),
            ..GroupStatus::default()
        };
        let wanted = [1, 2, 3].map(peer);
        moves.of_group(GroupId::new(1), &status(2, &[3, 2, 1]), &wanted, Some(peer(2)));
        assert!(moves.is_empty() && moves.table().contains("nothing moves"), "{moves:?}");
        moves.of_group(GroupId::new(2), &status(2, &[1, 2, 3]), &wanted, Some(peer(3)));
        // Who has no seat yet is not asked to lead.
        moves.of_group(GroupId::new(3), &status(2, &[4, 1, 2]), &wanted, Some(peer(3)));
        moves.of_group(GroupId::new(4), &status(1, &[1]), &wanted, None);
        assert_eq!(moves.leads, [(GroupId::new(2), (peer(2), peer(3)))].into());
        assert_eq!(moves.seats[&GroupId::new(3)], (vec![peer(4)], vec![peer(3)]));
        assert_eq!(moves.seats[&GroupId::new(4)], (vec![], vec![peer(2), peer(3)]));
        assert_eq!(moves.count(), 4);
        assert_eq!(moves.table().lines().count(), 4);
    }
}
