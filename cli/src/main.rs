//! `storgo`: the command line over a node and an in-process client.
//!
//! ```text
//!   argv ─► cli (grammar) ─► commands/* ─► storgo-node (engine, node) or storgo-rpc (a running node)
//!                                │
//!                                └─► output (people or JSON) · error (causes, hints, exit code)
//! ```

#![allow(clippy::doc_markdown, reason = "doc comments of arguments are the help, printed as they stand")]

mod cli;
mod commands;

mod context;
mod error;
mod exit;
mod output;

mod amounts;
mod bar;
mod entry;
mod level;
mod logging;
mod name_url;
mod parent;
mod places;
mod speed;
mod word;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::cli::Cli;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Small pieces of memory come and go by the thousand on threads of their own, where the system's allocator takes a fifth
/// of a node's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What still runs on blocking threads when a command is done, such as a read from a terminal, is not waited for
/// any longer.
const END_PATIENCE: Duration = Duration::from_millis(200);

/// The exit code of a program whose output nobody reads any more: as if the signal SIGPIPE had ended it.
const UNREAD: u8 = 128 + 13;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::new(&cli.global);
    logging::start(cli.command.talk(), cli.global.verbose);
    match run(cli, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_unread() => ExitCode::from(UNREAD),
        Err(error) => {
            context.output.failure(&error);
            error.exit.into()
        }
    }
}

fn run(cli: Cli, context: &Context) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::io("starting the runtime", error))?;
    let result = runtime.block_on(async {
        if cli.global.exit_with_stdin && !cli.command.stops_itself() {
            tokio::select! {
                result = cli.command.run(context) => result,
                () = parent::gone() => Err(CliError::new(Exit::Failed, "the process that started this one is gone")),
            }
        } else {
            cli.command.run(context).await
        }
    });
    runtime.shutdown_timeout(END_PATIENCE);
    result
}
