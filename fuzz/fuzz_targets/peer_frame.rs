//! Any bytes as what comes over the link between two nodes, from a stranger and from the peer.
#![no_main]

#[path = "../invariants/peer_frame.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|input: &[u8]| invariants::check(input));
