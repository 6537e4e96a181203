//! The kinds of load, and what each of them tells.

mod metric;

use std::{num::NonZeroU32, time::Duration};

pub use self::metric::{Better, Metric, Unit};
use crate::load::{Life, Pace, Part, Tally, Work};

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// Connections that stand and are silent.
    Idle,
    /// Requests over kept connections, as fast as they are answered.
    Requests,
    /// Requests over kept connections, at a fixed rate.
    Offered,
    /// One client, one request at a time.
    Single,
    /// A connection for each request.
    Connections,
    /// Connections that live for a few requests.
    Churn,
    /// Bulk to the clients.
    Download,
    /// Bulk from the clients.
    Upload,
    /// Bulk both ways at a time.
    Duplex,
    /// What a Kubernetes API server sees: watches, lists in bursts, `kubectl exec`.
    Kubernetes,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Silent connections.
    pub idle: usize,
    /// Clients that keep asking.
    pub clients: usize,
    /// Requests per second at a fixed rate.
    pub rate: u32,
}

/// What one run of a scenario brought.
#[derive(Debug)]
pub struct Outcome {
    /// A tally for each part.
    pub tallies: Vec<Tally>,
    /// Latencies that aren't in them, since the machine itself stood still; none where nobody
    /// could tell.
    pub left_out: Option<u64>,
    /// Length of the window.
    pub lasted: Duration,
    /// Processor time that the subject took in it, if it is one of ours to look at.
    pub processor: Option<Duration>,
    /// What it held, likewise.
    pub memory: Option<Memory>,
}

/// Memory of a subject, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Before anybody connected.
    pub at_rest: u64,
    /// After a few connections, before the load.
    pub before: u64,
    /// During the load.
    pub during: u64,
}

impl Scenario {
    /// All of them, in the order in which they run: memory first, while a process is fresh.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::Requests,
        Self::Offered,
        Self::Single,
        Self::Connections,
        Self::Churn,
        Self::Download,
        Self::Upload,
        Self::Duplex,
        Self::Kubernetes,
    ];

    /// Its name, as on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Requests => "requests",
            Self::Offered => "offered",
            Self::Single => "single",
            Self::Connections => "connections",
            Self::Churn => "churn",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Duplex => "duplex",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn title(self, scale: &Scale) -> String {
        let Scale { idle, clients, rate } = scale;
        match self {
            Self::Idle => format!("{idle} idle connections"),
            Self::Requests => {
                format!("requests on {clients} kept connections, each after the answer")
            }
            Self::Offered => format!("{rate} requests a second on {clients} kept connections"),
            Self::Single => "one client, one request after the other".to_owned(),
            Self::Connections => format!("a connection for each request, {clients} at a time"),
            Self::Churn => format!("connections of 1 to 20 requests, {clients} at a time"),
            Self::Download => format!("bulk to clients, {BULK} streams"),
            Self::Upload => format!("bulk from clients, {BULK} streams"),
            Self::Duplex => format!("bulk both ways, {BULK} streams"),
            Self::Kubernetes => format!(
                "as Kubernetes does: {WATCHES} watches, lists in bursts of {LISTS}, {EXECS} exec streams"
            ),
        }
    }

    /// The connections that make it.
    #[must_use]
    pub fn parts(self, scale: &Scale) -> Vec<Part> {
        let clients = scale.clients;
        match self {
            // So many at once would overflow a listener's queue and measure that.
            Self::Idle => {
                let spread = IDLE_GAP * u32::try_from(scale.idle).unwrap_or(u32::MAX);
                vec![Part { work: Work::Idle, connections: scale.idle, spread }]
            }
            Self::Requests => vec![part(clients, small(Pace::Closed, Life::Kept))],
            Self::Offered => {
                let each = f64::from(scale.rate) / f64::from(u32::try_from(clients).unwrap_or(1));
                let every = Duration::from_secs_f64(1.0 / each.max(0.001));
                let work = small(Pace::Every(every), Life::Kept);
                // Evenly over time, as from clients that don't know each other.
                vec![Part { work, connections: clients, spread: every }]
            }
            Self::Single => vec![part(1, small(Pace::Closed, Life::Kept))],
            Self::Connections => {
                vec![part(clients, small(Pace::Closed, Life::Exchanges(NonZeroU32::MIN)))]
            }
            Self::Churn => churn(clients),
            Self::Download => vec![part(BULK, Work::Stream { up: false, down: true })],
            Self::Upload => vec![part(BULK, Work::Stream { up: true, down: false })],
            Self::Duplex => vec![part(BULK, Work::Stream { up: true, down: true })],
            Self::Kubernetes => kubernetes(),
        }
    }

    /// Time from the first connection until the load is as it is meant to be.
    #[must_use]
    pub fn settles_in(self, scale: &Scale, warm_up: Duration) -> Duration {
        let begin = self.parts(scale).iter().map(|part| part.spread).max().unwrap_or_default();
        begin + warm_up
    }

    /// Whether a fresh process is needed, and its memory looked at.
    #[must_use]
    pub fn looks_at_memory(self) -> bool {
        self == Self::Idle
    }

    /// Whether processors have nothing to do at times, so that waits tell of how they doze off too.
    #[must_use]
    pub fn leaves_room(self) -> bool {
        matches!(self, Self::Offered | Self::Single | Self::Kubernetes)
    }

    /// What a run of it tells.
    #[must_use]
    pub fn metrics(self, outcome: &Outcome) -> Vec<(Metric, f64)> {
        let found = match self {
            Self::Idle => idle(outcome),
            Self::Requests => vec![
                (Metric::RequestCpu, outcome.cpu_each(0)),
                (Metric::RequestRate, outcome.rate(0)),
                (Metric::RequestMedian, outcome.latency(0, 0.5)),
                (Metric::RequestTail, outcome.latency(0, 0.99)),
            ],
            Self::Offered => vec![
                (Metric::OfferedCpu, outcome.cpu_each(0)),
                (Metric::OfferedMedian, outcome.latency(0, 0.5)),
                (Metric::OfferedTail, outcome.latency(0, 0.99)),
                (Metric::OfferedFarTail, outcome.latency(0, 0.999)),
            ],
            Self::Single => vec![
                (Metric::SingleMedian, outcome.latency(0, 0.5)),
                (Metric::SingleTail, outcome.latency(0, 0.99)),
            ],
            Self::Connections => vec![
                (Metric::ConnectionCpu, outcome.cpu_each(0)),
                (Metric::ConnectionRate, outcome.rate(0)),
                (Metric::ConnectionMedian, outcome.latency(0, 0.5)),
                (Metric::ConnectionTail, outcome.latency(0, 0.99)),
            ],
            Self::Churn => vec![
                (Metric::ChurnCpu, outcome.all().cpu_each()),
                (Metric::ChurnRate, outcome.all().rate()),
                (Metric::ChurnTail, outcome.all().latency(0.99)),
            ],
            Self::Download => bulk(outcome, Metric::DownloadCpu, Metric::DownloadRate),
            Self::Upload => bulk(outcome, Metric::UploadCpu, Metric::UploadRate),
            Self::Duplex => bulk(outcome, Metric::DuplexCpu, Metric::DuplexRate),
            Self::Kubernetes => vec![
                (Metric::KubernetesCpu, outcome.cpu_share()),
                (Metric::ExecTail, outcome.latency(2, 0.99)),
                (Metric::ListTail, outcome.latency(1, 0.99)),
                (Metric::WatchTail, outcome.latency(0, 0.99)),
            ],
        };
        found.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
    }

    /// The part whose latencies are drawn.
    #[must_use]
    pub fn curve(self) -> Option<usize> {
        match self {
            Self::Offered | Self::Connections => Some(0),
            Self::Kubernetes => Some(2),
            Self::Idle
            | Self::Requests
            | Self::Single
            | Self::Churn
            | Self::Download
            | Self::Upload
            | Self::Duplex => None,
        }
    }
}

fn part(connections: usize, work: Work) -> Part {
    Part { work, connections, spread: BEGIN }
}

/// A small request and its answer, as of an API: a few hundred bytes each.
fn small(pace: Pace, life: Life) -> Work {
    Work::Exchanges { up: 200, down: 500, pace, life }
}

/// As many connections for each length of life, from 1 to 20 requests.
fn churn(clients: usize) -> Vec<Part> {
    let lives = (1..=20_u32).filter_map(NonZeroU32::new).cycle().take(clients);
    lives.map(|life| part(1, small(Pace::Closed, Life::Exchanges(life)))).collect()
}

fn kubernetes() -> Vec<Part> {
    let ms = Duration::from_millis;
    let exchange =
        |up, down, every| Work::Exchanges { up, down, pace: Pace::Every(every), life: Life::Kept };
    vec![
        Part {
            work: Work::Watch { event: 800, every: ms(500) },
            connections: WATCHES,
            spread: ms(200),
        },
        // Controllers that resync do so together: no spread.
        Part {
            work: exchange(300, 256 * 1024, ms(250)),
            connections: LISTS,
            spread: Duration::ZERO,
        },
        Part { work: exchange(64, 256, ms(20)), connections: EXECS, spread: ms(20) },
    ]
}

fn idle(outcome: &Outcome) -> Vec<(Metric, Option<f64>)> {
    let held: u64 = outcome.tallies.iter().map(|tally| tally.held).sum();
    let each = outcome.memory.and_then(|memory| {
        let more = to_f64(memory.during) - to_f64(memory.before);
        (held > 0).then(|| more / to_f64(held))
    });
    let at_rest = outcome.memory.map(|memory| to_f64(memory.at_rest));
    vec![(Metric::AtRest, at_rest), (Metric::IdleMemory, each)]
}

fn bulk(outcome: &Outcome, cpu: Metric, rate: Metric) -> Vec<(Metric, Option<f64>)> {
    let all = outcome.all();
    // What a stream that goes one way sends back is its order: nothing.
    let bytes = to_f64(all.tally.up + all.tally.down);
    let per_byte = |time: Duration| time.as_secs_f64() / bytes;
    let time = outcome.processor.filter(|_| bytes > 0.0).map(per_byte);
    vec![
        (cpu, time.map(|time| time * 1e9)),
        (rate, Some(bytes * 8.0 / 1e9 / outcome.lasted.as_secs_f64())),
    ]
}

/// One tally of an outcome, or all together.
struct View<'a> {
    outcome: &'a Outcome,
    tally: Tally,
}

impl Outcome {
    /// All parts together.
    fn all(&self) -> View<'_> {
        let mut parts = self.tallies.iter();
        let mut tally = parts.next().expect("a scenario has a part").clone();
        parts.for_each(|part| tally.add(part));
        View { outcome: self, tally }
    }

    fn cpu_each(&self, part: usize) -> Option<f64> {
        View { outcome: self, tally: self.tallies[part].clone() }.cpu_each()
    }

    fn rate(&self, part: usize) -> Option<f64> {
        View { outcome: self, tally: self.tallies[part].clone() }.rate()
    }

    fn latency(&self, part: usize, share: f64) -> Option<f64> {
        self.tallies[part].latency(share).map(|latency| latency.as_secs_f64())
    }

    /// Share of one core.
    fn cpu_share(&self) -> Option<f64> {
        Some(self.processor?.as_secs_f64() / self.lasted.as_secs_f64())
    }
}

impl View<'_> {
    fn cpu_each(&self) -> Option<f64> {
        let done = to_f64(self.tally.done);
        let time = self.outcome.processor?.as_secs_f64();
        (done > 0.0).then_some(time / done)
    }

    fn rate(&self) -> Option<f64> {
        Some(to_f64(self.tally.done) / self.outcome.lasted.as_secs_f64())
    }

    fn latency(&self, share: f64) -> Option<f64> {
        self.tally.latency(share).map(|latency| latency.as_secs_f64())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a load are far below 2^53")]
pub(crate) fn to_f64(number: u64) -> f64 {
    number as f64
}

/// Streams of bulk.
const BULK: usize = 4;

const WATCHES: usize = 200;

const LISTS: usize = 16;

const EXECS: usize = 16;

/// Time over which the connections of a part begin: a burst would measure a listener's queue.
const BEGIN: Duration = Duration::from_millis(10);

/// Between two of the idle connections.
const IDLE_GAP: Duration = Duration::from_micros(150);

#[cfg(test)]
mod tests;
