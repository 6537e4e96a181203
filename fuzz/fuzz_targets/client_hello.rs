//! Any bytes as the beginning of a connection that is routed by its TLS server name.
#![no_main]

#[path = "../invariants/client_hello.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
