//! Sizes in bytes: printed in powers of 1024, read in powers of 1024 or 1000.

use crate::number::{quantity, span};
use crate::ParseError;

const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Prints a size with at most one decimal, in the largest unit that leaves a number below 1024.
pub fn fmt_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut power = 1;
    // 1023.96 KiB would be printed as 1024.0 KiB, so it is rounded before the unit is chosen.
    while tenths(bytes, power) >= 10_240 {
        power += 1;
    }
    let tenths = tenths(bytes, power);
    let unit = BINARY[power];
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        tenth => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

/// Reads a size: `512`, `1.5 MiB`, `10kB`. `KiB` is 1024 bytes and `kB` is 1000; a bare number
/// counts bytes. Case does not matter; parts of a byte are dropped.
pub fn parse_size(text: &str) -> Result<u64, ParseError> {
    let start = span(text, 0, char::is_whitespace);
    if start == text.len() {
        return Err(ParseError::Empty);
    }
    let (quantity, end) = quantity(text, start)?;
    let factor = factor(quantity.unit).ok_or_else(|| ParseError::UnknownUnit {
        at: quantity.unit_at,
        unit: quantity.unit.to_string(),
    })?;
    let rest = span(text, end, char::is_whitespace);
    if rest != text.len() {
        let unit = text[rest..].to_string();
        return Err(ParseError::UnknownUnit { at: rest, unit });
    }
    let bytes = quantity.times(factor).ok_or(ParseError::TooLarge)?;
    u64::try_from(bytes).map_err(|_| ParseError::TooLarge)
}

/// The size in tenths of 1024^power, rounded half up.
fn tenths(bytes: u64, power: usize) -> u128 {
    let unit = 1_u128 << (10 * power);
    (u128::from(bytes) * 10 + unit / 2) / unit
}

fn factor(unit: &str) -> Option<u64> {
    let power = |units: [&str; 7]| units.iter().position(|known| known.eq_ignore_ascii_case(unit));
    if unit.is_empty() {
        return Some(1);
    }
    if let Some(power) = power(BINARY) {
        return Some(1 << (10 * power));
    }
    power(DECIMAL).map(|power| 1000_u64.pow(power as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_before_it_chooses_the_unit() {
        assert_eq!(tenths(1_048_524, 1), 10_239);
        assert_eq!(tenths(1_048_525, 1), 10_240);
    }

    #[test]
    fn knows_both_families_of_units() {
        assert_eq!(factor("MiB"), Some(1_048_576));
        assert_eq!(factor("mb"), Some(1_000_000));
        assert_eq!(factor("furlong"), None);
    }
}
