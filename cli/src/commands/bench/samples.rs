//! Bytes to encode: random ones, and ones that compress as logs do. The same for the same seed.

use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

const SEED: u64 = 0x5703_60c0_dec5_eed5;

/// Bytes that do not compress.
pub(super) fn random(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    SmallRng::seed_from_u64(SEED).fill_bytes(&mut bytes);
    bytes
}

/// Lines of JSON as servers log them: they compress about four times.
pub(super) fn text(count: usize) -> Vec<u8> {
    const METHODS: [&str; 4] = ["GET", "PUT", "POST", "DELETE"];
    const PATHS: [&str; 6] = ["users", "orders", "objects/photo", "sessions", "metrics", "buckets/backup/keys"];
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut bytes = Vec::with_capacity(count + 256);
    let mut time = 1_790_000_000_000_u64;
    while bytes.len() < count {
        time += rng.random_range(0..50);
        let (method, path) = (pick(&METHODS, &mut rng), pick(&PATHS, &mut rng));
        let line = format!(
            "{{\"time\":{time},\"level\":\"info\",\"method\":\"{method}\",\"path\":\"/v1/{path}/{}\",\"status\":{},\
             \"micros\":{},\"request\":\"{:016x}\",\"bytes\":{}}}\n",
            rng.random_range(0..100_000),
            if rng.random_ratio(1, 20) { 404 } else { 200 },
            rng.random_range(80..9_000),
            rng.next_u64(),
            rng.random_range(0..1_000_000),
        );
        bytes.extend_from_slice(line.as_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn pick<'a>(words: &[&'a str], rng: &mut SmallRng) -> &'a str {
    words.get(rng.random_range(0..words.len())).copied().unwrap_or_default()
}
