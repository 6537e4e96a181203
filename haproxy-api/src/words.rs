//! A line of the runtime socket as commands and their words (src/cli.c, `cli_parse_request`):
//! commands end at `;`, words at blanks and tabs, and `\` takes the next character as it is. There
//! are no quotes and no comments.

/// Longest line, in bytes without its end: HAProxy's default buffer.
pub const LINE_LEN_MAX: usize = 16_384;

/// Most words of a command; what follows is not looked at (HAProxy's `MAX_CLI_ARGS`).
pub const WORDS_MAX: usize = 64;

/// A command: its words.
pub type Words = Vec<String>;

/// The commands of a line. An empty one is a command, too, and is answered with the list of those
/// there are.
#[must_use]
pub fn split(line: &str) -> Vec<Words> {
    let mut commands = Vec::new();
    let (mut words, mut word): (Words, Option<String>) = (Vec::new(), None);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => {
                end_word(&mut words, &mut word);
                commands.push(std::mem::take(&mut words));
            }
            ' ' | '\t' | '\r' => end_word(&mut words, &mut word),
            '\\' => {
                if let Some(taken) = characters.next() {
                    word.get_or_insert_default().push(taken);
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    end_word(&mut words, &mut word);
    commands.push(words);
    commands
}

/// Whether a line announces that lines of data follow it, up to an empty one.
#[must_use]
pub fn announces_payload(line: &str) -> bool {
    line.trim_end().ends_with("<<")
}

fn end_word(words: &mut Words, word: &mut Option<String>) {
    if let Some(word) = word.take()
        && words.len() < WORDS_MAX
    {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_split_at_semicolons_and_blanks() {
        assert_eq!(split("show info"), [["show", "info"]]);
        assert_eq!(split("  show \t info \r"), [["show", "info"]]);
        assert_eq!(split("show info;show stat"), [["show", "info"], ["show", "stat"]]);
        assert_eq!(split("show info;"), [vec!["show", "info"], vec![]]);
        assert_eq!(split(""), [Words::new()]);
    }

    #[test]
    fn a_backslash_takes_the_next_character_as_it_is() {
        assert_eq!(split(r"a\;b c\ d \\"), [["a;b", "c d", r"\"]]);
        assert_eq!(split(r"a\"), [["a"]]);
        assert_eq!(split(r"show \"), [["show"]], "with nothing to take it is no word either");
        assert_eq!(split("get 'a b'"), [["get", "'a", "b'"]]);
    }

    #[test]
    fn words_beyond_the_bound_are_not_kept() {
        let line = "w ".repeat(WORDS_MAX + 10);
        assert_eq!(split(&line).first().map(Vec::len), Some(WORDS_MAX));
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back_as_one_word(word in "[^\n]{1,30}") {
            let escaped: String = word.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert_eq!(split(&escaped), vec![vec![word]]);
        }
    }
}
