//! How long ago, in the few characters of kubectl's AGE column.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// The age of an instant: `5s`, `3m20s`, `2h`, `4d`. What lies ahead, by a clock that was set back, is `0s`.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    short(now.as_second().saturating_sub(then.as_second()).max(0))
}

/// A span of seconds, with kubectl's precision: two units while the first is small.
pub fn short(seconds: i64) -> String {
    let two = |unit: i64, name: &str, below: i64, name_below: &str| {
        let (whole, rest) = (seconds / unit, seconds % unit / below);
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}{name}{rest}{name_below}") }
    };
    match seconds {
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(MINUTE, "m", 1, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(DAY, "d", HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn ages_read_as_kubectls() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (3600, "60m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 120, "3h2m"),
            (9 * 3600, "9h"),
            (50 * 3600, "2d2h"),
            (30 * 86400, "30d"),
            (3 * 365 * 86400, "3y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(super::short(seconds), text, "{seconds}");
        }
    }
}
