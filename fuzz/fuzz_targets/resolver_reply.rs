//! Any bytes as what comes back for a question to a name server.
#![no_main]

#[path = "../invariants/resolver_reply.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
