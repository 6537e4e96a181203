//! Words for a POSIX shell.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests;
