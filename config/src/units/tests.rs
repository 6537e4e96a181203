//! Tables of what is a value with a unit and what isn't, and round trips.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn durations_are_whole_numbers_with_units_larger_ones_first() {
    for (text, expected) in [
        ("0s", ms(0)),
        ("0ms", ms(0)),
        ("1ms", ms(1)),
        ("250ms", ms(250)),
        ("2s", ms(2_000)),
        ("002s", ms(2_000)),
        ("1m30s", ms(90_000)),
        ("90s", ms(90_000)),
        ("2m", ms(120_000)),
        ("1h", ms(3_600_000)),
        ("1d", ms(86_400_000)),
        ("1d2h3m4s5ms", ms(86_400_000 + 7_200_000 + 180_000 + 4_000 + 5)),
        ("366d", DURATION_MAX),
    ] {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
    }
}

#[test]
fn other_texts_are_no_durations_and_say_why() {
    let no_unit = |n: &str| UnitError::NoUnit(n.to_owned());
    let unknown = |u: &str| UnitError::UnknownUnit(u.to_owned());
    let no_number = |u: &str| UnitError::NoNumber(u.to_owned());
    for (text, expected) in [
        ("", UnitError::Empty),
        ("5", no_unit("5")),
        ("1m30", no_unit("30")),
        ("5sec", unknown("sec")),
        ("5S", unknown("S")),
        ("500us", unknown("us")),
        ("2µs", unknown("µs")),
        ("s", no_number("s")),
        ("off", no_number("off")),
        ("1.5s", UnitError::Stray('.')),
        ("-1s", UnitError::Stray('-')),
        ("+1s", UnitError::Stray('+')),
        (" 1s", UnitError::Stray(' ')),
        ("1 s", UnitError::Stray(' ')),
        ("1s ", UnitError::Stray(' ')),
        ("1_000ms", UnitError::Stray('_')),
        ("1s!", UnitError::Stray('!')),
        ("30s1m", UnitError::Order("m")),
        ("1s1s", UnitError::Order("s")),
        ("1ms1s", UnitError::Order("s")),
        ("367d", UnitError::TooLarge),
        ("366d1ms", UnitError::TooLarge),
        ("18446744073709551616ms", UnitError::TooLarge),
        ("18446744073709551615d", UnitError::TooLarge),
        ("٣s", UnitError::Stray('٣')),
    ] {
        assert_eq!(parse_duration(text), Err(expected), "{text:?}");
    }
}

#[test]
fn common_slips_are_guessed() {
    for (text, expected) in [
        ("5", Some("5s")),
        ("1.5s", Some("1s500ms")),
        ("0.25s", Some("250ms")),
        ("2 s", Some("2s")),
        ("2sec", Some("2s")),
        ("10 Minutes", Some("10m")),
        ("500MS", Some("500ms")),
        ("500us", None),
        ("", None),
        ("off", None),
        ("-5s", None),
        ("1.2.3s", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(guess_duration(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn rates_are_events_in_a_second() {
    for (text, expected) in [("1/s", 1), ("500/s", 500), ("4294967295/s", u32::MAX)] {
        assert_eq!(parse_rate(text).map(NonZeroU32::get), Ok(expected), "{text}");
    }
    for (text, expected) in [
        ("", UnitError::Empty),
        ("500", UnitError::NotPerSecond),
        ("500/m", UnitError::NotPerSecond),
        ("500 /s", UnitError::Stray(' ')),
        ("1.5/s", UnitError::Stray('.')),
        ("/s", UnitError::NoNumber("/s".to_owned())),
        ("0/s", UnitError::ZeroRate),
        ("4294967296/s", UnitError::TooLarge),
    ] {
        assert_eq!(parse_rate(text), Err(expected), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_duration_survives_being_written_and_read(milliseconds in 0..=366 * 86_400_000_u64) {
        let written = DurationText(ms(milliseconds)).to_string();
        prop_assert_eq!(parse_duration(&written), Ok(ms(milliseconds)));
    }

    #[test]
    fn a_rate_survives_being_written_and_read(rate in 1..=u32::MAX) {
        prop_assert_eq!(parse_rate(&format!("{rate}/s")).map(NonZeroU32::get), Ok(rate));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = parse_duration(&text);
        let _ = guess_duration(&text);
        let _ = parse_rate(&text);
    }

    #[test]
    fn a_guess_is_always_a_duration(text in "[0-9.]{0,8} ?[a-zA-Z]{0,7}") {
        if let Some(guess) = guess_duration(&text) {
            prop_assert!(parse_duration(&guess).is_ok(), "{} from {}", guess, text);
        }
    }
}
