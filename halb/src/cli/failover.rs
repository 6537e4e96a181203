//! `halb failover-test`: what clients feel when something fails, in the lab or on the real pair.

mod progress;
mod real;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;
use std::{env, io};

use clap::Args;
use halb_bench::drill::lab::{Options, play};
use halb_bench::drill::plan::{Drill, Fault, Setting, Subject, plan, time_left};
use halb_bench::drill::report;
use halb_bench::drill::report::page::page;
use halb_bench::drill::verdict::{Played, all_passed};

use super::output::Output;
use super::{Exit, output};
use progress::Progress;

/// Where, what and how.
#[derive(Debug, Args)]
pub(super) struct Drills {
    /// In the lab: hosts made for it on this machine, this program on them
    #[arg(long, required_unless_present = "vip", conflicts_with = "vip")]
    lab: bool,

    /// On the real pair: the address and port that clients use
    #[arg(long, value_name = "ADDRESS:PORT")]
    vip: Option<std::net::SocketAddr>,

    /// What fails; several with commas
    ///
    /// In the lab: link-cut, kill, freeze, stop, host-gone, proxy-hung, server-down, servers-down,
    /// flapping-link, one-way, peer-returns, yield, server-between [default: all]. On the real pair: yield, stop, or none,
    /// while you do something yourself [default: yield].
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    fault: Vec<String>,

    #[command(flatten)]
    in_lab: InLab,

    #[command(flatten)]
    real: real::OnPair,

    /// Answer as JSON
    #[arg(long)]
    json: bool,

    /// Write a page with the timelines drawn
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What is said of drills in the lab.
#[derive(Debug, Args)]
#[command(next_help_heading = "In the lab")]
struct InLab {
    /// HAProxy and keepalived too, with the guide's files
    #[arg(long, requires = "lab")]
    compare: bool,

    /// Who: halb, kernel-flow, kernel-roundrobin (halb, and the kernel forwards),
    /// haproxy+keepalived [default: halb; with --compare also haproxy+keepalived]
    #[arg(long, value_name = "SUBJECT", value_delimiter = ',', requires = "lab")]
    subject: Vec<String>,

    /// Connections that carry bytes all the while, each of which is compared [default: 24 where the
    /// kernel forwards, else none]
    #[arg(long, value_name = "NUMBER", requires = "lab", value_parser = clap::value_parser!(u16).range(..=1000))]
    streams: Option<u16>,

    /// Time between adverts: 5s, 1s, 100ms, 10ms [default: 1s, 100ms, 10ms]
    #[arg(long, value_name = "INTERVAL", value_delimiter = ',', requires = "lab")]
    settings: Vec<String>,

    /// With the guides' 5s too, which take longer than a coffee
    #[arg(long, requires = "lab")]
    full: bool,
}

pub(super) fn run(arguments: &Drills, out: &mut Output) -> Exit {
    match arguments.vip {
        Some(target) => real::run(target, arguments, out),
        None => in_lab(arguments, out),
    }
}

fn in_lab(arguments: &Drills, out: &mut Output) -> Exit {
    let plan = match arguments.plan() {
        Ok(plan) => plan,
        Err(error) => {
            output::complain(&format!("halb: {error}"));
            return Exit::Usage;
        }
    };
    // Before any thread is started, which it needs.
    if let Err(error) = halb_lab::enter_user_namespace() {
        return output::failed(&error);
    }
    let halb = match env::current_exe() {
        Ok(halb) => halb,
        Err(error) => return output::failed(&error),
    };
    let mut progress = Progress::start(plan.len(), time_left(&plan));
    let options = Options { halb, streams: arguments.in_lab.streams.map(usize::from) };
    let played = play(&plan, &options, &mut |event, now| progress.tell(event, now));
    progress.end();
    tell(&played, arguments, out)
}

fn tell(played: &[Played], arguments: &Drills, out: &mut Output) -> Exit {
    let program = format!("halb {}", env!("CARGO_PKG_VERSION"));
    let ticket = report::ticket(played, &program, &today());
    let printed = if arguments.json {
        out.json(&report::json(played))
    } else {
        let text = format!(
            "{}\nWhat is allowed, and why:\n{}\n{}\nFor a change ticket:\n{ticket}\n",
            report::table(played),
            report::reasons(played),
            report::complaints(played),
        );
        out.text(&text).err().unwrap_or(Exit::Done)
    };
    let written = arguments.write_report(|| page(played, &ticket));
    if written == Exit::Done && !all_passed(played) { Exit::Failed } else { written.or(printed) }
}

impl Drills {
    fn plan(&self) -> Result<Vec<Drill>, String> {
        let faults = words::<Fault>(&self.fault, &Fault::ALL)?;
        let subjects =
            if self.in_lab.compare { &Subject::COMPARED[..] } else { &Subject::COMPARED[..1] };
        let subjects = words::<Subject>(&self.in_lab.subject, subjects)?;
        let settings = if self.in_lab.full { &Setting::ALL[..] } else { &Setting::ALL[1..] };
        let settings = words::<Setting>(&self.in_lab.settings, settings)?;
        Ok(plan(&faults, &subjects, &settings))
    }

    fn write_report(&self, page: impl FnOnce() -> String) -> Exit {
        let Some(path) = &self.report else { return Exit::Done };
        match fs::write(path, page()) {
            Ok(()) => Exit::Done,
            Err(error) => unwritten(path, &error),
        }
    }
}

impl Exit {
    /// This, or the other where all is well here.
    fn or(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Exit {
    output::refused(&format!("{} can't be written: {error}", path.display()))
}

/// What the words name; all that is usual where none are said.
fn words<T: FromStr<Err: ToString> + Copy>(said: &[String], usual: &[T]) -> Result<Vec<T>, String> {
    if said.is_empty() {
        return Ok(usual.to_vec());
    }
    said.iter().map(|word| word.parse().map_err(|error: T::Err| error.to_string())).collect()
}

/// The day, as tickets want it.
fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}
