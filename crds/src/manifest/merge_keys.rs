//! Merge keys: `<<: *base` and `<<: [*first, *second]` give a mapping the fields of others that it does not give itself.
//!
//! The fields of the mapping itself win wherever they stand, then those of the first mapping that has them. Only the fields
//! are merged, not what is inside them. A field that was merged keeps its place in the file: where it was written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostic::Diagnostic;
use super::source::Source;
use super::spans::{Inside, Spans};

/// The key, as it stands without quotes.
pub(super) const MERGE_KEY: &str = "<<";

/// What one mapping takes from others.
#[derive(Default)]
pub(super) struct Merged {
    /// Where the merge key stands.
    at: Option<Range<usize>>,
    from: Vec<(Map<String, Value>, BTreeMap<String, Spans>)>,
}

impl Merged {
    /// Takes the value of a merge key, which stands `at` a place; gives the mistake, if it is one.
    pub fn take(&mut self, value: Value, spans: Spans, at: Range<usize>, source: &Arc<Source>) -> Option<Diagnostic> {
        if let Some(first) = self.at.replace(at.clone()) {
            let mistake = Diagnostic::error("duplicate-key", "`<<` is given twice", source, at).label("again here");
            let mistake = mistake.related(source, first, "first given here");
            return Some(mistake.hint("merge several mappings with one list: `<<: [*first, *second]`"));
        }
        match (value, spans.inside) {
            (Value::Object(map), inside) => self.from.push((map, fields(inside))),
            (Value::Array(items), inside) => {
                let mut places = match inside {
                    Inside::Items(places) => places,
                    Inside::Nothing | Inside::Fields(_) => Vec::new(),
                }
                .into_iter();
                for item in items {
                    let spans = places.next().unwrap_or_default();
                    let Value::Object(map) = item else {
                        return Some(no_mapping(source, spans.value));
                    };
                    self.from.push((map, fields(spans.inside)));
                }
            }
            // Where there is no value, its key is what can be underlined.
            _ => return Some(no_mapping(source, if spans.value.is_empty() { at } else { spans.value })),
        }
        None
    }

    /// Adds the fields that the mapping does not have itself.
    pub fn complete(self, map: &mut Map<String, Value>, inner: &mut BTreeMap<String, Spans>) {
        for (fields, mut spans) in self.from {
            for (name, value) in fields {
                if map.contains_key(&name) {
                    continue;
                }
                if let Some(spans) = spans.remove(&name) {
                    inner.insert(name.clone(), spans);
                }
                map.insert(name, value);
            }
        }
    }
}

fn fields(inside: Inside) -> BTreeMap<String, Spans> {
    match inside {
        Inside::Fields(fields) => fields,
        Inside::Nothing | Inside::Items(_) => BTreeMap::new(),
    }
}

fn no_mapping(source: &Arc<Source>, span: Range<usize>) -> Diagnostic {
    let message = "`<<` takes a mapping, or a list of mappings";
    Diagnostic::error("merge-key", message, source, span)
        .hint("alias a mapping: `<<: *base`; to name a field `<<`, put it in quotes")
}
