//! A line of a file, each character with the place that it came from, so that words keep their
//! places however much is replaced around them.

/// A character, and the byte of its source line that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Char {
    pub(super) c: char,
    pub(super) at: usize,
}

/// A line without its comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<Char>);

/// What taking a comment off a line showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bared {
    pub(super) text: Text,
    /// It ends in a backslash: the next line belongs to it.
    pub(super) continues: bool,
    /// A quote is open at its end, from this byte on.
    pub(super) unclosed: Option<usize>,
}

impl Text {
    /// A line of a file, without its comment.
    pub(super) fn bare(line: &str) -> Bared {
        let mut bared = Bared::default();
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match (c, bared.unclosed) {
                ('"', None) => bared.unclosed = Some(at),
                ('"', Some(_)) => bared.unclosed = None,
                ('#' | '!', None) => break,
                ('\\', quoted) => match chars.next() {
                    // The sign of a comment that is none.
                    Some((next_at, next @ ('#' | '!'))) if quoted.is_none() => {
                        bared.text.0.push(Char { c: next, at: next_at });
                        continue;
                    }
                    Some((next_at, next)) => {
                        bared.text.0.extend([Char { c, at }, Char { c: next, at: next_at }]);
                        continue;
                    }
                    None => {
                        bared.continues = true;
                        break;
                    }
                },
                _ => {}
            }
            bared.text.0.push(Char { c, at });
        }
        bared.text = bared.text.trimmed();
        bared
    }

    /// Without blanks at both ends.
    pub(super) fn trimmed(&self) -> Self {
        let blank = |char: &Char| char.c.is_whitespace();
        let start = self.0.iter().position(|char| !blank(char)).unwrap_or(self.0.len());
        let end = self.0.iter().rposition(|char| !blank(char)).map_or(start, |last| last + 1);
        self.part(start, end)
    }

    /// The characters from one to before another; none where there are none.
    pub(super) fn part(&self, start: usize, end: usize) -> Self {
        Self(self.0.get(start..end.min(self.0.len())).unwrap_or_default().to_vec())
    }

    /// The characters from one on.
    pub(super) fn from(&self, start: usize) -> Self {
        self.part(start, self.0.len())
    }

    /// The same characters, all standing for one byte.
    pub(super) fn all_at(&self, at: usize) -> Self {
        Self(self.0.iter().map(|char| Char { c: char.c, at }).collect())
    }

    /// Characters that all stand for one byte.
    pub(super) fn made(text: &str, at: usize) -> Self {
        Self(text.chars().map(|c| Char { c, at }).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first character.
    pub(super) fn first(&self) -> Option<char> {
        self.0.first().map(|char| char.c)
    }

    /// Where a character is, from one on.
    pub(super) fn find(&self, wanted: impl Fn(char) -> bool, start: usize) -> Option<usize> {
        let found = self.0.iter().skip(start).position(|char| wanted(char.c));
        found.map(|index| index + start)
    }

    /// The bytes of the source line that it stands for.
    pub(super) fn columns(&self) -> std::ops::Range<usize> {
        let start = self.0.iter().map(|char| char.at).min().unwrap_or_default();
        let end = self.0.iter().map(|char| char.at + char.c.len_utf8()).max();
        start..end.unwrap_or(start).max(start)
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|char| write!(f, "{}", char.c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(line: &str) -> String {
        Text::bare(line).text.to_string()
    }

    #[test]
    fn a_comment_begins_anywhere_but_in_quotes() {
        assert_eq!(bare("  interface eth1   # the inner one"), "interface eth1");
        assert_eq!(bare("! Configuration File for keepalived"), "");
        assert_eq!(bare("auth_pass a!b"), "auth_pass a");
        assert_eq!(bare("auth_pass \"a!b#c\" # x"), "auth_pass \"a!b#c\"");
        assert_eq!(bare(r"auth_pass a\!b"), "auth_pass a!b");
        assert_eq!(bare(r#"script "a \" # b" # c"#), r#"script "a \" # b""#);
    }

    #[test]
    fn characters_know_where_they_stood() {
        let text = Text::bare(r"  auth_pass a\!b # c").text;
        assert_eq!(text.columns(), 2..16);
        assert_eq!(text.find(|c| c == '!', 0).map(|index| text.0[index].at), Some(14));
    }

    #[test]
    fn open_quotes_and_lines_that_go_on_are_told() {
        assert_eq!(Text::bare("script \"x").unclosed, Some(7));
        let bared = Text::bare("vrrp_instance VI { \\");
        assert!(bared.continues);
        assert_eq!(bared.text.to_string(), "vrrp_instance VI {");
    }
}
