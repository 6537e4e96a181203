//! Keeps account of directives, so that each ends in exactly one finding.
//!
//! One directive may be met several times: a line of HAProxy's `defaults` concerns many sections.
//! What weighs most is kept: a loss over a translation, a translation over having no meaning.

use std::collections::BTreeMap;

use super::finding::{Class, Finding};
use super::source::Place;

/// Most targets that are named one by one.
const TARGETS_SHOWN_MAX: usize = 3;

/// What has become of directives so far.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<(usize, usize, usize), Settled>,
}

#[derive(Debug)]
struct Settled {
    place: Place,
    words: String,
    class: Class,
    /// Where it was translated to, in order.
    targets: Vec<String>,
}

impl Ledger {
    /// Notes what becomes of the directive at a place.
    pub fn settle(&mut self, place: &Place, words: impl Into<String>, class: Class) {
        let entry = self.entries.entry(place.start()).or_insert_with(|| Settled {
            place: place.clone(),
            words: words.into(),
            class: class.clone(),
            targets: Vec::new(),
        });
        // Of two readings of one beginning the longer one names what was meant.
        if place.columns.end > entry.place.columns.end {
            entry.place = place.clone();
        }
        if let Class::Translated { to } = &class
            && !entry.targets.contains(to)
        {
            entry.targets.push(to.clone());
        }
        if weight(&class) > weight(&entry.class) {
            entry.class = class;
        }
    }

    /// Whether the word at a place is part of a directive that is settled.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        let before = self.entries.range(..=place.start()).next_back();
        before.is_some_and(|(_, settled)| {
            let settled = &settled.place;
            (settled.file, settled.line) == (place.file, place.line)
                && settled.columns.end >= place.columns.end
        })
    }

    /// All of them, in the order of the sources.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        self.entries.into_values().map(Settled::finding).collect()
    }
}

impl Settled {
    fn finding(self) -> Finding {
        let class = match self.class {
            Class::Translated { .. } => Class::Translated { to: targets(&self.targets) },
            class @ (Class::DefaultAnyway
            | Class::WithoutMeaning { .. }
            | Class::NotSupported { .. }) => class,
        };
        Finding { place: self.place, words: self.words, class }
    }
}

fn targets(targets: &[String]) -> String {
    match targets.get(TARGETS_SHOWN_MAX..) {
        Some(more) if !more.is_empty() => {
            format!("{} and {} more", targets[..TARGETS_SHOWN_MAX].join(", "), more.len())
        }
        Some(_) | None => targets.join(", "),
    }
}

fn weight(class: &Class) -> u8 {
    match class {
        Class::WithoutMeaning { .. } => 0,
        Class::DefaultAnyway => 1,
        Class::Translated { .. } => 2,
        Class::NotSupported { changes_behaviour: false, .. } => 3,
        Class::NotSupported { changes_behaviour: true, .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(columns: std::ops::Range<usize>) -> Place {
        Place { file: 0, line: 7, columns }
    }

    #[test]
    fn of_several_fates_of_a_directive_the_weightiest_is_told() {
        let mut ledger = Ledger::default();
        ledger.settle(&place(2..20), "timeout client 50s", Class::meaningless("no frontend"));
        for name in ["a", "b", "a", "c", "d", "e"] {
            ledger.settle(&place(2..20), "", Class::to(format!("frontend.{name}")));
        }
        ledger.settle(&place(2..20), "", Class::DefaultAnyway);
        ledger.settle(&place(30..34), "bind", Class::to("x"));
        ledger.settle(&place(30..34), "bind", Class::lost("no"));
        let findings = ledger.into_findings();
        let to = "frontend.a, frontend.b, frontend.c and 2 more";
        assert_eq!(
            (&*findings[0].words, &findings[0].class),
            ("timeout client 50s", &Class::to(to))
        );
        assert_eq!(findings[1].class, Class::lost("no"));
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn a_word_is_covered_by_the_directive_that_it_is_part_of() {
        let mut ledger = Ledger::default();
        ledger.settle(&place(2..10), "fall 3", Class::DefaultAnyway);
        assert!(ledger.covers(&place(2..6)) && ledger.covers(&place(7..10)));
        assert!(!ledger.covers(&place(0..1)) && !ledger.covers(&place(11..12)));
        assert!(!ledger.covers(&Place { line: 8, ..place(2..6) }));
    }
}
