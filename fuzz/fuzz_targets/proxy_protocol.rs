//! Any bytes as the beginning of a connection that must start with a PROXY protocol header.
#![no_main]

#[path = "../invariants/proxy_protocol.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
