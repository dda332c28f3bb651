//! Runs the target `cluster_talk` on whatever the fuzzer makes up.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    storgo_protocol_fuzz::targets::cluster_talk(bytes);
});
