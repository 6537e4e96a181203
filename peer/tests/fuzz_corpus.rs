//! The fuzzer's invariants on the committed seeds and on mutations of them, without a fuzzer.

use proptest::prelude::*;

use corpus::{mutated, seeds};

#[path = "../../fuzz/corpus.rs"]
mod corpus;
#[path = "../../fuzz/invariants/peer_frame.rs"]
mod peer_frame;

#[test]
fn every_seed_keeps_the_invariants() {
    seeds("peer_frame").iter().for_each(|seed| peer_frame::check(seed));
}

proptest! {
    #[test]
    fn mutated_seeds_keep_the_invariants(input in mutated("peer_frame")) {
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
