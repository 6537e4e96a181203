//! What happens, in words: deeds, what was seen of the cluster after them, and what they cost the
//! clients.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::felt::{Felt, Toll};
use super::plan::{BALANCERS, Balancer, Condition, Deed, SERVERS, VIP};
use crate::status::words::{count, exact};

/// The cluster at one moment, as the kernel and the daemons tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) balancers: [Node; BALANCERS.len()],
}

/// A balancer at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// The kernel has the virtual IP on an interface of it.
    pub(super) holds: bool,
    /// What its daemon says; none: no daemon answers.
    pub(super) said: Option<Said>,
}

/// What a daemon says of itself and the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its state as a virtual router: `ACTIVE`, `BACKUP`, `FAULT`.
    pub(super) state: &'static str,
    /// State of each server, as `halb status` has it; empty: it doesn't say.
    pub(super) servers: [String; SERVERS.len()],
}

/// A line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Instant,
    pub(super) text: String,
}

/// The story so far.
#[derive(Debug)]
pub(super) struct Story {
    condition: Condition,
    seen: Option<Look>,
    /// Who had the address when that was last told; none: nobody.
    holder: Option<Balancer>,
    act: Option<Act>,
    events: VecDeque<Event>,
    /// Events that were told, kept or not.
    told: usize,
    /// An act didn't lead to what it should have.
    disappointed: bool,
}

/// A deed whose outcome is awaited.
#[derive(Debug)]
struct Act {
    began: Instant,
    /// None: it is still being done.
    done: Option<Instant>,
    /// Since when the cluster is as it should be, and the clients are calm.
    settled: Option<Instant>,
}

impl Look {
    /// Who has the address, if exactly one has it.
    pub(super) fn holder(&self) -> Option<Balancer> {
        let mut holders = Balancer::ALL.into_iter().filter(|it| self.balancers[it.index()].holds);
        let holder = holders.next();
        if holders.next().is_some() { None } else { holder }
    }

    fn holds(&self) -> [bool; BALANCERS.len()] {
        self.balancers.each_ref().map(|node| node.holds)
    }

    /// The state of a server as the witness sees it.
    pub(super) fn server(&self, server: usize) -> &str {
        self.witness().map_or("", |(_, said)| &said.servers[server])
    }

    /// Who is asked of the servers: the holder, else whoever answers.
    fn witness(&self) -> Option<(Balancer, &Said)> {
        let said =
            |balancer: Balancer| Some((balancer, self.balancers[balancer.index()].said.as_ref()?));
        let holder = self.holder().and_then(said);
        holder.or_else(|| Balancer::ALL.into_iter().find_map(said))
    }

    /// Whether the cluster is as it should be under a condition.
    fn is_as_expected(&self, condition: &Condition) -> bool {
        let holder = condition.holder();
        let holds = Balancer::ALL.map(|balancer| Some(balancer) == holder);
        let daemons = Balancer::ALL.into_iter().all(|balancer| {
            self.balancers[balancer.index()].said.is_none() == condition.is_killed(balancer)
        });
        let verdicts = (0..SERVERS.len())
            .all(|server| self.server(server).starts_with("UP") != condition.is_hung(server));
        self.holds() == holds && daemons && (holder.is_none() || verdicts)
    }
}

impl Story {
    pub(super) fn new() -> Self {
        Self {
            condition: Condition::default(),
            seen: None,
            holder: None,
            act: None,
            events: VecDeque::new(),
            told: 0,
            disappointed: false,
        }
    }

    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(super) fn seen(&self) -> Option<&Look> {
        self.seen.as_ref()
    }

    /// The latest events, the newest last.
    pub(super) fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    /// The events after the first `told`, and how many there are now.
    pub(super) fn since(&self, told: usize) -> (Vec<&Event>, usize) {
        let new = self.told.saturating_sub(told).min(self.events.len());
        (self.events.iter().skip(self.events.len() - new).collect(), self.told)
    }

    /// Whether the outcome of the last deed is known.
    pub(super) fn is_settled(&self) -> bool {
        self.act.is_none()
    }

    /// Whether everything led to what it should have.
    pub(super) fn is_as_expected(&self) -> bool {
        !self.disappointed
    }

    /// A deed begins; one whose outcome isn't known yet is no longer waited for.
    pub(super) fn begin(&mut self, deed: Deed, now: Instant) {
        self.condition = self.condition.after(deed);
        self.act = Some(Act { began: now, done: None, settled: None });
        self.tell(now, headline(deed));
    }

    /// A deed is done, or couldn't be.
    pub(super) fn done(&mut self, deed: Deed, now: Instant, outcome: Result<(), String>) {
        if let Some(act) = &mut self.act {
            act.done = Some(now);
        }
        if let Err(why) = outcome {
            self.disappointed = true;
            self.tell(now, format!("can't {deed}: {why}"));
        }
    }

    /// A look at the cluster and at what the clients felt.
    pub(super) fn saw(&mut self, look: Look, felt: &Felt) {
        let now = look.at;
        self.tell_holder(&look);
        if let Some(before) = self.seen.take() {
            for text in verdicts(&before, &look) {
                self.tell(now, text);
            }
        }
        let as_expected = look.is_as_expected(&self.condition);
        self.seen = Some(look);
        let Some(act) = &mut self.act else { return };
        let Some(done) = act.done else { return };
        let over = now.saturating_duration_since(done) >= LIMIT;
        // Requests that nobody can answer would never calm down.
        let calm = felt.is_calm(now) || !self.condition.serves();
        let settled = as_expected && calm;
        if !settled && !over {
            act.settled = None;
            return;
        }
        let since = *act.settled.get_or_insert(now);
        if now.saturating_duration_since(since) < QUIET && !over {
            return;
        }
        let toll = felt.toll(act.began, now);
        self.act = None;
        let outcome = outcome(&toll, self.condition.serves());
        self.tell(now, outcome);
        if !as_expected {
            self.disappointed = true;
            self.tell(now, format!("and the cluster isn't as it should be after {}", words(LIMIT)));
        }
    }

    fn tell_holder(&mut self, look: &Look) {
        let holder = look.holder();
        // Two that hold it in the moment in which it moves aren't worth a line.
        if look.holds() == [true, true] || holder == self.holder {
            return;
        }
        self.holder = holder;
        self.tell(
            look.at,
            match holder {
                Some(holder) => format!("{holder} has {VIP}"),
                None => format!("nobody has {VIP}"),
            },
        );
    }

    fn tell(&mut self, at: Instant, text: String) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event { at, text });
        self.told += 1;
    }
}

/// What is done, as the first line of its act.
fn headline(deed: Deed) -> String {
    match deed {
        Deed::Hang(server) => {
            format!("{} hangs: it takes connections and says nothing", SERVERS[server].0)
        }
        Deed::Wake(server) => format!("{} is awake again", SERVERS[server].0),
        Deed::Kill(balancer) => format!("halb on {balancer} is killed (kill -9)"),
        Deed::Start(balancer) => format!("halb on {balancer} is started again"),
        Deed::Cut(balancer) => format!("the link of {balancer} is cut"),
        Deed::Restore(balancer) => format!("the link of {balancer} is mended"),
        Deed::Yield(balancer) => format!("{balancer} is to give the address away (halb vip yield)"),
        Deed::Resume(balancer) => format!("{balancer} may have it again (halb vip resume)"),
    }
}

/// What the checks have come to think from one look to the next.
fn verdicts(before: &Look, now: &Look) -> Vec<String> {
    let Some((witness, _)) = now.witness() else { return Vec::new() };
    let mut verdicts = Vec::new();
    for (server, (name, _)) in SERVERS.iter().enumerate() {
        let (was, is) = (before.server(server), now.server(server));
        let word = |state: &str| state.split(' ').next().unwrap_or_default().to_owned();
        // Not the steps on the way to a verdict.
        if word(was) != word(is) && !was.is_empty() && !is.is_empty() {
            verdicts.push(format!("{witness} finds {name} {}", word(is)));
        }
    }
    verdicts
}

/// What a deed cost the clients, in a line.
fn outcome(toll: &Toll, serves: bool) -> String {
    if !serves {
        return "clients: nobody can be served".to_owned();
    }
    let slowest = words(toll.slowest);
    if toll.failed == 0 && toll.late == 0 && toll.outage.is_none() {
        return format!("clients noticed nothing: none failed, the slowest answer took {slowest}");
    }
    let gap = match toll.outage {
        Some(outage) => format!("no answer for {}", words(outage)),
        None => "no gap".to_owned(),
    };
    let failed = match toll.failed {
        0 => "none failed".to_owned(),
        failed => format!("{} failed", count(failed)),
    };
    let late = match toll.late {
        0 => String::new(),
        late => format!(", {} late (up to {slowest})", count(late)),
    };
    format!("clients: {gap}; {failed}{late}")
}

/// A span of time as the story has it.
pub(super) fn words(span: Duration) -> String {
    // Whole milliseconds: what is measured is no finer than the pace of the requests.
    let millis = span.as_millis();
    if millis < 1000 { format!("{millis} ms") } else { exact(span.as_secs_f64()) }
}

/// How long things may take until they are as they should be, on a machine that is busy otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// How long they stay so before a deed's outcome is told.
const QUIET: Duration = Duration::from_secs(1);

/// Events kept.
const EVENTS: usize = 64;

#[cfg(test)]
mod tests;
