//! The log: on standard error, quiet for commands and telling for nodes.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged when nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Warnings and errors.
    Quiet,
    /// What an operator wants to see too.
    Telling,
}

/// Starts the log. Each `-v` says more; `STORGO_LOG` says exactly what, in the words of `tracing`'s filters.
pub(crate) fn start(talk: Talk, verbose: u8) {
    let level = match (talk, verbose) {
        (Talk::Quiet, 0) => LevelFilter::WARN,
        (Talk::Quiet, 1) | (Talk::Telling, 0) => LevelFilter::INFO,
        (Talk::Quiet, 2) | (Talk::Telling, 1) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // The libraries say more than anybody reads: one asks for them by name. A target is known by how it begins, so
    // `storgo` is all of storgo's crates.
    let default = format!("warn,storgo={level},libp2p=error,openraft=error");
    let filter = EnvFilter::try_from_env("STORGO_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = log.with_ansi(io::stderr().is_terminal()).try_init();
    if let Err(error) = started {
        crate::output::note(&format!("the log could not be started: {error}"));
    }
}
