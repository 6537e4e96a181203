use proptest::prelude::*;

use super::*;

const MARK: &str = "\nmark 7\n";
const PROMPT: &str = "password 7:";

/// What a stream comes to when it arrives in these pieces.
fn fed(pieces: &[&[u8]]) -> (Preface, Vec<u8>) {
    let mut preface = Preface::new(MARK, PROMPT);
    let output = pieces.iter().flat_map(|piece| preface.feed(piece).into_owned()).collect();
    (preface, output)
}

#[test]
fn what_a_login_shell_prints_is_no_output() {
    let (preface, output) = fed(&[b"Welcome!\n\nmark 7\nroot\n"]);
    assert!(preface.begun());
    assert_eq!(output, b"root\n");
    assert_eq!(preface.before(), "Welcome!");
}

#[test]
fn each_prompt_is_counted_and_what_sudo_says_of_it_is_kept() {
    let (preface, output) =
        fed(&[b"Lecture\npassword 7:", b"Sorry, try again.\npassword 7:", b"No"]);
    assert_eq!((preface.prompts(), preface.begun()), (2, false));
    assert_eq!(preface.before(), "No");
    assert!(output.is_empty());
}

#[test]
fn a_command_may_say_mark_and_prompt_itself() {
    let (preface, output) = fed(&[b"\nmark 7\npassword 7:\nmark 7\n"]);
    assert_eq!(preface.prompts(), 0);
    assert_eq!(output, b"password 7:\nmark 7\n");
}

#[test]
fn a_host_that_never_stops_talking_fills_nothing() {
    let mut preface = Preface::new(MARK, PROMPT);
    for _ in 0..1000 {
        assert!(preface.feed(&[b'x'; 1024]).is_empty());
    }
    assert!(preface.before.len() <= BEFORE_MAX);
    assert_eq!(&*preface.feed(b"\nmark 7\nhere"), b"here");
}

proptest! {
    #[test]
    fn how_the_network_cuts_a_stream_changes_nothing(
        asked in any::<bool>(),
        output in "[a-z 7\n]{0,40}",
        cuts in proptest::collection::vec(0_usize..90, 0..8),
    ) {
        let prompt = if asked { PROMPT } else { "" };
        let whole = format!("hello\n{prompt}{MARK}{output}");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (whole.len() + 1)).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> =
            cuts.windows(2).map(|pair| &whole.as_bytes()[pair[0]..pair[1]]).collect();
        let (preface, said) = fed(&pieces);
        prop_assert_eq!(said, output.as_bytes());
        prop_assert_eq!(preface.prompts(), u32::from(asked));
    }
}
