//! How soon a dead server is found, by halb and by HAProxy beside it, with what both do when
//! nothing else is said: a check every 2 s, three failures, two successes.
//!
//! A measurement: `.ci/soak` runs it, docs/measurements.md keeps what it printed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::subject::{Place, haproxy};
use halb_lab::{Host, Process};
use tokio::net::TcpStream;
use tokio::time;

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::masters::{Master, Masters, PORT};
use crate::support::network::Network;

const SERVER: &str = "kmaster1";
const INTERVAL: Duration = Duration::from_secs(2);

/// What halb's documentation promises: `fall` × `interval` + `timeout`.
const PROMISE: Duration = Duration::from_secs(3 * 2 + 1);

/// A check that hasn't noticed anything by then doesn't.
const NEVER: Duration = Duration::from_secs(15);

/// Medians of so few trials at random moments differ by so much where both check at one pace.
const CHANCE: Duration = Duration::from_millis(750);

/// Ports of the balancers' frontends.
const L4: u16 = 7004;
const L7: u16 = 7007;

/// What befalls the server.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    KilledWithClients,
    PowerLoss,
    Hung,
}

impl Fault {
    const ALL: [(Self, usize); 4] =
        [(Self::Killed, 12), (Self::KilledWithClients, 6), (Self::PowerLoss, 8), (Self::Hung, 6)];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "process killed (RST)",
            Self::KilledWithClients => "process killed, clients connect",
            Self::PowerLoss => "power loss",
            Self::Hung => "hung (SIGSTOP)",
        }
    }

    fn strike(self, host: &Host, master: &mut Master<'_>) {
        match self {
            Self::Killed | Self::KilledWithClients => master.kill(),
            Self::PowerLoss => host.link_down().unwrap(),
            Self::Hung => master.freeze(),
        }
    }

    fn undo(self, host: &Host, master: &mut Master<'_>) {
        match self {
            Self::Killed | Self::KilledWithClients => master.start(),
            Self::PowerLoss => host.link_up().unwrap(),
            Self::Hung => master.thaw(),
        }
    }
}

/// A backend of one of the balancers, and the lines in which it tells of its server.
struct Watcher<'a> {
    subject: &'static str,
    check: &'static str,
    process: &'a Process,
    down: String,
    up: String,
}

const HALB: &str = "halb";
const HAPROXY: &str = "HAProxy";
const HAPROXY_1S: &str = "HAProxy, `timeout check 1s`";

impl<'a> Watcher<'a> {
    fn halb(process: &'a Process, check: &'static str) -> Self {
        let backend = check.to_lowercase();
        let line = |state| format!("server is {state} server=\"{backend}/{SERVER}\"");
        Self { subject: HALB, check, process, down: line("DOWN"), up: line("UP") }
    }

    fn haproxy(process: &'a Process, check: &'static str, more: &str) -> Self {
        let backend = check.to_lowercase() + more;
        let line = |state| format!("Server {backend}/{SERVER} is {state}");
        let subject = if more.is_empty() { HAPROXY } else { HAPROXY_1S };
        Self { subject, check, process, down: line("DOWN"), up: line("UP") }
    }

    /// Time from `fault` until it says that its server is down; none if it never does.
    fn time(&self, mark: u64, fault: Instant) -> Option<Duration> {
        self.process.wait_for_line_after(mark, &self.down, NEVER).ok()?;
        Some(fault.elapsed())
    }
}

fn halb_configuration(server: SocketAddr) -> String {
    format!(
        "[frontend.l4]\nbind = [\"*:{L4}\"]\nbackend = \"l4\"\n\
         [frontend.l7]\nbind = [\"*:{L7}\"]\nbackend = \"l7\"\n\
         [backend.l4]\ncheck = {{ type = \"tcp\" }}\nserver = {{ {SERVER} = \"{server}\" }}\n\
         [backend.l7]\ncheck = {{ type = \"https\", path = \"/readyz\", verify = \"none\" }}\n\
         server = {{ {SERVER} = \"{server}\" }}\n[log]\naccess = \"off\"\n"
    )
}

fn haproxy_configuration(server: SocketAddr) -> String {
    let l4 = format!("  server {SERVER} {server} check\n");
    let l7 = format!(
        "  option httpchk GET /readyz\n  server {SERVER} {server} check check-ssl verify none\n"
    );
    let timeout = "  timeout check 1s\n";
    format!(
        "global\n  log stdout format raw local0 notice\ndefaults\n  mode tcp\n  log global\n  \
         timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         listen l4\n  bind *:{L4}\n{l4}listen l7\n  bind *:{L7}\n{l7}\
         backend l4-1s\n{timeout}{l4}backend l7-1s\n{timeout}{l7}"
    )
}

/// Clients that connect to every frontend ten times a second, until it is dropped.
struct Clients(Arc<AtomicBool>);

impl Clients {
    fn start(network: &Network, targets: &[SocketAddr]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        for target in targets.iter().copied() {
            let over = Arc::clone(&over);
            network.client.block_on(async move {
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        // What becomes of it is the balancer's affair.
                        let connected = time::timeout(INTERVAL, TcpStream::connect(target)).await;
                        time::sleep(INTERVAL / 20).await;
                        drop(connected);
                    }
                });
            });
        }
        Self(over)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Any moment within an interval.
fn random_phase() -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    INTERVAL * u32::try_from(random).unwrap() / 1000
}

/// The times of one trial, in the order of the watchers.
fn trial(
    fault: Fault,
    watchers: &[Watcher<'_>],
    host: &Host,
    master: &mut Master<'_>,
) -> Vec<Option<Duration>> {
    thread::sleep(random_phase());
    let marks: Vec<_> = watchers.iter().map(|watcher| watcher.process.line_count()).collect();
    let begun = Instant::now();
    let times = thread::scope(|scope| {
        let threads: Vec<_> = watchers
            .iter()
            .zip(&marks)
            .map(|(watcher, mark)| scope.spawn(move || watcher.time(*mark, begun)))
            .collect();
        fault.strike(host, master);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    fault.undo(host, master);
    for ((watcher, mark), time) in watchers.iter().zip(marks).zip(&times) {
        if time.is_some() {
            watcher.process.wait_for_line_after(mark, &watcher.up, PATIENCE).unwrap();
        }
    }
    times
}

/// Median and worst of some times; none where one of the trials found nothing.
fn summary(times: &[Option<Duration>]) -> Option<(Duration, Duration)> {
    let mut found: Vec<_> = times.iter().copied().collect::<Option<_>>()?;
    found.sort();
    let (low, high) = (found[(found.len() - 1) / 2], found[found.len() / 2]);
    Some(((low + high) / 2, *found.last()?))
}

fn cell(times: &[Option<Duration>]) -> String {
    match summary(times) {
        Some((median, worst)) => {
            format!("{:.1} / {:.1}", median.as_secs_f64(), worst.as_secs_f64())
        }
        None if times.iter().all(Option::is_none) => "never".to_owned(),
        None => format!("{times:?}"),
    }
}

#[test]
#[ignore = "needs root and haproxy; a measurement of minutes"]
fn measure_detection_beside_haproxy() {
    let network = Network::new();
    let other = network.lab.host("loadbalancer02", "172.16.16.52/24").unwrap();
    let (host, server) = network.at(PORT)[0];
    let mut masters = Masters::start(network.frontend(PORT), [(host as &dyn Place, server)]);
    let at = |port| SocketAddr::new(other.ip(), port);
    let haproxy = haproxy(&other, &haproxy_configuration(server), &[at(L4), at(L7)]).unwrap();
    let halb = Daemon::start(&network.balancer, &halb_configuration(server));
    let watchers: Vec<_> = ["L4", "L7"]
        .into_iter()
        .flat_map(|check| {
            let by_haproxy = ["", "-1s"].map(|more| Watcher::haproxy(&haproxy, check, more));
            by_haproxy.into_iter().chain([Watcher::halb(&halb, check)])
        })
        .collect();
    halb.wait_for_state(SERVER, "UP");

    let version = Command::new("haproxy").arg("-v").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    println!(
        "| fault (trials) | check | {HAPROXY} | {HAPROXY_1S} | {HALB} |\n|---|---|---|---|---|"
    );
    let mut slower = Vec::new();
    for (fault, trials) in Fault::ALL {
        let frontends = [at(L4), at(L7), network.frontend(L4), network.frontend(L7)];
        let _clients =
            matches!(fault, Fault::KilledWithClients).then(|| Clients::start(&network, &frontends));
        let mut times = vec![Vec::new(); watchers.len()];
        for _ in 0..trials {
            let measured = trial(fault, &watchers, host, masters.named(SERVER));
            times.iter_mut().zip(measured).for_each(|(all, time)| all.push(time));
        }
        let of: BTreeMap<_, _> =
            watchers.iter().map(|watcher| (watcher.check, watcher.subject)).zip(times).collect();
        for check in ["L4", "L7"] {
            let cells = [HAPROXY, HAPROXY_1S, HALB].map(|subject| cell(&of[&(check, subject)]));
            println!("| {} ({trials}) | {check} | {} |", fault.name(), cells.join(" | "));
            let [theirs, ours] = [HAPROXY, HALB].map(|subject| summary(&of[&(check, subject)]));
            slower.extend(is_slower(theirs, ours).then_some((fault, check, theirs, ours)));
        }
    }
    println!("{}", version.lines().next().unwrap_or_default());
    assert!(slower.is_empty(), "slower than HAProxy, or than promised: {slower:?}");
}

fn is_slower(theirs: Option<(Duration, Duration)>, ours: Option<(Duration, Duration)>) -> bool {
    match (theirs, ours) {
        (_, Some((_, worst))) if worst > PROMISE + INTERVAL / 4 => true,
        (Some((their_median, _)), Some((median, _))) => median > their_median + CHANCE,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
