//! Durations, as a user of the library meets them.

use std::time::Duration;

use humane::{format_duration, parse_duration, ParseError};

#[test]
fn prints_only_the_units_it_needs() {
    let cases = [
        (Duration::ZERO, "0s"),
        (Duration::from_millis(350), "350ms"),
        (Duration::from_secs(90), "1m 30s"),
        (Duration::from_secs(7_500), "2h 5m"),
        (Duration::from_secs(90_061), "1d 1h 1m 1s"),
        (Duration::new(1, 1), "1s 1ns"),
    ];
    for (duration, text) in cases {
        assert_eq!(format_duration(duration), text);
    }
}

#[test]
fn reads_with_and_without_blanks() {
    let cases = [
        ("90s", Duration::from_secs(90)),
        ("1h30m", Duration::from_secs(5_400)),
        (" 1h 30m ", Duration::from_secs(5_400)),
        ("1.5h", Duration::from_secs(5_400)),
        ("0.25ms", Duration::from_micros(250)),
        ("0s", Duration::ZERO),
    ];
    for (text, duration) in cases {
        assert_eq!(parse_duration(text), Ok(duration), "{text:?}");
    }
}

#[test]
fn reads_what_it_prints() {
    for nanos in [1, 999, 1_000, 86_399_999_999_999, u64::MAX] {
        let duration = Duration::from_nanos(nanos);
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
    assert_eq!(parse_duration(&format_duration(Duration::MAX)), Ok(Duration::MAX));
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        ("  ", "nothing to parse"),
        ("soon", "expected a number at byte 0"),
        ("1h 30", "expected a unit at byte 5"),
        ("1h 30x", "no unit `x`, at byte 5"),
    ];
    for (text, message) in cases {
        let error = parse_duration(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
    assert_eq!(parse_duration("999999999999999999d"), Err(ParseError::TooLarge));
}
