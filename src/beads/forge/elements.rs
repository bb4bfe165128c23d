//! The issues within what a forge has answered: in a list, in pages of lists, in what a search has found, or one by one.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Forge;

/// What a file holds, by the shape of its first value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Issues of a forge.
    Forge(Forge),
    /// An array of issues as Beads prints them.
    Beads,
}

/// One issue of a file.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its JSON.
    pub json: &'a str,
}

/// What the file holds; none for lines of Beads, and for what is no JSON.
pub fn shape(text: &str) -> Option<Shape> {
    let first = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next()?.ok()?;
    let mut all = Vec::new();
    flatten(first, ARRAYS_MAX, &mut all).ok()?;
    // No issues: of whom they are not, says nobody.
    let Some(issue) = all.first() else { return Some(Shape::Beads) };
    let issue: Value = serde_json::from_str(issue.get()).ok()?;
    if issue.get("iid").is_some() {
        return Some(Shape::Forge(Forge::GitLab));
    }
    if issue.get("number").is_some_and(Value::is_u64) {
        return Some(Shape::Forge(Forge::GitHub));
    }
    let is_array = first.get().starts_with('[');
    (is_array && issue.get("id").is_some_and(Value::is_string)).then_some(Shape::Beads)
}

/// What a search has found, as `gh api search/issues` prints it.
#[derive(Deserialize)]
struct Search<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    #[serde(rename = "total_count")]
    _total: u64,
}

/// Arrays within each other that are looked into: pages, and the issues of each.
const ARRAYS_MAX: u32 = 2;

/// Adds the issues of an answer: an array, a search, pages of these, or one.
fn flatten<'a>(answer: &'a RawValue, arrays: u32, all: &mut Vec<&'a RawValue>) -> Result<(), serde_json::Error> {
    let json = answer.get();
    if json.starts_with('[') && arrays > 0 {
        for each in serde_json::from_str::<Vec<&RawValue>>(json)? {
            flatten(each, arrays - 1, all)?;
        }
    } else if let Ok(Search { items, .. }) = serde_json::from_str(json) {
        all.extend(items);
    } else {
        all.push(answer);
    }
    Ok(())
}

/// The issues of a file: of arrays one behind the other, as `gh api --paginate` prints them, of an array of those (`--slurp`), of a
/// search, or one by one.
pub fn elements(text: &str) -> Result<Vec<Element<'_>>, serde_json::Error> {
    let mut all = Vec::new();
    let (mut line, mut seen) = (1, 0);
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let mut each = Vec::new();
        flatten(value?, ARRAYS_MAX, &mut each)?;
        for issue in each {
            let json = issue.get();
            // It is a part of the text: so far into it.
            let at = json.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            line += text.get(seen..at).map_or(0, |between| between.bytes().filter(|byte| *byte == b'\n').count());
            seen = at;
            all.push(Element { line, json });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_their_lines() {
        let text = "[\n  {\"number\": 1},\n  {\"number\":\n 2}]\n[{\"number\": 3}]\n{\"number\": 4}";
        let found: Vec<_> = elements(text).unwrap().iter().map(|it| it.line).collect();
        assert_eq!(found, [2, 3, 5, 6]);
        assert!(elements("[{]").is_err());
    }

    #[test]
    fn pages_in_one_array_and_what_a_search_has_found_are_issues_too() {
        let slurped = r#"[[{"number":1},{"number":2}],[{"number":3}]]"#;
        let search = r#"{"total_count":2,"incomplete_results":false,"items":[{"number":1},{"number":2}]}"#;
        for (text, many) in [(slurped.to_owned(), 3), (search.to_owned(), 2), (format!("[{search},{search}]"), 4)] {
            assert_eq!(shape(&text), Some(Shape::Forge(Forge::GitHub)), "{text}");
            let found = elements(&text).unwrap();
            assert_eq!(found.len(), many, "{text}");
            assert!(found.iter().all(|it| it.json.starts_with(r#"{"number""#)), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(elements(&deep).unwrap().len(), 1, "it is no issue, as is said when it is read");
    }
}
