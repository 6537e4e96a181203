//! The fuzzer's invariants on the committed seeds and on mutations of them, without a fuzzer.

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/haproxy_command.rs"]
mod haproxy_command;

#[test]
fn every_seed_keeps_the_invariants() {
    seeds("haproxy_command").iter().for_each(|seed| haproxy_command::check(seed));
}

proptest! {
    #[test]
    fn mutated_seeds_keep_the_invariants(input in mutated("haproxy_command")) {
        haproxy_command::check(&input);
    }
}
