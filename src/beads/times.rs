//! Times as people write them: an age or a distance such as `7d`, a day, a word such as `tomorrow`, or an instant.

use jiff::{SignedDuration, Timestamp, civil};

/// A time as people write it: an age such as `7d`, a day, or an instant.
pub fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Some(at) = moved(text.trim_start_matches('-'), now, -1) {
        return Some(at);
    }
    day(text)
}

/// A time to come as people write it: `+6h`, `3d`, `tomorrow`, `next week`, a day, or an instant.
pub fn to_come(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let in_days = |days: i64| now.saturating_add(SignedDuration::from_hours(24 * days)).ok();
    match text.trim().to_lowercase().as_str() {
        "today" | "now" => Some(now),
        "tomorrow" => in_days(1),
        "next week" => in_days(7),
        "next month" => in_days(30),
        other => moved(other.trim_start_matches('+'), now, 1).or_else(|| day(other)),
    }
}

/// The beginning of a day, in UTC.
fn day(text: &str) -> Option<Timestamp> {
    let day: civil::Date = text.parse().ok()?;
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// An instant so long before or after `now`: a whole number with m, h, d, w, mo or y.
fn moved(text: &str, now: Timestamp, sign: i64) -> Option<Timestamp> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: i64 = number.parse().ok()?;
    let seconds = match unit {
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        "mo" => 30 * 24 * 60 * 60,
        "y" => 365 * 24 * 60 * 60,
        _ => return None,
    };
    now.checked_add(SignedDuration::from_secs(number.checked_mul(seconds)?.checked_mul(sign)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_is_read_as_people_write_it() {
        let now: Timestamp = "2026-03-10T00:00:00Z".parse().unwrap();
        let read = |text: &str| to_come(text, now).map(|at| at.to_string());
        assert_eq!(read("+6h").as_deref(), Some("2026-03-10T06:00:00Z"));
        assert_eq!(read("tomorrow").as_deref(), Some("2026-03-11T00:00:00Z"));
        assert_eq!(read("2026-04-01").as_deref(), Some("2026-04-01T00:00:00Z"));
        assert_eq!((read("soon"), read("99999999999999999999d")), (None, None));
    }
}
