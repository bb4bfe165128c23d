//! What is wrong with an object: the place, the kind of mistake, and the sentence an apiserver would answer.

use std::fmt;

use serde_json::Value;

use super::path::FieldPath;

/// The kind of a mistake; `as_str` is the `reason` of a cause in a `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A required field is missing.
    Required,
    /// A value breaks a bound, a pattern, a format or a rule.
    Invalid,
    /// A value is of another type than declared.
    TypeInvalid,
    /// A value is none of the declared ones.
    NotSupported,
    /// A list that is a set or a map names one thing twice.
    Duplicate,
    /// A string is too long.
    TooLong,
    /// A list or a map has too many entries.
    TooMany,
    /// A value may not be written, or not changed.
    Forbidden,
    /// A field that the schema does not declare.
    Unknown,
}

impl Reason {
    /// The word of the Kubernetes API for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Required => "FieldValueRequired",
            Reason::Invalid => "FieldValueInvalid",
            Reason::TypeInvalid => "FieldValueTypeInvalid",
            Reason::NotSupported => "FieldValueNotSupported",
            Reason::Duplicate => "FieldValueDuplicate",
            Reason::TooLong => "FieldValueTooLong",
            Reason::TooMany => "FieldValueTooMany",
            Reason::Forbidden => "FieldValueForbidden",
            Reason::Unknown => "FieldUnknown",
        }
    }
}

/// One mistake in one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field.
    pub path: FieldPath,
    /// The kind of mistake.
    pub reason: Reason,
    /// The sentence without the path, such as `Invalid value: -1: spec.n in body should be greater than or equal to 0`.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message, reason: _ } = self;
        write!(f, "{path}: {message}")
    }
}

impl Violation {
    /// A value that breaks a rule which `detail` states.
    pub fn invalid(path: FieldPath, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {}: {detail}", shown(value));
        Self { path, reason: Reason::Invalid, message }
    }

    /// A missing field.
    pub fn required(path: FieldPath) -> Self {
        Self { path, reason: Reason::Required, message: "Required value".to_owned() }
    }

    /// A value that may not be written or changed, and why.
    pub fn forbidden(path: FieldPath, detail: &str) -> Self {
        Self { path, reason: Reason::Forbidden, message: format!("Forbidden: {detail}") }
    }

    pub(super) fn type_invalid(path: FieldPath, wanted: &str, got: &str) -> Self {
        let message = format!("Invalid value: \"{got}\": {path} in body must be of type {wanted}: \"{got}\"");
        Self { path, reason: Reason::TypeInvalid, message }
    }

    pub(super) fn not_supported(path: FieldPath, value: &Value, supported: &[Value]) -> Self {
        let names: Vec<_> = supported.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), names.join(", "));
        Self { path, reason: Reason::NotSupported, message }
    }

    pub(super) fn duplicate(path: FieldPath, value: &Value) -> Self {
        Self { path, reason: Reason::Duplicate, message: format!("Duplicate value: {}", shown(value)) }
    }

    pub(super) fn too_long(path: FieldPath, chars_max: usize) -> Self {
        let message = format!("Too long: may not be more than {chars_max} bytes");
        Self { path, reason: Reason::TooLong, message }
    }

    pub(super) fn too_many(path: FieldPath, got: usize, max: usize) -> Self {
        Self { path, reason: Reason::TooMany, message: format!("Too many: {got}: must have at most {max} items") }
    }
}

/// The longest value that a message repeats, in characters; what is longer helps nobody more.
const SHOWN_CHARS_MAX: usize = 200;

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
