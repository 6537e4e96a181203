//! Servers that refuse, hang and recover on a virtual clock, and how soon that is found.
//!
//! The seed is printed; `HALB_SIM_SEED=…` replays it, `HALB_SIM_SEEDS=…` plays more of them.

use super::*;

/// How a simulated server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Healthy,
    Refuses,
    Hangs,
    /// This host can't even ask.
    Starved,
}

struct Server {
    target: Target,
    behaviour: Behaviour,
    /// When it began to behave so.
    since: Instant,
    verdict: Verdict,
    /// The verdict agrees with the behaviour.
    settled: bool,
}

/// An answer under way.
struct Flight {
    at: Instant,
    probe: ProbeId,
    id: String,
}

struct Sim {
    fleet: Fleet,
    chance: Spread,
    now: Instant,
    servers: BTreeMap<String, Server>,
    flights: Vec<Flight>,
    found: u32,
}

fn seeds() -> Vec<u64> {
    match std::env::var("HALB_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("HALB_SIM_SEED is a number")],
        Err(_) => {
            let count = std::env::var("HALB_SIM_SEEDS");
            let count = count.map_or(40, |n| n.parse().expect("HALB_SIM_SEEDS is a number"));
            (0..count).collect()
        }
    }
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut chance = Spread(seed);
        let now = Instant::now();
        let servers: BTreeMap<_, _> = (0..1 + chance.next() % 12)
            .map(|n| {
                let server = Server {
                    target: random_target(&format!("b/s{n}"), &mut chance),
                    behaviour: Behaviour::Healthy,
                    since: now,
                    verdict: Verdict::Up,
                    settled: true,
                };
                (server.target.id.clone(), server)
            })
            .collect();
        let mut fleet = Fleet::new(chance.next());
        fleet.apply(now, servers.values().map(|server| server.target.clone()).collect());
        let mut sim = Self { fleet, chance, now, servers, flights: Vec::new(), found: 0 };
        sim.take();
        sim
    }

    /// What happens next: a timer, an answer, or a server that changes its behaviour.
    fn step(&mut self) {
        let change = self.now + ms(self.chance.next() % 4000);
        let answer = self.flights.iter().map(|flight| flight.at).min();
        let next = [self.fleet.poll_timeout(), answer, Some(change)].into_iter().flatten().min();
        self.now = next.expect("there is always a change").max(self.now);
        self.land();
        self.fleet.handle_timeout(self.now);
        if self.now == change {
            self.change_one();
        }
        self.take();
        self.check_bounds();
    }

    fn land(&mut self) {
        let now = self.now;
        let flights = std::mem::take(&mut self.flights).into_iter();
        let (landed, rest): (Vec<_>, _) = flights.partition(|flight| flight.at <= now);
        self.flights = rest;
        for Flight { probe, id, .. } in landed {
            let outcome = match self.servers[&id].behaviour {
                Behaviour::Healthy => passed(),
                Behaviour::Starved => Outcome::inconclusive("too many open files"),
                // It broke while it answered.
                Behaviour::Refuses | Behaviour::Hangs => failed(),
            };
            self.fleet.handle_outcome(now, probe, outcome);
        }
    }

    fn change_one(&mut self) {
        let behaviours = [
            Behaviour::Healthy,
            Behaviour::Healthy,
            Behaviour::Refuses,
            Behaviour::Hangs,
            Behaviour::Starved,
        ];
        let behaviour = behaviours[self.pick(behaviours.len())];
        let nth = self.pick(self.servers.len());
        let server = self.servers.values_mut().nth(nth).expect("picked among them");
        // One that is not yet found out keeps its behaviour, so that each bound is tested.
        if server.settled && server.behaviour != behaviour {
            server.behaviour = behaviour;
            server.since = self.now;
            server.settled = server.verdict == expected(behaviour, server.verdict);
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.chance.next() % count).unwrap()
    }

    fn take(&mut self) {
        while let Some(action) = self.fleet.poll_action() {
            match action {
                Action::StartProbe { probe, target, .. } => self.launch(probe, &target),
                Action::ExpireProbe(probe) => {
                    let outcome = Outcome::failed(FailureKind::ConnectTimeout, "no answer");
                    self.fleet.handle_outcome(self.now, probe, outcome);
                }
                Action::AbortProbe(probe) => panic!("{probe:?} is aborted for no reason"),
                Action::Changed(change) => self.changed(&change),
                Action::Moved(_) => {}
            }
        }
    }

    fn launch(&mut self, probe: ProbeId, target: &Target) {
        let at = self.now + ms(self.chance.next() % 3);
        if self.servers[&target.id].behaviour != Behaviour::Hangs {
            self.flights.push(Flight { at, probe, id: target.id.clone() });
        }
    }

    fn changed(&mut self, change: &HealthChange) {
        let server = self.servers.get_mut(&*change.id).expect("a known target");
        server.verdict = change.verdict;
        if change.reason == Reason::Initial {
            return;
        }
        assert!(!server.settled, "a verdict turns only after the server did: {change:?}");
        assert_eq!(change.verdict, expected(server.behaviour, change.verdict), "{change:?}");
        server.settled = true;
        self.found += 1;
    }

    fn check_bounds(&self) {
        // An answer takes up to 2 ms here, and so does the one before it.
        let travel = ms(4);
        for server in self.servers.values().filter(|server| !server.settled) {
            let (pace, count) = (&server.target.check.pace, server.target.check.threshold);
            let bound = match server.behaviour {
                Behaviour::Hangs => pace.interval * count.fall.get() + pace.timeout + travel,
                Behaviour::Refuses => pace.interval * count.fall.get() + travel,
                // One may still hang in a check that began before it recovered.
                Behaviour::Healthy => {
                    let slowest = pace.down_interval.unwrap_or(pace.interval).max(pace.timeout);
                    slowest + pace.interval * (count.rise.get() - 1) + travel
                }
                Behaviour::Starved => continue,
            };
            let (waited, behaviour) = (self.now - server.since, server.behaviour);
            let id = &server.target.id;
            assert!(waited <= bound, "{id}: {behaviour:?} for {waited:?}, bound {bound:?}");
        }
    }
}

fn expected(behaviour: Behaviour, verdict: Verdict) -> Verdict {
    match behaviour {
        Behaviour::Healthy => Verdict::Up,
        Behaviour::Refuses | Behaviour::Hangs => Verdict::Down,
        Behaviour::Starved => verdict,
    }
}

fn random_target(id: &str, chance: &mut Spread) -> Target {
    let mut target = target(id);
    let interval = 100 + chance.next() % 5000;
    let up_to = |chance: &mut Spread, max| ms(10 + chance.next() % (max - 9));
    let pace = &mut target.check.pace;
    pace.interval = ms(interval);
    pace.timeout = up_to(chance, interval);
    pace.fast_interval = chance.next().is_multiple_of(2).then(|| up_to(chance, interval));
    pace.down_interval = chance.next().is_multiple_of(2).then(|| ms(interval * 2));
    let mut count = || NonZeroU32::new(1 + u32::try_from(chance.next() % 4).unwrap()).unwrap();
    target.check.threshold = Threshold { rise: count(), fall: count() };
    target
}

#[test]
fn hung_and_refusing_servers_are_found_in_time_and_others_never_blamed() {
    for seed in seeds() {
        println!("HALB_SIM_SEED={seed}");
        let mut sim = Sim::new(seed);
        let begin = sim.now;
        while sim.now - begin < 300 * SECOND {
            sim.step();
        }
        assert!(sim.found > 3, "too little happened: {}", sim.found);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut sim = Sim::new(4711);
        let begin = sim.now;
        let mut trace = Vec::new();
        for _ in 0..2000 {
            sim.step();
            trace.push((sim.now - begin, sim.flights.len(), sim.found));
        }
        trace
    };
    assert_eq!(run(), run());
}
