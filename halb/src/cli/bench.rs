//! `halb bench …`: how much work for how much machine, beside other programs.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use clap::Args;
use halb_bench::compare::Comparison;
use halb_bench::compare::Progress;
use halb_bench::compare::contender::{Contender, Programs};
use halb_bench::compare::site::Site;
use halb_bench::load::{Backend, Relay, raise_descriptor_limit};
use halb_bench::report::{Report, html, text};
use halb_bench::scenario::{Scale, Scenario};
use halb_bench::target::is_ones_own;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;
use super::{Exit, output};

/// What to run.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// Beside these, in turn: haproxy, nginx, envoy, relay (a process that only passes bytes on),
    /// direct (nobody between). With --lab also kernel, then halb has the kernel forward and is
    /// compared like that; and router, a host between that only routes
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with_all = ["target", "serve"])]
    compare: Vec<Contender>,

    /// Whatever answers there, with 'halb bench --serve' behind it
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["serve", "lab", "halb"])]
    target: Option<SocketAddr>,

    /// Be the backend of a load
    #[arg(long, value_name = "ADDR:PORT")]
    serve: Option<SocketAddr>,

    /// With --serve: only pass bytes on to this address, as the least that a balancer can be
    #[arg(long, value_name = "ADDR:PORT", requires = "serve", conflicts_with = "seconds")]
    relay: Option<SocketAddr>,

    /// Send a load also to an address that is neither private nor loopback
    #[arg(long)]
    i_own_this_target: bool,

    /// Three short rounds instead of seven longer ones
    #[arg(long)]
    quick: bool,

    /// Only these loads: idle, requests, offered, single, connections, churn, download, upload,
    /// duplex, kubernetes
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = scenario)]
    scenario: Vec<Scenario>,

    /// How often
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// Length of each run
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,

    /// Clients at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4000))]
    clients: u16,

    /// Requests per second of the load with a fixed rate
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,

    /// Idle connections
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u16).range(1..=7500))]
    idle: u16,

    /// Threads of the generator, and of the backend [default: half of the cores each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,

    /// Client, balancer and server in network namespaces of their own (takes root)
    #[arg(long)]
    lab: bool,

    /// The halb to measure [default: this program]
    #[arg(long, value_name = "FILE")]
    halb: Option<PathBuf>,

    /// Answer as JSON, with every sample
    #[arg(long)]
    json: bool,

    /// Also write a page with plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Exit code 1 where halb is worse than HAProxy (docs/bench.md)
    #[arg(long, requires = "compare")]
    hold: bool,
}

pub(super) fn run(order: &Order, out: &mut Output) -> Exit {
    if let Err(error) = raise_descriptor_limit() {
        return output::failed(&error);
    }
    match (order.serve, order.relay) {
        (Some(address), Some(server)) => return relay(address, server, order, out),
        (Some(address), None) => return serve(address, order, out),
        (None, _) => {}
    }
    match order.target.map(|target| target.ip()) {
        Some(ip) if !is_ones_own(ip) && !order.i_own_this_target => {
            return output::refused(&format!(
                "{ip} is neither private nor loopback, and a load on someone else's host is an \
                 attack; add --i-own-this-target if it is yours"
            ));
        }
        Some(_) | None => {}
    }
    let report = match measure(order) {
        Ok(report) => report,
        Err(error) => return output::refused(&format!("{error:#}")),
    };
    if let Some(path) = &order.report
        && let Err(error) = fs::write(path, html::render(&report))
    {
        return output::refused(&format!("{} can't be written: {error}", path.display()));
    }
    if cfg!(debug_assertions) && order.target.is_none() {
        output::complain("halb: this is a debug build; its figures mean nothing");
    }
    let told = if order.json { out.json(&report) } else { tell(&report, out) };
    let holds = report.verdicts().iter().all(|verdict| verdict.holds);
    if order.hold && !holds { Exit::Failed } else { told }
}

fn tell(report: &Report, out: &mut Output) -> Exit {
    out.text(&text::render(report)).err().unwrap_or(Exit::Done)
}

fn serve(address: SocketAddr, order: &Order, out: &mut Output) -> Exit {
    let backend = match Backend::bind(address, threads(order)) {
        Ok(backend) => backend,
        Err(error) => return output::refused(&format!("can't listen on {address}: {error}")),
    };
    let said = out.line(&format!("serving on {}, until Ctrl-C", backend.address()));
    if said != Exit::Done {
        return said;
    }
    let until = order.seconds.map(|length| Instant::now() + length);
    match backend.serve(until) {
        Ok(()) => Exit::Done,
        Err(error) => output::failed(&error),
    }
}

fn relay(address: SocketAddr, server: SocketAddr, order: &Order, out: &mut Output) -> Exit {
    let relay = match Relay::bind(address, server, threads(order)) {
        Ok(relay) => relay,
        Err(error) => return output::refused(&format!("can't listen on {address}: {error}")),
    };
    let said = out.line(&format!("passing on from {} to {server}, until Ctrl-C", relay.address()));
    if said != Exit::Done {
        return said;
    }
    relay.run().err().map_or(Exit::Done, |error| output::failed(&error))
}

fn measure(order: &Order) -> anyhow::Result<Report> {
    let this = env::current_exe()?;
    if order.lab {
        // Before any thread is started, which it needs.
        halb_lab::enter_user_namespace()?;
    }
    if let Some(one) = order.compare.iter().find(|one| one.takes_hosts() && !order.lab) {
        anyhow::bail!("'{}' forwards between hosts, not on loopback; add --lab", one.name());
    }
    let site = if order.lab { Site::lab() } else { Site::loopback() }?;
    let comparison = comparison(order, &this);
    let bar = bar(comparison.duration());
    let report = comparison.run(&site, &mut |progress| show(&bar, &progress));
    bar.finish_and_clear();
    Ok(report?)
}

fn comparison(order: &Order, this: &Path) -> Comparison {
    let mut contenders = vec![Contender::HALB];
    match order.target {
        Some(target) => contenders = vec![Contender::Target(target)],
        None if order.compare.is_empty() => contenders.push(Contender::Direct),
        None => {
            if order.compare.contains(&Contender::Kernel) {
                contenders = vec![Contender::Kernel];
            }
            let first = contenders[0];
            contenders.extend(order.compare.iter().filter(|one| **one != first));
        }
    }
    let all = || Scenario::ALL.to_vec();
    let (rounds, measured, warm_up) = if order.quick {
        (QUICK_ROUNDS, QUICK, QUICK_WARM_UP)
    } else {
        (ROUNDS, LONG, LONG_WARM_UP)
    };
    Comparison {
        contenders,
        scenarios: if order.scenario.is_empty() { all() } else { order.scenario.clone() },
        scale: Scale { idle: order.idle.into(), clients: order.clients.into(), rate: order.rate },
        rounds: order.rounds.and_then(NonZeroU32::new).unwrap_or(rounds),
        measured: order.seconds.unwrap_or(measured),
        warm_up,
        threads: threads(order),
        programs: Programs {
            backend: this.to_owned(),
            halb: order.halb.clone().unwrap_or_else(|| this.to_owned()),
        },
    }
}

/// Half of the cores: the other half is for what is measured.
fn threads(order: &Order) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    order.threads.map_or_else(|| (cores / 2).clamp(1, THREADS_MAX), usize::from)
}

/// Only on a terminal; elsewhere it draws nothing.
fn bar(total: Duration) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(milliseconds(total));
    let style = ProgressStyle::with_template("{bar:28} {percent:>3} %  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let left = progress.total.saturating_sub(progress.done).as_secs();
    bar.set_position(milliseconds(progress.done));
    bar.set_message(format!("{}:{:02} left, {}", left / 60, left % 60, progress.now));
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::ALL.into_iter().find(|scenario| scenario.name() == name).ok_or_else(|| {
        let names = Scenario::ALL.map(Scenario::name).join(", ");
        format!("none of {names}")
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    let bounds = LENGTH_MIN.as_secs_f64()..=LENGTH_MAX.as_secs_f64();
    if bounds.contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(format!("from {} to {} seconds", bounds.start(), bounds.end()))
}

const QUICK_ROUNDS: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");
const ROUNDS: NonZeroU32 = NonZeroU32::new(7).expect("seven is not zero");

const QUICK: Duration = Duration::from_millis(900);
const QUICK_WARM_UP: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(2);
const LONG_WARM_UP: Duration = Duration::from_millis(500);

/// Shorter runs measure their own beginning.
const LENGTH_MIN: Duration = Duration::from_millis(100);

/// No load lasts longer than an hour.
const LENGTH_MAX: Duration = Duration::from_secs(3600);

/// More threads than this generate more than any of the programs can take.
const THREADS_MAX: usize = 16;
