//! libFuzzer's way into [`fuzz::quic_initial`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::quic_initial::run(bytes));
