//! `storgo bench`: how fast the pipeline is on this machine, and metadata groups over a network.

mod codec;
mod kv;
mod pace;
mod samples;

mod baseline;
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use storgo_protocol::Code;

use crate::amounts;
use crate::context::Context;
use crate::error::{CliError, Exit};

/// Measures this machine
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Codec(CodecArgs),
    Kv(kv::KvArgs),
}

/// Times cutting, packing, sealing, hashing and coding in memory, and the way back, per CPU second
///
/// Every hash that put computes is computed, every output is verified once, and each figure is the median of five
/// runs on one thread, also as a part of BLAKE3's speed in the same moment, which says more than GB do on a machine that
/// others use too. Text-like bytes are compared with zstd alone plus the cost of random bytes.
///
/// Examples:
///   storgo bench codec
///   storgo bench codec --json > baseline.json
///   storgo bench codec --baseline baseline.json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CodecArgs {
    /// How much is encoded in each run
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = amounts::parse_bytes)]
    size: u64,

    /// The redundancy
    #[arg(long, value_name = "CODE", default_value = "erasure:8+4")]
    redundancy: Code,

    /// Fails if anything takes a quarter more CPU time than in FILE, which an earlier run printed with --json. Compared
    /// are parts of BLAKE3's speed
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, command: &BenchCommand) -> Result<(), CliError> {
    let args = match command {
        BenchCommand::Codec(args) => args,
        BenchCommand::Kv(args) => return kv::run(context, args).await,
    };
    let (size, code) = (usize::try_from(args.size).unwrap_or(usize::MAX), args.redundancy);
    if size == 0 || size > codec::INPUT_BYTES_MAX {
        let text = format!("expected a size up to {}", amounts::bytes(codec::INPUT_BYTES_MAX as u64));
        return Err(CliError::new(Exit::Usage, text));
    }
    let before = args.baseline.as_deref().map(|path| baseline::read(path).map(|report| (path, report))).transpose()?;
    let run = move || codec::run(size, code);
    let report = tokio::task::spawn_blocking(run).await.map_err(|error| CliError::new(Exit::Failed, error))??;
    context.output.result(&report, || report.text())?;
    let Some((path, before)) = before else { return Ok(()) };
    let compared = baseline::compare(&before, &report);
    context.output.remark(&compared, || format!("\n{}", baseline::text(&compared)))?;
    baseline::judge(&compared, path)
}
