//! Prometheus' text format, written a family at a time straight into the answer.

use std::fmt::{Display, Write as _};

use metrics_exporter_prometheus::formatting;

use super::names::{Kind, Metric};
use crate::status::vrrp::Histogram;

/// What a family has a series of: its labels, and where its values come from.
pub(super) struct Row<T> {
    /// As they are served, less the braces.
    labels: String,
    of: T,
}

impl<T> Row<T> {
    pub(super) fn new(labels: &[(&str, &str)], of: T) -> Self {
        let label = |(name, value): &(&str, &str)| {
            format!("{name}=\"{}\"", formatting::sanitize_label_value(value))
        };
        Self { labels: labels.iter().map(label).collect::<Vec<_>>().join(","), of }
    }
}

/// A value as it is served.
pub(super) trait Sample {
    /// What prints as Prometheus reads it.
    type Number: Display;

    /// None: the row has no such series.
    fn number(self) -> Option<Self::Number>;
}

impl Sample for u64 {
    type Number = Self;

    fn number(self) -> Option<Self> {
        Some(self)
    }
}

impl Sample for f64 {
    type Number = Self;

    fn number(self) -> Option<Self> {
        Some(self)
    }
}

impl Sample for bool {
    type Number = u8;

    fn number(self) -> Option<u8> {
        Some(u8::from(self))
    }
}

impl<S: Sample> Sample for Option<S> {
    type Number = S::Number;

    fn number(self) -> Option<S::Number> {
        self.and_then(S::number)
    }
}

/// The answer of a scrape as it grows.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    /// The whole of it.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// A metric of all rows that have a sample of it; nothing at all if none has.
    pub(super) fn family<T, S: Sample>(
        &mut self,
        metric: &Metric,
        rows: &[Row<T>],
        sample: impl Fn(&T) -> S,
    ) {
        debug_assert!(metric.kind != Kind::Histogram, "{} is a histogram", metric.name);
        let start = self.text.len();
        self.head(metric);
        let empty = self.text.len();
        for row in rows {
            if let Some(number) = sample(&row.of).number() {
                self.line(metric.name, "", &row.labels, number);
            }
        }
        if self.text.len() == empty {
            self.text.truncate(start);
        }
    }

    /// A histogram of each row.
    pub(super) fn histogram<T>(
        &mut self,
        metric: &Metric,
        rows: &[Row<T>],
        of: impl Fn(&T) -> &Histogram,
    ) {
        debug_assert!(metric.kind == Kind::Histogram, "{} is no histogram", metric.name);
        if rows.is_empty() {
            return;
        }
        self.head(metric);
        for Row { labels, of: row } in rows {
            let histogram = of(row);
            let comma = if labels.is_empty() { "" } else { "," };
            let up_to = |le: &dyn Display| format!("{labels}{comma}le=\"{le}\"");
            for bucket in &histogram.buckets {
                self.line(metric.name, "_bucket", &up_to(&bucket.le_seconds), bucket.count);
            }
            self.line(metric.name, "_bucket", &up_to(&"+Inf"), histogram.count);
            self.line(metric.name, "_sum", labels, histogram.sum_seconds);
            self.line(metric.name, "_count", labels, histogram.count);
        }
    }

    fn head(&mut self, metric: &Metric) {
        formatting::write_help_line(&mut self.text, metric.name, None, None, metric.help);
        formatting::write_type_line(&mut self.text, metric.name, None, None, metric.kind.word());
    }

    fn line(&mut self, name: &str, suffix: &str, labels: &str, number: impl Display) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push('}');
        }
        // Writing to a String can't fail.
        let _ = writeln!(self.text, " {number}");
    }
}
