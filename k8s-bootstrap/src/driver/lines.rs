//! Lines out of what a host says, which comes in pieces.

/// Longest line; the rest of one that is longer is left out.
pub(super) const LINE_MAX: usize = 16 * 1024;

/// The beginning of a line whose end hasn't come yet.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes a piece, and tells each line that it ends, without that end.
    ///
    /// # Errors
    /// What `tell` fails with; the rest of the piece is lost then.
    pub fn take<E>(
        &mut self,
        piece: &[u8],
        mut tell: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_MAX.saturating_sub(self.open.len());
            self.open.extend_from_slice(part.get(..room).unwrap_or(part));
            if part.ends_with(b"\n") {
                self.end(&mut tell)?;
            }
        }
        Ok(())
    }

    /// Tells a line whose end never came.
    ///
    /// # Errors
    /// What `tell` fails with.
    pub fn end<E>(&mut self, tell: impl FnOnce(&str) -> Result<(), E>) -> Result<(), E> {
        if self.open.is_empty() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.open);
        tell(String::from_utf8_lossy(&line).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn told(pieces: &[&[u8]]) -> (Vec<String>, Lines) {
        let (mut told, mut lines) = (Vec::new(), Lines::default());
        for piece in pieces {
            let Ok(()) = lines.take::<Infallible>(piece, |line| {
                told.push(line.to_owned());
                Ok(())
            });
        }
        (told, lines)
    }

    #[test]
    fn lines_are_told_whole_however_they_come() {
        let (lines, _) =
            told(&[b"ro", b"und\nmember a", b" b\r\n", "Gr\u{fc}\u{df}e\nrest".as_bytes()]);
        assert_eq!(lines, ["round", "member a b", "Gr\u{fc}\u{df}e"]);
        assert_eq!(told(&[b"Gr\xc3", b"\xbc\n"]).0, ["Gr\u{fc}"], "a letter in two pieces");
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_room_than_a_line() {
        let piece = [b'x'; 10_000];
        let (lines, open) = told(&[&piece, &piece, &piece, &piece]);
        assert!(lines.is_empty() && open.open.len() <= LINE_MAX, "{}", open.open.len());
        let (lines, _) = told(&[&piece, &piece, b"\nnext\n"]);
        assert_eq!(lines.last().map(String::as_str), Some("next"));
        assert_eq!(lines.len(), 2);
    }
}
