//! Where in an inventory something stands, for whoever is to change it by hand.

use std::ops::RangeInclusive;

use crate::inventory::problem::Span;
use crate::inventory::reader::Problems;
use crate::inventory::yaml::{self, Entry, Node, Value};

/// The lines of a host's entry in the list of hosts, the first line being 1.
#[must_use]
pub fn of_host(text: &str, name: &str) -> Option<RangeInclusive<usize>> {
    let document = yaml::parse(text, &Problems::default())?;
    let Value::List(hosts) = &entry(&document, "hosts")?.node.value else { return None };
    let is_named = |host: &&Node| {
        let own = entry(host, "name");
        own.is_some_and(|own| matches!(&own.node.value, Value::Text(word) if word == name))
    };
    let host = hosts.iter().find(is_named)?;
    Some(lines(text, &host.span))
}

/// The line of the version of Kubernetes.
#[must_use]
pub fn of_version(text: &str) -> Option<usize> {
    let document = yaml::parse(text, &Problems::default())?;
    let version = entry(&entry(&document, "kubernetes")?.node, "version")?;
    Some(*lines(text, &version.node.span).start())
}

fn entry<'a>(table: &'a Node, key: &str) -> Option<&'a Entry> {
    let Value::Table(entries) = &table.value else { return None };
    entries.iter().find(|entry| entry.key == key)
}

/// Lines of a span, without what is empty or comment at its end.
fn lines(text: &str, span: &Span) -> RangeInclusive<usize> {
    let number = |at: usize| text[..at].matches('\n').count() + 1;
    let inside = text.get(span.clone()).unwrap_or_default();
    let mut end = span.start;
    let mut at = span.start;
    for line in inside.split_inclusive('\n') {
        let words = line.trim();
        if !words.is_empty() && !words.starts_with(['#', '-']) || at == span.start {
            end = at;
        }
        at += line.len();
    }
    number(span.start)..=number(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::example::HIGHLY_AVAILABLE;

    #[test]
    fn a_hosts_lines_are_found_in_any_shape() {
        let text = "kubernetes:\n  version: 1.36.4 # now\nhosts:\n  - {name: a, role: master}\n  \
                    # the second\n  - name: b\n    role: worker\n    ssh:\n      user: op\n\n  \
                    # the third\n  - name: c\n    role: worker\n";
        assert_eq!(of_host(text, "a"), Some(4..=4));
        assert_eq!(of_host(text, "b"), Some(6..=9));
        assert_eq!(of_host(text, "c"), Some(12..=13));
        assert_eq!(of_host(text, "d"), None);
        assert_eq!(of_version(text), Some(2));
    }

    #[test]
    fn the_lines_of_the_example_are_those_that_name_them() {
        let lines: Vec<_> = HIGHLY_AVAILABLE.lines().collect();
        for name in ["loadbalancer01", "kmaster02", "kworker02"] {
            let found = of_host(HIGHLY_AVAILABLE, name).expect("it is there");
            assert!(lines[found.start() - 1].contains(name), "{name}: {found:?}");
        }
        let version = of_version(HIGHLY_AVAILABLE).expect("it is there");
        assert!(lines[version - 1].contains("version:"), "{version}");
    }
}
