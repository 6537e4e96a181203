//! `halb check`: all problems of a file, or what it will do.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use halb_config::diagnostic::{Diagnostic, Severity};
use halb_config::render::{self, JsonDiagnostic, Style};
use halb_config::source::Source;
use halb_config::{Loaded, Report, summary};
use serde::Serialize;

use crate::config::load;
use crate::config::nodes::{self, Remark};

/// Exit code of a good file, with or without lints.
pub const EXIT_GOOD: u8 = 0;

/// Exit code where the answer couldn't be written.
pub const EXIT_FAILED: u8 = 1;

/// Exit code of a file with errors, or one that can't be read.
pub const EXIT_BAD_CONFIG: u8 = 3;

/// Checks files as the daemon would, each by itself and then together, and prints the answers to
/// standard output. The exit code is that of the worst.
#[must_use]
pub fn check_command(paths: &[PathBuf], json: bool) -> u8 {
    let stdout = io::stdout();
    let style = Style::for_stream(&stdout);
    check_all(paths, json, style, &mut stdout.lock()).unwrap_or(EXIT_FAILED)
}

/// Checks files and writes the answers to anywhere.
///
/// # Errors
/// The answers can't be written.
pub fn check_all(
    paths: &[PathBuf],
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> io::Result<u8> {
    let (mut worst, mut good) = (EXIT_GOOD, Vec::new());
    for (index, path) in paths.iter().enumerate() {
        if index > 0 && !json {
            writeln!(out)?;
        }
        let loaded = load(path);
        worst = worst.max(tell(&loaded, json, style, out)?);
        good.extend(loaded);
    }
    let nodes: Vec<_> = good.iter().map(|node| (node.source.name(), &node.settings)).collect();
    let remarks = nodes::remarks(&nodes);
    if json && !remarks.is_empty() {
        out.write_all(together_json(&remarks)?.as_bytes())?;
    } else {
        out.write_all(together_text(&remarks).as_bytes())?;
    }
    out.flush()?;
    Ok(worst)
}

/// Checks one file and writes the answer to anywhere.
///
/// # Errors
/// The answer can't be written.
pub fn check(path: &Path, json: bool, style: Style, out: &mut impl Write) -> io::Result<u8> {
    let code = tell(&load(path), json, style, out)?;
    out.flush()?;
    Ok(code)
}

fn tell(
    loaded: &Result<Loaded, Report>,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> io::Result<u8> {
    let answer = match (loaded, json) {
        (Ok(loaded), false) => good_text(loaded, style),
        (Err(report), false) => bad_text(report, style),
        (Ok(loaded), true) => good_json(loaded)?,
        (Err(report), true) => bad_json(report)?,
    };
    out.write_all(answer.as_bytes())?;
    Ok(if loaded.is_ok() { EXIT_GOOD } else { EXIT_BAD_CONFIG })
}

fn together_text(remarks: &[Remark]) -> String {
    let line = |Remark { files: [one, two], what, remedy }: &Remark| {
        format!("\n{one} and {two}: lint: {what}\n  -> {remedy}\n")
    };
    remarks.iter().map(line).collect()
}

fn together_json(remarks: &[Remark]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Together<'a> {
        together: &'a [Remark],
    }
    Ok(serde_json::to_string_pretty(&Together { together: remarks })? + "\n")
}

fn good_text(loaded: &Loaded, style: Style) -> String {
    let lints = loaded.lints_text(style);
    let name = loaded.source.name();
    let verdict = match loaded.lints.len() {
        0 => format!("{name}: ok"),
        count => format!("{lints}\n{name}: ok, {}", counted(count, "lint")),
    };
    format!("{verdict}\n\n{}", summary::text(&loaded.settings))
}

fn bad_text(report: &Report, style: Style) -> String {
    let errors = counted(report.count(Severity::Error), "error");
    let counts = match report.count(Severity::Lint) {
        0 => errors,
        lints => format!("{errors}, {}", counted(lints, "lint")),
    };
    format!("{}\n{}: {counts}\n", report.text(style), report.source.name())
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The answer of `halb check --json`: one object.
#[derive(Serialize)]
struct JsonAnswer<'a> {
    file: &'a str,
    ok: bool,
    errors: usize,
    lints: usize,
    diagnostics: Vec<JsonDiagnostic<'a>>,
    summary: Option<String>,
}

fn good_json(loaded: &Loaded) -> serde_json::Result<String> {
    json(&loaded.source, &loaded.lints, Some(summary::text(&loaded.settings)))
}

fn bad_json(report: &Report) -> serde_json::Result<String> {
    json(&report.source, &report.diagnostics, None)
}

fn json(
    source: &Source,
    diagnostics: &[Diagnostic],
    summary: Option<String>,
) -> serde_json::Result<String> {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let errors = count(Severity::Error);
    let answer = JsonAnswer {
        file: source.name(),
        ok: errors == 0,
        errors,
        lints: count(Severity::Lint),
        diagnostics: diagnostics.iter().map(|d| render::json(d, source)).collect(),
        summary,
    };
    Ok(serde_json::to_string_pretty(&answer)? + "\n")
}
