//! Any bytes as what a raw socket delivers.
#![no_main]

#[path = "../invariants/vrrp_packet.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
