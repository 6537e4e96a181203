//! Every keyword of HAProxy 2 and 3 that people use, and what becomes of those that no code
//! translates. A line that isn't settled by translation is looked up here; one that isn't found is
//! told as unknown, with the nearest known word.

mod global;
mod proxy;

use super::parse::Line;
use crate::finding::Class;
use halb_config::keys::nearest;

/// What becomes of a line.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Translated where it counts; here it doesn't.
    Read,
    /// halb does so anyway.
    Default,
    /// Nothing here that it could be about.
    Meaningless(&'static str),
    /// It belongs to HTTP; without meaning where TCP is balanced.
    Http,
    /// The same, and where HTTP was balanced its absence is noticed.
    HttpNoticed,
    /// Not kept, and not missed; what to do instead, if anything.
    LeftOut(&'static str, &'static str),
    /// Not kept, and missed.
    Lost(&'static str, &'static str),
}

/// The first words of a line, and what becomes of it.
type Entry = (&'static str, Fate);

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// In `global`.
    Global,
    /// In `defaults`.
    Defaults,
    /// In a section that balances TCP.
    Tcp,
    /// In a section that balances HTTP.
    Http,
}

/// What becomes of a line that nothing has translated.
pub(super) fn class(line: &Line, place: Where) -> Class {
    let global = place == Where::Global;
    let table = if global { global::WORDS } else { proxy::WORDS };
    let texts = line.texts();
    let words = match texts.as_slice() {
        ["no" | "default", rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    match find(table, words) {
        Some(fate) => class_of(fate, place),
        None => unknown(table, words),
    }
}

/// The entry with the most words that a line begins with.
fn find(table: &[Entry], words: &[&str]) -> Option<Fate> {
    let fits = |name: &str| {
        name.split(' ').enumerate().all(|(n, word)| match word.strip_suffix('*') {
            Some(prefix) => words.get(n).is_some_and(|found| found.starts_with(prefix)),
            None => words.get(n).is_some_and(|found| *found == word),
        })
    };
    let fitting = table.iter().filter(|(name, _)| fits(name));
    fitting.max_by_key(|(name, _)| (name.split(' ').count(), name.len())).map(|(_, fate)| *fate)
}

fn class_of(fate: Fate, place: Where) -> Class {
    let with = |class: Class, instead: &str| {
        if instead.is_empty() { class } else { class.instead(instead) }
    };
    match fate {
        Fate::Read if place == Where::Defaults => {
            Class::meaningless("no section below it needs it")
        }
        Fate::Read => Class::meaningless("it has no effect in a section of this kind"),
        Fate::Default => Class::DefaultAnyway,
        Fate::Meaningless(because) => Class::meaningless(because),
        Fate::HttpNoticed if place == Where::Http => {
            Class::lost("it concerns HTTP, and halb passes bytes on as they are")
        }
        Fate::Http | Fate::HttpNoticed => {
            Class::meaningless("it concerns HTTP, and halb balances TCP")
        }
        Fate::LeftOut(because, instead) => with(Class::left_out(because), instead),
        Fate::Lost(because, instead) => with(Class::lost(because), instead),
    }
}

fn unknown(table: &'static [Entry], words: &[&str]) -> Class {
    let class = Class::lost("nobody knows this word");
    let two: Vec<_> = words.iter().take(2).copied().collect();
    let full = |name: &&str| !name.contains('*');
    let of_two = table.iter().map(|(name, _)| *name).filter(full).filter(|n| n.contains(' '));
    let of_one = table.iter().filter_map(|(name, _)| name.split(' ').next()).filter(full);
    let first = words.first().copied().unwrap_or_default();
    let family = of_one.clone().any(|known| known == first);
    let near = if family { nearest(of_two, &two.join(" ")) } else { nearest(of_one, first) };
    match near {
        Some(near) => class.instead(format!("was '{near}' meant?")),
        None => class,
    }
}

#[cfg(test)]
mod tests;
