//! On the real pair.

use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use halb_bench::drill::real::{Control, Fault, Options, Outcome, Probe, play};
use halb_bench::target::is_ones_own;
use tokio::runtime;

use super::super::{Exit, output};
use super::{Output, today};

/// What is said of drills on the real pair.
#[derive(Debug, Args)]
#[command(next_help_heading = "On the real pair")]
pub(super) struct OnPair {
    /// The two nodes, as --reach names them
    #[arg(long, value_name = "NODE,NODE", value_delimiter = ',', num_args = 1.., requires = "vip")]
    nodes: Vec<String>,

    /// What comes before a command for a node
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "ssh -o BatchMode=yes -o ConnectTimeout=5 {node}"
    )]
    reach: String,

    /// What is halb there
    #[arg(long, value_name = "COMMAND", default_value = "halb")]
    halb: String,

    /// What stops its daemon, for --fault stop
    #[arg(long, value_name = "COMMAND", default_value = "systemctl stop halb")]
    stop_command: String,

    /// What starts it again
    #[arg(long, value_name = "COMMAND", default_value = "systemctl start halb")]
    start_command: String,

    /// What a request is: the greeting of a TLS client, or a connection alone
    #[arg(long, value_enum, default_value_t = Asked::Tls)]
    probe: Asked,

    /// Time between two requests, at least 5ms
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = pace)]
    pace: Duration,

    /// The longest gap that is fine [default: 1.1s; with --fault none the down interval more]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    bound: Option<Duration>,

    /// How long to wait for what you do, with --fault none
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    wait: Duration,

    /// Send requests also to an address that is neither private nor loopback
    #[arg(long, requires = "vip")]
    i_own_this_target: bool,
}

/// What a request is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Asked {
    Tls,
    Connect,
}

pub(super) fn run(target: SocketAddr, all: &super::Drills, out: &mut Output) -> Exit {
    let options = match options(target, &all.fault, &all.real) {
        Ok(options) => options,
        Err(problem) => {
            output::complain(&format!("halb: {problem}"));
            return Exit::Usage;
        }
    };
    let over = match catch_interrupts() {
        Ok(over) => over,
        Err(error) => return output::failed(&error),
    };
    // Nobody may be left to read it.
    let mut say = |what: &str| drop(writeln!(io::stderr(), "{what}"));
    match play(&options, &over, &mut say) {
        Ok(outcome) => tell(&outcome, all, out),
        Err(error) => output::failed(&error),
    }
}

fn tell(outcome: &Outcome, all: &super::Drills, out: &mut Output) -> Exit {
    let date = today();
    let printed = if all.json {
        out.json(&outcome.json())
    } else {
        out.text(&format!("\n{}", outcome.text(&date))).err().unwrap_or(Exit::Done)
    };
    let written = all.write_report(|| outcome.page(&date)).or(printed);
    if written == Exit::Done && !outcome.passed() { Exit::Failed } else { written }
}

fn options(target: SocketAddr, said: &[String], real: &OnPair) -> Result<Options, String> {
    if !is_ones_own(target.ip()) && !real.i_own_this_target {
        return Err(format!(
            "{} is no private address; --i-own-this-target sends requests to it all the same",
            target.ip()
        ));
    }
    let fault = match said {
        [] => Fault::Yield,
        [word] => fault(word)?,
        _ => return Err("on the real pair one fault at a time".to_owned()),
    };
    let control = match &real.nodes[..] {
        [] => None,
        [one, other] => {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            Some(Control {
                nodes: [one.clone(), other.clone()],
                reach: words(&real.reach),
                halb: words(&real.halb),
                stop: words(&real.stop_command),
                start: words(&real.start_command),
            })
        }
        _ => return Err("--nodes takes two: --nodes loadbalancer01,loadbalancer02".to_owned()),
    };
    let probe = match real.probe {
        Asked::Tls => Probe::Tls,
        Asked::Connect => Probe::Connect,
    };
    let OnPair { pace, bound, wait, .. } = *real;
    Ok(Options { target, fault, control, probe, pace, bound, wait })
}

fn fault(word: &str) -> Result<Fault, String> {
    let known = Fault::ALL.map(Fault::word).join(", ");
    let found = Fault::ALL.into_iter().find(|fault| fault.word() == word);
    found.ok_or_else(|| format!("there is no fault '{word}' on the real pair; there are: {known}"))
}

fn pace(text: &str) -> Result<Duration, String> {
    let pace = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if pace < PACE_MIN { Err("less than 5ms".to_owned()) } else { Ok(pace) }
}

/// Turns true with the first Ctrl-C, so that the address is given back; the second one ends the
/// program as usual.
fn catch_interrupts() -> io::Result<Arc<AtomicBool>> {
    let over = Arc::new(AtomicBool::new(false));
    let interrupted = Arc::clone(&over);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.store(true, Ordering::Relaxed);
                output::complain("halb: giving the address back; Ctrl-C again leaves it as it is");
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(1);
            }
        });
    })?;
    Ok(over)
}

/// Two hundred connections a second disturb nobody.
const PACE_MIN: Duration = Duration::from_millis(5);
