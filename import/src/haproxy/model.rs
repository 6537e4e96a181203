//! Sections that balance, with what `defaults` says in its place before their own lines.

use super::parse::{Kind, Line, Parsed, Section};
use super::words::Word;
use crate::finding::{Class, Fault};
use crate::ledger::Ledger;

/// A `frontend`, `backend` or `listen`.
#[derive(Debug)]
pub(super) struct Proxy<'a> {
    pub(super) kind: Kind,
    pub(super) header: &'a Line,
    pub(super) name: &'a str,
    /// What holds for it, in order: what it inherits, then what it says itself.
    pub(super) lines: Vec<&'a Line>,
    /// How many of them are inherited.
    inherited: usize,
}

/// `defaults`, with what it inherits itself.
struct Defaults<'a> {
    name: &'a str,
    lines: Vec<&'a Line>,
}

/// Most lines that a section may inherit along a chain of `defaults`.
const INHERITED_MAX: usize = 4096;

/// The sections that balance, in order. References that lead nowhere are faults.
pub(super) fn proxies<'a>(parsed: &'a Parsed, faults: &mut Vec<Fault>) -> Vec<Proxy<'a>> {
    let mut known: Vec<Defaults<'a>> = Vec::new();
    let mut proxies = Vec::new();
    for section in &parsed.sections {
        let inherited = inherited(section, &known, faults);
        let with_own = || inherited.iter().copied().chain(&section.lines).collect::<Vec<_>>();
        match section.kind {
            Kind::Defaults => {
                let mut lines = with_own();
                lines.truncate(INHERITED_MAX);
                known.push(Defaults { name: section.name(), lines });
            }
            Kind::Frontend | Kind::Backend | Kind::Listen => proxies.push(Proxy {
                kind: section.kind,
                header: &section.header,
                name: section.name(),
                lines: with_own(),
                inherited: inherited.len(),
            }),
            Kind::Global | Kind::Other(_) => {}
        }
    }
    proxies
}

/// What a section inherits: from the `defaults` that it names, or from the last one before it.
/// `defaults` that name none begin anew.
fn inherited<'a>(
    section: &Section,
    known: &[Defaults<'a>],
    faults: &mut Vec<Fault>,
) -> Vec<&'a Line> {
    let texts = section.header.texts();
    let from = texts.iter().position(|word| *word == "from").filter(|at| *at > 0);
    let Some(from) = from else {
        let begins_anew = section.kind == Kind::Defaults;
        let last = known.last().filter(|_| !begins_anew);
        return last.map(|defaults| defaults.lines.clone()).unwrap_or_default();
    };
    let name = section.header.word(from + 1);
    if let Some(found) = known.iter().rev().find(|defaults| defaults.name == name) {
        return found.lines.clone();
    }
    faults.push(Fault {
        place: section.header.place(),
        what: format!("there is no `defaults {name}` before this"),
        remedy: "name one that stands further up, or in a file given before".to_owned(),
    });
    Vec::new()
}

impl<'a> Proxy<'a> {
    /// The words of its first line, without the address that old versions took there.
    pub(super) fn header_words(&self) -> &'a [Word] {
        let words = &self.header.words;
        words.get(..2).filter(|_| self.old_bind().is_some()).unwrap_or(words)
    }

    /// The address and options behind its name, as versions before 2.0 had them.
    pub(super) fn old_bind(&self) -> Option<&'a [Word]> {
        let words = self.header.words.get(2..)?;
        let address = words.first()?;
        (self.has_frontend() && address.text.contains(':')).then_some(words)
    }

    pub(super) fn has_frontend(&self) -> bool {
        matches!(self.kind, Kind::Frontend | Kind::Listen)
    }

    pub(super) fn has_backend(&self) -> bool {
        matches!(self.kind, Kind::Backend | Kind::Listen)
    }

    /// Lines that begin with some words, in order.
    pub(super) fn all<'s>(&'s self, words: &'s [&'s str]) -> impl Iterator<Item = &'a Line> + 's {
        self.lines.iter().copied().filter(move |line| begins_with(line, words))
    }

    /// The line that counts where each replaces the one before.
    pub(super) fn last(&self, words: &[&str]) -> Option<&'a Line> {
        self.all(words).last()
    }

    /// Like `last`, and earlier ones are settled: they say nothing any more.
    pub(super) fn take(&self, words: &[&str], ledger: &mut Ledger) -> Option<&'a Line> {
        let lines: Vec<_> = self.all(words).collect();
        let (last, earlier) = lines.split_last()?;
        for line in earlier {
            settle(line, Class::meaningless("a later line says otherwise"), ledger);
        }
        Some(last)
    }

    /// The last `option NAME`, unless a `no option NAME` follows it, which is settled.
    pub(super) fn option(&self, name: &str, ledger: &mut Ledger) -> Option<&'a Line> {
        let mut said = None;
        for line in &self.lines {
            if begins_with(line, &["option", name]) {
                said = Some(*line);
            } else if begins_with(line, &["no", "option", name]) {
                said = None;
                settle(line, Class::meaningless("it is off unless it is switched on"), ledger);
            }
        }
        said
    }

    /// Its own lines, without those that it inherits.
    pub(super) fn own_lines(&self) -> &[&'a Line] {
        self.lines.get(self.inherited..).unwrap_or_default()
    }

    /// Connections are relayed by HTTP requests, not as they are.
    pub(super) fn is_http(&self) -> bool {
        self.last(&["mode"]).is_some_and(|line| line.word(1) == "http")
    }

    /// Nothing is served here: `disabled`.
    pub(super) fn is_disabled(&self) -> bool {
        let word = |line: &&&Line| matches!(line.word(0), "disabled" | "enabled");
        self.lines.iter().rev().find(word).is_some_and(|line| line.word(0) == "disabled")
    }
}

/// Whether a line begins with some words.
pub(super) fn begins_with(line: &Line, words: &[&str]) -> bool {
    line.words.len() >= words.len() && words.iter().enumerate().all(|(n, w)| line.word(n) == *w)
}

/// Settles a line as a whole.
pub(super) fn settle(line: &Line, class: Class, ledger: &mut Ledger) {
    ledger.settle(&line.place(), shown(&line.texts()), class);
}

/// Words as they are told. Passwords of the status page and of users stay where they are.
pub(super) fn shown(words: &[&str]) -> String {
    let quoted = |word: &&str| {
        if word.is_empty() || word.contains([' ', '\t', '\r', '\n', '#']) {
            format!("{word:?}")
        } else {
            (*word).to_owned()
        }
    };
    let secret = match words {
        ["stats", "auth", ..] => Some(2),
        ["user", _, "password" | "insecure-password", ..] => Some(3),
        _ => None,
    };
    match secret {
        Some(count) if words.len() > count => {
            format!("{} …", words.iter().take(count).map(quoted).collect::<Vec<_>>().join(" "))
        }
        Some(_) | None => words.iter().map(quoted).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::haproxy::parse::parse;
    use crate::haproxy::words::Variables;
    use crate::source::{Nothing, SourceFile};

    fn parsed(text: &str) -> Parsed {
        let files = [SourceFile::new("h.cfg", text)];
        parse(&files, &mut Variables::new(&Nothing), &mut Ledger::default())
    }

    const CHAIN: &str = "\
defaults base
  timeout client 1s
  option redispatch
defaults more from base
  timeout client 2s
frontend f from base
  no option redispatch
defaults
  mode http
backend b
listen l from more
  option redispatch
";

    #[test]
    fn sections_inherit_from_the_defaults_that_they_name_or_from_the_last() {
        let parsed = parsed(CHAIN);
        let mut faults = Vec::new();
        let proxies = proxies(&parsed, &mut faults);
        let client = |proxy: &Proxy<'_>| {
            proxy.last(&["timeout", "client"]).map(|line| line.word(2).to_owned())
        };
        assert_eq!(
            proxies.iter().map(client).collect::<Vec<_>>(),
            [Some("1s".to_owned()), None, Some("2s".to_owned())]
        );
        let ledger = &mut Ledger::default();
        let redispatch: Vec<_> =
            proxies.iter().map(|p| p.option("redispatch", ledger).is_some()).collect();
        assert_eq!(redispatch, [false, false, true]);
        assert_eq!(proxies.iter().map(Proxy::is_http).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(proxies[2].own_lines().len(), 1);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_name_of_defaults_that_leads_nowhere_is_a_fault() {
        let parsed = parsed("frontend f from nowhere\n bind :80\n");
        let mut faults = Vec::new();
        proxies(&parsed, &mut faults);
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn passwords_are_not_told() {
        assert_eq!(shown(&["stats", "auth", "admin:secret"]), "stats auth …");
        assert_eq!(shown(&["user", "x", "password", "$6$"]), "user x password …");
        assert_eq!(shown(&["option", "a b"]), "option \"a b\"");
    }
}
