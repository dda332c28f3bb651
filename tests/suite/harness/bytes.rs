//! Bytes that no compressor shortens and that one seed repeats, and a comparison that does not print megabytes.

use std::env;

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// A source of bytes. Each call gives others; the same seed gives the same sequence.
#[derive(Debug)]
pub struct Bytes {
    seed: u64,
    calls: u64,
}

impl Bytes {
    /// A source seeded by `STORGO_SEED`, or else at random; the seed is printed, and shown when the test fails.
    pub fn new() -> Self {
        let seed = match env::var("STORGO_SEED") {
            Ok(text) => text.parse().expect("STORGO_SEED is a number"),
            Err(_) => rand::random(),
        };
        println!("STORGO_SEED={seed}");
        Self { seed, calls: 0 }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        let bytes = self.take(8).try_into().expect("as many as were taken");
        let number = u64::from_le_bytes(bytes) % u64::try_from(count).expect("a small number");
        usize::try_from(number).expect("below a small number")
    }

    pub fn take(&mut self, count: usize) -> Vec<u8> {
        self.calls += 1;
        let mut hasher = blake3::Hasher::new_derive_key("storgo suite bytes");
        hasher.update(&self.seed.to_le_bytes()).update(&self.calls.to_le_bytes());
        let mut bytes = vec![0; count];
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }
}

/// Fails unless both are equal, and says where they differ.
pub fn assert_same(found: &[u8], wanted: &[u8]) {
    let equal = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    assert!(
        found.len() == wanted.len() && equal == wanted.len(),
        "{} bytes where {} were wanted; they differ from byte {equal} on",
        found.len(),
        wanted.len()
    );
}
