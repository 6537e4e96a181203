use std::process::Command;

use proptest::prelude::*;

use super::*;

/// What a real shell makes of a command line, a word a line of hexadecimal digits.
fn through_sh(line: &str) -> Vec<u8> {
    let script = format!("for word in {line}; do printf '%s\\0' \"$word\"; done");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn words_that_need_no_quotes_get_none() {
    for word in ["kubelet", "/etc/fstab", "node-ip=172.16.16.101", "a@b", "1.37.2-*"] {
        let quoted = quote(word);
        assert_eq!(quoted.contains('\''), word.contains('*'), "{quoted}");
    }
    assert_eq!(quote(""), "''");
    assert_eq!(quote("it's"), r"'it'\''s'");
    assert_eq!(quote("~"), "'~'");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_words_come_out_of_a_real_shell_as_they_went_in(
        words in proptest::collection::vec("[^\0]{0,24}", 1..6),
    ) {
        let expected: Vec<u8> =
            words.iter().flat_map(|word| word.bytes().chain([0])).collect();
        prop_assert_eq!(through_sh(&join(&words)), expected);
    }
}
