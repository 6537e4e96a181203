//! The less busy of two candidates drawn at random.
//!
//! Draws are weighted and without replacement, so that two different servers are compared
//! wherever there are two. Several balancers that see only their own connections don't run in
//! step with this one, which is why HAProxy made it its default.

use crate::balance::{Seat, candidates};

/// Takes the better of two draws out of `random`'s halves. None: there is no candidate.
pub(crate) fn pick(seats: &[Seat], random: u64) -> Option<usize> {
    let first = draw(seats, random >> 32, None)?;
    let second = draw(seats, random & u64::from(u32::MAX), Some(first)).unwrap_or(first);
    Some(if seats[second].less_busy_than(&seats[first]) { second } else { first })
}

/// A weighted draw; `random` is uniform over 32 bits.
fn draw(seats: &[Seat], random: u64, except: Option<usize>) -> Option<usize> {
    let pool = || candidates(seats).filter(|index| Some(*index) != except);
    let total: u64 = pool().map(|index| u64::from(seats[index].weight)).sum();
    // Below `total`, since `random` is below 2^32.
    let mut position = (u128::from(random) * u128::from(total)) >> 32;
    pool().find(|index| {
        let weight = u128::from(seats[*index].weight);
        let here = position < weight;
        position = position.saturating_sub(weight);
        here
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::seats_with_weights;

    #[test]
    fn the_less_busy_of_two_draws_is_taken() {
        let mut seats = seats_with_weights(&[1, 1]);
        seats[0].load = 3;
        for random in [0, u64::MAX, 1 << 63, u64::from(u32::MAX)] {
            assert_eq!(pick(&seats, random), Some(1), "of two servers both are always compared");
        }
        seats[1].load = 3;
        assert_eq!(pick(&seats, 0), Some(0), "the first draw wins a tie");
        assert_eq!(pick(&seats, u64::MAX), Some(1));
    }

    #[test]
    fn the_busiest_of_three_is_never_taken() {
        let mut seats = seats_with_weights(&[5, 1, 1]);
        seats[0].load = 100;
        for step in 0..1_000_u64 {
            assert_ne!(pick(&seats, step.wrapping_mul(0x9e37_79b9_7f4a_7c15)), Some(0));
        }
    }

    #[test]
    fn draws_follow_the_weights_and_cover_both_ends() {
        let seats = seats_with_weights(&[1, 3]);
        let drawn = |random: u64| draw(&seats, random, None);
        assert_eq!(drawn(0), Some(0));
        assert_eq!(drawn((1 << 30) - 1), Some(0));
        assert_eq!(drawn(1 << 30), Some(1));
        assert_eq!(drawn(u64::from(u32::MAX)), Some(1));
        assert_eq!(draw(&seats, u64::from(u32::MAX), Some(1)), Some(0));
    }

    #[test]
    fn one_candidate_is_taken_and_none_is_none() {
        let mut seats = seats_with_weights(&[1, 1]);
        seats[0].candidate = false;
        assert_eq!(pick(&seats, 0), Some(1));
        seats[1].candidate = false;
        assert_eq!(pick(&seats, 0), None);
    }
}
