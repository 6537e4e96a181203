//! Any bytes as what the peer says of its flows.
#![no_main]

#[path = "../invariants/forward_flows.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
