//! Text that nobody may see: keys, tokens, passwords.

use std::fmt;

/// A text that shows itself only to who asks by name. Its `Debug` has the length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    shown: Option<String>,
}

impl Secret {
    /// Takes a text in, all of which is secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), shown: None }
    }

    /// Takes a text in of which some words are secret and the rest is not.
    #[must_use]
    pub fn with_words(text: impl Into<String>, words: &[&str]) -> Self {
        let text = text.into();
        let hidden = |text: String, word: &&str| text.replace(word, "(secret)");
        let shown = Some(words.iter().fold(text.clone(), hidden));
        Self { text, shown }
    }

    /// The text itself, for the file or the stream that it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What may be seen of it: the text with `(secret)` in place of its secret words.
    #[must_use]
    pub fn shown(&self) -> Option<&str> {
        self.shown.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret, {} bytes)", self.text.len())
    }
}
