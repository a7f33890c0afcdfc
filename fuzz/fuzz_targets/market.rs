//! See `market` in `tests/fuzz/targets.rs`.

#![no_main]

#[allow(dead_code, reason = "each target uses its own part of this")]
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::market(data));
