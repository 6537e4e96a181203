//! Any bytes as a word of the other halb, whoever sent it.
#![no_main]

#[path = "../invariants/vrrp_link.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
