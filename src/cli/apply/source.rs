//! Objects that a Source keeps as its revision says: what is applied beside it would be put back. It is to be committed there.

use gastown_crds::apply::appliers;
use gastown_crds::common::LABEL_SOURCE;
use gastown_crds::manifest::{self, Diagnostic, Manifest};
use serde_json::Value;

use super::Stored;

/// The source that keeps an object. It is there: a label that outlives its source says nothing.
pub fn keeper(object: &Value, is_there: impl Fn(&str) -> bool) -> Option<&str> {
    let label = object["metadata"]["labels"][LABEL_SOURCE].as_str();
    let mut sources = label.into_iter().chain(appliers::appliers(object).filter_map(appliers::source_named));
    sources.find(|source| is_there(source))
}

/// Refusals of what a source keeps.
pub fn check(manifests: &[Manifest], stored: &Stored) -> Vec<Diagnostic> {
    let found = manifests.iter().filter_map(|manifest| {
        let object = stored.object(&manifest.kind, &manifest.name)?;
        let source = keeper(object, |source| stored.has("Source", source))?;
        let (kind, name) = (manifest.kind.to_lowercase(), manifest::quote(&manifest.name));
        let source = manifest::quote(source);
        let message =
            format!("{kind} {name} is kept by the source {source}: what is applied beside it would be put back");
        let span = manifest.value_at(["metadata".into(), "name".into()]);
        let hint = format!("commit the change to the source {source}");
        Some(Diagnostic::error("managed", message, &manifest.source, span).hint(hint))
    });
    found.collect()
}
