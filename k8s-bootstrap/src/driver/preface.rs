//! What a host says before a command begins, told apart from what the command says.
//!
//! A login shell's own files may print, sudo may lecture and ask, and only then does the command
//! run. It begins with a mark on both streams; what comes before it belongs to nobody's output, and
//! what comes after it is no longer looked at.

use std::borrow::Cow;

/// Bytes before the mark that are kept, per stream: a banner and sudo's words; only their end
/// matters.
const BEFORE_MAX: usize = 8 * 1024;

/// One stream of a command.
#[derive(Debug, Clone)]
pub(super) struct Preface {
    mark: Vec<u8>,
    prompt: Vec<u8>,
    /// What came before the mark, from behind the last prompt on.
    before: Vec<u8>,
    begun: bool,
    prompts: u32,
}

impl Preface {
    /// Nothing heard yet. `mark` and `prompt` are texts that nobody else says.
    pub(super) fn new(mark: &str, prompt: &str) -> Self {
        let (mark, prompt) = (mark.as_bytes().to_vec(), prompt.as_bytes().to_vec());
        Self { mark, prompt, before: Vec::new(), begun: false, prompts: 0 }
    }

    /// Takes in what came, and gives back what belongs to the command.
    pub(super) fn feed<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.begun {
            return bytes.into();
        }
        self.before.extend_from_slice(bytes);
        let mut output = Vec::new();
        if let Some(at) = find(&self.before, &self.mark) {
            output = self.before.split_off(at + self.mark.len());
            self.before.truncate(at);
            self.begun = true;
        }
        while let Some(at) = find(&self.before, &self.prompt) {
            self.prompts = self.prompts.saturating_add(1);
            self.before.drain(..at + self.prompt.len());
        }
        let excess = self.before.len().saturating_sub(BEFORE_MAX);
        self.before.drain(..excess);
        output.into()
    }

    /// Whether the command has begun.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// How often the prompt came before it.
    pub(super) fn prompts(&self) -> u32 {
        self.prompts
    }

    /// The end of what came before the command.
    pub(super) fn before(&self) -> String {
        String::from_utf8_lossy(&self.before).trim().to_owned()
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests;
