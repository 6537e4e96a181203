//! Any frame as one in which somebody says that it has an address.
#![no_main]

#[path = "../invariants/vrrp_claim.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
