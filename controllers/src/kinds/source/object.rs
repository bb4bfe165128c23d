//! One declared object: what is applied of it, and whether it is as declared.

use std::collections::BTreeMap;

use gastown_crds::Source;
use gastown_crds::admission;
use gastown_crds::apply::{Applier, Conflicts, Outcome, appliers};
use gastown_crds::common::{ANNOTATION_DECLARED, LABEL_SOURCE};
use gastown_crds::declared::declared;
use gastown_crds::manifest::Diagnostic;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{is_left, source_of};
use crate::plan::Write;
use crate::view::View;
use crate::world::DeclaredObject;

/// How an object stands to what is declared of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stands {
    /// It is as declared, or left as it is because an annotation says so.
    AsDeclared,
    /// It does not exist; this makes it.
    Absent(Write),
    /// It differs; this changes it.
    Differs(Write),
    /// It is being deleted: another is made once it is gone.
    Deleting,
}

/// Compares an object with what a source declares of it. Nobody has touched one that carries the digest of this text with
/// its own generation; only others are compared field by field.
pub(super) fn stands(source: &Source, object: &DeclaredObject, view: &View<'_>) -> Stands {
    let (kind, name, source_name) = (object.kind, object.manifest.name.as_str(), source.name_any());
    let Some(meta) = view.objects.metadata(kind, name) else {
        return Stands::Absent(write(object, config(object, &source_name, 1), &source_name));
    };
    if meta.deletion_timestamp.is_some() {
        return Stands::Deleting;
    }
    if is_left(meta) {
        return Stands::AsDeclared;
    }
    let is_ours = source_of(meta) == Some(&source_name);
    let (digest, generation) = noted(meta).unwrap_or_default();
    let live_generation = meta.generation.unwrap_or_default();
    if is_ours && digest == object.digest && has_declared_texts(meta, object) {
        // One that is over is not kept whole, and nobody works on it again.
        if generation == live_generation.to_string() || view.objects.value(kind, name).is_none() {
            return Stands::AsDeclared;
        }
    }
    let Some(live) = view.objects.value(kind, name) else { return Stands::AsDeclared };
    // Only whether it differs is asked here; in which generation that ends is known after.
    let kept = if is_ours && digest == object.digest { generation.parse().unwrap_or(1) } else { live_generation };
    let outcome = outcome(object, &live, (&source_name, kept), view);
    if outcome.as_ref().is_ok_and(|outcome| !outcome.writes) {
        return Stands::AsDeclared;
    }
    let spec_changes = outcome.is_ok_and(|outcome| outcome.spec_changes);
    let config = config(object, &source_name, live_generation + i64::from(spec_changes));
    Stands::Differs(write(object, config, &source_name))
}

/// What was applied last of an object: the digest of its text, and the generation that this led to.
pub(super) fn noted(meta: &ObjectMeta) -> Option<(&str, &str)> {
    meta.annotations.as_ref()?.get(ANNOTATION_DECLARED)?.split_once('/')
}

/// What the source applies: what is declared, and whose it is.
fn config(object: &DeclaredObject, source: &str, generation: i64) -> Value {
    let mut config = declared(object.kind, &object.manifest.value());
    let metadata = &mut config["metadata"];
    metadata["labels"][LABEL_SOURCE] = json!(source);
    metadata["annotations"][ANNOTATION_DECLARED] = json!(format!("{}/{generation}", object.digest));
    config
}

fn write(object: &DeclaredObject, config: Value, source: &str) -> Write {
    Write::Apply { kind: object.kind, name: object.manifest.name.clone(), config, manager: appliers::source(source) }
}

/// What applying makes of an object, by a source that takes this for its generation. A source takes over what others have
/// written: what is committed counts. So there is no conflict; were there one, the API would say so.
fn outcome(
    object: &DeclaredObject,
    live: &Value,
    (source, generation): (&str, i64),
    view: &View<'_>,
) -> Result<Outcome, Conflicts> {
    let applier = Applier { manager: &appliers::source(source), force: true, now: view.now };
    Outcome::of(object.kind, live, &config(object, source, generation), &applier)
}

/// What is wrong with applying a declared object to what there is.
pub(super) fn mistakes(source: &str, object: &DeclaredObject, live: &Value, view: &View<'_>) -> Vec<Diagnostic> {
    let outcome = outcome(object, live, (source, 1), view);
    outcome.map(|outcome| admission::admit_change(&object.manifest, live, &outcome)).unwrap_or_default()
}

/// Whether the labels and annotations that are declared stand there.
fn has_declared_texts(meta: &ObjectMeta, object: &DeclaredObject) -> bool {
    let stands = |there: &Option<BTreeMap<String, String>>, key, value| {
        there.as_ref().and_then(|there| there.get(key)).is_some_and(|there| there == value)
    };
    let [labels, annotations] = &object.texts;
    labels.iter().all(|(key, value)| stands(&meta.labels, key, value))
        && annotations.iter().all(|(key, value)| stands(&meta.annotations, key, value))
}
