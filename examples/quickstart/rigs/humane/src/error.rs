//! What can be wrong with a size or a duration that somebody typed.

use std::fmt;

/// Why a text is no size or no duration. Offsets count bytes from the start of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// The text holds nothing but blanks.
    Empty,
    /// A number was expected at this offset.
    NumberExpected { at: usize },
    /// The number at this offset has more digits after the point than can be counted.
    TooPrecise { at: usize },
    /// The word after the number is no unit we know.
    UnknownUnit { at: usize, unit: String },
    /// The value does not fit.
    TooLarge,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Empty => write!(f, "nothing to parse"),
            ParseError::NumberExpected { at } => write!(f, "expected a number at byte {at}"),
            ParseError::TooPrecise { at } => {
                write!(f, "the number at byte {at} has too many decimals")
            }
            ParseError::UnknownUnit { at, unit } if unit.is_empty() => {
                write!(f, "expected a unit at byte {at}")
            }
            ParseError::UnknownUnit { at, unit } => write!(f, "no unit `{unit}`, at byte {at}"),
            ParseError::TooLarge => write!(f, "the value is too large"),
        }
    }
}

impl std::error::Error for ParseError {}
