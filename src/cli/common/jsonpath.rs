//! The JSONPath of printer columns, as a kube-apiserver runs it: `.a.b`, `[0]`, `['k']`, `[?(@.type=="Ready")]` or with `!=`.

use serde_json::Value;

/// A parsed path.
#[derive(Debug, PartialEq, Eq)]
pub struct Path(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Into a field.
    Field(String),
    /// Into one item.
    Item(usize),
    /// To the items whose field has this text, or has not.
    Where { field: String, has: bool, text: String },
}

impl Path {
    /// Reads a path; none where it uses more of JSONPath than printer columns here do.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = if let Some(inner) = rest.strip_prefix('[') {
                let (inside, after) = inner.split_once(']')?;
                (bracket(inside)?, after)
            } else {
                let inner = rest.strip_prefix('.')?;
                let (name, after) = field(inner);
                (Part::Field(name).filled()?, after)
            };
            parts.push(part);
            rest = after;
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// The first value at the path.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, part| match part {
            Part::Field(name) => value.get(name),
            Part::Item(index) => value.get(index),
            Part::Where { field, has, text } => {
                value.as_array()?.iter().find(|item| (item[field.as_str()] == text.as_str()) == *has)
            }
        })
    }
}

impl Part {
    fn filled(self) -> Option<Self> {
        if matches!(&self, Self::Field(name) if name.is_empty()) { None } else { Some(self) }
    }
}

/// A field's name up to the next `.` or `[`; a backslash takes the next character as it is.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, next)| next)),
            c => name.push(c),
        }
    }
    (name, "")
}

fn bracket(inside: &str) -> Option<Part> {
    if let Some(filter) = inside.strip_prefix("?(@.").and_then(|text| text.strip_suffix(')')) {
        let (has, (field, text)) = match filter.split_once("==") {
            Some(sides) => (true, sides),
            None => (false, filter.split_once("!=")?),
        };
        let text = text.trim();
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).or_else(|| quoted(text))?;
        return Some(Part::Where { field: field.trim().to_owned(), has, text: text.to_owned() });
    }
    quoted(inside).map(|name| Part::Field(name.to_owned())).or_else(|| inside.parse().ok().map(Part::Item))
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_what_columns_ask_for() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "x"}},
            "spec": {"command": ["sh", "-c"]},
            "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let at = |path: &str| Path::parse(path).unwrap().first(&object).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(at(".status.conditions[?(@.type==\"Ready\")].status").as_deref(), Some("True"));
        assert_eq!(at(".status.conditions[?(@.type==\"None\")].status"), None);
        assert_eq!(at(".status.conditions[?(@.type!=\"Other\")].status").as_deref(), Some("True"));
        assert_eq!(at(".spec.command[0]").as_deref(), Some("sh"));
        assert_eq!(at(".metadata.labels['a.b/c']").as_deref(), Some("x"));
        assert_eq!(at(r".metadata.labels.a\.b/c").as_deref(), Some("x"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", "a", ".", ".a[", ".a[*]", ".a[?(@.b)]", "..a"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }
}
