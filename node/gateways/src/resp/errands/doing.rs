//! Doing what another door asks for: as if a client had asked for it here, and no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use storgo_protocol::limits::{MESSAGE_BYTES_MAX, RESP_LONG_BYTES};

use super::super::commands;
use super::super::errand::{Answers, Errand};
use super::super::reply::Reply;
use super::super::shared::Shared;
use super::super::slate::{Op, Slate};
use super::super::state::State;
use super::super::step::Told;

/// Does an errand beside whatever else is done, and answers it. If there is no room, none of it is done.
pub(in super::super) fn run(shared: &Arc<Shared>, errand: Errand) {
    let Errand { from, id, commands } = errand;
    let Some(place) = shared.errands.place() else {
        let replies = vec![None; commands.len()];
        return shared.errands.answer(from, Answers { id, replies });
    };
    let (shared, skips) = (Arc::clone(shared), Skips::default());
    let mut state = State::of_errand(&shared);
    let unsent = shared.unsent();
    // All are submitted before any is waited for: they are done in their order, together.
    let begun: Vec<_> = commands
        .iter()
        .enumerate()
        .map(|(n, args)| {
            let (key, op) = commands::begin_errand(&mut state, args)?;
            let skipped = Arc::new(AtomicBool::new(false));
            let op = skips.within(n, op, &skipped);
            Ok::<_, Reply>((shared.keyspace.submit(key, op, &unsent, true), skipped))
        })
        .collect();
    tokio::spawn(async move {
        let told = join_all(begun.into_iter().map(async |begun| match begun {
            Ok((told, skipped)) => match told.await {
                _ if skipped.load(Ordering::Relaxed) => None,
                Ok(Told::Reply(reply)) => Some(reply),
                Ok(Told::Later(..)) | Err(_) => Some(commands::lost()),
            },
            Err(refusal) => Some(refusal),
        }));
        let replies = told.await;
        let mut answers = Answers { id, replies };
        if answers.encode().len() > MESSAGE_BYTES_MAX / 2 {
            let long = || Reply::error("ERR it was done, and the answer is too long to be told through another door");
            answers.replies.iter_mut().for_each(|reply| *reply = Some(long()));
        }
        shared.errands.answer(from, answers);
        drop((place, unsent));
    });
}

/// Whether commands of an errand are to be left to the door that wants them: those on what is long, since answers about that are
/// long, and all behind them.
#[derive(Debug, Clone, Default)]
struct Skips(Arc<AtomicBool>);

impl Skips {
    /// The `n`-th command, which notes each time that it is done whether it was left.
    fn within(&self, n: usize, op: Op, skipped: &Arc<AtomicBool>) -> Op {
        let (skips, skipped) = (Arc::clone(&self.0), Arc::clone(skipped));
        op.unless(move |slate: &Slate| {
            let is_long = slate.held().is_some_and(|held| held.content.weight() > RESP_LONG_BYTES);
            // A step that was too late begins again with its first.
            let skip = is_long || (n > 0 && skips.load(Ordering::Relaxed));
            skips.store(skip, Ordering::Relaxed);
            skipped.store(skip, Ordering::Relaxed);
            skip
        })
    }
}
