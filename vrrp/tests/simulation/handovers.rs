//! Addresses that change hands by arrangement, between two hosts.

use std::time::Duration;

use halb_vrrp::config::Preempt;
use halb_vrrp::router::Router;
use halb_vrrp::timers;

use crate::dice::{Dice, seeds};
use crate::mind::Kind;
use crate::stage::{Plan, SECOND, Stage, v2, v3};

/// Two hosts, of which the first one, with priority 100, has the addresses. The other one has 99.
fn pair(seed: u64, kinds: [Kind; 2]) -> Stage {
    println!("HALB_SIM_SEED={seed}");
    let mut dice = Dice::new(seed);
    let centiseconds = dice.one_of(&[1, 10, 100, 500]);
    let protocol = if dice.percent(30) { v2() } else { v3(centiseconds, &mut dice) };
    let preempt = Preempt::Immediately;
    let plan = |kind, base| Plan {
        kind,
        base,
        weight: Some(-2),
        is_up: true,
        protocol: protocol.clone(),
        preempt,
        list: 0,
        startup_delay: Duration::ZERO,
    };
    let plans = vec![plan(kinds[0], 100), plan(kinds[1], 99)];
    let mut stage = Stage::new(dice, plans, Vec::new());
    stage.start_all();
    stage.rest();
    assert_eq!(stage.world.holder(), 0);
    // Somewhere between two adverts, with none on its way: one that is overtaken by a release
    // counts as heard after it, and the release is only repeated an interval later.
    let phase = stage.world.dice.time(stage.longest.duration());
    stage.world.pass(phase);
    stage.world.let_flights_land();
    stage
}

/// Ways in which the first host hands over.
fn hand_over(stage: &mut Stage, way: u64) {
    match way {
        0 => stage.turn_tracker(0),
        1 => stage.order(0, "gives away", Router::give_away),
        _ => stage.world.retire(0),
    }
}

#[test]
fn a_halb_that_gives_away_falls_sick_or_stops_leaves_no_gap_whoever_comes_next() {
    for seed in seeds(300) {
        for (way, heir) in [
            (0, Kind::Keepalived),
            (1, Kind::Keepalived),
            (2, Kind::Keepalived),
            (0, Kind::Halb),
            (1, Kind::Halb),
            (2, Kind::Halb),
            (2, Kind::LinkedHalb),
        ] {
            let mut stage = pair(seed, [Kind::Halb, heir]);
            stage.world.checks.forbid_gaps();
            hand_over(&mut stage, way);
            stage.rest();
            assert_eq!(stage.world.holder(), 1);
        }
    }
}

#[test]
fn without_words_the_heir_comes_within_its_skew() {
    for seed in seeds(100) {
        for (way, heir) in [(0, Kind::Halb), (1, Kind::Keepalived), (2, Kind::Keepalived)] {
            let mut stage = pair(seed, [Kind::Halb, heir]);
            let worth = stage.world.nodes[1].worth().unwrap();
            let skew = timers::skew(worth, stage.longest) + stage.world.checks.late();
            // Who leaves says so twice, and a backup waits from the second time on.
            let skew = skew + if way == 2 { stage.longest.duration() / 20 } else { Duration::ZERO };
            hand_over(&mut stage, way);
            stage.world.pass(skew);
            assert_eq!(stage.world.holder(), 1);
        }
    }
}

/// A backup of keepalived is silent: what it said while both were sick is long over.
#[test]
fn an_heir_that_was_last_heard_when_it_was_sick_comes_within_its_skew_too() {
    for seed in seeds(50) {
        let mut stage = pair(seed, [Kind::Halb, Kind::Keepalived]);
        for node in [0, 1, 0, 1] {
            stage.turn_tracker(node);
            stage.world.pass(stage.longest.duration() * 6);
        }
        stage.rest();
        assert_eq!(stage.world.holder(), 0, "both are well");
        stage.world.pass(SECOND * 15);
        stage.world.let_flights_land();
        stage.world.checks.forbid_gaps();
        let worth = stage.world.nodes[1].worth().unwrap();
        let skew = timers::skew(worth, stage.longest) + stage.world.checks.late();
        stage.turn_tracker(0);
        stage.world.pass(skew);
        assert_eq!(stage.world.holder(), 1, "and needs no down interval");
    }
}

#[test]
fn with_words_the_heir_comes_as_fast_as_they_do_and_there_is_no_gap() {
    for seed in seeds(300) {
        for way in 0..3 {
            let mut stage = pair(seed, [Kind::LinkedHalb, Kind::LinkedHalb]);
            stage.world.checks.forbid_gaps();
            let before = stage.world.checks.late();
            stage.world.link.delay_max = Duration::from_micros(300);
            stage.world.segment.delay_max = Duration::from_micros(300);
            stage.world.pass(before);
            hand_over(&mut stage, way);
            stage.world.pass(Duration::from_millis(1));
            assert_eq!(stage.world.holder(), 1);
            stage.rest();
            assert_eq!(stage.world.holder(), 1);
        }
    }
}

#[test]
fn words_that_are_lost_cost_time_and_nothing_else() {
    for seed in seeds(100) {
        for (way, loss_percent) in [(0, 50), (1, 90), (2, 100)] {
            let mut stage = pair(seed, [Kind::LinkedHalb, Kind::LinkedHalb]);
            stage.world.checks.forbid_gaps();
            stage.world.link.loss_percent = loss_percent;
            let worth = stage.world.nodes[1].worth().unwrap();
            let skew = timers::skew(worth, stage.longest) + stage.world.checks.late();
            // Who leaves says so twice, and a backup waits from the second time on.
            let skew = skew + if way == 2 { stage.longest.duration() / 20 } else { Duration::ZERO };
            hand_over(&mut stage, way);
            stage.world.pass(skew);
            assert_eq!(stage.world.holder(), 1);
            stage.rest();
            assert_eq!(stage.world.holder(), 1);
        }
    }
}

/// One loses its service, and the other one finds a little later that it has, too. Where both speak
/// over the link nothing moves if the backup finds out first; of a silent backup nobody knows.
#[test]
fn a_sickness_that_both_share_ends_where_it_began_after_one_detour_at_most() {
    use Kind::{Halb, Keepalived, LinkedHalb};
    let (mut stayed, mut detours) = (0, 0);
    for seed in seeds(100) {
        for (kinds, first) in [
            ([LinkedHalb, LinkedHalb], 0),
            ([LinkedHalb, LinkedHalb], 1),
            ([Halb, Halb], 0),
            ([Halb, Halb], 1),
            ([Halb, Keepalived], 0),
            ([Halb, Keepalived], 1),
        ] {
            let mut stage = pair(seed, kinds);
            // What the other one said at its start is long over.
            stage.world.pass(SECOND * 15);
            stage.world.let_flights_land();
            stage.world.checks.forbid_gaps();
            let before = stage.world.checks.moves;
            stage.turn_tracker(first);
            let pause = stage.world.dice.time(stage.longest.duration() * 2);
            stage.world.pass(pause);
            let unsettled = stage.world.checks.unsettled(stage.world.now);
            stage.world.pass(unsettled);
            stage.turn_tracker(1 - first);
            stage.rest();
            assert_eq!(stage.world.holder(), 0, "98 against 97");
            let moves = stage.world.checks.moves - before;
            let is_known = first == 1 && kinds[0] == LinkedHalb;
            assert!(moves <= if is_known { 0 } else { 2 }, "{moves} moves, {kinds:?}");
            stayed += usize::from(moves == 0);
            detours += usize::from(moves > 0);
        }
    }
    println!("{stayed} times it stayed, {detours} times there was a detour");
}

#[test]
fn a_segment_that_falls_apart_while_words_still_travel_tosses_nothing_about() {
    for seed in seeds(100) {
        for way in [0, 1] {
            let mut stage = pair(seed, [Kind::LinkedHalb, Kind::LinkedHalb]);
            stage.world.segment.sides = vec![0, 1];
            let rest = stage.world.checks.rest();
            stage.world.pass(rest);
            assert_eq!(stage.world.holders(), [0, 1], "neither can know better");
            let before = stage.world.checks.moves;
            hand_over(&mut stage, way);
            stage.world.pass(rest);
            assert_eq!(stage.world.holders(), [0, 1], "no word takes addresses away");
            assert_eq!(stage.world.checks.moves, before);
            stage.world.heal();
            stage.rest();
            assert_eq!(stage.world.holder(), 1);
        }
    }
}
