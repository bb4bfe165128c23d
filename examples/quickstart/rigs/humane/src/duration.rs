//! Durations: printed and read as a list of units, `1d 2h 5m`.

use std::time::Duration;

use crate::number::{quantity, span};
use crate::ParseError;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Largest first; the second part is in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Prints a duration exactly, without the units of which there are none: `2h 5m`, `350ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut parts = Vec::new();
    for (unit, nanos) in UNITS {
        let count = rest / u128::from(nanos);
        rest %= u128::from(nanos);
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    match parts.is_empty() {
        true => "0s".to_string(),
        false => parts.join(" "),
    }
}

/// Reads a duration: `90s`, `1h 30m`, `1h30m`, `1.5h`. Every number needs a unit; parts of a
/// nanosecond are dropped.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let mut at = span(text, 0, char::is_whitespace);
    if at == text.len() {
        return Err(ParseError::Empty);
    }
    let mut total: u128 = 0;
    while at < text.len() {
        let (quantity, end) = quantity(text, at)?;
        let unit = UNITS.iter().find(|(name, _)| *name == quantity.unit);
        let Some((_, factor)) = unit else {
            let unit = quantity.unit.to_string();
            return Err(ParseError::UnknownUnit { at: quantity.unit_at, unit });
        };
        let nanos = quantity.times(*factor).ok_or(ParseError::TooLarge)?;
        total = total.checked_add(nanos).ok_or(ParseError::TooLarge)?;
        at = span(text, end, char::is_whitespace);
    }
    let seconds = total / u128::from(NANOS_PER_SECOND);
    let nanos = total % u128::from(NANOS_PER_SECOND);
    let seconds = u64::try_from(seconds).map_err(|_| ParseError::TooLarge)?;
    Ok(Duration::new(seconds, nanos as u32))
}
