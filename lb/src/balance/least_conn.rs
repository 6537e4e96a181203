//! Least connections: the candidate with the fewest open connections for its weight.
//!
//! Among equals the turn is kept by [`round_robin`], weights included: on an idle backend each
//! server gets its share although all carry nothing, as with HAProxy, and a server that starts
//! slowly isn't buried in connections because it is empty: with 1 % of its weight one connection
//! counts as a hundred.

use crate::balance::{Seat, candidates, round_robin};

/// Takes the least busy candidate. None: there is no candidate.
pub(crate) fn pick(seats: &mut [Seat]) -> Option<usize> {
    let least = candidates(seats).reduce(|best, index| {
        if seats[index].less_busy_than(&seats[best]) { index } else { best }
    })?;
    let least = seats[least];
    for seat in seats.iter_mut() {
        seat.candidate &= !least.less_busy_than(seat);
    }
    round_robin::pick(seats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::seats_with_weights;

    fn seats(weights_and_loads: &[(u32, u32)]) -> Vec<Seat> {
        let weights: Vec<u32> = weights_and_loads.iter().map(|(weight, _)| *weight).collect();
        let mut seats = seats_with_weights(&weights);
        for (seat, (_, load)) in seats.iter_mut().zip(weights_and_loads) {
            seat.load = *load;
        }
        seats
    }

    #[test]
    fn load_is_weighed_against_weight() {
        assert_eq!(pick(&mut []), None);
        for (weights_and_loads, expected) in [
            (&[(1, 5), (1, 4), (1, 6)][..], 1),
            (&[(1, 5), (10, 49)], 1),
            (&[(1, 5), (10, 51)], 0),
            (&[(256, 99), (1, 0)], 1),
            (&[(65_536, u32::MAX), (65_535, u32::MAX)], 0),
            (&[(1, u32::MAX), (65_536, u32::MAX)], 1),
        ] {
            assert_eq!(
                pick(&mut seats(weights_and_loads)),
                Some(expected),
                "{weights_and_loads:?}"
            );
        }
    }

    #[test]
    fn equals_take_turns_and_weights_count_among_idle_servers() {
        let mut idle = seats(&[(2, 0), (1, 0)]);
        let turns: Vec<_> = (0..6)
            .map(|_| {
                idle.iter_mut().for_each(|seat| seat.candidate = true);
                pick(&mut idle).unwrap()
            })
            .collect();
        assert_eq!(turns, [0, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn a_seat_that_is_no_candidate_is_passed_over() {
        let mut seats = seats(&[(1, 0), (1, 7)]);
        seats[0].candidate = false;
        assert_eq!(pick(&mut seats), Some(1));
    }
}
