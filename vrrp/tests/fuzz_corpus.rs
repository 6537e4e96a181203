//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "the invariants are part of a test")]

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/vrrp_claim.rs"]
mod vrrp_claim;
#[path = "../../fuzz/invariants/vrrp_link.rs"]
mod vrrp_link;
#[path = "../../fuzz/invariants/vrrp_packet.rs"]
mod vrrp_packet;

#[test]
fn every_seed_of_vrrp_packet_keeps_the_invariants() {
    seeds("vrrp_packet").iter().for_each(|seed| vrrp_packet::check(seed));
}

#[test]
fn every_seed_of_vrrp_claim_keeps_the_invariants() {
    let seeds = seeds("vrrp_claim");
    seeds.iter().for_each(|seed| vrrp_claim::check(seed));
    let claims = |seed: &&Vec<u8>| halb_vrrp::packet::claim::read(seed).is_some();
    assert_eq!(seeds.iter().filter(claims).count(), 7, "the others claim nothing");
}

#[test]
fn every_seed_of_vrrp_link_keeps_the_invariants() {
    seeds("vrrp_link").iter().for_each(|seed| vrrp_link::check(seed));
}

proptest! {
    #[test]
    fn mutated_packets_keep_the_invariants(input in mutated("vrrp_packet")) {
        vrrp_packet::check(&input);
    }

    #[test]
    fn mutated_claims_keep_the_invariants(input in mutated("vrrp_claim")) {
        vrrp_claim::check(&input);
    }

    #[test]
    fn mutated_words_keep_the_invariants(input in mutated("vrrp_link")) {
        vrrp_link::check(&input);
    }

    #[test]
    fn arbitrary_bytes_keep_the_invariants(input in prop::collection::vec(any::<u8>(), 0..100)) {
        vrrp_packet::check(&input);
        vrrp_claim::check(&input);
        vrrp_link::check(&input);
    }
}
