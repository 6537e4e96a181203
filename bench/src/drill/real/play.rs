//! Plays a drill on a real pair.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Fault, Options,
    control::{Control, ControlError},
    outcome::Outcome,
    probe::Probing,
    survey::{Pair, Refusal, instance, is_active},
};
use crate::drill::record::Record;

/// Why no drill was played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A node can't be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The pair isn't in a state for it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nodes must be known for this fault.
    #[error("to {} a node, both nodes must be named: --nodes loadbalancer01,loadbalancer02", .0.word())]
    NoNodes(Fault),
    /// Clients aren't served to begin with.
    #[error("{0} doesn't answer; first look why")]
    NotServed(SocketAddr),
    /// Requests can't be sent from here.
    #[error("no requests can be sent from here")]
    Probe(#[source] io::Error),
}

/// Plays it, and returns when the address is back, or isn't to be had back. `say` is told what
/// happens as it happens. When `over` turns true it goes no further, and gives the address back.
///
/// # Errors
/// [`Error`], before anything was touched.
pub fn play(
    options: &Options,
    over: &AtomicBool,
    say: &mut dyn FnMut(&str),
) -> Result<Outcome, Error> {
    let vip = options.target.ip();
    let pair = match &options.control {
        Some(control) => Some(survey(control, vip)?),
        None if options.fault == Fault::None => None,
        None => return Err(Error::NoNodes(options.fault)),
    };
    let probing =
        Probing::start(options.target, options.probe, options.pace).map_err(Error::Probe)?;
    let mut drill = Drill {
        options,
        over,
        say,
        probing,
        began: Instant::now(),
        fault: None,
        back: None,
        notes: Vec::new(),
        problems: Vec::new(),
    };
    drill.lead()?;
    match (&options.control, &pair) {
        (Some(control), Some(pair)) if options.fault != Fault::None => drill.act(control, pair),
        (Some(_) | None, _) => drill.wait_for_operator(),
    }
    drill.rest(TAIL);
    Ok(drill.outcome(pair.as_ref()))
}

fn survey(control: &Control, vip: IpAddr) -> Result<Pair, Error> {
    let (one, other) = (control.status(0)?, control.status(1)?);
    Ok(Pair::of(vip, &control.nodes, [&one, &other])?)
}

/// A drill under way.
struct Drill<'a> {
    options: &'a Options,
    over: &'a AtomicBool,
    say: &'a mut dyn FnMut(&str),
    probing: Probing,
    began: Instant,
    fault: Option<Instant>,
    /// When the way back began.
    back: Option<Instant>,
    notes: Vec<(Instant, String)>,
    problems: Vec<String>,
}

impl Drill<'_> {
    /// Clients must be served before anything is touched.
    fn lead(&mut self) -> Result<(), Error> {
        let served =
            self.until(SERVED, |drill| drill.probing.requests.is_answered_since(drill.began));
        if !served {
            return Err(Error::NotServed(self.options.target));
        }
        self.note("clients are served");
        self.rest(LEAD);
        Ok(())
    }

    /// The fault, and the way back.
    fn act(&mut self, control: &Control, pair: &Pair) {
        if self.is_over() {
            return;
        }
        let (node, name) = (pair.active, &control.nodes[pair.active]);
        let other = 1 - node;
        self.fault = Some(Instant::now());
        if self.options.fault == Fault::Yield {
            self.note(&format!("{name}: halb vip yield {}", pair.instances[node]));
            let done = control.order(node, "yield", &pair.instances[node]);
            self.expect(done);
        } else {
            self.note(&format!("{name}: {}", control.stop.join(" ")));
            let done = control.stop(node);
            self.expect(done);
        }
        if !self.wait_for_active(control, other, pair.down_interval * 2 + PATIENCE) {
            self.problem(format!("{} didn't take the address", control.nodes[other]));
        }
        let served = Instant::now();
        if !self.until(PATIENCE, |drill| drill.probing.requests.is_answered_since(served)) {
            self.problem("clients weren't served by the other node".to_owned());
        }
        self.rest(HOLD);
        self.give_back(control, pair);
    }

    /// Whatever happened before: the address goes where it was.
    fn give_back(&mut self, control: &Control, pair: &Pair) {
        let (node, other) = (pair.active, 1 - pair.active);
        self.back = Some(Instant::now());
        if self.options.fault == Fault::Yield {
            self.note(&format!(
                "{}: halb vip resume {}",
                control.nodes[node], pair.instances[node]
            ));
            let done = control.order(node, "resume", &pair.instances[node]);
            self.expect(done);
        } else {
            self.note(&format!("{}: {}", control.nodes[node], control.start.join(" ")));
            let done = control.start(node);
            self.expect(done);
        }
        if self.becomes_active(control, node, pair.down_interval * 2 + RETURNS) {
            return;
        }
        // Of equals, and without preemption, whoever has the address keeps it.
        self.note(&format!("{}: halb vip yield {}", control.nodes[other], pair.instances[other]));
        let done = control.order(other, "yield", &pair.instances[other]);
        self.expect(done);
        let is_back = self.becomes_active(control, node, pair.down_interval * 2 + PATIENCE);
        let done = control.order(other, "resume", &pair.instances[other]);
        self.expect(done);
        if !is_back {
            self.problem(format!("{} didn't take the address back", control.nodes[node]));
        }
    }

    /// Waits for whatever the operator does, and until it is over.
    fn wait_for_operator(&mut self) {
        let wait = self.options.wait;
        self.note(&format!("now it is your turn; waiting for up to {} s", wait.as_secs()));
        let from = Instant::now();
        let lost = self.until(wait, |drill| drill.probing.requests.is_lost_since(from));
        if !lost {
            self.note("no request was lost");
            return;
        }
        self.fault = Some(Instant::now());
        self.note("requests are lost");
        let mut calm_since = Instant::now();
        let calm = self.until(wait, |drill| {
            if drill.probing.requests.is_lost_since(calm_since) {
                calm_since = Instant::now();
            }
            calm_since.elapsed() > CALM && drill.probing.requests.is_answered_since(calm_since)
        });
        if calm {
            self.note("clients are served again");
        } else {
            self.problem("clients weren't served again".to_owned());
        }
    }

    fn wait_for_active(&mut self, control: &Control, node: usize, patience: Duration) -> bool {
        let vip = self.options.target.ip();
        self.until(patience, |_| holds(control, node, vip))
    }

    /// As [`Self::wait_for_active`], also when it is over: the address is given back in any case.
    fn becomes_active(&mut self, control: &Control, node: usize, patience: Duration) -> bool {
        let (vip, deadline) = (self.options.target.ip(), Instant::now() + patience);
        while Instant::now() < deadline {
            if holds(control, node, vip) {
                return true;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        false
    }

    fn until(&mut self, patience: Duration, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline && !self.is_over() {
            if is_so(self) {
                return true;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        false
    }

    fn rest(&mut self, time: Duration) {
        self.until(time, |_| false);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn note(&mut self, what: &str) {
        self.notes.push((Instant::now(), what.to_owned()));
        (self.say)(what);
    }

    fn problem(&mut self, what: String) {
        if self.is_over() {
            self.problems.push("interrupted".to_owned());
            self.problems.dedup();
        } else {
            (self.say)(&what);
            self.problems.push(what);
        }
    }

    fn expect(&mut self, done: Result<String, ControlError>) {
        if let Err(error) = done {
            (self.say)(&error.to_string());
            self.problems.push(error.to_string());
        }
    }

    fn outcome(self, pair: Option<&Pair>) -> Outcome {
        let end = Instant::now();
        let since = |at: Instant| at.saturating_duration_since(self.began);
        let active = pair.map_or(0, |pair| pair.active);
        let holders = match (&self.options.control, pair) {
            (Some(control), Some(_)) => {
                holders(control, self.options.target.ip(), active, self.began)
            }
            (Some(_) | None, _) => Vec::new(),
        };
        let promised = match self.options.fault {
            Fault::Yield | Fault::Stop => Some(HANDED_OVER),
            Fault::None => pair.map(|pair| pair.down_interval + HANDED_OVER),
        };
        Outcome {
            target: self.options.target.to_string(),
            fault: self.options.fault,
            nodes: self.options.control.as_ref().map(|control| control.nodes.clone()),
            active,
            record: Record {
                fault: since(self.fault.unwrap_or(self.began)),
                mended: self.back.map(since),
                length: since(end),
                holders,
                requests: self.probing.requests.between(self.began, end),
                notes: self.notes.iter().map(|(at, what)| (since(*at), what.clone())).collect(),
                ..Record::default()
            },
            bound: self.options.bound.or(promised),
            problems: self.problems,
        }
    }
}

/// Whether a node holds the address; one that doesn't answer doesn't.
fn holds(control: &Control, node: usize, vip: IpAddr) -> bool {
    control.status(node).is_ok_and(|status| instance(&status, vip).is_some_and(is_active))
}

/// Who held the address from when on, by the nodes' own histories, to within the time that they
/// take to answer.
fn holders(
    control: &Control,
    vip: IpAddr,
    active: usize,
    began: Instant,
) -> Vec<(Duration, [bool; 2])> {
    let mut changes: Vec<(Duration, usize, bool)> = Vec::new();
    for node in 0..2 {
        let Ok(status) = control.status(node) else { continue };
        let now = Instant::now();
        let history = instance(&status, vip).and_then(|instance| instance["history"].as_array());
        for change in history.into_iter().flatten() {
            let ago = change["ago_seconds"].as_f64().map(Duration::try_from_secs_f64);
            let at = ago.and_then(Result::ok).and_then(|ago| now.checked_sub(ago));
            if let Some(at) = at.filter(|at| *at >= began) {
                changes.push((at - began, node, change["to"] == "active"));
            }
        }
    }
    changes.sort_by_key(|(at, ..)| *at);
    let mut now = [active == 0, active == 1];
    let mut holders = vec![(Duration::ZERO, now)];
    for (at, node, holds) in changes {
        if now[node] != holds {
            now[node] = holds;
            holders.push((at, now));
        }
    }
    holders
}

/// How long it may take until the first requests are answered.
const SERVED: Duration = Duration::from_secs(10);

/// What is watched before the fault.
const LEAD: Duration = Duration::from_secs(2);

/// How long the other node keeps the address.
const HOLD: Duration = Duration::from_secs(3);

/// What is watched at the end.
const TAIL: Duration = Duration::from_secs(2);

/// Beyond what timers say.
const PATIENCE: Duration = Duration::from_secs(20);

/// After so long beyond its timers a node that could take its address back by itself has.
const RETURNS: Duration = Duration::from_secs(10);

/// Clients that were served for so long are served.
const CALM: Duration = Duration::from_secs(5);

/// A hand-over between two halbs is without a gap; a client that had to send a SYN again needs a
/// second.
const HANDED_OVER: Duration = Duration::from_millis(1_100);

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
