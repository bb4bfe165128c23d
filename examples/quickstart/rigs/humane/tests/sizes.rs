//! Sizes, as a user of the library meets them.

use humane::{fmt_size, parse_size, ParseError};

#[test]
fn prints_in_the_largest_fitting_unit() {
    let cases = [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1 KiB"),
        (1_536, "1.5 KiB"),
        (1_048_575, "1 MiB"),
        (1_572_864, "1.5 MiB"),
        (u64::MAX, "16 EiB"),
    ];
    for (bytes, text) in cases {
        assert_eq!(fmt_size(bytes), text, "{bytes} bytes");
    }
}

#[test]
fn reads_both_families_of_units() {
    let cases = [
        ("512", 512),
        ("1 KiB", 1_024),
        ("1kB", 1_000),
        (" 1.5 MiB ", 1_572_864),
        ("0.5 kib", 512),
        ("18446744073709551615", u64::MAX),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse_size(text), Ok(bytes), "{text:?}");
    }
}

#[test]
fn reads_what_it_prints() {
    for power in 0..64 {
        let bytes = 1_u64 << power;
        assert_eq!(parse_size(&fmt_size(bytes)), Ok(bytes));
    }
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        ("", "nothing to parse"),
        ("big", "expected a number at byte 0"),
        ("1. MiB", "expected a number at byte 2"),
        ("3 furlongs", "no unit `furlongs`, at byte 2"),
        ("1 MiB 2", "no unit `2`, at byte 6"),
        ("16 EiB", "the value is too large"),
        ("99999999999999999999", "the value is too large"),
    ];
    for (text, message) in cases {
        let error = parse_size(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

#[test]
fn bounds_the_decimals() {
    assert_eq!(parse_size("0.0000000000000000001 B"), Err(ParseError::TooPrecise { at: 0 }));
}
