//! Two ends on a virtual clock and a hostile virtual network, at random but repeatable:
//! `HALB_SIM_SEED=7` replays one seed, `HALB_SIM_SEEDS=20000` runs more of them.
//!
//! Datagrams are lost, doubled, late and out of order; one way or both are cut; ends freeze, die
//! and begin anew; keys are rolled. Somebody records everything and sends it again, whole or
//! changed, to whom he likes. What must hold then is checked with each delivery by [`world`].

#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod dice;
mod world;

use std::time::Duration;

use dice::{Dice, seeds};
use world::{Faults, World};

/// Virtual time of a run, before the network heals.
const TROUBLE: Duration = Duration::from_secs(40);

/// Time that a link may take to be up again: two hellos and the delays between.
const HEALING: Duration = Duration::from_secs(4);

fn run(seed: u64, faults: &Faults) {
    // Seen where the test fails.
    println!("seed {seed}: HALB_SIM_SEED={seed} replays it");
    let mut world = World::new(Dice::new(seed));
    world.run(TROUBLE, faults);
    world.heal();
    world.run(HEALING, &Faults::NONE);
    world.check_both_up();
    world.check_messages_arrive();
}

#[test]
fn whatever_network_and_recorder_do_nothing_wrong_is_taken_and_the_link_comes_back() {
    for seed in seeds(60) {
        run(seed, &Faults::ALL);
    }
}

#[test]
fn a_bad_network_without_an_enemy_costs_messages_and_no_restart() {
    for seed in seeds(50) {
        println!("seed {seed}: HALB_SIM_SEED={seed} replays it");
        let mut world = World::new(Dice::new(seed));
        world.run(TROUBLE, &Faults { loss: 10, doubling: 5, reordering: 20, ..Faults::NONE });
        world.check_one_session();
        world.check_most_arrived(75);
    }
}

#[test]
fn on_a_quiet_network_nothing_is_refused_and_every_message_arrives() {
    for seed in seeds(20) {
        println!("seed {seed}: HALB_SIM_SEED={seed} replays it");
        let mut world = World::new(Dice::new(seed));
        world.run(TROUBLE, &Faults::NONE);
        world.check_nothing_refused();
        world.check_most_arrived(100);
    }
}

#[test]
fn restarts_alone_leave_nothing_refused() {
    for seed in seeds(50) {
        println!("seed {seed}: HALB_SIM_SEED={seed} replays it");
        let mut world = World::new(Dice::new(seed));
        world.run(TROUBLE, &Faults { restarts: 20, ..Faults::NONE });
        world.run(HEALING, &Faults::NONE);
        world.check_both_up();
        world.check_nothing_refused();
    }
}
