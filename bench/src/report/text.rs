//! A report as a table of 80 columns.

use std::fmt::Write as _;

use super::{Cell, Report, Row};
use crate::scenario::Scenario;

/// The whole report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = head(report);
    let mut scenarios: Vec<Scenario> = report.rows.iter().map(|row| row.scenario).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let rows: Vec<_> = report.rows.iter().filter(|row| row.scenario == scenario).collect();
        text += &block(report, &rows);
    }
    text += &goals(report);
    for note in &report.notes {
        text += &format!("! {note}\n");
    }
    text
}

fn head(report: &Report) -> String {
    let names: Vec<_> = (0..report.names.len()).map(|index| report.full_name(index)).collect();
    let rounds =
        if report.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", report.rounds) };
    let mut text = format!(
        "{}\n{} of {:.1} s each, on {}; {}\n",
        names.join(", "),
        rounds,
        report.measured.as_secs_f64(),
        report.place,
        report.machine
    );
    if report.names.len() > 1 {
        let first = report.names[0];
        text += &format!(
            "Medians; 'x0.80 0.78-0.83' is {first}'s figure to that one's, and its range\n"
        );
    }
    text
}

/// What one load showed.
fn block(report: &Report, rows: &[&Row]) -> String {
    let mut text = format!("\n{}\n", rows[0].load);
    line(&mut text, "", rows.iter().map(|row| row.metric.label().to_owned()));
    for (index, name) in report.names.iter().enumerate() {
        let cells: Vec<&Cell> = rows.iter().map(|row| &row.cells[index]).collect();
        if cells.iter().all(|cell| cell.summary.is_none()) {
            continue;
        }
        let values = rows.iter().zip(&cells).map(|(row, cell)| {
            cell.summary.map_or_else(|| "-".to_owned(), |summary| row.unit.show(summary.median))
        });
        line(&mut text, name, values);
        if cells.iter().any(|cell| cell.ratio.is_some()) {
            line(&mut text, "", cells.iter().map(|cell| ratio(cell)));
        }
    }
    text
}

fn ratio(cell: &Cell) -> String {
    cell.ratio.map_or_else(String::new, |ratio| {
        format!("x{} {}-{}", short(ratio.median), short(ratio.min), short(ratio.max))
    })
}

/// A ratio: two decimals while they mean something.
fn short(ratio: f64) -> String {
    if ratio < 9.995 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

fn line(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let mut line = format!("  {name:<8}");
    for cell in cells {
        // Writing to a string can't fail.
        let _ = write!(line, "{cell:>17}");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn goals(report: &Report) -> String {
    let verdicts = report.verdicts();
    if verdicts.is_empty() {
        return String::new();
    }
    let mut text = "\nhalb to HAProxy               ratio  (range)        goal\n".to_owned();
    for verdict in verdicts {
        let ratio = verdict.ratio;
        let range = format!("({:.2}-{:.2})", ratio.min, ratio.max);
        let word = match (verdict.is_reached, verdict.holds) {
            (true, _) => "reached",
            (false, true) => "missed",
            (false, false) => "missed, the floor too",
        };
        text += &format!(
            "  {:<27} {:>5.2}  {range:<13}  {:.2}  {word}\n",
            verdict.metric.title(),
            ratio.median,
            verdict.goal,
        );
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn the_table_fits_a_terminal_and_says_what_it_compares() {
        let text = render(&example());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.starts_with("halb 0.1.0, haproxy 2.6.12, direct\n3 rounds of 1.0 s each"));
        assert!(text.contains("14.0 µs"), "{text}");
        assert!(text.contains("x0.78 0.70-0.80"), "{text}");
        assert!(text.contains("CPU per kept-alive request"), "{text}");
        assert!(text.contains("! envoy isn't installed"), "{text}");
    }

    #[test]
    fn a_contender_without_a_figure_has_a_dash_and_without_any_no_line() {
        let text = render(&example());
        let direct: Vec<_> = text.lines().filter(|line| line.starts_with("  direct")).collect();
        assert_eq!(direct.len(), 1, "{text}");
        assert!(direct[0].contains('-') && direct[0].contains("60,000"), "{direct:?}");
    }
}
