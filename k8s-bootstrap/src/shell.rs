//! Words for a POSIX shell, and what scripts have in common.

use std::borrow::Cow;

/// What each script begins with that says things about a host.
const SAY: &str = include_str!("shell/say.sh");

/// A word that any POSIX shell takes as just this text. A NUL can't be in an argument at all and is
/// left out.
#[must_use]
pub fn quote(word: &str) -> Cow<'_, str> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\0', "").replace('\'', r"'\''")))
}

/// A command line of these words.
#[must_use]
pub fn join<W: AsRef<str>>(words: &[W]) -> String {
    words.iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

/// A script that says things about a host: variables with their values, which are quoted already,
/// and what it does with them.
pub(crate) fn saying(variables: &[(&str, String)], body: &str) -> String {
    let variables = variables.iter().map(|(name, value)| format!("{name}={value}\n"));
    variables.chain([SAY.to_owned(), body.to_owned()]).collect()
}

#[cfg(test)]
mod tests;
