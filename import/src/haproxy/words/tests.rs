//! Words as HAProxy splits them; checked against `haproxy -c -dC` of 2.6 and the manual.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::source::{Nothing, ReadError, SourceFile};

/// A host on which `NODE` is `10.0.0.1`.
struct Known;

impl Surroundings for Known {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "NODE").then(|| "10.0.0.1".to_owned())
    }

    fn file(&self, path: &Path) -> Result<SourceFile, ReadError> {
        Nothing.file(path)
    }

    fn files(&self, _pattern: &str) -> Vec<PathBuf> {
        Vec::new()
    }

    fn address(&self, _host: &str) -> Option<IpAddr> {
        None
    }
}

fn words(line: &str) -> Vec<String> {
    let words = split(line, 0, 1, &Variables::new(&Known));
    words.unwrap_or_else(|fault| panic!("{line}: {fault:?}")).into_iter().map(|w| w.text).collect()
}

fn fault(line: &str) -> (usize, String) {
    let fault = split(line, 0, 1, &Variables::new(&Known)).expect_err(line);
    (fault.place.columns.start, fault.what)
}

#[test]
fn quotes_backslashes_and_comments_are_haproxys() {
    let cases: &[(&str, &[&str])] = &[
        ("  bind *:6443   # comment", &["bind", "*:6443"]),
        ("a#b c", &["a"]),
        (r"a\#b c", &["a#b", "c"]),
        (r"one\ word two", &["one word", "two"]),
        (r#""one word" 'and "two"' th"re"e"#, &["one word", r#"and "two""#, "three"]),
        (r#"'' """#, &["", ""]),
        (r"'a\ b'", &[r"a\ b"]),
        (r#""a\"b\$c""#, &[r#"a"b$c"#]),
        (r"HTTP/1.1\r\nHost:\ www", &["HTTP/1.1\r\nHost: www"]),
        (r"\x41\x20b \1 \", &["A b", r"\1", r"\"]),
        ("\tserver\ta\t1.2.3.4:80\r", &["server", "a", "1.2.3.4:80"]),
        ("# nothing", &[]),
        ("'#' \"#\"", &["#", "#"]),
    ];
    for (line, expected) in cases {
        assert_eq!(words(line), *expected, "{line}");
    }
}

#[test]
fn variables_are_replaced_within_double_quotes_only() {
    let cases: &[(&str, &[&str])] = &[
        (r#""${NODE}:6443" "$NODE:80""#, &["10.0.0.1:6443", "10.0.0.1:80"]),
        (r#"'${NODE}' $NODE ${NODE}"#, &["${NODE}", "$NODE", "${NODE}"]),
        (r#""${MISSING-10.0.0.9}:1""#, &["10.0.0.9:1"]),
        (r#""${NODE-10.0.0.9}" "$" "$1""#, &["10.0.0.1", "$", "$1"]),
        (r#""${HAPROXY_HTTP_LOG_FMT}x""#, &["x"]),
    ];
    for (line, expected) in cases {
        assert_eq!(words(line), *expected, "{line}");
    }
    let variables = Variables::new(&Known);
    assert_eq!(variables.expand("${NODE}:$NODE"), Ok("10.0.0.1:10.0.0.1".to_owned()));
    assert_eq!(variables.expand("$MISSING:1"), Err("MISSING".to_owned()));
}

#[test]
fn variables_follow_setenv_and_its_kin() {
    let mut variables = Variables::new(&Known);
    assert!(variables.obey(&["presetenv", "NODE", "x"]));
    assert_eq!(variables.value("NODE").as_deref(), Some("10.0.0.1"));
    assert!(variables.obey(&["setenv", "NODE", "y"]) && variables.obey(&["setenv", "A", "b"]));
    assert_eq!(variables.value("NODE").as_deref(), Some("y"));
    assert!(variables.obey(&["resetenv", "A"]));
    assert_eq!((variables.value("NODE"), variables.value("A").as_deref()), (None, Some("b")));
    assert!(variables.obey(&["unsetenv", "A"]) && !variables.obey(&["daemon"]));
    assert_eq!(variables.value("A"), None);
}

#[test]
fn what_cannot_be_read_is_told_with_its_column() {
    assert_eq!(fault("bind 'a b").0, 5);
    assert_eq!(fault("a \"${NODE").0, 3);
    assert_eq!(fault(r"a \xg1").0, 2);
    assert_eq!(fault("a\0b").0, 1);
    let (at, what) = fault("server a \"${MISSING}:1\"");
    assert_eq!(at, 10);
    assert!(what.contains("MISSING"), "{what}");
}

proptest! {
    #[test]
    fn whatever_a_line_holds_its_words_stand_where_they_say_and_in_order(line in "\\PC{0,80}") {
        if let Ok(words) = split(&line, 3, 7, &Variables::new(&Nothing)) {
            let mut end = 0;
            for word in words {
                prop_assert!(word.place.columns.start >= end);
                prop_assert!(line.get(word.place.columns.clone()).is_some());
                end = word.place.columns.end;
                prop_assert_eq!((word.place.file, word.place.line), (3, 7));
            }
        }
    }

    #[test]
    fn plain_words_are_themselves(words in prop::collection::vec("[a-z0-9:.*/_-]{1,8}", 0..6)) {
        let line = words.join("  ");
        let read = split(&line, 0, 1, &Variables::new(&Nothing)).unwrap();
        prop_assert_eq!(read.into_iter().map(|word| word.text).collect::<Vec<_>>(), words);
    }
}
