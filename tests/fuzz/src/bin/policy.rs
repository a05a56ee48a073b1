//! libFuzzer's way into [`fuzz::directory`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::directory::run(bytes));
