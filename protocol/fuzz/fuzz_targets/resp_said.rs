//! Runs the target `resp_said` on whatever the fuzzer makes up.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    storgo_gateways::resp::fuzz::said(bytes);
});
