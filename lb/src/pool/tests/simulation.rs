//! A day in the life of a pool, at random but repeatable: `HALB_SIM_SEED=7` replays one seed.

use super::world::{Event, Tally, World};
use super::*;

const SEEDS: u64 = 100;

/// Events of one run, before the pool is let to rest.
const EVENTS: u64 = 300;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn index(&mut self) -> usize {
        usize::try_from(self.roll(1_000)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index() % choices.len()]
    }

    fn servers(&mut self) -> Vec<Server> {
        let names = ["a", "b", "c", "d", "e"];
        let count = 1 + self.index() % names.len();
        let mut build = |name: &&str| Server {
            weight: Weight::new(self.one_of(&[0, 1, 1, 1, 2, 10, 256])).unwrap(),
            backup: self.roll(4) == 0,
            maxconn: NonZeroU32::new(self.one_of(&[0, 0, 2, 5])),
            ..server(name)
        };
        names[..count].iter().map(&mut build).collect()
    }

    fn balance(&mut self) -> Balance {
        self.one_of(&[
            Balance::RoundRobin,
            Balance::LeastConn,
            Balance::Source,
            Balance::Flow,
            Balance::Random,
        ])
    }

    /// Servers fail now and then and mostly come back; the file changes rarely.
    fn event(&mut self) -> Event {
        let server = self.index();
        match self.roll(100) {
            0..40 => Event::Arrive { client: u32::try_from(self.roll(500)).unwrap() },
            40..45 => Event::Fail { session: self.index() },
            45..70 => Event::Close { session: self.index() },
            70..73 => Event::Leave { waiter: self.index() },
            73..77 => Event::Health { server, health: Health::Down },
            77..84 => Event::Health { server, health: Health::Up },
            84..85 => Event::Admin { server, admin: self.one_of(&[Admin::Drain, Admin::Maint]) },
            85..88 => Event::Admin { server, admin: Admin::Ready },
            88..89 => Event::Weight { server, weight: self.one_of(&[None, Some(0), Some(3)]) },
            89..90 => Event::Reload { balance: self.balance(), servers: self.servers() },
            _ => Event::Pass { time: Duration::from_millis(self.roll(2_000)) },
        }
    }
}

fn run(seed: u64) -> Tally {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    dice.roll(1);
    let (balance, servers) = (dice.balance(), dice.servers());
    let slow_start = dice.one_of(&[None, Some(5 * SECOND)]);
    let queue = QueueLimit { max: dice.one_of(&[0, 3, 50]), timeout: 3 * SECOND };
    let mut world = World::new(Backend { slow_start, queue, ..backend(balance, servers) });
    (0..EVENTS).for_each(|_| world.happen(dice.event()));
    rest_and_share(&mut world);
    world.finish()
}

/// Whatever happened before: with three servers up and nothing changing, turns are even again.
fn rest_and_share(world: &mut World) {
    let servers = vec![server("x"), weighted("y", 2), server("z")];
    world.happen(Event::Reload { balance: Balance::RoundRobin, servers });
    // Those who waited are served, and past it the sequence repeats.
    (0..4).for_each(|client| world.happen(Event::Arrive { client }));
    let keys = ["x", "y", "z"].map(|name| world.stand.key(name));
    let before = keys.map(|key| world.stand.loads.active(key));
    assert_eq!(world.sharing(), keys);
    (0..8).for_each(|client| world.happen(Event::Arrive { client }));
    let shares = [0, 1, 2].map(|index| world.stand.loads.active(keys[index]) - before[index]);
    assert_eq!(shares, [2, 4, 2]);
}

#[test]
fn pools_live_through_days_of_failures_and_changes_and_lose_nobody() {
    let seeds = match std::env::var("HALB_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("HALB_SIM_SEED is a number")],
        Err(_) => {
            let count = std::env::var("HALB_SIM_SEEDS");
            let count = count.map_or(SEEDS, |n| n.parse().expect("HALB_SIM_SEEDS is a number"));
            (0..count).collect()
        }
    };
    let single = seeds.len() == 1;
    let mut sum = Tally::default();
    for seed in seeds {
        // Shown when the test fails: the last one is the culprit.
        println!("HALB_SIM_SEED={seed}");
        let tally = run(seed);
        sum.arrived += tally.arrived;
        sum.closed += tally.closed;
        sum.refused += tally.refused;
        sum.turned_away += tally.turned_away;
        sum.timed_out += tally.timed_out;
        sum.left += tally.left;
    }
    let Tally { arrived, closed, refused, turned_away, timed_out, left } = sum;
    let all = [arrived, closed, refused, turned_away, timed_out, left];
    assert!(single || all.iter().all(|count| *count > 50), "each fate is met: {sum:?}");
}
