//! When a provider takes an agent again that it has refused, as far as the agent's program says so.
//!
//! Each program has its own words, for people: `try again at 3:55 PM`, `resets Oct 9, 5pm (Europe/Berlin)`, `reached|1764500000`. What
//! is not understood is unknown, and so is what lies in the past or further ahead than any allowance.

use std::time::Duration;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The longest that a provider makes anybody wait: a week's allowance, and a day for clocks that differ.
const AHEAD_MAX: Duration = Duration::from_hours(8 * 24);

/// The words that say that what follows is about the end of a refusal.
const BEFORE: [&str; 6] = ["again", "resets", "reset", "retry", "retrying", "available"];
/// What may stand between those and the instant.
const BETWEEN: [&str; 8] = ["today", "at", "on", "in", "after", "is", "s", "will"];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The instant that a text names, said at `now` by a program whose clock shows the time of this zone.
pub(super) fn at(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && !":/-+_".contains(c)).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let said = |nth: usize| {
        let is_about = BEFORE.iter().any(|before| words[nth].eq_ignore_ascii_case(before));
        let rest = words[nth + 1..].iter().copied();
        let rest: Vec<&str> = rest.skip_while(|word| BETWEEN.iter().any(|it| word.eq_ignore_ascii_case(it))).collect();
        moment(&rest, now, zone).filter(|_| is_about)
    };
    let is_ahead = |at: &Timestamp| *at > now && at.duration_since(now).unsigned_abs() <= AHEAD_MAX;
    epoch(text).filter(is_ahead).or_else(|| (0..words.len()).filter_map(said).find(is_ahead))
}

/// `…|1764500000`, in seconds or milliseconds.
fn epoch(text: &str) -> Option<Timestamp> {
    text.split('|').skip(1).find_map(|part| {
        let digits: String = part.trim_start().chars().take_while(char::is_ascii_digit).collect();
        match digits.len() {
            10 => Timestamp::from_second(digits.parse().ok()?).ok(),
            13 => Timestamp::from_millisecond(digits.parse().ok()?).ok(),
            _ => None,
        }
    })
}

/// The instant that these words begin with.
fn moment(words: &[&str], now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Some(at) = words.first().and_then(|word| word.parse::<Timestamp>().ok()) {
        return Some(at);
    }
    if let Some(after) = duration(words) {
        return now.checked_add(after).ok();
    }
    let here = now.to_zoned(zone.clone()).date();
    let (day, rest) = day(words, here);
    let (time, rest) = clock(rest)?;
    let named = rest.first().filter(|word| word.contains('/') || ["utc", "gmt"].contains(&&*word.to_ascii_lowercase()));
    let zone = match named {
        Some(name) => TimeZone::get(name).ok()?,
        None => zone.clone(),
    };
    let on = |date: Date| zone.to_timestamp(date.to_datetime(time)).ok();
    let today = now.to_zoned(zone.clone()).date();
    match day {
        // The next time that a clock shows it.
        Day::Any => [today, today.tomorrow().ok()?].into_iter().filter_map(on).find(|at| *at > now),
        Day::Week(weekday) => {
            let days = std::iter::successors(Some(today), |day| day.tomorrow().ok()).take(8);
            days.filter(|day| day.weekday() == weekday).filter_map(on).find(|at| *at > now)
        }
        Day::Date(date) => on(date),
        Day::Year(month, day) => [today.year(), today.year() + 1]
            .into_iter()
            .filter_map(|year| on(Date::new(year, month, day).ok()?))
            .find(|at| *at > now),
    }
}

/// `2h 15m`, `3 days 4 hours`, `18s`.
fn duration(words: &[&str]) -> Option<SignedDuration> {
    let mut all = SignedDuration::ZERO;
    let mut words = words.iter().peekable();
    let mut is_any = false;
    while let Some(word) = words.peek() {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(count) = word[..digits].parse::<u32>() else { break };
        let mut unit = &word[digits..];
        let mut ahead = words.clone();
        ahead.next();
        if unit.is_empty() {
            unit = ahead.next()?;
        }
        let Some(seconds) = seconds_of(unit) else { break };
        all = all.checked_add(SignedDuration::from_secs(i64::from(count).checked_mul(seconds)?))?;
        (words, is_any) = (ahead, true);
        while words.peek().is_some_and(|word| word.eq_ignore_ascii_case("and")) {
            words.next();
        }
    }
    is_any.then_some(all)
}

fn seconds_of(unit: &str) -> Option<i64> {
    Some(match &*unit.to_ascii_lowercase() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 60 * 60,
        "d" | "day" | "days" => 24 * 60 * 60,
        _ => return None,
    })
}

/// The day of an instant.
enum Day {
    /// None is named.
    Any,
    /// A day of the week.
    Week(Weekday),
    /// A whole date.
    Date(Date),
    /// A month and its day.
    Year(i8, i8),
}

/// The day that these words begin with, and the rest: `Oct 9`, `Dec 3rd 2026`, `Mon`, `tomorrow`.
fn day<'a, 'b>(words: &'b [&'a str], today: Date) -> (Day, &'b [&'a str]) {
    let Some((first, rest)) = words.split_first() else { return (Day::Any, words) };
    let first = first.to_ascii_lowercase();
    let without_at = |rest: &'b [&'a str]| match rest.split_first() {
        Some((at, rest)) if at.eq_ignore_ascii_case("at") => rest,
        _ => rest,
    };
    if let (true, Ok(date)) = (first == "tomorrow", today.checked_add(1.day())) {
        return (Day::Date(date), without_at(rest));
    }
    if let Some(weekday) = weekday(&first) {
        return (Day::Week(weekday), without_at(rest));
    }
    let begins = |month: &&str| first.starts_with(*month) && first.chars().all(char::is_alphabetic);
    let month = MONTHS.iter().position(begins).and_then(|nth| i8::try_from(nth + 1).ok());
    let number = |word: &&str| word.trim_end_matches(char::is_alphabetic).parse::<i16>().ok();
    let Some((month, (day, rest))) = month.zip(rest.split_first()) else { return (Day::Any, words) };
    let Some(day) = number(day).and_then(|day| i8::try_from(day).ok()) else { return (Day::Any, words) };
    let year = rest.split_first().and_then(|(year, rest)| Some((year.parse().ok().filter(|it| *it > 2000)?, rest)));
    match year.and_then(|(year, rest)| Some((Date::new(year, month, day).ok()?, rest))) {
        Some((date, rest)) => (Day::Date(date), without_at(rest)),
        None => (Day::Year(month, day), without_at(rest)),
    }
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    DAYS.iter().find(|(name, _)| word.len() >= 3 && name.starts_with(word)).map(|(_, weekday)| *weekday)
}

/// The time that these words begin with, and the rest: `3pm`, `3:55 PM`, `15:55`. A bare number is none.
fn clock<'a, 'b>(words: &'b [&'a str]) -> Option<(Time, &'b [&'a str])> {
    let (first, rest) = words.split_first()?;
    let first = first.to_ascii_lowercase();
    let digits = first.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let half = |word: &str| ["am", "pm"].into_iter().find(|half| word.eq_ignore_ascii_case(half));
    let (half, rest) = match (half(&first[digits.len()..]), rest.split_first()) {
        (None, Some((next, after))) if half(next).is_some() && digits == first => (half(next), after),
        (found, _) => (found, rest),
    };
    let (hour, minute) = match digits.split_once(':') {
        Some((hour, minute)) => (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?),
        None => (digits.parse().ok().filter(|_| half.is_some())?, 0),
    };
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some("pm") => hour % 12 + 12,
        Some(_) => hour % 12,
        None => hour,
    };
    Some((Time::new(hour, minute, 0, 0).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program says at 10:00 on Monday, 2026-11-30, in a zone an hour before UTC.
    fn said(text: &str) -> Option<String> {
        let now: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        at(text, now, &TimeZone::fixed(jiff::tz::offset(1))).map(|at| at.to_string())
    }

    #[test]
    fn an_instant_is_read_from_what_programs_say() {
        let cases = [
            ("You've hit your usage limit. Upgrade to Pro or try again at 3:55 PM.", "2026-11-30T14:55:00Z"),
            ("You've hit your usage limit, try again at Dec 3rd, 2026 3:55 PM.", "2026-12-03T14:55:00Z"),
            ("Usage limit reached. Try again in 3 days 4 hours 5 minutes.", "2026-12-03T13:05:00Z"),
            ("try again in 38 minutes", "2026-11-30T09:38:00Z"),
            ("Claude AI usage limit reached|1780000000", ""),
            ("Claude AI usage limit reached|1796050800", "2026-11-30T15:00:00Z"),
            ("Claude AI usage limit reached|1796050800000", "2026-11-30T15:00:00Z"),
            ("5-hour limit reached \u{2219} resets 3pm", "2026-11-30T14:00:00Z"),
            ("5-hour limit reached · retrying in 18s (3:56pm)", "2026-11-30T09:00:18Z"),
            ("You've hit your limit · resets 3pm (UTC)", "2026-11-30T15:00:00Z"),
            ("You've hit your limit · resets Dec 2, 5pm (UTC)", "2026-12-02T17:00:00Z"),
            ("You've hit your limit · resets Dec 2 at 5:30pm", "2026-12-02T16:30:00Z"),
            ("weekly limit reached · resets Thu 9am", "2026-12-03T08:00:00Z"),
            ("weekly limit reached · resets Monday at 11am", "2026-11-30T10:00:00Z"),
            ("weekly limit reached · resets Monday at 9am", "2026-12-07T08:00:00Z"),
            ("resets tomorrow at 9am", "2026-12-01T08:00:00Z"),
            ("resets 9am", "2026-12-01T08:00:00Z"),
            ("resets 12am", "2026-11-30T23:00:00Z"),
            ("resets 12:30pm", "2026-11-30T11:30:00Z"),
            ("resets at 15:55", "2026-11-30T14:55:00Z"),
            ("resets in 2h 15m", "2026-11-30T11:15:00Z"),
            ("Please retry after 30 seconds.", "2026-11-30T09:00:30Z"),
            ("The limit will reset at 2026-11-30T12:00:00Z", "2026-11-30T12:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_or_too_far_away_is_unknown() {
        for text in [
            "",
            "API Error: Request rejected (429)",
            "Please run /login · API Error: 401",
            "resets soon",
            "resets 25:00",
            "resets 13pm",
            "resets 7",
            "resets 3pm (Nowhere/Atall)",
            "try again in 9 days",
            "try again in 99999999999 days",
            "try again in 4294967295 days",
            "try again in 0 seconds",
            "try again at Dec 20th, 2026 3:55 PM",
            "try again at Feb 30, 2027 3pm",
            "reached|99999999999",
            "reset reset reset",
            "resets Jan",
            "2026-11-30T12:00:00Z is when I began",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
