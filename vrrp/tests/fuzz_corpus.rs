//! The fuzzers' invariants on the committed seeds and on mutations of them, without a fuzzer.

#![expect(clippy::unwrap_used, reason = "the invariants are part of a test")]

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/invariants/vrrp_link.rs"]
mod vrrp_link;
#[path = "../../fuzz/invariants/vrrp_packet.rs"]
mod vrrp_packet;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let read_all = || -> io::Result<Vec<_>> {
        fs::read_dir(&corpus)?.map(|file| fs::read(file?.path())).collect()
    };
    let seeds = read_all().unwrap_or_else(|e| panic!("{corpus:?}: {e}"));
    assert!(!seeds.is_empty(), "{corpus:?} has no seeds");
    seeds
}

/// A seed with bytes replaced, removed and inserted.
fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    (select(seeds(target)), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (at, value, kind) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, value),
                2 => bytes.truncate(at.max(1)),
                _ if at < bytes.len() => bytes[at] = value,
                _ => bytes.push(value),
            }
        }
        bytes
    })
}

#[test]
fn every_seed_of_vrrp_packet_keeps_the_invariants() {
    seeds("vrrp_packet").iter().for_each(|seed| vrrp_packet::check(seed));
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
    fn mutated_words_keep_the_invariants(input in mutated("vrrp_link")) {
        vrrp_link::check(&input);
    }

    #[test]
    fn arbitrary_bytes_keep_the_invariants(input in prop::collection::vec(any::<u8>(), 0..100)) {
        vrrp_packet::check(&input);
        vrrp_link::check(&input);
    }
}
