//! The runs of `storgo bench codec` and their figures.

use std::hint::black_box;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use storgo_node::pipeline::{Chunking, Encoding, decode_chunk, encode_all};
use storgo_protocol::limits::SEGMENT_BYTES;
use storgo_protocol::{ChunkRef, Code, ConvergenceSecret, ShardIndex, StripeHeader};

use super::samples;
use crate::amounts::as_f64;
use crate::error::{CliError, Exit};

/// Beyond this a run only takes longer.
pub(super) const INPUT_BYTES_MAX: usize = 1 << 30;

const RUNS: usize = 5;

/// The level that the pipeline packs with.
const ZSTD_LEVEL: i32 = 1;

/// What was measured, in GB (10⁹ bytes of plaintext) per CPU second.
#[derive(Debug, Serialize)]
pub(super) struct CodecReport {
    cpu: String,
    input_bytes: usize,
    redundancy: String,
    runs: usize,
    random: Figures,
    text: Figures,
    text_ratio: f64,
    text_zstd_alone: f64,
    /// What text would reach if zstd and all that random bytes cost were added up.
    text_expected_fastcdc: f64,
    /// How much slower text is than that; negative when it is faster.
    text_slower_percent: f64,
}

/// Figures of one kind of bytes.
#[derive(Debug, Serialize)]
struct Figures {
    put_fastcdc: f64,
    put_fixed: f64,
    open: f64,
    open_two_lost: f64,
}

pub(super) fn run(input_bytes: usize, code: Code) -> Result<CodecReport, CliError> {
    let (random, text) = (samples::random(input_bytes), samples::text(input_bytes));
    let random_figures = figures(&random, code)?;
    let text_figures = figures(&text, code)?;
    let (zstd_alone, ratio) = zstd_alone(&text)?;
    let expected = 1.0 / (1.0 / zstd_alone + 1.0 / random_figures.put_fastcdc);
    Ok(CodecReport {
        cpu: cpu_name(),
        input_bytes,
        redundancy: code.to_string(),
        runs: RUNS,
        text_expected_fastcdc: expected,
        text_slower_percent: (expected / text_figures.put_fastcdc - 1.0) * 100.0,
        random: random_figures,
        text: text_figures,
        text_ratio: ratio,
        text_zstd_alone: zstd_alone,
    })
}

fn figures(input: &[u8], code: Code) -> Result<Figures, CliError> {
    let lost = code.parity().min(2);
    Ok(Figures {
        put_fastcdc: put(input, code, Chunking::ContentDefined)?,
        put_fixed: put(input, code, Chunking::Fixed)?,
        open: open(input, code, 0)?,
        open_two_lost: open(input, code, lost)?,
    })
}

fn encoding(code: Code, chunking: Chunking) -> Encoding {
    Encoding { chunking, secret: ConvergenceSecret::from_bytes([7; 32]), code }
}

fn put(input: &[u8], code: Code, chunking: Chunking) -> Result<f64, CliError> {
    let encoding = encoding(code, chunking);
    median(input.len(), || {
        encode_all(input, &encoding, &mut |chunk| {
            black_box(chunk);
        })
        .map_err(failed)
    })
}

/// A chunk as it comes from the network: its shards apart in memory.
struct Arrived {
    reference: ChunkRef,
    header: StripeHeader,
    shards: Vec<(ShardIndex, Bytes)>,
}

fn open(input: &[u8], code: Code, lost: usize) -> Result<f64, CliError> {
    let mut chunks = Vec::new();
    encode_all(input, &encoding(code, Chunking::ContentDefined), &mut |chunk| {
        let (header, shards) = chunk.stripe.into_parts();
        let numbered = shards.iter().enumerate().skip(lost).take(code.data());
        let shards = numbered.filter_map(|(n, shard)| Some((ShardIndex::new(n)?, Bytes::copy_from_slice(shard))));
        chunks.push(Arrived { reference: chunk.reference, header, shards: shards.collect() });
    })
    .map_err(failed)?;
    let decode = |chunk: &Arrived| decode_chunk(&chunk.reference, &chunk.header, &chunk.shards).map_err(failed);
    verify(input, &chunks, decode)?;
    median(input.len(), || {
        chunks.iter().try_for_each(|chunk| {
            black_box(decode(chunk)?);
            Ok(())
        })
    })
}

/// Compares what comes out with what went in, once.
fn verify(
    input: &[u8],
    chunks: &[Arrived],
    decode: impl Fn(&Arrived) -> Result<Bytes, CliError>,
) -> Result<(), CliError> {
    let mut rest = input;
    for chunk in chunks {
        let plain = decode(chunk)?;
        rest = rest.strip_prefix(plain.as_ref()).ok_or_else(|| failed("what was opened is not what was sealed"))?;
    }
    if rest.is_empty() { Ok(()) } else { Err(failed("what was opened is shorter than what was sealed")) }
}

/// zstd over the segments that the pipeline cuts: GB per CPU second, and how much smaller they get.
fn zstd_alone(input: &[u8]) -> Result<(f64, f64), CliError> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
    let mut packed = vec![0; zstd::zstd_safe::compress_bound(SEGMENT_BYTES)];
    let mut packed_bytes = 0;
    let speed = median(input.len(), || {
        packed_bytes = 0;
        for segment in input.chunks(SEGMENT_BYTES) {
            packed_bytes += compressor.compress_to_buffer(segment, &mut packed).map_err(failed)?;
        }
        Ok(())
    })?;
    Ok((speed, as_f64(input.len() as u64) / as_f64(packed_bytes.max(1) as u64)))
}

/// The median speed of some runs, in GB per CPU second of this process, which does nothing else meanwhile.
fn median(input_bytes: usize, mut run: impl FnMut() -> Result<(), CliError>) -> Result<f64, CliError> {
    let mut speeds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = cpu_seconds();
        run()?;
        speeds.push(as_f64(input_bytes as u64) / 1e9 / (cpu_seconds() - start).max(1e-9));
    }
    speeds.sort_by(f64::total_cmp);
    speeds.get(RUNS / 2).copied().ok_or_else(|| failed("nothing was measured"))
}

#[expect(clippy::cast_precision_loss, reason = "seconds of one process")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    name.and_then(|line| line.split_once(':')).map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CliError {
    CliError::new(Exit::Failed, error)
}

impl CodecReport {
    pub(super) fn text(&self) -> String {
        let line = |what: &str, figures: &Figures| {
            let Figures { put_fastcdc, put_fixed, open, open_two_lost } = figures;
            format!("{what:<8} {put_fastcdc:>12.2} {put_fixed:>12.2} {open:>12.2} {open_two_lost:>12.2}")
        };
        format!(
            "{}\n{}, {}, median of {}; GB per CPU second\n\n{:<8} {:>12} {:>12} {:>12} {:>12}\n{}\n{}\n\n\
             zstd alone on text: {:.2} ({:.1} times smaller); with the cost of random bytes: {:.2}; put is {:.0} % {}",
            self.cpu,
            crate::amounts::bytes(self.input_bytes as u64),
            self.redundancy,
            self.runs,
            "",
            "put FastCDC",
            "put fixed",
            "open",
            "open, 2 lost",
            line("random", &self.random),
            line("text", &self.text),
            self.text_zstd_alone,
            self.text_ratio,
            self.text_expected_fastcdc,
            self.text_slower_percent.abs(),
            if self.text_slower_percent > 0.0 { "slower than that" } else { "faster than that" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_bench_verifies_what_it_times() {
        let report = run(2 << 20, "erasure:4+2".parse().unwrap()).unwrap();
        assert!(report.random.put_fastcdc > 0.0 && report.text_ratio > 2.0, "{report:?}");
        assert!(report.text().contains("GB per CPU second"));
    }
}
