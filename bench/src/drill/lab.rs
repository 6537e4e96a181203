//! Plays drills on hosts in namespaces, some of them side by side.
//!
//! ```text
//!   loadbalancer01 .51 ─┐                     kmaster1 .101
//!   loadbalancer02 .52 ─┼─ bridge ────────────kmaster2 .102
//!   client         .9  ─┘                     kmaster3 .103
//! ```
//!
//! Each drill has a network of its own, made for it and gone with it, so that nothing is left of
//! the one before. The client asks the address each millisecond, sends a request over a connection
//! of its own each 20 ms, and keeps a dozen watches open.

mod balancer;
mod halb;
mod load;
mod peers;
mod scene;
mod stage;
mod streams;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use halb_lab::Witness;

pub use self::{
    balancer::{Balancer, Error, Kind, Node},
    halb::{Halbs, Member},
    peers::Peers,
};
use self::{scene::Scene, stage::Stage};
use super::{
    plan::{Drill, Setting, Subject, time_left},
    record::Record,
    verdict::{Line, Played},
};

/// What to try halb's part with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary that is halb.
    pub halb: PathBuf,
    /// Connections that carry bytes all the while, which are compared; none: [`STREAMS`] where
    /// connections are meant to be kept.
    pub streams: Option<usize>,
}

/// How a run gets on.
#[derive(Debug)]
pub enum Event<'a> {
    /// A drill begins.
    Begun(Drill),
    /// A drill is over.
    Ended(&'a Played),
}

/// How a run gets on, at the moment of an event.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Drills that are over.
    pub done: usize,
    /// All drills.
    pub all: usize,
    /// About how long the rest takes.
    pub left: Duration,
}

/// Plays a plan and returns what became of each drill, in the order in which people compare them:
/// subjects side by side for each fault of a setting. `tell` is told of progress, from several
/// threads, one at a time.
pub fn play(
    plan: &[Drill],
    options: &Options,
    tell: &mut (dyn FnMut(&Event<'_>, Progress) + Send),
) -> Vec<Played> {
    // Where it isn't allowed to look, nothing is excused.
    let witness = Witness::start().ok();
    let run = Run {
        plan,
        witness,
        options,
        state: Mutex::new(State {
            played: plan.iter().map(|_| None).collect(),
            begun: vec![None; plan.len()],
            tell,
        }),
    };
    for setting in Setting::ALL {
        let of_it = plan.iter().enumerate().filter(|(_, drill)| drill.setting == setting);
        let queue: Mutex<VecDeque<usize>> = Mutex::new(of_it.map(|(number, _)| number).collect());
        thread::scope(|scope| {
            for _ in 0..setting.side_by_side() {
                scope.spawn(|| {
                    while let Some(number) = next(&queue) {
                        run.one(number);
                    }
                });
            }
        });
    }
    let played = run.state.into_inner().unwrap_or_else(PoisonError::into_inner).played;
    let mut played: Vec<Played> = played.into_iter().flatten().collect();
    played.sort_by_key(|played| {
        let Drill { setting, fault, subject } = played.drill();
        (setting, fault, subject)
    });
    played
}

fn next(queue: &Mutex<VecDeque<usize>>) -> Option<usize> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What the lanes of a run share.
struct Run<'a> {
    plan: &'a [Drill],
    witness: Option<Witness>,
    options: &'a Options,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    played: Vec<Option<Played>>,
    begun: Vec<Option<Instant>>,
    tell: &'a mut (dyn FnMut(&Event<'_>, Progress) + Send),
}

impl Run<'_> {
    /// Plays one drill; once more if the machine stood still meanwhile and it failed.
    fn one(&self, number: usize) {
        let drill = self.plan[number];
        self.tell(number, None);
        let mut tries = 1;
        let played = loop {
            let begun = Instant::now();
            let played = self.attempt(drill);
            if played.passed() || tries == TRIES || !self.stood_still(drill, begun) {
                break played;
            }
            tries += 1;
        };
        self.tell(number, Some(played));
    }

    fn attempt(&self, drill: Drill) -> Played {
        let usual = if drill.subject.keeps_connections() { STREAMS } else { 0 };
        let streams = self.options.streams.unwrap_or(usual);
        let kind = kind(drill.subject, &self.options.halb);
        let played = Stage::new(kind.as_ref(), drill.setting, streams)
            .and_then(|stage| Scene::begin(stage, PATIENCE)?.play(drill.fault));
        match played {
            Ok(record) => Played::Line(Box::new(Line::judge(drill, record))),
            Err(error) => Played::Unplayed { drill, why: chain(&error) },
        }
    }

    /// Whether a processor gave so long to others since then that a node can have been taken for
    /// dead.
    fn stood_still(&self, drill: Drill, since: Instant) -> bool {
        let enough = drill.setting.interval() * 3 / 2;
        let stalls = self.witness.as_ref().map(|witness| witness.stalls(enough));
        stalls.is_some_and(|stalls| stalls.iter().any(|stall| stall.to >= since))
    }

    fn tell(&self, number: usize, played: Option<Played>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { played: all, begun, tell } = &mut *state;
        begun[number].get_or_insert_with(Instant::now);
        all[number] = played;
        let progress = Progress {
            done: all.iter().flatten().count(),
            all: self.plan.len(),
            left: self.left(all, begun),
        };
        match &all[number] {
            None => tell(&Event::Begun(self.plan[number]), progress),
            Some(played) => tell(&Event::Ended(played), progress),
        }
    }

    /// About how long the rest takes.
    fn left(&self, played: &[Option<Played>], begun: &[Option<Instant>]) -> Duration {
        let waiting: Vec<Drill> = self
            .plan
            .iter()
            .zip(begun)
            .filter(|(_, begun)| begun.is_none())
            .map(|(drill, _)| *drill)
            .collect();
        let under_way = self.plan.iter().zip(begun).zip(played);
        let rests =
            under_way.filter(|(_, played)| played.is_none()).filter_map(|((drill, begun), _)| {
                Some(drill.takes().saturating_sub(begun.as_ref()?.elapsed()))
            });
        time_left(&waiting) + rests.max().unwrap_or_default()
    }
}

fn kind(subject: Subject, halb: &Path) -> Box<dyn Kind> {
    match subject {
        Subject::Halb => Box::new(Halbs::new(halb)),
        Subject::KernelFlow => Box::new(Halbs::forwarding(halb, "flow")),
        Subject::KernelRoundRobin => Box::new(Halbs::forwarding(halb, "roundrobin")),
        Subject::Peers => Box::new(Peers),
    }
}

/// Plays one drill on whoever is given, and returns what was seen.
///
/// # Errors
/// When the subject doesn't get well before the fault, or the lab fails.
pub fn record(kind: &dyn Kind, drill: Drill, patience: Duration) -> Result<Record, Error> {
    let stage = Stage::new(kind, drill.setting, 0)?;
    Scene::begin(stage, patience)?.play(drill.fault)
}

/// Plays one drill on a halb, for tests.
///
/// # Errors
/// As [`record`].
pub fn record_halb(halb: &Path, drill: Drill) -> Result<Record, Error> {
    record(&Halbs::new(halb), drill, PATIENCE)
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Connections that carry bytes, where they are meant to be kept.
pub const STREAMS: usize = 24;

/// How long a subject may take to serve again. The guide's script notices a hung HAProxy after 15 s
/// and more, and then it takes an advert or three.
const PATIENCE: Duration = Duration::from_secs(45);

/// Attempts at a drill during which the machine stands still.
const TRIES: usize = 3;
