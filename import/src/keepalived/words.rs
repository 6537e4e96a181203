//! Words and braces.

use super::account::Account;
use super::expand::{At, Line};
use super::text::{Char, Text};
use crate::source::Place;

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) place: Place,
}

/// What a configuration consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// The words of a line up to its end or a brace.
    Words(Vec<Word>),
    /// `{`
    Open(Place),
    /// `}`
    Close(Place),
}

/// Words behind which keepalived reads quotes and escapes as a shell does.
const COMMANDS: [&str; 17] = [
    "script",
    "notify",
    "notify_master",
    "notify_backup",
    "notify_fault",
    "notify_stop",
    "notify_deleted",
    "notify_master_rx_lower_pri",
    "notify_fifo",
    "notify_fifo_script",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "lvs_notify_fifo_script",
    "startup_script",
    "shutdown_script",
    "process",
    "misc_path",
];

/// Reads lines as words and braces.
pub(super) fn items(lines: &[Line], account: &mut Account) -> Vec<Item> {
    let mut items = Vec::new();
    for line in lines {
        Reader { at: line.at, chars: &line.text.0, next: 0, words: Vec::new(), items: &mut items }
            .line(account);
    }
    items
}

/// Splits a text as keepalived splits the commands that it runs: at blanks, with quotes of both
/// kinds and escapes.
pub(super) fn command(text: &str) -> Vec<String> {
    let text = Text::made(text, 0);
    let at = At { file: 0, line: 0 };
    let mut items = Vec::new();
    let mut reader = Reader { at, chars: &text.0, next: 0, words: Vec::new(), items: &mut items };
    while let Some(word) = reader.escaped_word(false) {
        reader.words.push(word);
    }
    reader.words.into_iter().map(|word| word.text).collect()
}

struct Reader<'a> {
    at: At,
    chars: &'a [Char],
    next: usize,
    words: Vec<Word>,
    items: &'a mut Vec<Item>,
}

impl Reader<'_> {
    fn line(mut self, account: &mut Account) {
        while self.skip_blanks() {
            let start = self.next;
            match self.peek() {
                Some('{') => self.brace(Item::Open),
                Some('}') => self.brace(Item::Close),
                Some(_) => {
                    let is_command =
                        self.words.first().is_some_and(|first| COMMANDS.contains(&&*first.text));
                    let word = if is_command { self.escaped_word(true) } else { self.plain_word() };
                    self.words.extend(word);
                }
                None => {}
            }
            if self.next == start {
                // Whatever it is, it must not be met for ever.
                self.next += 1;
            }
        }
        self.end_words();
        if let Some(undefined) = self.undefined() {
            let name = undefined.text.clone();
            account.hint(
                &undefined.place,
                format!("'{name}' isn't defined, so that keepalived takes it as it stands"),
                "define it above: $NAME=VALUE",
            );
        }
    }

    /// A word on this line that uses a name.
    fn undefined(&self) -> Option<Word> {
        let line = |item: &&Item| match item {
            Item::Words(words) => words.iter().any(|word| word.place.line == self.at.line),
            Item::Open(_) | Item::Close(_) => false,
        };
        let last = self.items.iter().rev().take(2).find(line)?;
        let Item::Words(words) = last else { return None };
        let is_command = words.first().is_some_and(|first| COMMANDS.contains(&&*first.text));
        words.iter().find(|word| word.text.contains("${") && !is_command).cloned()
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).map(|char| char.c)
    }

    /// Whether anything is left.
    fn skip_blanks(&mut self) -> bool {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
        self.next < self.chars.len()
    }

    fn brace(&mut self, item: fn(Place) -> Item) {
        self.end_words();
        let place = self.place(self.next, self.next + 1);
        self.items.push(item(place));
        self.next += 1;
    }

    fn end_words(&mut self) {
        if !self.words.is_empty() {
            self.items.push(Item::Words(std::mem::take(&mut self.words)));
        }
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let part = self.chars.get(start..end.min(self.chars.len())).unwrap_or_default();
        self.at.place(&Text(part.to_vec()))
    }

    /// A brace that begins or ends a block, rather than the name of a definition.
    fn is_brace(&self, index: usize, name_is_open: bool) -> bool {
        let c = self.chars[index].c;
        let behind_dollar = index > 0 && self.chars[index - 1].c == '$';
        (c == '{' && !behind_dollar) || (c == '}' && !name_is_open)
    }

    /// A word without escapes: in double quotes, or up to a blank, a quote or a brace.
    fn plain_word(&mut self) -> Option<Word> {
        let start = self.next;
        if self.peek() == Some('"') {
            let closing = (start + 1..self.chars.len()).find(|index| self.chars[*index].c == '"');
            let end = closing.unwrap_or(self.chars.len());
            self.next = (end + 1).min(self.chars.len());
            let text = self.chars.get(start + 1..end).unwrap_or_default();
            let text = text.iter().map(|char| char.c).collect();
            return Some(Word { text, place: self.place(start, self.next) });
        }
        let mut name_is_open = false;
        while let Some(c) = self.peek() {
            if c.is_whitespace() || c == '"' || self.is_brace(self.next, name_is_open) {
                break;
            }
            name_is_open = (name_is_open || c == '{') && c != '}';
            self.next += 1;
        }
        let text = self.chars[start..self.next].iter().map(|char| char.c).collect();
        (self.next > start).then(|| Word { text, place: self.place(start, self.next) })
    }

    /// A word as a shell reads it.
    fn escaped_word(&mut self, braces: bool) -> Option<Word> {
        if !self.skip_blanks() {
            return None;
        }
        let (start, mut text, mut quote, mut name_is_open) =
            (self.next, String::new(), None, false);
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.next += 1;
                text.extend(self.escape());
                continue;
            }
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (None, c) if c.is_whitespace() => break,
                (None, _) if braces && self.is_brace(self.next, name_is_open) => break,
                (Some(_) | None, c) => {
                    name_is_open = (name_is_open || c == '{') && c != '}';
                    text.push(c);
                }
            }
            self.next += 1;
        }
        (self.next > start).then(|| Word { text, place: self.place(start, self.next) })
    }

    /// The character that stands behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.next += 1;
        Some(match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'E' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'x' if self.peek().is_some_and(|c| c.is_ascii_hexdigit()) => {
                self.number(16, usize::MAX, 0)
            }
            'c' if self.peek().is_some() => {
                let control = self.peek().map(|c| u32::from(c) & 0x1f).unwrap_or_default();
                self.next += 1;
                char::from_u32(control).unwrap_or('\u{fffd}')
            }
            '0'..='7' => self.number(8, 2, c.to_digit(8).unwrap_or_default()),
            other => other,
        })
    }

    /// A character by its number, of which keepalived keeps eight bits.
    fn number(&mut self, radix: u32, digits_max: usize, first: u32) -> char {
        let (mut number, mut digits) = (first, 0);
        while digits < digits_max
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(radix))
        {
            number = (number * radix + digit) & 0xff;
            self.next += 1;
            digits += 1;
        }
        char::from_u32(number).unwrap_or('\u{fffd}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Vec<String>> {
        let line = Line { text: Text::bare(line).text, at: At { file: 0, line: 1 } };
        let text = |item: Item| match item {
            Item::Words(words) => words.into_iter().map(|word| word.text).collect(),
            Item::Open(_) => vec!["{".to_owned()],
            Item::Close(_) => vec!["}".to_owned()],
        };
        items(&[line], &mut Account::default()).into_iter().map(text).collect()
    }

    #[test]
    fn braces_end_words_wherever_they_stand() {
        let wanted = [vec!["vrrp_instance", "VI_1"], vec!["{"], vec!["state", "MASTER"], vec!["}"]];
        for line in ["vrrp_instance VI_1 { state MASTER }", "vrrp_instance VI_1{state MASTER}"] {
            assert_eq!(read(line), wanted);
        }
        assert_eq!(read("priority ${P} x"), [["priority", "${P}", "x"]]);
        assert_eq!(read("auth_pass \"a{b\""), [["auth_pass", "a{b"]]);
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(read(r#"auth_pass "a  b"c"#), [["auth_pass", "a  b", "c"]]);
        assert_eq!(
            read(r#"script "/usr/bin/test -e '/a b'""#),
            [["script", "/usr/bin/test -e '/a b'"]]
        );
        assert_eq!(read(r#"script abcd" efg h "k x"#), [["script", "abcd efg h k", "x"]]);
        assert_eq!(read(r#"router_id "open"#), [["router_id", "open"]]);
    }

    #[test]
    fn commands_are_split_with_quotes_and_escapes() {
        assert_eq!(command("/usr/bin/test -e '/a b'"), ["/usr/bin/test", "-e", "/a b"]);
        assert_eq!(command(r#"a\ b "c\"d" \x41\101\cA\n"#), ["a b", "c\"d", "AA\u{1}\n"]);
        assert_eq!(command("  "), [""; 0]);
    }

    #[test]
    fn words_know_their_places() {
        let line =
            Line { text: Text::bare("  priority  \"100\" # x").text, at: At { file: 3, line: 7 } };
        let items = items(&[line], &mut Account::default());
        let Item::Words(words) = &items[0] else { panic!("{items:?}") };
        assert_eq!(words[0].place, Place { file: 3, line: 7, columns: 2..10 });
        assert_eq!(words[1].place, Place { file: 3, line: 7, columns: 12..17 });
    }
}
