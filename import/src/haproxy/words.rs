//! HAProxy's lines as words: blanks, both kinds of quotes, backslashes, comments, and environment
//! variables, which are replaced within double quotes only (HAProxy's configuration manual, §2.2
//! to §2.4).

use std::collections::BTreeMap;
use std::str::CharIndices;

use crate::finding::Fault;
use crate::source::{Place, Surroundings};

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes and backslashes, variables replaced.
    pub(super) text: String,
    /// With its quotes.
    pub(super) place: Place,
}

/// Environment variables as HAProxy would see them: those of the host, changed by `setenv` and the
/// like as reading goes on.
pub(super) struct Variables<'a> {
    surroundings: &'a dyn Surroundings,
    own: BTreeMap<String, Option<String>>,
    /// `resetenv`: of the host's only these are left.
    kept: Option<Vec<String>>,
}

/// Variables that HAProxy sets itself; only log formats use them.
const OWN_PREFIX: &str = "HAPROXY_";

impl<'a> Variables<'a> {
    pub(super) fn new(surroundings: &'a dyn Surroundings) -> Self {
        Self { surroundings, own: BTreeMap::new(), kept: None }
    }

    /// What a variable holds.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        if let Some(own) = self.own.get(name) {
            return own.clone();
        }
        let kept = self.kept.as_ref().is_none_or(|kept| kept.iter().any(|known| known == name));
        kept.then(|| self.surroundings.variable(name)).flatten()
    }

    /// `setenv`, `presetenv`, `unsetenv`, `resetenv`: true if the words are one of these.
    pub(super) fn obey(&mut self, words: &[&str]) -> bool {
        match words {
            ["setenv", name, value, ..] => {
                self.own.insert((*name).to_owned(), Some((*value).to_owned()));
            }
            ["presetenv", name, value, ..] => {
                if self.value(name).is_none() {
                    self.own.insert((*name).to_owned(), Some((*value).to_owned()));
                }
            }
            ["unsetenv", names @ ..] => {
                self.own.extend(names.iter().map(|name| ((*name).to_owned(), None)));
            }
            ["resetenv", names @ ..] => {
                self.kept = Some(names.iter().map(|name| (*name).to_owned()).collect());
                self.own.retain(|name, _| names.contains(&name.as_str()));
            }
            _ => return false,
        }
        true
    }

    /// Replaces `$NAME`, `${NAME}` and `${NAME-default}`, as addresses have them without quotes too.
    /// None: a variable isn't set here.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            match name_of(after) {
                Some((variable, left)) => {
                    expanded.push_str(&self.replacement(&variable)?);
                    rest = left;
                }
                None => {
                    expanded.push('$');
                    rest = after;
                }
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn replacement(&self, variable: &Variable<'_>) -> Result<String, String> {
        let Variable { name, default } = variable;
        match (self.value(name), default) {
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok((*default).to_owned()),
            (None, None) if name.starts_with(OWN_PREFIX) => Ok(String::new()),
            (None, None) => Err((*name).to_owned()),
        }
    }
}

/// `NAME`, `{NAME}` or `{NAME-default}` behind a dollar sign.
struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
}

/// What the text behind a dollar sign names, and what follows.
fn name_of(text: &str) -> Option<(Variable<'_>, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (inner, left) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(text.find(|c| !part(c)).unwrap_or(text.len())),
    };
    let (name, default) = match inner.find(|c| !part(c)) {
        None => (inner, None),
        Some(end) => {
            let (name, rest) = inner.split_at(end);
            // "[*]" would make several words of one; a list of that kind stays one word here.
            (name, rest.strip_prefix('-').or_else(|| rest.strip_prefix("[*]-")))
        }
    };
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins_well.then_some((Variable { name, default }, left))
}

/// The words of a line, without its comment.
pub(super) fn split(
    text: &str,
    file: usize,
    line: usize,
    variables: &Variables<'_>,
) -> Result<Vec<Word>, Fault> {
    let place = |columns| Place { file, line, columns };
    let mut splitter = Splitter {
        chars: text.char_indices(),
        len: text.len(),
        variables,
        words: Vec::new(),
        word: None,
        quote: None,
    };
    match splitter.run() {
        Ok(()) => {
            let words = splitter.words.into_iter();
            Ok(words.map(|(text, columns)| Word { text, place: place(columns) }).collect())
        }
        Err(Wrong { at, what, remedy }) => Err(Fault { place: place(at..at + 1), what, remedy }),
    }
}

/// What stops the reading of a line.
struct Wrong {
    at: usize,
    what: String,
    remedy: String,
}

struct Splitter<'t, 'v> {
    chars: CharIndices<'t>,
    len: usize,
    variables: &'v Variables<'v>,
    words: Vec<(String, std::ops::Range<usize>)>,
    /// The word that is being read, and where it began.
    word: Option<(String, usize)>,
    /// The quote that is open, and where.
    quote: Option<(char, usize)>,
}

impl Splitter<'_, '_> {
    fn run(&mut self) -> Result<(), Wrong> {
        while let Some((at, c)) = self.chars.next() {
            match (c, self.quote) {
                ('\0', _) => return Err(wrong(at, "a zero byte", "name the configuration itself")),
                ('#', None) => {
                    self.end_word(at);
                    return Ok(());
                }
                (' ' | '\t' | '\r', None) => self.end_word(at),
                ('"' | '\'', None) => {
                    self.begin_word(at);
                    self.quote = Some((c, at));
                }
                (c, Some((open, _))) if c == open => self.quote = None,
                ('\\', None | Some(('"', _))) => self.escape(at)?,
                ('$', Some(('"', _))) => self.variable(at)?,
                (c, _) => self.push(at, c),
            }
        }
        if let Some((quote, at)) = self.quote {
            let remedy = format!("close it, or write \\{quote} for the character itself");
            return Err(wrong(at, "this quote isn't closed on its line", &remedy));
        }
        self.end_word(self.len);
        Ok(())
    }

    fn begin_word(&mut self, at: usize) -> &mut String {
        &mut self.word.get_or_insert_with(|| (String::new(), at)).0
    }

    fn push(&mut self, at: usize, c: char) {
        self.begin_word(at).push(c);
    }

    fn end_word(&mut self, at: usize) {
        if let Some((text, begin)) = self.word.take() {
            self.words.push((text, begin..at));
        }
    }

    /// Behind a backslash: some characters are meant literally, some stand for others, and before
    /// all others the backslash stands for itself.
    fn escape(&mut self, at: usize) -> Result<(), Wrong> {
        let rest = self.chars.as_str();
        let quoted = self.quote.is_some();
        let (c, taken) = match rest.chars().next() {
            Some(c @ (' ' | '\\' | '#' | '"')) => (c, 1),
            Some('\'') if !quoted => ('\'', 1),
            Some('$') if quoted => ('$', 1),
            Some('n') => ('\n', 1),
            Some('r') => ('\r', 1),
            Some('t') => ('\t', 1),
            Some('x') => {
                let hex = rest.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                let Some(byte) = hex else {
                    let remedy = "write two hexadecimal digits behind \\x";
                    return Err(wrong(at, "this \\x stands for no byte", remedy));
                };
                (char::from(byte), 3)
            }
            Some(_) | None => ('\\', 0),
        };
        for _ in 0..taken {
            self.chars.next();
        }
        self.push(at, c);
        Ok(())
    }

    fn variable(&mut self, at: usize) -> Result<(), Wrong> {
        let rest = self.chars.as_str();
        if rest.starts_with('{') && !rest.contains('}') {
            return Err(wrong(at, "this brace isn't closed", "write \"${NAME}\""));
        }
        let Some((variable, left)) = name_of(rest) else {
            self.push(at, '$');
            return Ok(());
        };
        let value = self.variables.replacement(&variable).map_err(|name| not_set(at, &name))?;
        while self.chars.as_str().len() > left.len() {
            self.chars.next();
        }
        self.begin_word(at).push_str(&value);
        Ok(())
    }
}

fn wrong(at: usize, what: &str, remedy: &str) -> Wrong {
    Wrong { at, what: what.to_owned(), remedy: remedy.to_owned() }
}

fn not_set(at: usize, name: &str) -> Wrong {
    let what = format!("the environment variable {name} isn't set here");
    let remedy = format!(
        "give it as HAProxy's service has it (its unit, or /etc/default/haproxy): \
         `{name}=… halb import …`"
    );
    Wrong { at, what, remedy }
}

#[cfg(test)]
mod tests;
