//! Doing what another door asks for: as if a client had asked for it here, and no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use storgo_protocol::limits::RESP_LONG_BYTES;
use tokio::sync::oneshot;

use super::super::commands;
use super::super::errand::{Answers, Errand};
use super::super::reply::Reply;
use super::super::shared::{Shared, Unsent};
use super::super::slate::Op;
use super::super::state::State;
use super::super::step::Told;

/// Does an errand beside whatever else is done, and answers it. If there is no room, none of it is done.
pub(in super::super) fn run(shared: &Arc<Shared>, errand: Errand) {
    let Some(place) = shared.errands.place() else {
        let replies = vec![None; errand.commands.len()];
        return shared.errands.answer(errand.from, Answers { id: errand.id, replies });
    };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let Errand { from, id, commands } = errand;
        let unsent = shared.unsent();
        // All are submitted before any is waited for: they are done in their order, together.
        let begun = begin(&shared, &commands, &unsent);
        let mut replies = Vec::with_capacity(begun.len());
        for begun in begun {
            replies.push(match begun {
                Begun::Submitted(told, skipped) => match told.await {
                    _ if skipped.load(Ordering::Relaxed) => None,
                    Ok(Told::Reply(reply)) => Some(reply),
                    Ok(Told::Later(..)) | Err(_) => Some(commands::lost()),
                },
                Begun::Refused(refusal) => Some(refusal),
                Begun::Left => None,
            });
        }
        shared.errands.counts.done.fetch_add(1, Ordering::Relaxed);
        shared.errands.answer(from, Answers { id, replies });
        drop(place);
    });
}

/// A command of an errand.
enum Begun {
    /// Whether it was skipped is known when it is told of.
    Submitted(oneshot::Receiver<Told>, Arc<AtomicBool>),
    Refused(Reply),
    /// It is not done here.
    Left,
}

fn begin(shared: &Arc<Shared>, commands: &[Vec<bytes::Bytes>], unsent: &Arc<Unsent>) -> Vec<Begun> {
    let (mut state, skips, mut all) = (State::of_errand(shared), Skips::default(), Vec::with_capacity(commands.len()));
    for (n, args) in commands.iter().enumerate() {
        all.push(match commands::begin_errand(&mut state, args) {
            Err(refusal) => Begun::Refused(refusal),
            // This door has it done elsewhere, maybe by the one that asks: neither would wait for nothing.
            Ok((key, _)) if shared.errands.is_out(&key) => break,
            Ok((key, op)) => {
                let skipped = Arc::new(AtomicBool::new(false));
                let op = skips.within(n, op, &skipped);
                Begun::Submitted(shared.keyspace.submit(key, op, unsent, true), skipped)
            }
        });
    }
    all.resize_with(commands.len(), || Begun::Left);
    all
}

/// Whether commands of an errand are to be left to the door that wants them: those on what is long, since answers about that are
/// long, those for whose answers there is no room beside the others, and all behind them.
#[derive(Debug, Clone, Default)]
struct Skips(Arc<Skipping>);

#[derive(Debug, Default)]
struct Skipping {
    skips: AtomicBool,
    /// Bytes of the answers so far.
    bytes: AtomicUsize,
}

impl Skips {
    /// The `n`-th command, which notes each time that it is done whether it was left.
    fn within(&self, n: usize, op: Op, skipped: &Arc<AtomicBool>) -> Op {
        let (all, skipped) = (Arc::clone(&self.0), Arc::clone(skipped));
        op.through(move |slate, run| {
            // A step that was too late begins again with its first.
            if n == 0 {
                all.skips.store(false, Ordering::Relaxed);
                all.bytes.store(0, Ordering::Relaxed);
            }
            let is_long = slate.held().is_some_and(|held| held.content.weight() > RESP_LONG_BYTES);
            let is_full = all.bytes.load(Ordering::Relaxed) > RESP_LONG_BYTES;
            let skip = is_long || is_full || all.skips.load(Ordering::Relaxed);
            all.skips.store(skip, Ordering::Relaxed);
            skipped.store(skip, Ordering::Relaxed);
            if skip {
                return Reply::Nil;
            }
            let reply = run(slate);
            all.bytes.fetch_add(reply.weight(), Ordering::Relaxed);
            reply
        })
    }
}
