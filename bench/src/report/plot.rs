//! Plots as SVG. Colours are classes that the page defines for light and dark: `c0` is the first
//! contender's.

use std::fmt::Write as _;

use super::{Curve, Report, Row};
use crate::{scenario::Better, statistics::Summary};

/// The colour of a contender: by its place, and grey for nobody between.
pub(super) fn colour(report: &Report, index: usize) -> usize {
    const GREY: usize = 4;
    if report.names[index] == "direct" { GREY } else { index % GREY }
}

/// One figure of all contenders, as bars with their range.
pub(super) fn bars(report: &Report, row: &Row) -> String {
    const LEFT: f64 = 74.0;
    const RIGHT: f64 = 84.0;
    const WIDTH: f64 = 360.0;
    const STEP: f64 = 24.0;
    let shown: Vec<_> = row
        .cells
        .iter()
        .enumerate()
        .filter_map(|(index, cell)| Some((index, cell.summary?)))
        .collect();
    let most = shown.iter().map(|(_, summary)| summary.max).fold(0.0, f64::max);
    let scale = if most > 0.0 { (WIDTH - LEFT - RIGHT) / most } else { 0.0 };
    let mut svg = String::new();
    let mut y = 2.0;
    for (index, Summary { median, min, max }) in &shown {
        let (name, colour) = (escape(report.names[*index]), colour(report, *index));
        let (middle, length) = (y + STEP / 2.0, median * scale);
        let (from, to) = (LEFT + min * scale, LEFT + max * scale);
        let value = row.unit.show(*median);
        let range = format!("{} to {}", row.unit.show(*min), row.unit.show(*max));
        let _ = write!(
            svg,
            "<g><title>{name}: {value} ({range})</title>\
             <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>\
             <rect class=\"c{colour}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>\
             <path class=\"range\" d=\"M{from:.1} {middle:.1}H{to:.1}M{from:.1} {:.1}v8M{to:.1} {:.1}v8\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{value}</text></g>",
            LEFT - 8.0,
            middle + 4.0,
            middle - 7.0,
            middle - 4.0,
            middle - 4.0,
            to.max(LEFT + length) + 6.0,
            middle + 4.0,
        );
        y += STEP;
    }
    wrap(WIDTH, y + 2.0, row.metric.title(), &svg)
}

/// How the first contender stands to each other one, in every figure: a dot with its range on a
/// logarithmic axis, turned so that left is always better.
pub(super) fn ratios(report: &Report) -> String {
    const LEFT: f64 = 290.0;
    const WIDTH: f64 = 860.0;
    const TOP: f64 = 26.0;
    const STEP: f64 = 22.0;
    let others = |row: &Row| -> Vec<(usize, Summary)> {
        let ratio = |(index, cell): (usize, &super::Cell)| {
            let compared = report.names[index] != "direct";
            Some((index, cell.ratio.filter(|_| compared)?))
        };
        let turned = |(index, ratio): (usize, Summary)| match row.metric.better() {
            Better::Lower => (index, ratio),
            Better::Higher => {
                let Summary { median, min, max } = ratio;
                (index, Summary { median: 1.0 / median, min: 1.0 / max, max: 1.0 / min })
            }
        };
        row.cells.iter().enumerate().filter_map(ratio).map(turned).collect()
    };
    let rows: Vec<_> = report.rows.iter().map(|row| (row, others(row))).collect();
    let rows: Vec<_> = rows.iter().filter(|(_, others)| !others.is_empty()).collect();
    if rows.is_empty() {
        return String::new();
    }
    let x = |ratio: f64| {
        let place = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
        LEFT + 8.0 + place * (WIDTH - LEFT - 24.0)
    };
    let height = TOP + STEP * f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)) + 6.0;
    let mut svg = format!(
        "<rect class=\"better\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        x(1.0) - LEFT,
        height - TOP
    );
    for tick in [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0] {
        let class = if tick == 1.0 { "one" } else { "grid" };
        let at = x(tick);
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{at:.1} {TOP}V{height}\"/>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\">{tick}</text>",
            TOP - 8.0
        );
    }
    let mut y = TOP + STEP / 2.0;
    for (row, others) in rows {
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 10.0,
            y + 4.0,
            escape(row.metric.title())
        );
        let count = f64::from(u32::try_from(others.len()).unwrap_or(1));
        for (place, (index, ratio)) in others.iter().enumerate() {
            // Side by side within the row, so that ranges don't hide each other.
            let place = f64::from(u32::try_from(place).unwrap_or_default());
            let at = y + (place - (count - 1.0) / 2.0) * 5.0;
            let (name, colour) = (escape(report.names[*index]), colour(report, *index));
            let _ = write!(
                svg,
                "<g><title>{}: {:.2} of {name} ({:.2} to {:.2})</title>\
                 <path class=\"l{colour}\" d=\"M{:.1} {at:.1}H{:.1}\"/>\
                 <circle class=\"c{colour}\" cx=\"{:.1}\" cy=\"{at:.1}\" r=\"4\"/></g>",
                escape(row.metric.title()),
                ratio.median,
                ratio.min,
                ratio.max,
                x(ratio.min),
                x(ratio.max),
                x(ratio.median),
            );
        }
        y += STEP;
    }
    wrap(WIDTH, height, "ratios", &svg)
}

/// Latencies from the median to the slowest, both axes logarithmic: to the right, ten times fewer
/// requests are slower at each line.
pub(super) fn curve(report: &Report, curve: &Curve) -> String {
    const LEFT: f64 = 66.0;
    const WIDTH: f64 = 560.0;
    const HEIGHT: f64 = 260.0;
    const BOTTOM: f64 = 30.0;
    let points = || curve.lines.iter().flatten();
    let (mut low, mut high, mut far) = (f64::MAX, 0.0_f64, 1.0_f64);
    for (share, seconds) in points().filter(|(_, seconds)| *seconds > 0.0) {
        (low, high) = (low.min(*seconds), high.max(*seconds));
        far = far.max(-(1.0 - share).log10());
    }
    if high == 0.0 {
        return String::new();
    }
    let (bottom, top) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let x = |share: f64| LEFT + -(1.0 - share).log10() / far * (WIDTH - LEFT - 16.0);
    let y = |seconds: f64| 8.0 + (top - seconds.log10()) / (top - bottom) * (HEIGHT - BOTTOM - 8.0);
    let mut svg = String::new();
    let ticks = [1e-6_f64, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];
    for seconds in
        ticks.into_iter().filter(|tick| (bottom..=top + 0.01).contains(&tick.log10().round()))
    {
        let at = y(seconds);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{WIDTH}\"/>\
             <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            crate::scenario::Unit::Seconds.show(seconds),
        );
    }
    let shares =
        [(0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    for (share, name) in shares.into_iter().filter(|(share, _)| -f64::log10(1.0 - share) <= far) {
        let at = x(share);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} 8V{:.1}\"/>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\">{name}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - 10.0,
        );
    }
    for (index, line) in curve.lines.iter().enumerate() {
        let line = line.iter().filter(|(_, seconds)| *seconds > 0.0);
        let path: Vec<_> =
            line.map(|(share, seconds)| format!("{:.1} {:.1}", x(*share), y(*seconds))).collect();
        if !path.is_empty() {
            let (name, colour) = (escape(report.names[index]), colour(report, index));
            let _ = write!(
                svg,
                "<g><title>{name}</title><path class=\"l{colour} curve\" d=\"M{}\"/></g>",
                path.join("L")
            );
        }
    }
    wrap(WIDTH, HEIGHT, &curve.load, &svg)
}

fn wrap(width: f64, height: f64, label: &str, content: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height:.0}\" width=\"{width}\" role=\"img\" aria-label=\"{}\">{content}</svg>",
        escape(label)
    )
}

/// Text as it may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Ends of the axis of ratios; what lies beyond is drawn at its end.
const LEAST: f64 = 0.08;
const MOST: f64 = 4.0;
