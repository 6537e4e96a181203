//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/import_haproxy.rs"]
mod import_haproxy;

#[test]
fn every_configuration_of_haproxys_keeps_the_invariants() {
    seeds("import_haproxy").iter().for_each(|seed| import_haproxy::check(seed));
}

proptest! {
    #[test]
    fn mutated_configurations_of_haproxys_keep_the_invariants(input in mutated("import_haproxy")) {
        import_haproxy::check(&input);
    }
}
