//! Findings as people read them.

use std::fmt::Write as _;

use super::{Area, Finding, Verdict, verdict};

/// Columns of a subject.
const SUBJECT: usize = 16;

/// Everything that was looked at, area by area, and what it comes to.
#[must_use]
pub fn render(cluster: &str, findings: &[Finding]) -> String {
    let mut text = format!("Cluster '{cluster}'\n");
    for area in Area::ALL {
        let mut own = findings.iter().filter(|finding| finding.area == area).peekable();
        if own.peek().is_none() {
            continue;
        }
        // Writing to a String doesn't fail.
        let _ = writeln!(text, "\n{}", area.title());
        for finding in own {
            let Finding { subject, verdict, what, remedy, .. } = finding;
            let _ = writeln!(text, "  {:9} {subject:SUBJECT$} {what}", verdict.as_str());
            if let Some(remedy) = remedy {
                let _ = writeln!(text, "  {:9} {:SUBJECT$}   {remedy}", "", "");
            }
        }
    }
    let _ = writeln!(text, "\n{}", conclusion(findings));
    text
}

/// What all of it comes to, in a sentence.
#[must_use]
pub(super) fn conclusion(findings: &[Finding]) -> String {
    let count = |wanted| findings.iter().filter(|finding| finding.verdict == wanted).count();
    let (good, unproven, bad) =
        (count(Verdict::Good), count(Verdict::Unproven), count(Verdict::Bad));
    match verdict(findings) {
        Verdict::Good => format!("Good: all {good} things that were looked at are as wanted."),
        Verdict::Unproven if good == 1 => {
            format!("Unproven: 1 thing is as wanted, {unproven} couldn't be seen.")
        }
        Verdict::Unproven => {
            format!("Unproven: {good} things are as wanted, {unproven} couldn't be seen.")
        }
        Verdict::Bad if unproven == 0 => {
            format!("Bad: {bad} of {} things are not as wanted.", findings.len())
        }
        Verdict::Bad => format!(
            "Bad: {bad} of {} things are not as wanted, {unproven} couldn't be seen.",
            findings.len()
        ),
    }
}

/// A line for each area: its verdict, and the worst of what was seen. Then what all comes to.
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    let mut text = String::new();
    for area in Area::ALL {
        let own: Vec<_> = findings.iter().filter(|finding| finding.area == area).collect();
        let Some(worst) = own.iter().map(|finding| finding.verdict).max() else { continue };
        let alike: Vec<_> = own.iter().filter(|finding| finding.verdict == worst).collect();
        let what = match alike.as_slice() {
            [] => continue,
            [one] if worst == Verdict::Good => one.what.clone(),
            many if worst == Verdict::Good => format!("all {} as wanted", many.len()),
            [first, rest @ ..] => {
                let more = match rest.len() {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                };
                format!("{}: {}{more}", first.subject, first.what)
            }
        };
        // Writing to a String doesn't fail.
        let _ = writeln!(text, "{:13} {:9} {what}", area.title(), worst.as_str());
    }
    let _ = writeln!(text, "\n{}", conclusion(findings));
    text
}
