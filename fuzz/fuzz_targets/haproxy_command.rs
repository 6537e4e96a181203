//! Lines that a client of the runtime socket sends.
#![no_main]

#[path = "../invariants/haproxy_command.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
