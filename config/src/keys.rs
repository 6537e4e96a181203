//! Every table and key that a configuration file may hold, as data: it decides which keys are
//! unknown, what they are corrected to, and what the reference in `docs/configuration.md` says.

mod backend;
mod check;
mod daemon;
mod frontend;
mod resolver;
mod vrrp;

pub use self::backend::{BACKEND, QUEUE, SERVER};
pub use self::check::{CHECK, CHECK_CONNECT, CHECK_HTTP, CHECK_SCRIPT, CHECK_TLS};
pub use self::daemon::{ADMIN, GLOBAL, HAPROXY, LOG, ROOT};
pub use self::frontend::{FRONTEND, KEEPALIVE, ROUTE};
pub use self::resolver::RESOLVER;
pub use self::vrrp::{PEER, TRACK, VIRTUAL_ADDRESS, VRRP, VRRP_GROUP};

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// How it is written: `[frontend.NAME]`.
    pub path: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What it may hold, in the order of the reference.
    pub keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// The key as written.
    pub name: &'static str,
    /// What may stand on its right.
    pub takes: &'static str,
    /// What holds when it is left out.
    pub absent: Absent,
    /// A value that could be written, in TOML.
    pub example: &'static str,
    /// Names that other balancers (or habit) give to the same thing.
    pub also: &'static [&'static str],
    /// What it does.
    pub doc: &'static str,
}

/// What holds when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It can't be left out.
    Required,
    /// This value, in TOML.
    Default(&'static str),
    /// What the words say.
    Means(&'static str),
}

impl Key {
    /// A key that must be written.
    const fn required(name: &'static str, takes: &'static str, example: &'static str) -> Self {
        Self { name, takes, absent: Absent::Required, example, also: &[], doc: "" }
    }

    /// A key with a value of its own where it is left out.
    const fn with_default(name: &'static str, takes: &'static str, default: &'static str) -> Self {
        let absent = Absent::Default(default);
        Self { name, takes, absent, example: default, also: &[], doc: "" }
    }

    /// A key whose absence means what `absent` says.
    const fn optional(
        name: &'static str,
        takes: &'static str,
        absent: &'static str,
        example: &'static str,
    ) -> Self {
        Self { name, takes, absent: Absent::Means(absent), example, also: &[], doc: "" }
    }

    const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.also = names;
        self
    }

    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// Every table, in the order of the reference.
pub static SECTIONS: &[&Section] = &[
    &ROOT,
    &FRONTEND,
    &ROUTE,
    &KEEPALIVE,
    &BACKEND,
    &SERVER,
    &QUEUE,
    &CHECK,
    &CHECK_CONNECT,
    &CHECK_TLS,
    &CHECK_HTTP,
    &CHECK_SCRIPT,
    &VRRP,
    &VIRTUAL_ADDRESS,
    &TRACK,
    &VRRP_GROUP,
    &PEER,
    &RESOLVER,
    &GLOBAL,
    &LOG,
    &ADMIN,
    &HAPROXY,
];

/// Finds a key by its name.
#[must_use]
pub fn find(sections: &[&'static Section], name: &str) -> Option<&'static Key> {
    sections.iter().flat_map(|section| section.keys).find(|key| key.name == name)
}

/// The key that the author of an unknown one probably meant.
#[must_use]
pub fn nearest_key(sections: &[&'static Section], unknown: &str) -> Option<&'static Key> {
    let keys = || sections.iter().flat_map(|section| section.keys);
    let plain = plain(unknown);
    let alias = keys().find(|key| key.name == plain || key.also.contains(&plain.as_str()));
    alias.or_else(|| {
        let name = nearest(keys().map(|key| key.name), unknown)?;
        find(sections, name)
    })
}

/// What to do instead of a key that other programs have, where no other key means the same.
pub fn habit(sections: &[&'static Section], unknown: &str) -> Option<&'static str> {
    let plain = plain(unknown);
    let here = |section: &Section| sections.iter().any(|known| std::ptr::eq(*known, section));
    let habit = vrrp::HABITS.iter().find(|h| here(h.section) && h.words.contains(&plain.as_str()));
    habit.map(|habit| habit.remedy)
}

/// Tables that hold a key of exactly this name, for a key that was written in another one.
pub fn homes(name: &str) -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().copied().filter(move |section| find(&[section], name).is_some())
}

/// The known word nearest to an unknown one, if one is near enough to be meant.
pub fn nearest<'a>(known: impl IntoIterator<Item = &'a str>, unknown: &str) -> Option<&'a str> {
    let unknown = plain(unknown);
    known
        .into_iter()
        .map(|candidate| (distance(&plain(candidate), &unknown), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(candidate, &unknown))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A third of the letters may be wrong; a word of two letters must be right.
fn tolerance(candidate: &str, unknown: &str) -> usize {
    candidate.chars().count().min(unknown.chars().count()).max(1) / 3
}

/// Letters to change, swap, add or remove; a word cut short (`interv`) or drawn out (`warning`)
/// counts as one change.
fn distance(candidate: &str, unknown: &str) -> usize {
    let (short, long) =
        if candidate.len() < unknown.len() { (candidate, unknown) } else { (unknown, candidate) };
    if short.len() >= STEM_LEN_MIN && long.starts_with(short) {
        return usize::from(short != long);
    }
    // A word of any length may come in; names and keys that are known are short.
    if unknown.len() > UNKNOWN_LEN_MAX {
        return usize::MAX;
    }
    strsim::damerau_levenshtein(candidate, unknown)
}

/// Shortest beginning of a word that is taken for the whole.
const STEM_LEN_MIN: usize = 4;

/// Longest unknown word that is compared: twice the longest name. The comparison is quadratic.
const UNKNOWN_LEN_MAX: usize = 128;

/// Lower case, and underscores for dashes.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests;
