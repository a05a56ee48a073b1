//! libFuzzer's way into [`fuzz::upstream_certificate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::upstream_certificate::run(bytes));
