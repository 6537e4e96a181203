//! What must hold for [`parse`] on any bytes.

use halb_lb::client_hello::{INPUT_LEN_MAX, Parsed, parse};

/// Panics if a promise of the parser is broken for `input` or for one of its beginnings.
pub(crate) fn check(input: &[u8]) {
    let whole = parse(input);
    // All beginnings of a short input, a few hundred of a long one.
    for arrived in (0..input.len()).step_by(1 + input.len() / 256) {
        let early = parse(&input[..arrived]);
        let waits = early == Ok(Parsed::Incomplete);
        assert!(waits || early == whole, "more bytes changed the answer after {arrived}");
    }
    match whole {
        Ok(Parsed::Incomplete) => assert!(input.len() < INPUT_LEN_MAX, "waits for ever"),
        Ok(Parsed::Complete(hello)) => hello.sni.iter().for_each(|name| check_name(name)),
        Err(_) => {}
    }
}

fn check_name(name: &str) {
    assert!((1..=253).contains(&name.len()));
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    assert!(name.chars().all(plain), "{name:?}");
    assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name:?}");
}
