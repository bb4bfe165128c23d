//! One number with its unit, `1.5 MiB`, read off the front of a text without floating point.

use crate::ParseError;

/// More decimals than this say nothing: the ninth of a second is a nanosecond.
const DECIMALS_MAX: usize = 18;

/// `whole + fraction / 10^decimals`, followed by a unit.
pub struct Quantity<'a> {
    whole: u64,
    fraction: u64,
    decimals: u32,
    pub unit: &'a str,
    pub unit_at: usize,
}

impl Quantity<'_> {
    /// The value in the base unit, rounded down, when one of `unit` is `factor` base units.
    pub fn times(&self, factor: u64) -> Option<u128> {
        let whole = u128::from(self.whole).checked_mul(u128::from(factor))?;
        let fraction = u128::from(self.fraction).checked_mul(u128::from(factor))?;
        whole.checked_add(fraction / 10_u128.pow(self.decimals))
    }
}

/// Reads one quantity from `text` at `start`; gives it and the offset of what follows.
pub fn quantity(text: &str, start: usize) -> Result<(Quantity<'_>, usize), ParseError> {
    let point = span(text, start, |c| c.is_ascii_digit());
    if point == start {
        return Err(ParseError::NumberExpected { at: start });
    }
    let whole = digits(&text[start..point])?;

    let (mut fraction, mut decimals, mut end) = (0, 0, point);
    if text[point..].starts_with('.') {
        end = span(text, point + 1, |c| c.is_ascii_digit());
        decimals = end - point - 1;
        match decimals {
            0 => return Err(ParseError::NumberExpected { at: end }),
            1..=DECIMALS_MAX => fraction = digits(&text[point + 1..end])?,
            _ => return Err(ParseError::TooPrecise { at: start }),
        }
    }

    let unit_at = span(text, end, char::is_whitespace);
    let unit_end = span(text, unit_at, char::is_alphabetic);
    let unit = &text[unit_at..unit_end];
    let decimals = decimals as u32;
    Ok((Quantity { whole, fraction, decimals, unit, unit_at }, unit_end))
}

/// The offset of the first character at or after `start` that is not `wanted`.
pub fn span(text: &str, start: usize, wanted: impl Fn(char) -> bool) -> usize {
    text[start..].find(|c| !wanted(c)).map_or(text.len(), |length| start + length)
}

fn digits(text: &str) -> Result<u64, ParseError> {
    text.parse().map_err(|_| ParseError::TooLarge)
}
