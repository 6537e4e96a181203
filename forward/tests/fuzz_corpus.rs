//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "the invariants are part of a test")]

use halb_forward::flows::wire::{Body, Message};
use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/forward_flows.rs"]
mod forward_flows;

#[test]
fn every_seed_of_forward_flows_keeps_the_invariants() {
    seeds("forward_flows").iter().for_each(|seed| forward_flows::check(seed));
}

/// Seeds that say nothing would let the others prove nothing.
#[test]
fn the_seeds_hold_each_kind_of_message() {
    let (mut changes, mut ends, mut wants) = (0, 0, 0);
    for seed in seeds("forward_flows") {
        let mut rest = seed.as_slice();
        while let [high, low, after @ ..] = rest {
            let (bytes, next) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            match Message::parse(bytes).unwrap().body {
                Body::Changes { changes: told, .. } => changes += told.len(),
                Body::End { .. } => ends += 1,
                Body::Want => wants += 1,
            }
            rest = next;
        }
    }
    assert!(changes > 3 && ends > 0 && wants > 0, "{changes} {ends} {wants}");
}

proptest! {
    #[test]
    fn mutated_messages_keep_the_invariants(input in mutated("forward_flows")) {
        forward_flows::check(&input);
    }

    #[test]
    fn arbitrary_bytes_keep_the_invariants(input in prop::collection::vec(any::<u8>(), 0..100)) {
        forward_flows::check(&input);
    }
}
