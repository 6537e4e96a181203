use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::driver::lines::LINE_MAX;

const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBw7f5aQk2\nAwEHoUQDQg9zX1yT3b\n\
                   -----END EC PRIVATE KEY-----\n";

fn journal(secrets: &[&str]) -> Journal<Vec<u8>> {
    let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
    Journal { sink: Vec::new(), redactor: Redactor::new(&secrets), lines: Lines::default() }
}

fn text(journal: &Journal<Vec<u8>>) -> &str {
    std::str::from_utf8(&journal.sink).unwrap()
}

#[test]
fn what_a_host_says_stands_indented_below_what_was_done() {
    let mut journal = journal(&[]);
    journal.note(UNIX_EPOCH, "load kernel modules").unwrap();
    journal.output(b"over").unwrap();
    journal.output(b"lay\nbr_net").unwrap();
    journal.note(UNIX_EPOCH, "done").unwrap();
    assert_eq!(
        text(&journal),
        "1970-01-01T00:00:00Z load kernel modules\n    overlay\n    br_net\n\
         1970-01-01T00:00:00Z done\n"
    );
}

#[test]
fn a_line_that_never_ends_is_cut_and_takes_no_memory() {
    let mut journal = journal(&[]);
    for _ in 0..100 {
        journal.output(&[b'x'; 1024]).unwrap();
    }
    journal.output(b"\nnext\n").unwrap();
    assert!(text(&journal).len() <= LINE_MAX + 100);
    assert!(text(&journal).ends_with("x\n    next\n"));
}

#[test]
fn a_key_is_kept_out_line_by_line_and_what_frames_it_is_not() {
    let mut journal = journal(&[KEY, "abcdef.0123456789abcdef"]);
    journal.output(KEY.as_bytes()).unwrap();
    journal.note(UNIX_EPOCH, "--token abcdef.0123456789abcdef").unwrap();
    let text = text(&journal);
    assert!(!text.contains("MHcCAQ") && !text.contains("AwEHo") && !text.contains("abcdef."));
    assert!(text.contains("-----BEGIN EC PRIVATE KEY-----"), "{text}");
}

#[test]
fn the_file_is_the_operators_alone_and_a_second_run_adds_to_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    for note in ["first", "second"] {
        let (mut journal, _) = Journal::create(&logs, "kmaster01", Redactor::default()).unwrap();
        journal.note(UNIX_EPOCH, note).unwrap();
    }
    let file = logs.join("kmaster01.log");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&logs).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 2);
}

#[test]
fn of_a_file_with_a_token_the_token_is_kept_out_and_other_words_are_not() {
    let mut journal = journal(&["kind: InitConfiguration\ntoken: \"abcdef.0123456789abcdef\"\n"]);
    journal.output(b"InitConfiguration uses abcdef.0123456789abcdef\n").unwrap();
    assert_eq!(text(&journal), "    InitConfiguration uses (secret)\n");
}

#[test]
fn of_a_text_with_secret_words_these_are_kept_out() {
    let secret = Secret::with_words("auth_pass = \"k3y\"\nauth_pass2 = \"k3ys\"\n", &["k3ys"]);
    assert_eq!(Redactor::new([&secret]).clean("auth_pass k3ys"), "auth_pass (secret)");
}

proptest! {
    #[test]
    fn no_secret_gets_through_however_the_network_cuts_it(
        secret in "[a-zA-Z0-9+/=.]{8,40}",
        around in "[ -~]{0,20}",
        cut in any::<prop::sample::Index>(),
    ) {
        let mut journal = journal(&[&secret, &secret[2..7]]);
        let said = format!("{around}{secret}{around}\n");
        let (before, after) = said.as_bytes().split_at(cut.index(said.len()));
        journal.output(before).unwrap();
        journal.output(after).unwrap();
        prop_assert!(!text(&journal).contains(&secret));
    }
}
