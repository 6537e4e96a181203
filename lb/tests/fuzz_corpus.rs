//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/invariants/client_hello.rs"]
mod client_hello;
#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/proxy_protocol.rs"]
mod proxy_protocol;

#[test]
fn every_seed_of_proxy_protocol_keeps_the_invariants() {
    seeds("proxy_protocol").iter().for_each(|seed| proxy_protocol::check(seed));
}

#[test]
fn every_seed_of_client_hello_keeps_the_invariants() {
    seeds("client_hello").iter().for_each(|seed| client_hello::check(seed));
}

proptest! {
    #[test]
    fn mutated_proxy_headers_keep_the_invariants(input in mutated("proxy_protocol")) {
        proxy_protocol::check(&input);
    }

    #[test]
    fn mutated_hellos_keep_the_invariants(input in mutated("client_hello")) {
        client_hello::check(&input);
    }

    #[test]
    fn arbitrary_bytes_keep_the_invariants(input in prop::collection::vec(any::<u8>(), 0..300)) {
        proxy_protocol::check(&input);
        client_hello::check(&input);
    }
}
