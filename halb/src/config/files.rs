//! Reads the file itself, and looks at the files that its checks name.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use halb_healthcheck::config::{Check, Probe};

use crate::config::check::PlacedCheck;
use crate::config::diagnostic::Diagnostic;
use crate::config::sink::Sink;
use crate::config::source::Source;
use crate::config::vrrp::{GroupDraft, RouterDraft};
use crate::config::{Drafts, Report, key_file};

/// Largest file, in bytes. A thousand backends with ten servers each are half of that.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// The text of a file.
///
/// # Errors
/// It can't be opened, is no file or too large, or it isn't UTF-8; then the report's text has
/// replacement characters for what isn't.
pub(super) fn read(path: &Path) -> Result<String, Report> {
    let name = path.display().to_string();
    let of_file = |diagnostic| Report::new(vec![diagnostic], Source::new(&name, ""));
    let bytes = read_bytes(path).map_err(|error| of_file(unreadable(&error)))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_LEN_MAX) {
        let what = format!("the file is larger than {} KiB", FILE_LEN_MAX / 1024);
        let remedy = "name the right file; a configuration is far smaller";
        return Err(of_file(Diagnostic::error_of_file(what).remedy(remedy)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
        let wrong = Diagnostic::error(span, "the file is not UTF-8 from here on")
            .remedy("save it as UTF-8");
        Report::new(vec![wrong], Source::new(&name, text))
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> Diagnostic {
    let kind = error.kind();
    let remedy = if kind == io::ErrorKind::NotFound {
        "create it, or name another with --config FILE"
    } else if kind == io::ErrorKind::PermissionDenied {
        "let the user that halb runs as read it"
    } else if kind == io::ErrorKind::IsADirectory {
        "name the file in that directory"
    } else {
        "make it readable, or name another with --config FILE"
    };
    Diagnostic::error_of_file(format!("the file can't be read: {error}")).remedy(remedy)
}

/// Looks at what the tables name of this host: certificates, keys, tokens, programs.
pub(super) fn check_named(sink: &Sink, drafts: &Drafts<'_>) {
    for placed in drafts.backends.iter().filter_map(|backend| backend.check.as_ref()) {
        for probe in parts(&placed.check.probe) {
            let check = Check { probe, ..placed.check.clone() };
            if let Err(error) = halb_healthcheck::validate(&check) {
                sink.report(unusable(placed, &error));
            }
        }
    }
    drafts.routers.iter().for_each(RouterDraft::check_programs);
    drafts.groups.iter().for_each(GroupDraft::check_program);
    if let Some((path, span)) = drafts.peer.as_ref().and_then(|peer| peer.key_file.as_ref())
        && let Err(error) = key_file::read(path)
    {
        let wrong = Diagnostic::error(span.clone(), chain(&error));
        let consequence = "the two balancers couldn't tell each other from anybody else";
        sink.report(wrong.consequence(consequence).remedy(error.remedy()));
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A probe, taken apart so that what is wrong with its request doesn't hide what is wrong with its
/// TLS: the first problem of each part is told.
fn parts(probe: &Probe) -> Vec<Probe> {
    match probe {
        Probe::Https(http, tls) => vec![Probe::Http(http.clone()), Probe::Tls(tls.clone())],
        Probe::Tcp | Probe::Tls(_) | Probe::Http(_) | Probe::Script(_) => vec![probe.clone()],
    }
}

fn unusable(check: &PlacedCheck, error: &(dyn Error + 'static)) -> Diagnostic {
    let what = chain(error);
    let named = check.files.iter().find(|(name, _)| what.contains(name.as_str()));
    let span = named.map_or(&check.span, |(_, span)| span).clone();
    Diagnostic::error(span, what)
        .consequence("no check could be made, and every server would be down")
        .remedy("correct the path or the file; the user that halb runs as must be able to use it")
}
