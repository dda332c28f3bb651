//! `storgo node`: a storage peer, and questions to one that runs.

mod metrics;
mod redis;
mod run;
mod status;

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

pub(crate) use run::Ready;

/// Runs a storage peer, or asks one that runs
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    Run(Box<run::RunArgs>),
    Status(status::StatusArgs),
    Metrics(metrics::MetricsArgs),
}

pub(crate) async fn run(context: &Context, command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Run(args) => run::run(context, *args).await,
        NodeCommand::Status(args) => status::run(context, args).await,
        NodeCommand::Metrics(args) => metrics::run(context, args).await,
    }
}
