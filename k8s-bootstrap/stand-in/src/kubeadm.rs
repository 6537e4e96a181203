//! kubeadm's command line: words, exit codes, and what commands share.

mod certs;
mod init;
mod join;
mod reset;
mod small;
mod token;
mod upgrade;
mod upload;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::config::Documents;
use crate::machine::Machine;
use crate::preflight::{self, Fault, Intent};

/// Between two tries of what is waited for, as kubeadm's.
const RETRY: Duration = Duration::from_millis(500);

/// Why a command ended, and with which code.
#[derive(Debug)]
struct Failure {
    code: u8,
    what: String,
}

impl Failure {
    /// Preflight's own exit code.
    fn preflight(what: String) -> Self {
        Self { code: 2, what }
    }

    /// That of a file which is wrong.
    fn validation(what: String) -> Self {
        Self { code: 3, what }
    }

    fn phase(phase: &str, what: &str) -> Self {
        Self { code: 1, what: format!("error execution phase {phase}: {what}") }
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self { code: 1, what }
    }
}

/// Runs a command of kubeadm.
#[must_use]
pub fn kubeadm(machine: &Machine, arguments: &[String]) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    machine.event("kubeadm", json!({ "arguments": words }));
    let done = match words.as_slice() {
        ["init", "phase", "upload-certs", rest @ ..] => upload::run(machine, rest),
        ["init", rest @ ..] => init::run(machine, rest),
        ["join", rest @ ..] => join::run(machine, rest),
        ["reset", rest @ ..] => reset::run(machine, rest),
        ["token", rest @ ..] => token::run(machine, rest),
        ["certs", "check-expiration", rest @ ..] => certs::check(machine, rest),
        ["certs", "renew", rest @ ..] => certs::renew(machine, rest),
        ["upgrade", "apply", rest @ ..] => upgrade::apply(machine, rest),
        ["upgrade", "node", rest @ ..] => upgrade::node(machine, rest),
        ["config", "images", rest @ ..] => small::images(machine, rest),
        ["config", "validate", rest @ ..] => small::validate(machine, rest),
        ["version", rest @ ..] => small::version(machine, rest),
        _ => Err(Failure::from(format!("unknown command {:?} for \"kubeadm\"", words.join(" ")))),
    };
    let code = match done {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("error: {}", failure.what);
            eprintln!("To see the stack trace of this error execute with --v=5 or higher");
            failure.code
        }
    };
    machine.event("kubeadm-ended", json!({ "arguments": words, "code": code }));
    ExitCode::from(code)
}

/// Flags as name and value, and the words that are none. Unknown ones are refused.
struct Flags<'a> {
    given: Vec<(&'a str, &'a str)>,
    words: Vec<&'a str>,
}

impl<'a> Flags<'a> {
    /// `with` have a value, `without` may have one.
    fn parse(arguments: &[&'a str], with: &[&str], without: &[&str]) -> Result<Self, Failure> {
        let (mut given, mut words) = (Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-') else {
                words.push(*argument);
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v)));
            let value = match value {
                Some(value) if with.contains(&name) || without.contains(&name) => value,
                None if without.contains(&name) => "true",
                None if with.contains(&name) => arguments
                    .next()
                    .copied()
                    .ok_or_else(|| Failure::from(format!("flag needs an argument: --{name}")))?,
                Some(_) | None => return Err(Failure::from(format!("unknown flag: --{name}"))),
            };
            given.push((name, value));
        }
        Ok(Self { given, words })
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let values = self.given.iter().filter(|(given, _)| *given == name);
        values.flat_map(|(_, value)| value.split(',')).map(str::to_owned).collect()
    }
}

/// Preflight checks, less those that are ignored.
fn preflight(
    machine: &Machine,
    (intent, command): (Intent, &str),
    (name, cri): (&str, &str),
    ignored: &[String],
) -> Result<(), Failure> {
    machine.phase(command, "preflight");
    println!("[preflight] Running pre-flight checks");
    refuse(preflight::check(machine, intent, name, cri), ignored)
}

/// Ends with all faults but those that are ignored, if there are any.
fn refuse(faults: Vec<Fault>, ignored: &[String]) -> Result<(), Failure> {
    let is_ignored =
        |fault: &str| ignored.iter().any(|name| name == "all" || name.eq_ignore_ascii_case(fault));
    let (ignored, fatal): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|fault| is_ignored(&fault.name));
    for fault in ignored {
        println!("\t[WARNING {}]: {}", fault.name, fault.what);
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let mut text = "error execution phase preflight: preflight checks failed:\n\
                    [preflight] Some fatal errors occurred:\n"
        .to_owned();
    for fault in &fatal {
        text.push_str(&format!("\t[ERROR {}]: {}\n", fault.name, fault.what));
    }
    text.push_str(
        "[preflight] If you know what you are doing, you can make a check non-fatal with \
         `--ignore-preflight-errors=...`",
    );
    Err(Failure::preflight(text))
}

/// The file of `--config`: its text, and the documents in it.
fn read_config(machine: &Machine, flags: &Flags<'_>) -> Result<(String, Documents), Failure> {
    let path = flags.value("config").unwrap_or("");
    let text = machine
        .read(path)
        .map_err(|why| Failure::from(format!("unable to read config from {path:?}: {why}")))?;
    let documents = crate::config::parse(&text).map_err(Failure::validation)?;
    Ok((text, documents))
}

/// Tries until it works or the time is over; the last reason is the error.
fn retry<T>(limit: Duration, mut what: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        match what() {
            Err(_) if begun.elapsed() < limit => thread::sleep(RETRY),
            done => return done,
        }
    }
}

/// A duration of a file, or kubeadm's own.
fn limit(given: Option<&String>, default: Duration) -> Result<Duration, Failure> {
    given.map_or(Ok(default), |text| crate::config::duration(text).map_err(Failure::validation))
}

/// Refuses names of phases that there aren't.
fn check_phases(skipped: &[String], phases: &[&str]) -> Result<(), Failure> {
    let unknown = skipped.iter().find(|name| {
        let top = name.split('/').next().unwrap_or_default();
        !phases.contains(&name.as_str()) && !phases.contains(&top)
    });
    unknown.map_or(Ok(()), |name| Err(Failure::from(format!("invalid phase name: {name}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_kubeadm_doesnt_have_are_refused() {
        let parse = |words: &[&'static str]| Flags::parse(words, &["config"], &["force"]);
        let flags = parse(&["--config=a", "x", "--force"]).map_err(|failure| failure.what).unwrap();
        assert_eq!(flags.value("config"), Some("a"));
        assert_eq!(flags.value("force"), Some("true"));
        assert_eq!(flags.words, ["x"]);
        for (words, expected) in [
            (&["--tokenabc"][..], "unknown flag: --tokenabc"),
            (&["--config"][..], "flag needs an argument: --config"),
        ] {
            assert_eq!(parse(words).err().map(|failure| failure.what).as_deref(), Some(expected));
        }
    }

    #[test]
    fn phases_that_there_arent_cant_be_skipped() {
        let skipped = |name: &str| check_phases(&[name.to_owned()], &["certs", "addon"]).is_ok();
        assert!(skipped("certs") && skipped("addon/coredns"));
        assert!(!skipped("etcd-join"));
    }
}
