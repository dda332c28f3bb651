//! The receiving side of a snapshot: pages are put aside in order until all are there, then installed at once.

use openraft::storage::SnapshotMeta;
use storgo_protocol::raft::{SnapshotAnswer, SnapshotPage, StateId};
use storgo_store::records::{GroupRecords, Import};

use super::state::{Snap, SnapshotPages};
use super::types::Vote;
use super::wire;
use crate::seat::Seat;

/// A snapshot on its way in.
#[derive(Debug)]
pub(crate) struct Intake {
    from: Seat,
    state: StateId,
    import: Import,
}

/// What to do after a page.
pub(crate) enum Taken {
    /// Answer with the page that is wanted next.
    Next(u64),
    /// Install this, and answer when it is.
    Whole(Box<(Vote, Snap)>),
}

/// Takes a page.
///
/// # Errors
/// Why not, for whoever sent it; the snapshot is begun anew then.
pub(crate) async fn take(
    intake: &mut Option<Intake>,
    records: &GroupRecords,
    from: Seat,
    page: SnapshotPage,
) -> Result<Taken, Box<dyn std::error::Error + Send + Sync>> {
    let vote = wire::read_vote(page.vote)?;
    let state = page.state.ok_or("a snapshot of no state")?;
    let (last_log_id, last_membership) = wire::read_state_id(&state)?;
    let same = intake.take().filter(|known| known.from == from && known.state == state);
    let mut current = match same {
        Some(known) => known,
        None => Intake { from, state, import: records.import().await? },
    };
    match current.import.next_page() {
        Some(wanted) if wanted == page.page && !page.bytes.is_empty() => current.import.push(page.bytes).await?,
        _ => {}
    }
    if let Some(next) = current.import.next_page() {
        *intake = Some(current);
        return Ok(Taken::Next(next));
    }
    let meta = SnapshotMeta { last_log_id, last_membership };
    let snapshot = SnapshotPages::Import(Box::new(current.import));
    Ok(Taken::Whole(Box::new((vote, Snap { meta, snapshot }))))
}

/// The answer that a page gets.
pub(crate) fn answer(vote: &Vote, next: u64, installed: bool) -> SnapshotAnswer {
    SnapshotAnswer { vote: Some(wire::vote(vote)), next, installed }
}
