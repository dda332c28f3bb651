//! `storgo node metrics`: what a running node counts.

use clap::Args;

use crate::context::{Context, NodeArg};
use crate::error::CliError;

/// Prints what a running node counts, as text that Prometheus reads: reads by level, elections, syncs, clocks
///
/// Counts begin when the node starts. A collector of metrics takes the text as it is.
///
/// Example:
///   storgo node metrics --node d1 | grep reads_total
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct MetricsArgs {
    #[command(flatten)]
    node: NodeArg,
}

pub(crate) async fn run(context: &Context, args: MetricsArgs) -> Result<(), CliError> {
    let text = args.node.connect().await?.metrics().await?;
    context.output.result(&serde_json::json!({ "openmetrics": text }), || text.trim_end().to_owned())
}
