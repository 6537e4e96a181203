//! Whole nodes, each with several virtual routers on two segments, on a virtual clock: whatever
//! happens to them, in the end each address is with exactly one, and those of a group are together.
//! `HALB_SIM_SEED=7` replays one seed, `HALB_SIM_SEEDS=2000` runs more of them.

#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

#[path = "../simulation/dice.rs"]
mod dice;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use halb_vrrp::track::Readiness;

use crate::dice::{Dice, seeds};
use crate::world::{Choice, HOSTS, SEGMENTS, World};

/// Things that happen before all is well again.
const STEPS: usize = 60;

fn any_choice(dice: &mut Dice) -> Choice {
    Choice {
        priority: dice.one_of(&[50, 100, 150, 200]),
        grouped: dice.percent(60),
        left_out: dice.percent(25).then(|| dice.index(4)),
        more: dice.percent(30),
    }
}

fn step(world: &mut World) {
    let host = world.dice.index(HOSTS);
    let segment = world.dice.index(SEGMENTS);
    let up = world.dice.percent(50);
    match world.dice.roll(10) {
        0 | 1 => world.set_link(host, segment, up),
        2 => {
            let servers_up = u32::from(up);
            let readiness = Readiness { accepts: true, workers_on_time: true, servers_up };
            world.sight(host, readiness);
        }
        3 => {
            let choice = any_choice(&mut world.dice);
            world.apply(host, &choice);
        }
        4 if up => world.give_away(host),
        4 => world.resume(host),
        5 if up => world.crash(host),
        5 => world.stop(host),
        6 => {
            let choice = any_choice(&mut world.dice);
            world.start(host, &choice);
        }
        7 => world.revoke(host),
        8 => world.lose(host),
        _ => {}
    }
    let pause = world.dice.time(Duration::from_millis(600));
    world.pass(pause);
}

fn run(seed: u64) {
    let mut world = World::new(Dice::new(seed));
    for host in 0..HOSTS {
        let choice = any_choice(&mut world.dice);
        world.start(host, &choice);
    }
    for _ in 0..STEPS {
        step(&mut world);
    }
    world.heal();
    world.check_settled();
}

#[test]
fn in_the_end_each_address_is_with_one_node_and_groups_are_together() {
    for seed in seeds(60) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("HALB_SIM_SEED={seed} replays this");
            resume_unwind(panic);
        }
    }
}
