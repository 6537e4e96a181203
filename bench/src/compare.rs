//! Side-by-side runs: each contender in turn, in rounds, each before a backend of its own.
//!
//! ```text
//!   generator ──▶ halb    ──▶ backend        round 1: idle: halb haproxy nginx direct
//!             ──▶ haproxy ──▶                         requests: haproxy nginx direct halb
//!             ──▶ nginx   ──▶                         …
//!             ──────────────▶                round 2: idle: haproxy …
//! ```
//!
//! All of a round's contenders run all the time; whoever isn't asked sleeps. Figures of one round
//! are taken seconds apart, and ratios only within a round, so that a machine that grows slower
//! (others use it, it grows warm) does so for all.
//!
//! # Invariants
//! - Every process is fresh in every round, and its memory is looked at before anything else.
//! - Each run ends when it is due, whatever the subject does.

pub mod contender;
mod quiet;
pub mod site;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroU32,
    thread,
    time::{Duration, Instant},
};

use halb_lab::{process, subject};

use self::{
    contender::{Contender, Programs, Running},
    quiet::Quiet,
    site::{Backend, Site},
};
use crate::{
    load::{self, Load, Tally, Window},
    report::{Curve, Report, Row},
    scenario::{Memory, Metric, Outcome, Scale, Scenario},
};

/// What to compare, and how long.
#[derive(Debug)]
pub struct Comparison {
    /// Who; ratios are of the first one to each other one.
    pub contenders: Vec<Contender>,
    /// What.
    pub scenarios: Vec<Scenario>,
    /// How much of it.
    pub scale: Scale,
    /// How often.
    pub rounds: NonZeroU32,
    /// Length of a window that counts.
    pub measured: Duration,
    /// Time before it that doesn't.
    pub warm_up: Duration,
    /// Threads of the generator, and of the backend.
    pub threads: usize,
    /// Programs that aren't found by name.
    pub programs: Programs,
}

/// How far a comparison is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Time that it has taken and will take, as planned.
    pub done: Duration,
    /// All of it.
    pub total: Duration,
    /// What happens now.
    pub now: String,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there to be compared.
    #[error("none of the programs to compare is installed")]
    Nobody,
    /// The network for it can't be made.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// A program doesn't start.
    #[error("{name} doesn't run")]
    Start {
        /// The program.
        name: &'static str,
        /// Why.
        #[source]
        source: subject::Error,
    },
    /// The backend doesn't start.
    #[error("the backend doesn't run")]
    Backend(#[source] process::Error),
    /// Nothing comes through.
    #[error("nothing comes through {name}; its last words:\n{words}")]
    Silent {
        /// The contender.
        name: &'static str,
        /// The last lines of its output.
        words: String,
    },
    /// The target has no backend of ours behind it.
    #[error(
        "{address} doesn't answer as 'halb bench --serve' does: run that where {address} sends its \
         connections"
    )]
    Foreign {
        /// Where it was.
        address: SocketAddr,
    },
    /// The load can't be generated.
    #[error(transparent)]
    Load(#[from] load::generator::Error),
    /// What a contender uses can't be looked at.
    #[error("what {name} uses isn't known")]
    Usage {
        /// The contender.
        name: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Comparison {
    /// How long it will take, about.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let runs = self.scenarios.iter().flat_map(|scenario| {
            let asked = self.contenders.iter().filter(|one| one.takes(*scenario)).count();
            let each = self.run_time(*scenario);
            (0..asked).map(move |_| each)
        });
        let starts = START * u32::try_from(self.contenders.len()).unwrap_or(u32::MAX);
        (runs.sum::<Duration>() + starts) * self.rounds.get()
    }

    fn run_time(&self, scenario: Scenario) -> Duration {
        LEAD + scenario.settles_in(&self.scale, self.warm_up) + self.measured
    }

    /// Does it, and tells how far it is before each step.
    ///
    /// A contender that isn't installed is left out and noted in the report.
    ///
    /// # Errors
    /// [`Error`].
    pub fn run(&self, site: &Site, tell: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        let mut notes = Vec::new();
        let present = self.contenders.iter().copied().filter(|contender| {
            contender.missing(&self.programs).is_none_or(|note| {
                notes.push(note);
                false
            })
        });
        let present: Vec<_> = present.collect();
        if present.is_empty() {
            return Err(Error::Nobody);
        }
        // One for each: a connection to a server leaves its port taken for a minute (TIME_WAIT), for
        // whoever else connects to the same address.
        let backends = present.iter().map(|_| site.backend(&self.programs, self.threads));
        let backends = backends.collect::<Result<Vec<_>, _>>()?;
        let mut work = Work {
            comparison: self,
            site,
            backends: &backends,
            samples: Samples::new(&present, self.rounds),
            done: Duration::ZERO,
            tell,
        };
        for round in 0..self.rounds.get() {
            work.round(&present, round)?;
        }
        Ok(work.samples.report(self, site, &present, notes))
    }
}

/// A comparison under way.
struct Work<'a> {
    comparison: &'a Comparison,
    site: &'a Site,
    /// By contender.
    backends: &'a [Backend],
    samples: Samples,
    done: Duration,
    tell: &'a mut dyn FnMut(Progress),
}

impl Work<'_> {
    fn round(&mut self, present: &[Contender], round: u32) -> Result<(), Error> {
        let mut running = Vec::new();
        for (contender, backend) in present.iter().zip(self.backends) {
            self.say(format!("round {}: starting {}", round + 1, contender.name()));
            running.push(self.start(*contender, backend.address)?);
            self.done += START;
        }
        let count = running.len();
        for (step, scenario) in self.comparison.scenarios.iter().enumerate() {
            // Whoever comes first in one scenario comes last in the next one.
            let first = step + usize::try_from(round).unwrap_or_default();
            for offset in 0..count {
                let index = (first + offset) % count;
                let running = &running[index];
                if running.contender.takes(*scenario) {
                    self.say(format!("{}: {}", running.contender.name(), scenario.name()));
                    let outcome = self.observe(*scenario, running)?;
                    self.samples.add(index, round, *scenario, &outcome);
                    self.done += self.comparison.run_time(*scenario);
                }
            }
        }
        Ok(())
    }

    fn say(&mut self, now: String) {
        let (done, total) = (self.done, self.comparison.duration());
        (self.tell)(Progress { done, total, now });
    }

    /// Starts a contender and sees that bytes come through.
    fn start(&self, contender: Contender, backend: SocketAddr) -> Result<Running, Error> {
        let name = contender.name();
        let mut running = contender
            .start(self.site, backend, &self.comparison.programs)
            .map_err(|source| Error::Start { name, source })?;
        thread::sleep(SETTLING);
        running.at_rest = running.usage()?.map(|usage| usage.memory);
        let deadline = Instant::now() + COMING;
        while !self
            .site
            .on_client_host(contender, || load::answers(running.address, PROBE))
            .unwrap_or(false)
        {
            if Instant::now() > deadline {
                return Err(match contender {
                    Contender::Target(address) => Error::Foreign { address },
                    Contender::Balancer(_)
                    | Contender::Kernel
                    | Contender::Router
                    | Contender::Relay
                    | Contender::Direct => Error::Silent { name, words: running.words() },
                });
            }
            thread::sleep(BETWEEN_PROBES);
        }
        // What the first connections make a program set up is no connection's share.
        for _ in 0..FIRST {
            self.site
                .on_client_host(contender, || load::answers(running.address, PROBE))
                .unwrap_or(false);
        }
        thread::sleep(SETTLING);
        running.in_use = running.usage()?.map(|usage| usage.memory);
        Ok(running)
    }

    /// One run of a scenario.
    fn observe(&self, scenario: Scenario, running: &Running) -> Result<Outcome, Error> {
        let Comparison { scale, measured, warm_up, threads, .. } = self.comparison;
        let quiet = scenario.leaves_room().then(Quiet::begin);
        let begins = Instant::now() + LEAD;
        let from = begins + scenario.settles_in(scale, *warm_up);
        let window = Window { from, to: from + *measured };
        let parts = scenario.parts(scale);
        let load = Load { target: running.address, parts, begins, window, threads: *threads };
        let (tallies, seen) = thread::scope(|scope| {
            let generator =
                scope.spawn(|| self.site.on_client_host(running.contender, || load::run(&load)));
            let seen = look_on(scenario, running, window);
            let tallies = generator.join().unwrap_or(Err(load::generator::Error::Panicked));
            (tallies, seen)
        });
        let mut tallies = tallies?;
        let disturbed = quiet.and_then(|quiet| quiet.disturbed());
        let left_out =
            disturbed.map(|times| tallies.iter_mut().map(|tally| tally.leave_out(&times)).sum());
        let Seen { processor, lasted, during } = seen?;
        let both = running.at_rest.zip(running.in_use);
        let memory =
            both.zip(during).map(|((at_rest, before), during)| Memory { at_rest, before, during });
        Ok(Outcome { tallies, left_out, lasted, processor, memory })
    }
}

/// What was seen of a contender's process.
struct Seen {
    processor: Option<Duration>,
    lasted: Duration,
    during: Option<u64>,
}

/// Looks at the clock of a process when the window begins and when it ends.
fn look_on(scenario: Scenario, running: &Running, window: Window) -> Result<Seen, Error> {
    sleep_until(window.from);
    let (before, began) = (running.usage()?, Instant::now());
    // Late in the window, when all connections stand also on a machine that is slow.
    let during = if scenario.looks_at_memory() {
        sleep_until(window.to - (window.to - window.from) / 4);
        running.usage()?.map(|usage| usage.memory)
    } else {
        None
    };
    sleep_until(window.to);
    let (after, ended) = (running.usage()?, Instant::now());
    let used = after.zip(before).map(|(after, before)| after.cpu.saturating_sub(before.cpu));
    // Both looks are late by a little; what is counted is what was done between two moments.
    let (seen, lasted) = (ended - began, window.to - window.from);
    let processor = used.map(|used| used.mul_f64(lasted.as_secs_f64() / seen.as_secs_f64()));
    Ok(Seen { processor, lasted, during })
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// By contender and round.
type Figures = Vec<Vec<Option<f64>>>;

/// What was found so far.
struct Samples {
    contenders: usize,
    rounds: usize,
    /// In the order in which they were first seen.
    rows: Vec<(Scenario, Metric, Figures)>,
    /// By scenario: the latencies of each contender, all rounds together.
    curves: Vec<(Scenario, Vec<Option<Tally>>)>,
    /// By contender: connections that failed.
    failed: Vec<u64>,
    /// By contender: of the requests at a fixed rate, those that are left out of latencies, and all.
    left_out: Vec<(u64, u64)>,
    /// Nobody could tell which ones to leave out.
    is_unwitnessed: bool,
}

impl Samples {
    fn new(present: &[Contender], rounds: NonZeroU32) -> Self {
        Self {
            contenders: present.len(),
            rounds: usize::try_from(rounds.get()).unwrap_or(usize::MAX),
            rows: Vec::new(),
            curves: Vec::new(),
            failed: vec![0; present.len()],
            left_out: vec![(0, 0); present.len()],
            is_unwitnessed: false,
        }
    }

    fn add(&mut self, contender: usize, round: u32, scenario: Scenario, outcome: &Outcome) {
        let round = usize::try_from(round).unwrap_or(usize::MAX);
        self.failed[contender] += outcome.tallies.iter().map(|tally| tally.failed).sum::<u64>();
        if scenario == Scenario::Offered {
            let out = outcome.left_out.unwrap_or_default();
            let kept = outcome.tallies.iter().map(Tally::latency_count).sum::<u64>();
            let sum = &mut self.left_out[contender];
            *sum = (sum.0 + out, sum.1 + out + kept);
            self.is_unwitnessed |= outcome.left_out.is_none();
        }
        for (metric, value) in scenario.metrics(outcome) {
            let known = self.rows.iter().position(|(_, known, _)| *known == metric);
            let row = known.unwrap_or_else(|| {
                let empty = vec![vec![None; self.rounds]; self.contenders];
                self.rows.push((scenario, metric, empty));
                self.rows.len() - 1
            });
            self.rows[row].2[contender][round] = Some(value);
        }
        let Some(part) = scenario.curve() else { return };
        let known = self.curves.iter().position(|(known, _)| *known == scenario);
        let curve = known.unwrap_or_else(|| {
            self.curves.push((scenario, vec![None; self.contenders]));
            self.curves.len() - 1
        });
        // Windows differ by round; only the latencies are asked for.
        let (tally, all) = (&outcome.tallies[part], &mut self.curves[curve].1[contender]);
        match all {
            Some(all) => all.add(tally),
            None => *all = Some(tally.clone()),
        }
    }

    fn report(
        self,
        comparison: &Comparison,
        site: &Site,
        present: &[Contender],
        mut notes: Vec<String>,
    ) -> Report {
        let failed = present.iter().zip(&self.failed).filter(|(_, failed)| **failed > 0);
        notes.extend(failed.map(|(contender, failed)| {
            format!("{failed} connections failed with {}", contender.name())
        }));
        notes.extend(quiet::note(present, &self.left_out, self.is_unwitnessed));
        let scale = &comparison.scale;
        let row = |(scenario, metric, samples): (Scenario, Metric, _)| {
            Row::new(scenario, scenario.title(scale), metric, samples)
        };
        let mut rows: Vec<_> = self.rows.into_iter().map(row).collect();
        // Whoever came first may have lacked a figure.
        rows.sort_by_key(|row| (row.scenario, row.metric));
        let curve = |(scenario, tallies): &(Scenario, Vec<Option<Tally>>)| {
            Curve::new(scenario.title(scale), tallies)
        };
        Report {
            names: present.iter().map(|contender| contender.name()).collect(),
            versions: present.iter().map(|one| one.version(&comparison.programs)).collect(),
            place: site.to_string(),
            machine: crate::report::machine(),
            rounds: self.rounds,
            measured: comparison.measured,
            rows,
            curves: self.curves.iter().map(curve).collect(),
            notes,
        }
    }
}

/// Time for a generator to set itself up before the first connection.
const LEAD: Duration = Duration::from_millis(50);

/// Time that a start takes, about, for the progress only.
const START: Duration = Duration::from_millis(400);

/// A process of ours may take so long to start on a machine that is busy with other things.
const STARTING: Duration = Duration::from_secs(20);

/// Before the memory of a fresh process is looked at: threads start, checks begin.
const SETTLING: Duration = Duration::from_millis(250);

/// A contender that takes longer until bytes come through doesn't work.
const COMING: Duration = Duration::from_secs(20);

/// Longest wait for one probe.
const PROBE: Duration = Duration::from_secs(2);

/// Connections before memory counts as that of a program in use: some for each of its threads.
const FIRST: usize = 16;

const BETWEEN_PROBES: Duration = Duration::from_millis(20);
