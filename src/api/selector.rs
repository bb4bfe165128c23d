//! Reading `labelSelector` and `fieldSelector` as clients write them.

use gastown_crds::names::is_qualified;

use super::kind::Served;
use super::status::ApiError;
use super::store::{Requirement, Selector, label};

/// The most conditions of one selector; each is a subquery.
const REQUIREMENTS_MAX: usize = 32;

/// Joins both selectors of a request.
pub(super) fn parse(kind: &Served, labels: &str, fields: &str) -> Result<Selector, ApiError> {
    let mut all = label_selector(labels)?;
    all.extend(field_selector(kind, fields)?);
    if all.len() > REQUIREMENTS_MAX {
        return Err(ApiError::bad_request(format!("a selector may have at most {REQUIREMENTS_MAX} conditions")));
    }
    Ok(Selector(all))
}

fn label_selector(text: &str) -> Result<Vec<Requirement>, ApiError> {
    // Commas part conditions, except inside the parentheses of a set.
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|it| !it.is_empty()).map(label_requirement).collect()
}

fn label_requirement(text: &str) -> Result<Requirement, ApiError> {
    let bad = || ApiError::bad_request(format!("unable to parse requirement: `{text}`"));
    let what = |key: &str| {
        let key = key.trim();
        if is_qualified(key) { Ok(label(key)) } else { Err(bad()) }
    };
    let values = |text: &str| -> Result<Vec<String>, ApiError> {
        let inner = text.trim().strip_prefix('(').and_then(|it| it.strip_suffix(')')).ok_or_else(bad)?;
        Ok(inner.split(',').map(|it| it.trim().to_owned()).collect())
    };
    if let Some((key, set)) = text.split_once(" notin ").or_else(|| text.split_once(" notin(")) {
        return Ok(Requirement::NotIn(what(key)?, values(&reopened(set))?));
    }
    if let Some((key, set)) = text.split_once(" in ").or_else(|| text.split_once(" in(")) {
        return Ok(Requirement::In(what(key)?, values(&reopened(set))?));
    }
    let one = |value: &str| -> Result<Vec<String>, ApiError> {
        // A value that no label can have selects nothing; a second `=` shows that two conditions were meant.
        let value = value.trim();
        if value.contains('=') { Err(bad()) } else { Ok(vec![value.to_owned()]) }
    };
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(what(key)?, one(value)?));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(what(key)?, one(value)?));
    }
    for (sign, is_greater) in [('>', true), ('<', false)] {
        if let Some((key, value)) = text.split_once(sign) {
            let value = value.trim().parse().map_err(|_| bad())?;
            return Ok(Requirement::Compared { what: what(key)?, is_greater, than: value });
        }
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(what(key)?)),
        None => Ok(Requirement::Exists(what(text)?)),
    }
}

/// A set, also where its opening parenthesis stood right behind the operator.
fn reopened(set: &str) -> String {
    let set = set.trim();
    if set.starts_with('(') { set.to_owned() } else { format!("({set}") }
}

/// The conditions of a field selector. A backslash before a comma, an equals sign or a backslash makes it a part of a value.
fn parts(text: &str) -> Result<Vec<&str>, ApiError> {
    let (mut start, mut is_escaped, mut parts) = (0, false, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '\\' | ',' | '=' if is_escaped => is_escaped = false,
            _ if is_escaped => return Err(ApiError::bad_request(format!("invalid selector: '{text}': `\\{c}`"))),
            '\\' => is_escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn unescaped(value: &str) -> String {
    let mut is_escaped = false;
    let keep = |c: &char| {
        is_escaped = *c == '\\' && !is_escaped;
        !is_escaped
    };
    value.chars().filter(keep).collect()
}

fn field_selector(kind: &Served, text: &str) -> Result<Vec<Requirement>, ApiError> {
    let parts = parts(text)?;
    let parts = parts.iter().map(|part| part.trim()).filter(|it| !it.is_empty());
    parts
        .map(|part| {
            let (path, is_equal, value) = if let Some((path, value)) = part.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, true, value)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{part}'; can't understand it")));
            };
            let (path, value) = (path.trim(), unescaped(value.trim()));
            match path {
                "metadata.name" => Ok(Requirement::Name(is_equal, value)),
                "metadata.namespace" => Ok(Requirement::Namespace(is_equal, value)),
                _ => match kind.selectable.iter().find(|it| it.name == path) {
                    None => Err(ApiError::bad_request(format!("field label not supported: {path}"))),
                    Some(it) if is_equal => Ok(Requirement::In(it.question(), vec![value])),
                    Some(it) => Ok(Requirement::NotIn(it.question(), vec![value])),
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_by_equality_and_by_sets() {
        let parsed = label_selector("a=1, b!=2,c in (x, y),d notin (z),e,!f/g").unwrap();
        let strings = |it: &[&str]| it.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            parsed,
            [
                Requirement::In("label:a".into(), strings(&["1"])),
                Requirement::NotIn("label:b".into(), strings(&["2"])),
                Requirement::In("label:c".into(), strings(&["x", "y"])),
                Requirement::NotIn("label:d".into(), strings(&["z"])),
                Requirement::Exists("label:e".into()),
                Requirement::Absent("label:f/g".into()),
            ]
        );
        assert_eq!(label_selector("a in(x)").unwrap(), [Requirement::In("label:a".into(), strings(&["x"]))]);
        let compared = label_selector("n>1,n < 2").unwrap();
        let than = |is_greater, than| Requirement::Compared { what: "label:n".into(), is_greater, than };
        assert_eq!(compared, [than(true, 1), than(false, 2)]);
        for bad in ["n=a=b", "n>x", "a in x", "=1", "a b", "a in (x", "'; drop"] {
            assert!(label_selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_field_selector_may_escape_a_comma() {
        assert_eq!(parts(r"a=b\,c,d=e\\").unwrap(), [r"a=b\,c", r"d=e\\"]);
        assert_eq!((unescaped(r"b\,c"), unescaped(r"e\\")), ("b,c".to_owned(), r"e\".to_owned()));
        assert!(parts(r"a=\b").is_err());
    }
}
