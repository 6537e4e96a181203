//! The fuzzer's invariants on the committed seeds and on mutations of them, without a fuzzer.

use std::fs;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/invariants/peer_frame.rs"]
mod peer_frame;

fn seeds() -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/peer_frame");
    let read_all = || -> io::Result<Vec<_>> {
        fs::read_dir(&corpus)?.map(|file| fs::read(file?.path())).collect()
    };
    let seeds = read_all().unwrap_or_else(|e| panic!("{corpus:?}: {e}"));
    assert!(!seeds.is_empty(), "{corpus:?} has no seeds");
    seeds
}

/// A seed with bytes replaced, removed and inserted.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    (select(seeds()), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
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
fn every_seed_keeps_the_invariants() {
    seeds().iter().for_each(|seed| peer_frame::check(seed));
}

proptest! {
    #[test]
    fn mutated_seeds_keep_the_invariants(input in mutated()) {
        peer_frame::check(&input);
    }

    #[test]
    fn any_steps_of_a_peer_keep_the_invariants(
        steps in prop::collection::vec(
            // Few sessions and small numbers, so that they meet.
            (0..3_u8, 1..4_u8, 0..4_u8, 0..80_u8, 0..40_u8, any::<u8>(), any::<u8>(), 0..3_u8),
            1..60,
        ),
    ) {
        let bytes = steps.into_iter().flat_map(|(channel, from, to, sequence, echo, held, wait, len)| {
            let step = [channel, from, to, sequence, echo, held, wait, len];
            step.into_iter().chain(std::iter::repeat_n(0, usize::from(len)))
        });
        peer_frame::check(&bytes.collect::<Vec<_>>());
    }
}
