//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "the invariants are part of a test")]

use std::collections::BTreeSet;

use halb_resolver::config::{Family, HostName};
use halb_resolver::message::{Reply, Said, reply};
use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/resolver_reply.rs"]
mod resolver_reply;

#[test]
fn every_seed_of_resolver_reply_keeps_the_invariants() {
    seeds("resolver_reply").iter().for_each(|seed| resolver_reply::check(seed));
}

#[test]
fn the_seeds_hold_each_kind_of_reply() {
    let asked = HostName::new("master01.example").unwrap();
    let kind = |seed: &Vec<u8>, family| {
        let id = u16::from_be_bytes([seed[0], seed[1]]);
        match reply(seed, id, &asked, family) {
            None => "none",
            Some(Reply::Truncated) => "truncated",
            Some(Reply::Said(Said::Addresses { .. })) => "addresses",
            Some(Reply::Said(Said::NoSuchName)) => "no such name",
            Some(Reply::Said(Said::NoAddress)) => "no address",
            Some(Reply::Said(Said::Unanswered(_))) => "unanswered",
        }
    };
    for family in [Family::Ipv4, Family::Ipv6] {
        let seeds = seeds("resolver_reply");
        let kinds: BTreeSet<_> = seeds.iter().map(|seed| kind(seed, family)).collect();
        assert!(kinds.contains("addresses") && kinds.contains("none"), "{family:?}: {kinds:?}");
    }
    let seeds = seeds("resolver_reply");
    let kinds: BTreeSet<_> = seeds.iter().map(|seed| kind(seed, Family::Ipv4)).collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

proptest! {
    #[test]
    fn mutated_replies_keep_the_invariants(input in mutated("resolver_reply")) {
        resolver_reply::check(&input);
    }

    #[test]
    fn arbitrary_bytes_keep_the_invariants(input in prop::collection::vec(any::<u8>(), 0..100)) {
        resolver_reply::check(&input);
    }
}
