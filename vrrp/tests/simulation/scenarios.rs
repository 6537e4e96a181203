//! What happens, and what is to be left when it has.

use std::env;

use halb_vrrp::router::Router;

use crate::dice::seeds;
use crate::mind::Kind;
use crate::stage::{Stage, stage};

const HALBS: &[Kind] = &[Kind::LinkedHalb];
const ANY: &[Kind] = &[Kind::LinkedHalb, Kind::Halb, Kind::Keepalived];

fn whatever_happens(kinds: &[Kind], invited_min: usize) {
    let (mut moves, mut invited) = (0, 0);
    for seed in seeds(400) {
        // Shown when the test fails: the last one is the culprit.
        println!("HALB_SIM_SEED={seed}");
        let mut stage = stage(seed, kinds);
        stage.start_all();
        for _ in 0..40 {
            stage.disaster();
            let pause = stage.world.dice.time(stage.longest.duration() * 6);
            stage.world.pass(pause);
        }
        stage.world.heal();
        stage.rest();
        moves += stage.world.checks.moves;
        invited += stage.world.checks.invited;
    }
    assert!(moves > 5, "routers became active {moves} times only");
    let usual = ["HALB_SIM_SEED", "HALB_SIM_SEEDS"].iter().all(|name| env::var_os(name).is_none());
    assert!(!usual || invited >= invited_min, "routers were invited {invited} times only");
}

#[test]
fn whatever_happened_a_healed_segment_has_one_holder_and_keeps_it() {
    whatever_happens(HALBS, 80);
}

#[test]
fn whatever_happened_a_segment_of_halbs_and_keepaliveds_has_one_holder_and_keeps_it() {
    whatever_happens(ANY, 10);
}

#[test]
fn planned_changes_leave_no_gap_and_never_two_for_long() {
    for seed in seeds(250) {
        println!("HALB_SIM_SEED={seed}");
        let mut stage = stage(seed, HALBS);
        stage.start_all();
        stage.rest();
        stage.world.checks.forbid_gaps();
        for _ in 0..30 {
            let node = stage.world.dice.index(stage.plans.len());
            match stage.world.dice.roll(9) {
                0 | 1 => stage.reload(node),
                8 => stage.change_pace(),
                2 => stage.order(node, "gives away", Router::give_away),
                3 => stage.order(node, "resumes", Router::resume),
                // Not the last one: where nobody is left there is a gap.
                4 if stage.world.staying().count() > 1 => stage.world.retire(node),
                5 => (0..stage.plans.len()).for_each(|node| stage.world.start(node)),
                _ => stage.turn_tracker(node),
            }
            let pause = stage.world.dice.time(stage.longest.duration() * 8);
            stage.world.pass(pause);
            while !stage.world.checks.unsettled(stage.world.now).is_zero() {
                let unsettled = stage.world.checks.unsettled(stage.world.now);
                stage.world.pass(unsettled);
            }
        }
        stage.rest();
    }
}

#[test]
fn other_addresses_and_intervals_move_nothing() {
    for seed in seeds(250) {
        println!("HALB_SIM_SEED={seed}");
        let mut stage = stage(seed, HALBS);
        stage.start_all();
        stage.rest();
        stage.world.checks.expect_calm(true);
        for _ in 0..30 {
            let node = stage.world.dice.index(stage.plans.len());
            if stage.world.dice.percent(20) {
                stage.change_pace();
            } else {
                stage.refit(node);
            }
            let pause = stage.world.dice.time(stage.longest.duration() * 5);
            stage.world.pass(pause);
        }
    }
}

/// The hosts become sick one after the other, as all do when every server behind them is down.
fn all_fall_sick(seed: u64, weight: i64, kinds: &[Kind]) -> Stage {
    println!("seed {seed}, weight {weight}");
    let mut stage = stage(seed, kinds);
    for plan in &mut stage.plans {
        plan.weight = Some(weight);
        // What it tracks is nothing to an owner.
        plan.base = plan.base.min(254);
    }
    for node in 0..stage.plans.len() {
        let standing = stage.plans[node].standing();
        stage.world.stand(node, standing);
    }
    stage.start_all();
    stage.rest();
    let gapless = stage.plans.iter().all(|plan| plan.kind != Kind::Keepalived);
    if gapless {
        stage.world.checks.forbid_gaps();
    }
    let before = stage.world.checks.moves;
    for node in 0..stage.plans.len() {
        stage.turn_tracker(node);
        let pause = stage.world.dice.time(stage.longest.duration() * 5);
        stage.world.pass(pause);
    }
    stage.rest();
    let moves = stage.world.checks.moves - before;
    assert!(moves <= 2 * stage.plans.len(), "{moves} moves");
    stage
}

#[test]
fn a_sickness_that_all_share_leaves_the_addresses_with_one_and_does_not_toss_them_about() {
    for (seed, weight) in (0..60).flat_map(|seed| [0, -2, -60].map(|weight| (seed, weight))) {
        let stage = all_fall_sick(seed, weight, HALBS);
        if weight == 0 {
            let holder = stage.world.holder();
            assert_eq!(stage.world.nodes[holder].standing.effective.get(), 1);
        }
    }
}

#[test]
fn where_all_fail_a_halb_serves_and_keepaliveds_do_not() {
    let mut last_resorts = 0;
    for seed in 0..60 {
        let stage = all_fall_sick(seed, 0, ANY);
        if stage.plans.iter().any(|plan| plan.kind != Kind::Keepalived) {
            let holder = stage.world.holder();
            assert_ne!(stage.plans[holder].kind, Kind::Keepalived);
            last_resorts += 1;
        }
    }
    assert!(last_resorts > 30, "{last_resorts} segments had a halb");
}
