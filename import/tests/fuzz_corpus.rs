//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/import_haproxy.rs"]
mod import_haproxy;
#[path = "../../fuzz/invariants/import_keepalived.rs"]
mod import_keepalived;

#[test]
fn every_configuration_of_haproxys_keeps_the_invariants() {
    seeds("import_haproxy").iter().for_each(|seed| import_haproxy::check(seed));
}

#[test]
fn every_configuration_of_keepaliveds_keeps_the_invariants() {
    seeds("import_keepalived").iter().for_each(|seed| import_keepalived::check(seed));
}

proptest! {
    #[test]
    fn mutated_configurations_of_haproxys_keep_the_invariants(input in mutated("import_haproxy")) {
        import_haproxy::check(&input);
    }

    #[test]
    fn mutated_configurations_of_keepaliveds_keep_the_invariants(
        input in mutated("import_keepalived"),
    ) {
        import_keepalived::check(&input);
    }
}
