//! Any text as a configuration of HAProxy's.
#![no_main]

#[path = "../invariants/import_haproxy.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
