//! Why a formula cannot be cooked, and what is odd in one that can: with the place in the file, and a hint.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bounds::Bound;
use crate::source::Location;

/// Most names of a circle or path that are shown.
const SHOWN_MAX: usize = 10;

/// Why a formula cannot be cooked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub problem: Box<Problem>,
    /// Where. `None` only for what the caller gave, such as a value.
    pub location: Option<Location>,
    /// What may help.
    pub hint: Option<String>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}", self.problem)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for Error {}

/// What is wrong. Only a person can fix any of these: none is worth a second try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is neither TOML nor JSON.
    #[error("invalid {format}: {why}")]
    Syntax {
        /// The format that it should have.
        format: &'static str,
        /// The parser's own words.
        why: String,
    },
    /// Something is larger than this crate accepts.
    #[error("{what}: over the bound {} of {}", bound.name, bound.max)]
    Bound {
        /// What it is.
        what: String,
        /// The bound.
        bound: Bound,
    },
    /// A value of the wrong type.
    #[error("`{field}` must be {expected}, not {found}")]
    WrongType {
        /// The key.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Something that must be there.
    #[error("{what} has no `{field}`")]
    Missing {
        /// The key.
        field: &'static str,
        /// The table that lacks it.
        what: String,
    },
    /// A value that is not accepted.
    #[error("invalid `{field}` `{value}`: {why}")]
    BadValue {
        /// The key.
        field: String,
        /// Its value.
        value: String,
        /// The reason, or what is accepted.
        why: String,
    },
    /// A key that is not known, where that is an error.
    #[error("unknown key `{key}` in {what}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The table that has it.
        what: &'static str,
    },
    /// A formula that the library does not have.
    #[error("no formula `{name}`, which `{field}` names")]
    UnknownFormula {
        /// Its name.
        name: String,
        /// The key that names it.
        field: &'static str,
    },
    /// A formula that cannot be used for this.
    #[error("formula `{name}`, which `{field}` names, is of type {found}; it must be of type {expected}")]
    WrongFormulaType {
        /// Its name.
        name: String,
        /// The key that names it.
        field: &'static str,
        /// The type it has.
        found: &'static str,
        /// The type it must have.
        expected: &'static str,
    },
    /// Formulas extend or expand each other in a circle.
    #[error("formulas {verb} each other in a circle: {}", shown(path))]
    FormulaCycle {
        /// `extend` or `expand`.
        verb: &'static str,
        /// The formulas, the first one repeated at the end.
        path: Vec<String>,
    },
    /// Two steps have one id.
    #[error("two steps have the id `{id}`")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Something names a step that does not exist.
    #[error("`{field}` of {what} names the step `{id}`, which does not exist")]
    UnknownStep {
        /// The key.
        field: &'static str,
        /// What names it.
        what: String,
        /// The step that is named.
        id: String,
    },
    /// Steps need each other in a circle.
    #[error("steps need each other in a circle: {}", shown(circle))]
    NeedsCycle {
        /// The steps, the first one repeated at the end.
        circle: Vec<String>,
    },
    /// A required var without value.
    #[error("the var `{name}` is required and has no value")]
    MissingValue {
        /// The var.
        name: String,
    },
    /// A value that the var does not accept.
    #[error("the var `{name}` cannot be `{value}`: {why}")]
    RefusedValue {
        /// The var.
        name: String,
        /// Its value.
        value: String,
        /// What it must be.
        why: String,
    },
}

/// A path as people read it: `a → b → a`.
fn shown(path: &[String]) -> String {
    if path.len() <= SHOWN_MAX {
        return path.join(" → ");
    }
    let last = path.last().map_or("", String::as_str);
    format!("{} → … → {last}", path[..SHOWN_MAX - 1].join(" → "))
}

/// Something odd in a formula that can be cooked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Warning {
    /// What is odd.
    pub message: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}
