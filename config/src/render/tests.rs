//! Exact renderings of what is hard to render: tabs, wide characters, long lines, many lines.

use super::*;

fn render(text: &str, diagnostic: Diagnostic) -> String {
    super::text(&diagnostic, &Source::new("f.toml", text), Style::Plain)
}

fn error_at(text: &str, needle: &str) -> Diagnostic {
    let start = text.find(needle).unwrap();
    Diagnostic::error(start..start + needle.len(), "wrong")
}

#[test]
fn a_diagnostic_shows_place_line_caret_note_and_help() {
    let text = "a = 1\nbb = 22 # why\n";
    let diagnostic = error_at(text, "22").consequence("it breaks").remedy("write 3");
    let expected = "\
f.toml:2:6: error: wrong
  |
2 | bb = 22 # why
  |      ^^
  = note: it breaks
  = help: write 3
";
    assert_eq!(render(text, diagnostic), expected);
}

#[test]
fn tabs_and_wide_characters_leave_the_caret_in_place() {
    let text = "\tä\t日本 = 5\n";
    let expected = "\
f.toml:1:9: error: wrong
  |
1 |     ä    日本 = 5
  |                 ^
";
    assert_eq!(render(text, error_at(text, "5")), expected);
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let text = "a = \x1b[31m\u{202e}5\r\n";
    let shown = render(text, Diagnostic::error(0..1, "b\x1b]0;title\x07"));
    assert!(!shown.chars().any(|c| c != '\n' && c.is_control()), "{shown:?}");
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
}

#[test]
fn a_long_line_is_cut_around_the_span() {
    let text = format!("{} bad {}", "x".repeat(500), "y".repeat(500));
    let shown = render(&text, error_at(&text, "bad"));
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[2].chars().count() < 120, "{shown}");
    assert!(lines[2].contains('…') && lines[2].contains(" bad "), "{shown}");
    let column = |line: &str, what: &str| line[..line.find(what).unwrap()].chars().count();
    assert_eq!(column(lines[2], "bad"), column(lines[3], "^^^"), "{shown}");
}

#[test]
fn a_span_over_several_lines_is_underlined_on_its_first() {
    let text = "a = [\n  1,\n]\n";
    let expected = "\
f.toml:1:5: error: wrong
  |
1 | a = [
  |     ^
";
    assert_eq!(render(text, Diagnostic::error(4..text.len() - 1, "wrong")), expected);
}

#[test]
fn a_span_at_the_end_of_the_file_has_a_caret_after_it() {
    let text = "a =";
    let expected = "\
f.toml:1:4: error: wrong
  |
1 | a =
  |    ^
";
    assert_eq!(render(text, Diagnostic::error(3..3, "wrong")), expected);
    assert_eq!(render(text, Diagnostic::error(99..120, "wrong")), expected);
}

#[test]
fn two_places_are_shown_in_the_order_of_the_file() {
    let text = "first = 1\n\n\nsecond = 2\n";
    let diagnostic = error_at(text, "second").related(0..5, "because of this");
    let expected = "\
f.toml:4:1: error: wrong
  |
1 | first = 1
  | ----- because of this
...
4 | second = 2
  | ^^^^^^
";
    assert_eq!(render(text, diagnostic), expected);
}

#[test]
fn what_concerns_the_whole_file_has_no_line() {
    let diagnostic = Diagnostic::error_of_file("empty").remedy("fill it");
    assert_eq!(render("", diagnostic), "f.toml: error: empty\n  = help: fill it\n");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let text = "a = 1\nb = 2\n";
    let diagnostic = error_at(text, "2").consequence("so").remedy("do").related(0..1, "here");
    let source = Source::new("f.toml", text);
    let coloured = super::text(&diagnostic, &source, Style::Colour);
    assert!(coloured.contains("\x1b[1;31merror\x1b[0m"), "{coloured:?}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, super::text(&diagnostic, &source, Style::Plain));
}

#[test]
fn json_tells_the_same_in_fields() {
    let text = "a = 1\nbb = 22\n";
    let diagnostic = error_at(text, "22").remedy("write 3").related(0..1, "see");
    let value = serde_json::to_value(json(&diagnostic, &Source::new("f", text))).unwrap();
    let expected = serde_json::json!({
        "severity": "error",
        "line": 2, "column": 6, "end_line": 2, "end_column": 8,
        "what": "wrong", "consequence": null, "remedy": "write 3",
        "related": { "line": 1, "column": 1, "end_line": 1, "end_column": 2, "what": "see" },
    });
    assert_eq!(value, expected);
}
