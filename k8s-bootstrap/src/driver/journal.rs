//! What was done on each host and what it said, in a file per host, without secrets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::lines::Lines;
use crate::secret::Secret;

/// Shortest text that is taken for a secret: what is shorter would blot out half the log and
/// protect nothing.
const SECRET_MIN: usize = 4;

/// What must not be in a log.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Longest first, so that none is torn apart by one that it contains.
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Keeps these out, line by line.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut lines: Vec<&str> = secrets.into_iter().flat_map(parts).collect();
        lines.sort_unstable_by_key(|line| std::cmp::Reverse(line.len()));
        lines.dedup();
        Self { secrets: lines.into_iter().map(Secret::new).collect() }
    }

    /// The text without them.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "(secret)"))
    }
}

/// What of a secret is looked for: all of a password; of a key its lines; of a text with secret words
/// these; and of any other file the words that can be keys, because its other words are in every
/// log.
fn parts(secret: &Secret) -> Vec<&str> {
    let text = secret.expose().trim();
    if let Some(shown) = secret.shown() {
        let words = text.split(|c: char| !is_of_key(c)).filter(|word| word.len() >= SECRET_MIN);
        return words.filter(|word| !shown.contains(word)).collect();
    }
    if !text.contains('\n') {
        return (text.len() >= SECRET_MIN).then_some(text).into_iter().collect();
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    lines.flat_map(|line| line.split(|c: char| !is_of_key(c))).filter(|word| is_key(word)).collect()
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=._-".contains(c)
}

/// Shortest word of a file that is taken for a key: a token of kubeadm has 23 characters, its key of
/// certificates 64, the last line of a key in base64 may be short.
const KEY_MIN: usize = 16;

fn is_key(word: &str) -> bool {
    word.len() >= KEY_MIN && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// The log of one host.
#[derive(Debug)]
pub struct Journal<W = File> {
    sink: W,
    redactor: Redactor,
    lines: Lines,
}

impl Journal {
    /// Begins a file `HOST.log` in a folder, which is made if need be; only the operator can read
    /// either.
    ///
    /// # Errors
    /// The system's, with no change of what was there before.
    pub fn create(folder: &Path, host: &str, redactor: Redactor) -> io::Result<(Self, PathBuf)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = fs::canonicalize(folder)?.join(format!("{host}.log"));
        let mut options = OpenOptions::new();
        let sink = options.create(true).append(true).mode(0o600).open(&path)?;
        Ok((Self { sink, redactor, lines: Lines::default() }, path))
    }
}

impl<W: Write> Journal<W> {
    /// A line of halb's own.
    ///
    /// # Errors
    /// The sink's.
    pub fn note(&mut self, at: SystemTime, text: &str) -> io::Result<()> {
        self.end_line()?;
        let text = self.redactor.clean(text);
        let time = humantime::format_rfc3339_seconds(at);
        text.lines().try_for_each(|line| writeln!(self.sink, "{time} {line}"))
    }

    /// What the host said.
    ///
    /// # Errors
    /// The sink's.
    pub fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lines.take(bytes, |line| write_line(&mut self.sink, &self.redactor, line))
    }

    /// Writes a line whose end never came.
    fn end_line(&mut self) -> io::Result<()> {
        self.lines.end(|line| write_line(&mut self.sink, &self.redactor, line))
    }
}

fn write_line(sink: &mut impl Write, redactor: &Redactor, line: &str) -> io::Result<()> {
    writeln!(sink, "    {}", redactor.clean(line))
}

#[cfg(test)]
mod tests;
