//! Any text as a configuration of keepalived's.
#![no_main]

#[path = "../invariants/import_keepalived.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
