//! What is told of drills: a table, JSON, a page with the timelines drawn, a line for a ticket.

pub mod drawing;
pub mod page;

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    figures::Figures,
    verdict::{Line, Played, millis},
};

/// The table in Markdown, which is readable as text too. A line of what halb replaces is judged by
/// halb's bounds, and says so in small letters.
#[must_use]
pub fn table(played: &[Played]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(played.iter().map(row));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "| {cell:<width$} ").expect("a string takes any text");
        }
        text.push_str("|\n");
        if number == 0 {
            let dashes = widths.iter().map(|width| format!("|{}", "-".repeat(width + 2)));
            text.push_str(&(dashes.collect::<String>() + "|\n"));
        }
    }
    text
}

const HEAD: [&str; 11] = [
    "adverts",
    "fault",
    "subject",
    "address silent",
    "no answer",
    "failed, hung",
    "connections lost",
    "longest stall",
    "none, two hold it",
    "announced after",
    "verdict",
];

fn row(played: &Played) -> [String; 11] {
    let drill = played.drill();
    let head = [drill.setting.word(), drill.fault.title(), drill.subject.title()];
    let figures = match played {
        Played::Line(line) => cells(line),
        Played::Unplayed { why, .. } => {
            let first = why.lines().next().unwrap_or_default();
            [const { String::new() }; 7]
                .into_iter()
                .chain([format!("not played: {first}")])
                .collect()
        }
    };
    let mut cells = head.into_iter().map(str::to_owned).chain(figures);
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

fn cells(line: &Line) -> Vec<String> {
    let Figures { requests, failed, hung, open, lost, .. } = line.figures;
    let figures = &line.figures;
    let both = figures.both + figures.both_after;
    vec![
        time(figures.address),
        time(figures.service),
        format!("{failed}, {hung} of {requests}"),
        format!("{lost} of {open}"),
        figures.stall.map_or_else(|| "-".to_owned(), millis),
        format!("{}, {}", time(figures.none), time(both)),
        figures.announced.map_or_else(|| "-".to_owned(), time),
        verdict(line),
    ]
}

/// Nothing at all is a dash.
fn time(time: Duration) -> String {
    if time.is_zero() { "-".to_owned() } else { millis(time) }
}

fn verdict(line: &Line) -> String {
    match (line.passed(), line.drill.counts()) {
        (true, true) => format!("PASS (at most {})", allowed(line)),
        (true, false) => "within halb's bound".to_owned(),
        (false, true) => "FAIL".to_owned(),
        (false, false) => format!("beyond halb's bound ({})", allowed(line)),
    }
}

/// The time that a gap may take, in short.
fn allowed(line: &Line) -> String {
    millis(line.bound.service.or(line.bound.service_after).unwrap_or(line.bound.address))
}

/// What was worse than it may be, and what couldn't be played, a line each.
#[must_use]
pub fn complaints(played: &[Played]) -> String {
    let mut text = String::new();
    for one in played {
        let problems = match one {
            Played::Line(line) => line.broken.clone(),
            Played::Unplayed { why, .. } => vec![format!("not played: {why}")],
        };
        for problem in problems {
            let mark = if one.drill().counts() { "FAIL" } else { "note" };
            writeln!(text, "{mark}  {}: {problem}", one.drill()).expect("a string takes any text");
        }
    }
    text
}

/// Where the bounds come from, each once for a fault.
#[must_use]
pub fn reasons(played: &[Played]) -> String {
    let mut told = Vec::new();
    let mut text = String::new();
    for one in played {
        let Played::Line(line) = one else { continue };
        let fault = line.drill.fault;
        if !told.contains(&fault) {
            told.push(fault);
            writeln!(text, "- {}: {}", fault.title(), line.bound.because)
                .expect("a string takes any text");
        }
    }
    text
}

/// One line of progress for a drill that is over.
#[must_use]
pub fn short(played: &Played) -> String {
    let drill = played.drill();
    match played {
        Played::Line(line) => {
            let word = match (line.passed(), drill.counts()) {
                (true, _) => "ok",
                (false, true) => "FAIL",
                (false, false) => "worse",
            };
            let figures = &line.figures;
            let gap = millis(figures.service.max(figures.address));
            let lost = figures.failed + figures.hung;
            format!("{word:<5} {drill}: longest gap {gap}, {lost} requests lost")
        }
        Played::Unplayed { why, .. } => {
            format!("{:<5} {drill}: not played: {}", "FAIL", why.lines().next().unwrap_or_default())
        }
    }
}

/// A line to paste into a change ticket.
#[must_use]
pub fn ticket(played: &[Played], program: &str, date: &str) -> String {
    let counted: Vec<&Played> = played.iter().filter(|one| one.drill().counts()).collect();
    let passed = counted.iter().filter(|one| one.passed()).count();
    let gap = |one: &&Played| match one {
        Played::Line(line) => Some((line.figures.service.max(line.figures.address), line.drill)),
        Played::Unplayed { .. } => None,
    };
    let worst = counted.iter().filter_map(gap).max_by_key(|(gap, _)| *gap);
    let worst = worst.map_or_else(String::new, |(gap, drill)| {
        format!("; longest gap {} ({}, {})", millis(gap), drill.fault.title(), drill.setting.word())
    });
    let word = if passed == counted.len() { "PASS" } else { "FAIL" };
    format!(
        "{date} {program} failover-test --lab: {word}, {passed} of {} drills within their bounds{worst}",
        counted.len()
    )
}

/// Everything, for programs. Times are seconds.
#[must_use]
pub fn json(played: &[Played]) -> Value {
    let drills: Vec<Value> = played
        .iter()
        .map(|one| {
            let drill = one.drill();
            let mut value = json!({
                "fault": drill.fault.word(),
                "subject": drill.subject.word(),
                "setting": drill.setting.word(),
                "counts": drill.counts(),
                "passed": one.passed(),
            });
            match one {
                Played::Line(line) => {
                    value["broken"] = json!(line.broken);
                    value["figures"] = figures(&line.figures);
                    value["bound"] = bound(line);
                    value["timeline"] = timeline(line);
                }
                Played::Unplayed { why, .. } => value["not_played"] = json!(why),
            }
            value
        })
        .collect();
    json!({ "passed": super::verdict::all_passed(played), "drills": drills })
}

fn figures(of: &Figures) -> Value {
    json!({
        "address_gap_seconds": of.address.as_secs_f64(),
        "service_gap_seconds": of.service.as_secs_f64(),
        "service_gap_after_seconds": of.service_after.as_secs_f64(),
        "requests": of.requests,
        "requests_failed": of.failed,
        "requests_hung": of.hung,
        "connections_open": of.open,
        "connections_lost": of.lost,
        "connections_lost_unknown_to_client": of.silent,
        "longest_stall_seconds": of.stall.map(|time| time.as_secs_f64()),
        "connections_with_wrong_bytes": of.wrong,
        "no_holder_seconds": of.none.as_secs_f64(),
        "two_holders_seconds": of.both.as_secs_f64(),
        "two_holders_after_seconds": of.both_after.as_secs_f64(),
        "moves": of.moves,
        "holders_at_end": of.holders,
        "announced_after_seconds": of.announced.map(|time| time.as_secs_f64()),
    })
}

fn bound(line: &Line) -> Value {
    let bound = &line.bound;
    json!({
        "address_gap_seconds": bound.address.as_secs_f64(),
        "service_gap_seconds": bound.service.map(|time| time.as_secs_f64()),
        "service_gap_after_seconds": bound.service_after.map(|time| time.as_secs_f64()),
        "requests_lost": bound.lost_requests,
        "connections_lost": bound.lost_connections,
        "longest_stall_seconds": bound.stall.map(|time| time.as_secs_f64()),
        "two_holders_seconds": bound.both.map(|time| time.as_secs_f64()),
        "two_holders_after_seconds": bound.both_after.as_secs_f64(),
        "moves": bound.moves,
        "because": bound.because,
    })
}

fn timeline(line: &Line) -> Value {
    let record = &line.record;
    let at = |time: Duration| time.as_secs_f64();
    let spans = |spans: &[super::record::Span]| -> Vec<[f64; 2]> {
        spans.iter().map(|span| [at(span.from), at(span.to)]).collect()
    };
    let holders: Vec<Value> = record
        .holders
        .iter()
        .map(|(from, holders)| json!({ "from_seconds": at(*from), "holders": holders }))
        .collect();
    let notes: Vec<Value> = record
        .notes
        .iter()
        .map(|(when, what)| json!({ "at_seconds": at(*when), "what": what }))
        .collect();
    json!({
        "length_seconds": at(record.length),
        "fault_seconds": at(record.fault),
        "mended_seconds": record.mended.map(at),
        "holders": holders,
        "address_silent_seconds": spans(&record.outages),
        "no_answer_seconds": spans(&super::figures::silences(record)),
        "notes": notes,
    })
}

#[cfg(test)]
mod tests;
