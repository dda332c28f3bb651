//! `storgo demo`: a network of processes on this machine, a file through it and back, with losses and damage between.
//!
//! ```text
//!   stage (one directory, a keeper that removes it) ─ peers (storgo node run, each a process)
//!      └─ acts: put ─ kill, get in a new process ─ repair ─ damage, get, repair
//! ```
//!
//! Everything that was started ends when this process does, however it ends: children read a pipe whose other end is
//! held here, and the keeper removes the directory when they are gone.

mod acts;
mod compare;
mod cpu;
mod damage;
mod fetch;
mod keeper;
mod kept;
mod peers;
mod report;
mod stage;

use std::path::PathBuf;

use clap::Args;
use storgo_protocol::Code;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::error::{CliError, Exit};

use stage::Stage;

pub(crate) use keeper::{KeeperArgs, keep};

/// Shows it all on this machine: a network of processes, a file through it and back, peers killed, bytes damaged
///
/// Starts the peers as processes of their own, puts the file, kills some of the peers that hold it, gets it back in a
/// new process that knows only the ticket and one living peer, repairs, damages a shard on a disk, gets it again, and
/// repairs that. Ends with 0 only if every byte came back as it was, each time.
///
/// Examples:
///   storgo demo
///   storgo demo big.iso --peers 8 --redundancy erasure:5+3 --kill 3
///   storgo demo --kill 3      (more than 4+2 survives: ends with 4 and says what is missing)
#[derive(Debug, Clone, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DemoArgs {
    /// The file [default: storgo's own executable]
    file: Option<PathBuf>,

    /// How many peers there are
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    peers: u16,

    /// How many of them are killed
    #[arg(long, default_value_t = 2, value_name = "N")]
    kill: u16,

    /// The redundancy
    #[arg(long, default_value = "erasure:4+2", value_name = "CODE")]
    redundancy: Code,

    /// Leaves the network running, and says how to use it
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(context: &Context, args: DemoArgs) -> Result<(), CliError> {
    if args.kill >= args.peers {
        let text = format!("of {} peers at most {} can be killed", args.peers, args.peers - 1);
        return Err(CliError::new(Exit::Usage, text));
    }
    let mut stage = Stage::open()?;
    let result = tokio::select! {
        result = acts::play(context, &args, &mut stage) => result,
        interrupted = interrupted() => Err(interrupted),
    };
    let closed = stage.close().await;
    result.and(closed)
}

/// Completes when somebody wants the demo to end.
async fn interrupted() -> CliError {
    let catch = |kind| signal(kind).map_err(|error| CliError::io("listening for signals", error));
    let signals = (catch(SignalKind::interrupt()), catch(SignalKind::terminate()), catch(SignalKind::hangup()));
    let (mut interrupt, mut terminate, mut hangup) = match signals {
        (Ok(interrupt), Ok(terminate), Ok(hangup)) => (interrupt, terminate, hangup),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => return error,
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    CliError::new(Exit::Failed, "interrupted")
}
