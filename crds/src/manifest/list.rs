//! A `List` is an object that holds others, as `gt get -o yaml` and `kubectl get -o yaml` print several: each item is read as
//! if it were a document.
//!
//! `kind: List` of `v1` holds objects of any kind; `kind: RigList` and its like come from the API, where items may leave
//! their `apiVersion` and `kind` out. Lists may stand in lists; how deep is bounded with the depth of the document.

use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::source::Source;
use super::spans::{Inside, Spans, Step};
use crate::common::GROUP;
use crate::kinds::Kind;

/// The `apiVersion` of a list of any kind.
const API_VERSION: &str = "v1";

/// Adds every object of a document: the items of a list, and of lists in it, or the document itself.
pub(super) fn flatten(
    document: Document,
    source: &Arc<Source>,
    objects: &mut Vec<Document>,
) -> Result<(), Box<Diagnostic>> {
    let Document { mut value, spans } = document;
    let Some(list) = ListKind::of(&value) else {
        objects.push(Document { value, spans });
        return Ok(());
    };
    let items = match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        Some(Value::Null) => return Ok(()),
        Some(_) => {
            let span = spans.nearest([Step::Field("items")]).0.of_value();
            let message = "the `items` of a List must be a list";
            return Err(Diagnostic::error("wrong-type", message, source, span)
                .hint("start each item with `- `")
                .into());
        }
        None => {
            let span = spans.nearest([Step::Field("kind")]).0.of_value();
            let mistake = Diagnostic::error("required", "`items` is missing in a List", source, span);
            return Err(mistake.hint("add `items: […]`, the objects that it holds").into());
        }
    };
    let places = match spans.step(Step::Field("items")).map(|spans| &spans.inside) {
        Some(Inside::Items(places)) => places.as_slice(),
        _ => &[],
    };
    for (nth, mut value) in items.into_iter().enumerate() {
        let spans =
            places.get(nth).cloned().unwrap_or_else(|| Spans { value: spans.value.clone(), ..Spans::default() });
        list.complete(&mut value);
        flatten(Document { value, spans }, source, objects)?;
    }
    Ok(())
}

/// What a list says of its items.
struct ListKind {
    /// `apiVersion` and `kind` of an item that has none.
    of_items: Option<(String, &'static str)>,
}

impl ListKind {
    /// None where the object is no list.
    fn of(object: &Value) -> Option<Self> {
        let kind = object.get("kind")?.as_str()?;
        let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or(API_VERSION);
        let is_ours = api_version.split('/').next() == Some(GROUP);
        match kind.strip_suffix("List")? {
            "" if is_ours || api_version == API_VERSION => Some(Self { of_items: None }),
            item if is_ours => Some(Self { of_items: Some((api_version.to_owned(), Kind::named(item)?.name)) }),
            _ => None,
        }
    }

    fn complete(&self, item: &mut Value) {
        let (Some((api_version, kind)), Some(item)) = (&self.of_items, item.as_object_mut()) else { return };
        item.entry("apiVersion").or_insert_with(|| api_version.as_str().into());
        item.entry("kind").or_insert_with(|| (*kind).into());
    }
}
