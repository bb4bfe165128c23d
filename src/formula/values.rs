//! The values of vars: given, or the default, and whether a var accepts them.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::bounds::{PATTERN_BYTES_MAX, VALUE_BYTES_MAX};
use crate::error::Problem;
use crate::model::Var;

/// Parentheses within each other, in a pattern.
const PATTERN_NESTING_MAX: u32 = 32;
/// Most of a value that an error shows, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// A compiled `pattern`, whose size and cost are bounded: it takes time linear in the value.
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX.max).nest_limit(PATTERN_NESTING_MAX).build();
        built.map(Self).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("over the bound {} of {}", PATTERN_BYTES_MAX.name, PATTERN_BYTES_MAX.max)
            }
            // The last line says what is wrong; those above draw where.
            other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })
    }
}

/// Whether a var accepts a value; otherwise the reason. What has no value, an empty text, is accepted by all types.
pub(crate) fn check(var: &Var, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    if !var.allowed.is_empty() && !var.allowed.iter().any(|it| it == value) {
        return Err(format!("it must be one of {}", var.allowed.join(", ")));
    }
    let is_of_type = match var.kind.as_deref() {
        Some("int" | "integer") => value.parse::<i64>().is_ok(),
        Some("number" | "float") => value.parse::<f64>().is_ok_and(f64::is_finite),
        Some("bool" | "boolean") => ["true", "false"].contains(&value),
        _ => true,
    };
    if !is_of_type {
        return Err(format!("it must be of type {}", var.kind.as_deref().unwrap_or_default()));
    }
    let Some(pattern) = &var.pattern else { return Ok(()) };
    let Pattern(regex) = Pattern::new(pattern)?;
    if regex.is_match(value) { Ok(()) } else { Err(format!("it must match `{pattern}`")) }
}

/// The value of each var that has one: given, else the default. A given one that is not declared counts too.
pub(crate) fn resolve(
    vars: &BTreeMap<String, Var>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut values = given.clone();
    for (name, value) in given {
        if value.len() > VALUE_BYTES_MAX.max {
            return Err(Problem::Bound { what: format!("the value of the var `{name}`"), bound: VALUE_BYTES_MAX });
        }
    }
    for (name, var) in vars {
        let value = match (given.get(name), &var.default) {
            (Some(value), _) => value,
            (None, Some(default)) => {
                values.insert(name.clone(), default.clone());
                default
            }
            (None, None) if var.required && var.required_unless.is_empty() => {
                return Err(Problem::MissingValue { name: name.clone() });
            }
            (None, None) => continue,
        };
        check(var, value).map_err(|why| {
            let value = value.chars().take(SHOWN_CHARS_MAX).collect();
            Problem::RefusedValue { name: name.clone(), value, why }
        })?;
    }
    for (name, var) in vars {
        let is_spared = var.required_unless.iter().any(|other| values.get(other).is_some_and(|it| !it.is_empty()));
        if !var.required_unless.is_empty() && !is_spared && !values.contains_key(name) {
            return Err(Problem::MissingValue { name: name.clone() });
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn refused(var: Var, value: &str) -> Option<String> {
        let vars = BTreeMap::from([("v".to_owned(), var)]);
        resolve(&vars, &given(&[("v", value)])).err().map(|problem| problem.to_string())
    }

    #[test]
    fn a_value_must_be_one_the_var_accepts() {
        let allowed = Var { allowed: vec!["fast".into(), "slow".into()], ..Var::default() };
        assert_eq!(refused(allowed.clone(), "fast"), None);
        assert_eq!(refused(allowed, "fats").unwrap(), "the var `v` cannot be `fats`: it must be one of fast, slow");
        let pattern = Var { pattern: Some(r"^v\d+$".into()), ..Var::default() };
        assert_eq!(refused(pattern.clone(), "v12"), None);
        assert_eq!(refused(pattern, "12").unwrap(), r"the var `v` cannot be `12`: it must match `^v\d+$`");
        let int = Var { kind: Some("int".into()), ..Var::default() };
        assert_eq!(refused(int.clone(), "-3"), None);
        assert_eq!(refused(int, "3.5").unwrap(), "the var `v` cannot be `3.5`: it must be of type int");
    }

    #[test]
    fn a_required_var_must_have_a_value_or_a_default() {
        let required = Var { required: true, ..Var::default() };
        let vars = BTreeMap::from([("v".to_owned(), required.clone())]);
        assert_eq!(resolve(&vars, &given(&[])), Err(Problem::MissingValue { name: "v".into() }));
        let vars = BTreeMap::from([("v".to_owned(), Var { default: Some("x".into()), ..required })]);
        assert_eq!(resolve(&vars, &given(&[])).unwrap(), given(&[("v", "x")]));
    }

    #[test]
    fn one_of_two_vars_may_be_enough() {
        let unless = Var { required_unless: vec!["pr".into()], ..Var::default() };
        let vars = BTreeMap::from([("files".to_owned(), unless), ("pr".to_owned(), Var::default())]);
        assert_eq!(resolve(&vars, &given(&[])), Err(Problem::MissingValue { name: "files".into() }));
        assert!(resolve(&vars, &given(&[("pr", "7")])).is_ok());
    }

    #[test]
    fn a_pattern_that_is_too_large_is_refused() {
        assert!(Pattern::new(r"((\w{200}){200}){200}").is_err_and(|why| why.contains("PATTERN_BYTES_MAX")));
        assert!(Pattern::new("(").is_err());
    }
}
