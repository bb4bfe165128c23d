//! What a scalar means: YAML 1.2's core schema, but where YAML 1.1 readers (such as kubectl) would see something else,
//! it stays text, and the schema then says what was expected.
//!
//! So `no` is not false, `010` is neither 10 nor 8, and `1_000`, `.inf` and `12:30` are text.

use serde_json::{Number, Value};

/// The value of a plain (unquoted) scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Longest text that is read as a number, in bytes: the longest exact double has some 770 digits, no sane one has 64.
const NUMBER_BYTES_MAX: usize = 64;

fn number(text: &str) -> Option<Number> {
    if text.len() > NUMBER_BYTES_MAX {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, u8::is_ascii_hexdigit).then(|| u64::from_str_radix(hex, 16).ok())?.map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    if leading_zero {
        return None;
    }
    if digits(unsigned, u8::is_ascii_digit) {
        let text = text.strip_prefix('+').unwrap_or(text);
        let whole = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
        // Beyond 64 bits a number would lose digits: it stays text.
        return whole.ok();
    }
    is_float(unsigned).then(|| text.parse::<f64>().ok()).flatten().and_then(Number::from_f64)
}

/// `12.5`, `1.`, `.5`, `1e3`, `1.5E-3`.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    (!whole.is_empty() || !fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|e| digits(e, u8::is_ascii_digit))
}

fn digits(text: &str, is: fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(|b| is(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_yaml_versions_read_differently_stays_text() {
        for text in
            ["no", "yes", "on", "Off", "y", "010", "-010", "1_000", "12:30", ".inf", ".nan", "0o", "1.2.3", "-", "."]
        {
            assert_eq!(resolve(text), json!(text), "{text}");
        }
        assert_eq!(resolve("99999999999999999999"), json!("99999999999999999999"));
    }

    #[test]
    fn plain_numbers_and_words_are_what_they_look_like() {
        for (text, value) in [
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0x1f", json!(31)),
            ("1.5", json!(1.5)),
            ("-1e3", json!(-1000.0)),
            ("true", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
