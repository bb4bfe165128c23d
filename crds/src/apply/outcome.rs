//! What an apply makes of an object that exists, and whether that is a change: for whoever decides whether to send it.

use serde_json::Value;

use super::{Applier, Conflicts, apply};
use crate::common::ANNOTATION_APPLIED;
use crate::kinds::Kind;

/// An object after an apply, as it would be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The object, with its managers.
    pub object: Value,
    /// Whether applying writes something, be it only who owns what.
    pub writes: bool,
    /// Whether what is declared of it changes.
    pub changes: bool,
    /// Whether its spec changes: then it has another generation.
    pub spec_changes: bool,
}

impl Outcome {
    /// What applying a configuration makes of a stored object of this kind. What no schema knows is dropped, as the API does.
    pub fn of(kind: &Kind, live: &Value, config: &Value, applier: &Applier<'_>) -> Result<Self, Conflicts> {
        let mut object = apply(kind.schema(), Some(live), config, applier)?;
        kind.schema().prune(&mut object);
        kind.schema().default(&mut object);
        // What was stored by an earlier release lacks the defaults of this one, and reads as if it had them.
        let mut old = live.clone();
        kind.schema().default(&mut old);
        let spec_changes = object["spec"] != old["spec"];
        let metadata_changes =
            || ["labels", "annotations"].iter().any(|field| texts(&object, field) != texts(&old, field));
        Ok(Self { changes: spec_changes || metadata_changes(), writes: object != old, spec_changes, object })
    }
}

/// Labels or annotations, without the note of an earlier release: to drop it is nobody's change.
fn texts<'a>(object: &'a Value, field: &str) -> Vec<(&'a String, &'a Value)> {
    let texts = object["metadata"][field].as_object().into_iter().flatten();
    texts.filter(|(key, _)| *key != ANNOTATION_APPLIED).collect()
}
