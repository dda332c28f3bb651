//! Times the pipeline in memory, in bytes of plaintext per CPU second: `cargo bench -p storgo-pipeline`.
//!
//! Figures are medians of five runs on one thread, from the kernel's account of the thread's time on a CPU, so what
//! else the machine does matters little. Every output is verified once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a bench stops at the first surprise and prints what it found"
)]

use std::hint::black_box;

use bytes::{BufMut, Bytes};
use storgo_pipeline::{Chunker, Chunking, EncodedChunk, Encoding, decode_chunk, encode_all};
use storgo_protocol::limits::SEGMENT_BYTES;
use storgo_protocol::{Code, ConvergenceSecret, ShardIndex};

const INPUT_BYTES: usize = 128 << 20;
const RUNS: usize = 5;

fn main() {
    // Cargo passes `--bench`; any other argument names the lines to run.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let report = |what: &str, run: &dyn Fn() -> f64| {
        if wanted.is_empty() || wanted.iter().any(|part| what.contains(part.as_str())) {
            report(what, run());
        }
    };
    let secret = ConvergenceSecret::from_bytes([7; 32]);
    let code = Code::new(8, 4).unwrap();
    let random = random_bytes(INPUT_BYTES);
    let text = text_bytes(INPUT_BYTES);

    report("random: encode, FastCDC", &|| encode(&random, &secret, Chunking::ContentDefined, code));
    report("random: encode, fixed", &|| encode(&random, &secret, Chunking::Fixed, code));
    report("random: open", &|| decode(&random, &secret, code, 0));
    report("random: open, 2 data shards lost", &|| decode(&random, &secret, code, 2));
    report("text: zstd alone", &|| compress(&text));
    report("text: encode, FastCDC", &|| encode(&text, &secret, Chunking::ContentDefined, code));
    report("text: open", &|| decode(&text, &secret, code, 0));
    report("part: cut, FastCDC", &|| cut(&random, &secret, Chunking::ContentDefined));
    report("part: cut, fixed", &|| cut(&random, &secret, Chunking::Fixed));
    report("part: BLAKE3", &|| median(|| random.chunks(1 << 20).for_each(|part| _ = black_box(blake3::hash(part)))));
}

fn encode(bytes: &[u8], secret: &ConvergenceSecret, chunking: Chunking, code: Code) -> f64 {
    let encoding = Encoding { chunking, secret: secret.clone(), code };
    median(|| encode_all(bytes, &encoding, &mut |chunk| drop(black_box(chunk))).unwrap())
}

fn decode(bytes: &[u8], secret: &ConvergenceSecret, code: Code, lost: usize) -> f64 {
    let encoding = Encoding { chunking: Chunking::ContentDefined, secret: secret.clone(), code };
    let mut chunks = Vec::new();
    encode_all(bytes, &encoding, &mut |chunk| chunks.push(chunk)).unwrap();
    let shards: Vec<Vec<(ShardIndex, Bytes)>> = chunks.iter().map(|chunk| present(chunk, lost)).collect();
    let open = |n: usize| decode_chunk(&chunks[n].reference, chunks[n].stripe.header(), &shards[n]).unwrap();
    let whole: Vec<u8> = (0..chunks.len()).flat_map(open).collect();
    assert!(whole == bytes, "what was opened is not what was sealed");
    median(|| (0..chunks.len()).for_each(|n| drop(black_box(open(n)))))
}

fn present(chunk: &EncodedChunk, lost: usize) -> Vec<(ShardIndex, Bytes)> {
    let shards = chunk.stripe.shards().iter().enumerate().skip(lost);
    // Apart in memory, as they come from the network.
    shards.take(8).map(|(n, bytes)| (ShardIndex::new(n).unwrap(), Bytes::copy_from_slice(bytes))).collect()
}

fn cut(bytes: &[u8], secret: &ConvergenceSecret, chunking: Chunking) -> f64 {
    median(|| {
        let mut chunker = Chunker::new(chunking, secret);
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut space = chunker.space();
            let (now, later) = rest.split_at(rest.len().min(space.remaining_mut()));
            space.put_slice(now);
            rest = later;
            while let Some(chunk) = chunker.next_chunk() {
                drop(black_box(chunk));
            }
        }
    })
}

fn compress(bytes: &[u8]) -> f64 {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    let mut frame = Vec::with_capacity(2 * SEGMENT_BYTES);
    median(|| {
        for segment in bytes.chunks(SEGMENT_BYTES) {
            frame.clear();
            black_box(compressor.compress_to_buffer(segment, &mut frame).unwrap());
        }
    })
}

/// CPU seconds of the median run.
fn median(mut run: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = cpu_nanoseconds();
            run();
            (cpu_nanoseconds() - start) as f64 / 1e9
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[RUNS / 2]
}

fn cpu_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse().unwrap()
}

fn report(what: &str, seconds: f64) {
    let gigabytes = INPUT_BYTES as f64 / 1e9;
    println!("{what:<44} {:6.2} GB per CPU second  {:6.3} s per GB", gigabytes / seconds, seconds / gigabytes);
}

fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(b"bench").finalize_xof().fill(&mut bytes);
    bytes
}

/// Lines such as a log has: words of a small vocabulary, numbers, fields that repeat.
fn text_bytes(count: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "GET", "PUT", "bucket", "object", "shard", "peer", "timeout", "retry", "accepted", "refused", "stored", "zone",
        "latency", "index", "repair", "ok",
    ];
    let noise = random_bytes(count);
    let mut text = Vec::with_capacity(count + 256);
    for (line, noise) in noise.chunks_exact(16).enumerate() {
        if text.len() >= count {
            break;
        }
        let number = u64::from_le_bytes(noise[..8].try_into().unwrap());
        text.extend_from_slice(format!("{{\"line\":{line},\"id\":{},\"msg\":\"", number >> 40).as_bytes());
        for byte in &noise[8..] {
            text.extend_from_slice(WORDS[usize::from(byte % 16)].as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(b"\"}\n");
    }
    text.truncate(count);
    text
}
