use proptest::prelude::*;

use super::*;
use crate::balance::seats_with_weights;

fn turns(seats: &mut [Seat], count: usize) -> Vec<usize> {
    (0..count).map(|_| pick(seats).expect("all are candidates")).collect()
}

fn shares(turns: &[usize], seats: usize) -> Vec<u32> {
    let mut shares = vec![0; seats];
    turns.iter().for_each(|turn| shares[*turn] += 1);
    shares
}

/// Changes weights as the pool does.
fn reweigh(seats: &mut [Seat], weights: &[u32]) {
    let before = total(seats);
    for (seat, weight) in seats.iter_mut().zip(weights) {
        seat.weight = *weight;
    }
    let after = total(seats);
    for seat in seats.iter_mut() {
        seat.credit = to_credit(to_owed(seat.credit, before), after);
    }
    settle(seats);
}

#[test]
fn turns_interleave_as_with_nginx_and_haproxy() {
    for (weights, expected) in [
        (&[5, 1, 1][..], &[0, 0, 1, 0, 2, 0, 0][..]),
        (&[1, 1, 1], &[0, 1, 2]),
        (&[3, 2], &[0, 1, 0, 1, 0]),
        (&[1, 4], &[1, 1, 0, 1, 1]),
    ] {
        let scaled: Vec<u32> = weights.iter().map(|weight| weight * 256).collect();
        for weights in [weights, &scaled] {
            let mut seats = seats_with_weights(weights);
            assert_eq!(turns(&mut seats, expected.len()), expected, "{weights:?}");
            assert_eq!(turns(&mut seats, expected.len()), expected, "and again: {weights:?}");
        }
    }
}

#[test]
fn a_seat_that_was_no_candidate_has_nothing_to_catch_up() {
    let mut seats = seats_with_weights(&[1, 1, 1]);
    seats[0].candidate = false;
    assert_eq!(turns(&mut seats, 100), [1, 2].repeat(50));
    seats[0].candidate = true;
    assert_eq!(shares(&turns(&mut seats, 3), 3), [1, 1, 1]);
}

#[test]
fn no_candidate_no_turn() {
    assert_eq!(pick(&mut []), None);
    let mut seats = seats_with_weights(&[1]);
    seats[0].candidate = false;
    assert_eq!(pick(&mut seats), None);
}

#[test]
fn a_light_server_gets_its_turn_though_weights_change_before_every_turn() {
    let mut seats = seats_with_weights(&[9_100; 10]);
    let (mut waited, mut longest) = ([0; 10], 0);
    for turn in 0..20_000_u32 {
        let heavy = 9_100 + turn % 7;
        let mut weights = [100; 10];
        weights[0] = heavy;
        reweigh(&mut seats, &weights);
        let winner = pick(&mut seats).expect("all are candidates");
        for (index, waited) in waited.iter_mut().enumerate().skip(1) {
            *waited = if index == winner { 0 } else { *waited + 1 };
            longest = longest.max(*waited);
        }
    }
    assert!(longest <= 150, "its fair turn comes about every 100 picks, not after {longest}");
}

#[test]
fn an_old_large_credit_is_no_burst_after_weights_fall() {
    let mut seats = seats_with_weights(&[65_536, 256]);
    turns(&mut seats, 128);
    reweigh(&mut seats, &[256, 256]);
    let shares = shares(&turns(&mut seats, 10), 2);
    assert!(shares[0].abs_diff(shares[1]) <= 2, "{shares:?}");
}

proptest! {
    #[test]
    fn any_window_of_the_sum_of_weights_holds_exactly_the_weights(
        weights in prop::collection::vec(1_u32..=40, 1..12),
        skipped in 0_usize..300,
    ) {
        let mut seats = seats_with_weights(&weights);
        turns(&mut seats, skipped);
        let sum = usize::try_from(total(&seats)).unwrap();
        prop_assert_eq!(shares(&turns(&mut seats, sum), weights.len()), weights);
    }

    #[test]
    fn a_window_after_changes_is_off_by_one_at_most_and_the_one_after_it_exact(
        changes in prop::collection::vec((prop::collection::vec(1_u32..=300, 5), 0_usize..40), 1..20),
        last in prop::collection::vec(1_u32..=12, 5),
        skipped in 0_usize..50,
    ) {
        let mut seats = seats_with_weights(&[1; 5]);
        for (weights, picks) in changes {
            reweigh(&mut seats, &weights);
            turns(&mut seats, picks);
        }
        // In steps of 1/256, as the pool has them: the window is still the sum of plain weights.
        let scaled: Vec<u32> = last.iter().map(|weight| weight * 256).collect();
        reweigh(&mut seats, &scaled);
        let sum = usize::try_from(last.iter().sum::<u32>()).unwrap();
        let first = shares(&turns(&mut seats, sum), 5);
        prop_assert!(first.iter().zip(&last).all(|(got, due)| got.abs_diff(*due) <= 1));
        turns(&mut seats, skipped);
        prop_assert_eq!(shares(&turns(&mut seats, sum), 5), last);
    }

    #[test]
    fn nobody_starves_whatever_weights_do_between_turns(
        changes in prop::collection::vec(prop::collection::vec(1_u32..=8, 6), 200),
    ) {
        let mut seats = seats_with_weights(&[1; 6]);
        let (mut waited, mut streak) = ([0_u32; 6], (usize::MAX, 0));
        for weights in changes {
            reweigh(&mut seats, &weights);
            let winner = pick(&mut seats).unwrap();
            streak = if streak.0 == winner { (winner, streak.1 + 1) } else { (winner, 1) };
            for (index, waited) in waited.iter_mut().enumerate() {
                *waited = if index == winner { 0 } else { *waited + 1 };
                // At worst a weight of 1 among five of 8: every 41st turn is its own.
                prop_assert!(*waited <= 2 * 41, "seat {} starves", index);
            }
            // At best a weight of 8 among five of 1.
            prop_assert!(streak.1 <= 8, "a burst on seat {}", winner);
        }
    }

    #[test]
    fn settling_keeps_differences_and_brings_the_sum_to_nothing(
        credits in prop::collection::vec(-1_000_000_i64..=1_000_000, 1..30),
    ) {
        let mut seats = seats_with_weights(&vec![1; credits.len()]);
        for (seat, credit) in seats.iter_mut().zip(&credits) {
            seat.credit = *credit;
        }
        settle(&mut seats);
        let sum: i64 = seats.iter().map(|seat| seat.credit).sum();
        prop_assert!((0..i64::try_from(seats.len()).unwrap()).contains(&sum));
        for (seat, credit) in seats.iter().zip(&credits) {
            prop_assert_eq!(seat.credit - seats[0].credit, credit - credits[0]);
        }
    }
}
