use proptest::prelude::*;

use super::*;

#[test]
fn spans_use_the_two_largest_units() {
    let cases = [
        (0.0, "<1 ms"),
        (0.000_999, "<1 ms"),
        (0.9999, "999 ms"),
        (0.0034, "3 ms"),
        (1.0, "1 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (185.0, "3 min 5 s"),
        (3600.0, "1 h"),
        (11_520.0, "3 h 12 min"),
        (439_200.0, "5 d 2 h"),
        (-1.0, "0 s"),
        (f64::NAN, "0 s"),
    ];
    for (seconds, text) in cases {
        assert_eq!(span(seconds), text);
    }
}

#[test]
fn counts_have_their_thousands_apart() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1000), "1,000");
    assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    assert_eq!(things(1, "server", "servers"), "1 server");
    assert_eq!(things(0, "server", "servers"), "0 servers");
}

#[test]
fn sizes_have_two_digits_at_least() {
    let cases = [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_990, "9.9 kB"),
        (12_345, "12 kB"),
        (999_999, "999 kB"),
        (1_000_000, "1.0 MB"),
        (u64::MAX, "18 EB"),
    ];
    for (bytes, text) in cases {
        assert_eq!(size(bytes), text);
    }
}

#[test]
fn text_from_outside_cannot_steer_a_terminal() {
    assert_eq!(plain("a\x1b[31mb\nc\u{202e}ü"), "a?[31mb?c??");
}

#[test]
fn wrapped_lines_hang_below_their_first() {
    assert_eq!(wrap("one two three four", 9, 2), "one two\n  three\n  four");
    assert_eq!(wrap("abcdefghij k", 4, 1), "abcd\n efg\n hij\n k");
}

proptest! {
    #[test]
    fn no_wrapped_line_is_wider_than_asked(text in "[ a-z]{0,200}", width in 1_usize..100, indent in 0_usize..20) {
        let wrapped = wrap(&text, width, indent);
        for line in wrapped.lines() {
            prop_assert!(line.chars().count() <= width, "{line:?}");
        }
        let letters = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(letters(&wrapped), letters(&text));
    }

    #[test]
    fn clipped_text_fits(text in ".{0,100}", width in 0_usize..100) {
        prop_assert!(clip(&text, width).chars().count() <= width);
    }

    #[test]
    fn any_span_and_size_has_words(seconds in any::<f64>(), bytes in any::<u64>()) {
        prop_assert!(!span(seconds).is_empty());
        prop_assert!(!size(bytes).starts_with("1000"));
    }
}
