//! The runs of `storgo bench codec`.

use std::hint::black_box;

use bytes::Bytes;
use storgo_node::pipeline::{Chunking, Encoding, decode_chunk, encode_all};
use storgo_protocol::limits::SEGMENT_BYTES;
use storgo_protocol::{ChunkRef, Code, ConvergenceSecret, ShardIndex, StripeHeader};

use super::pace::{Pace, Pacer, RUNS};
use super::report::{CodecReport, Figures, Sum};
use super::samples;
use crate::amounts::as_f64;
use crate::error::{CliError, Exit};

/// Beyond this a run only takes longer.
pub(super) const INPUT_BYTES_MAX: usize = 1 << 30;

/// The level that the pipeline packs with.
const ZSTD_LEVEL: i32 = 1;

pub(super) fn run(input_bytes: usize, code: Code) -> Result<CodecReport, CliError> {
    let mut bench = Bench { pacer: Pacer::new(), code };
    let (random, text) = (samples::random(input_bytes), samples::text(input_bytes));
    let random = bench.figures(&random)?;
    let (zstd_alone, smaller) = bench.zstd_alone(&text)?;
    let text = bench.figures(&text)?;
    Ok(CodecReport {
        cpu: cpu_name(),
        input_bytes,
        redundancy: code.to_string(),
        runs: RUNS,
        calibration: bench.pacer.calibration(),
        sum: Sum::of(zstd_alone.gb, &random, &text),
        random,
        text,
        text_ratio: smaller,
    })
}

struct Bench {
    pacer: Pacer,
    code: Code,
}

impl Bench {
    fn figures(&mut self, input: &[u8]) -> Result<Figures, CliError> {
        let lost = self.code.parity().min(2);
        Ok(Figures {
            put_fastcdc: self.put(input, Chunking::ContentDefined)?,
            put_fixed: self.put(input, Chunking::Fixed)?,
            open: self.open(input, 0)?,
            open_two_lost: self.open(input, lost)?,
        })
    }

    fn encoding(&self, chunking: Chunking) -> Encoding {
        Encoding { chunking, secret: ConvergenceSecret::from_bytes([7; 32]), code: self.code }
    }

    fn put(&mut self, input: &[u8], chunking: Chunking) -> Result<Pace, CliError> {
        let encoding = self.encoding(chunking);
        self.pacer.pace(input.len(), || {
            encode_all(input, &encoding, &mut |chunk| {
                black_box(chunk);
            })
            .map_err(failed)
        })
    }

    fn open(&mut self, input: &[u8], lost: usize) -> Result<Pace, CliError> {
        let mut chunks = Vec::new();
        encode_all(input, &self.encoding(Chunking::ContentDefined), &mut |chunk| {
            let (header, shards) = chunk.stripe.into_parts();
            let numbered = shards.iter().enumerate().skip(lost).take(self.code.data());
            let shards = numbered.filter_map(|(n, shard)| Some((ShardIndex::new(n)?, Bytes::copy_from_slice(shard))));
            chunks.push(Arrived { reference: chunk.reference, header, shards: shards.collect() });
        })
        .map_err(failed)?;
        verify(input, &chunks)?;
        self.pacer.pace(input.len(), || {
            chunks.iter().try_for_each(|chunk| {
                black_box(chunk.decode()?);
                Ok(())
            })
        })
    }

    /// zstd over the segments that the pipeline cuts, and how much smaller they get.
    fn zstd_alone(&mut self, input: &[u8]) -> Result<(Pace, f64), CliError> {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
        let mut packed = vec![0; zstd::zstd_safe::compress_bound(SEGMENT_BYTES)];
        let mut packed_bytes = 0;
        let pace = self.pacer.pace(input.len(), || {
            packed_bytes = 0;
            for segment in input.chunks(SEGMENT_BYTES) {
                packed_bytes += compressor.compress_to_buffer(segment, &mut packed).map_err(failed)?;
            }
            Ok(())
        })?;
        Ok((pace, as_f64(input.len() as u64) / as_f64(packed_bytes.max(1) as u64)))
    }
}

/// A chunk as it comes from the network: its shards apart in memory.
struct Arrived {
    reference: ChunkRef,
    header: StripeHeader,
    shards: Vec<(ShardIndex, Bytes)>,
}

impl Arrived {
    fn decode(&self) -> Result<Bytes, CliError> {
        decode_chunk(&self.reference, &self.header, &self.shards).map_err(failed)
    }
}

/// Compares what comes out with what went in, once.
fn verify(input: &[u8], chunks: &[Arrived]) -> Result<(), CliError> {
    let mut rest = input;
    for chunk in chunks {
        let plain = chunk.decode()?;
        rest = rest.strip_prefix(plain.as_ref()).ok_or_else(|| failed("what was opened is not what was sealed"))?;
    }
    if rest.is_empty() { Ok(()) } else { Err(failed("what was opened is shorter than what was sealed")) }
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name"));
    name.and_then(|line| line.split_once(':')).map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CliError {
    CliError::new(Exit::Failed, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_bench_verifies_what_it_times() {
        let report = run(2 << 20, "erasure:4+2".parse().unwrap()).unwrap();
        assert!(report.random.put_fastcdc.gb > 0.0 && report.text_ratio > 2.0, "{report:?}");
        assert!(report.text().contains("GB per CPU second"));
    }
}
