//! `halb import`: configurations of the old pair in, a `halb.toml` and a report out.

use std::fs::File;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Output;
use super::{Exit, complain, output};
use halb_import::keepalived::Options;
use halb_import::source::{Host, SourceFile, read};
use halb_import::{Outcome, Request, import, report};

/// What to import, and where to.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// HAProxy's configuration; several in the order that HAProxy is given them
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "keepalived")]
    haproxy: Vec<PathBuf>,

    /// keepalived's configuration on this node; the other node's behind it is compared with it
    #[arg(long, value_name = "FILE", num_args = 1..)]
    keepalived: Vec<PathBuf>,

    /// Keep check scripts as scripts, also where halb knows by itself what they ask
    #[arg(long, requires = "keepalived")]
    keep_scripts: bool,

    /// The name of this node that keepalived is started with (-i) [default: the host's]
    #[arg(long, value_name = "NAME", requires = "keepalived")]
    keepalived_id: Option<String>,

    /// Write the result here; the report then goes to the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write no result if anything that will be noticed can't be kept
    #[arg(long)]
    strict: bool,

    /// Report as JSON, the result in it
    #[arg(long)]
    json: bool,
}

pub(super) fn run(order: &Order, out: &mut Output) -> Exit {
    let (haproxy, keepalived) = match (sources(&order.haproxy), sources(&order.keepalived)) {
        (Ok(haproxy), Ok(keepalived)) => (haproxy, keepalived),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let keepalived_options =
        Options { keeps_scripts: order.keep_scripts, node: order.keepalived_id.clone() };
    let request = Request { haproxy, keepalived, keepalived_options, surroundings: &Host };
    let outcome = import(&request);
    let refused = order.strict && outcome.losses() > 0;
    let result = (outcome.is_read() && !refused).then(|| outcome.document.render());
    if let Err(exit) = tell(order, &outcome, result.as_deref(), out) {
        return exit;
    }
    if !outcome.is_read() {
        return Exit::BadConfiguration;
    }
    if refused {
        complain("halb: nothing is written: with --strict everything that is noticed must be kept");
        return Exit::Failed;
    }
    let checked = result.as_deref().map_or(Exit::Failed, check);
    if outcome.losses() > 0 { Exit::Failed } else { checked }
}

fn sources(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Exit> {
    let read = |path: &PathBuf| {
        read(path).map_err(|error| {
            output::failed(&error);
            Exit::BadConfiguration
        })
    };
    paths.iter().map(read).collect()
}

/// The result goes to its file or the standard output, the report to whichever is free.
fn tell(
    order: &Order,
    outcome: &Outcome,
    result: Option<&str>,
    out: &mut Output,
) -> Result<(), Exit> {
    if let (Some(path), Some(result)) = (&order.output, result) {
        write(path, result)?;
    }
    if order.json {
        let answer = report::json(outcome, result.map(str::to_owned));
        let exit = out.json(&answer);
        return if exit == Exit::Done { Ok(()) } else { Err(exit) };
    }
    let report = report::text(outcome);
    match (&order.output, result) {
        (None, Some(result)) => {
            complain(&report);
            out.text(result)
        }
        (Some(_), _) | (None, None) => out.text(&report),
    }
}

/// What is there may have been edited by hand since the last import, and stays.
fn write(path: &Path, result: &str) -> Result<(), Exit> {
    let file = File::create_new(path);
    file.and_then(|mut file| file.write_all(result.as_bytes())).map_err(|error| {
        let remedy = if error.kind() == io::ErrorKind::AlreadyExists {
            "; move it away, or name another with -o"
        } else {
            ""
        };
        output::refused(&format!("{} can't be written: {error}{remedy}", path.display()))
    })
}

/// The daemon's own opinion of the result. Files that it names may be missing on this host, so only
/// the text is looked at.
fn check(result: &str) -> Exit {
    match halb_config::parse(result, "the result") {
        Ok(_) => Exit::Done,
        Err(report) => {
            complain(&format!("{report}\nhalb: 'halb run' would refuse the result"));
            Exit::Failed
        }
    }
}
