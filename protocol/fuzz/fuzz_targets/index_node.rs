#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    storgo_protocol_fuzz::targets::index_node(bytes);
});
