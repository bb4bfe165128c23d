//! Text that comes too late: of beads that have landed, which is a warning and applied, as it does no harm; and of what is on its way out,
//! which is refused, as it would be gone with it.

use gastown_controllers::bead::text_digest;
use gastown_controllers::convoy::{self, BeadSettings, ConvoySettings};
use gastown_crds::bead::CloseReason;
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Step};
use gastown_crds::{Bead, BeadSpec, ConvoySpec, Rig};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Stored, begun};
use crate::cli::common::context::{Link, pages};
use crate::cli::common::error::CliError;

/// Warnings and refusals about the beads and convoys among these manifests.
pub async fn check(link: &Link, manifests: &[Manifest], stored: &Stored) -> Result<Vec<Diagnostic>, CliError> {
    let mut found = Vec::new();
    for manifest in manifests {
        let old = stored.object(&manifest.kind, &manifest.name);
        if old.is_some_and(|old| !old["metadata"]["deletionTimestamp"].is_null()) {
            found.push(deleted(manifest));
            continue;
        }
        match (manifest.kind.as_str(), old) {
            ("Bead", Some(old)) => found.extend(of_bead(manifest, old)),
            // A convoy that is new may have had a namesake.
            ("Convoy", old) => found.extend(of_convoy(link, manifest, old.is_none(), stored).await?),
            _ => {}
        }
    }
    Ok(found)
}

pub(super) fn warning(code: &'static str, message: String, manifest: &Manifest, path: Vec<Step<'_>>) -> Diagnostic {
    Diagnostic::warning(code, message, &manifest.source, manifest.value_at(path))
}

fn deleted(manifest: &Manifest) -> Diagnostic {
    let (kind, name) = (manifest.kind.to_lowercase(), &manifest.name);
    let message = format!("{kind} {} is being deleted: what is said of it would go with it", manifest::quote(name));
    let hint = format!("`gt wait {kind}/{name} --for=delete`, then apply this again");
    let span = manifest.value_at(["metadata".into(), "name".into()]);
    Diagnostic::error("being-deleted", message, &manifest.source, span).hint(hint)
}

fn parsed<T: DeserializeOwned>(spec: &Value) -> Option<T> {
    serde_json::from_value(spec.clone()).ok()
}

fn of_bead(manifest: &Manifest, old: &Value) -> Option<Diagnostic> {
    let (was, is): (BeadSpec, BeadSpec) = (parsed(&old["spec"])?, manifest.spec().ok()?);
    was.closed.as_ref()?;
    if text_digest(&was) == text_digest(&is) {
        return None;
    }
    Some(told_of(manifest, vec!["metadata".into(), "name".into()], &manifest.name, &was))
}

/// Beads of a convoy that are closed already, where the convoy says otherwise of them, or is new.
async fn of_convoy(
    link: &Link,
    manifest: &Manifest,
    is_new: bool,
    stored: &Stored,
) -> Result<Vec<Diagnostic>, CliError> {
    let Ok(convoy) = manifest.spec::<ConvoySpec>() else { return Ok(Vec::new()) };
    let mine = ListParams::default().labels(&format!("{LABEL_CONVOY}={}", manifest.name));
    let beads: Vec<Bead> = pages(&link.typed::<Bead>(), &mine).await?;
    let settings = ConvoySettings::of(&manifest.name, &convoy);
    let over = |called: &BeadSettings<'_>| {
        let rig: Rig = parsed(stored.object("Rig", called.rig?)?)?;
        let name = called.object_name(&rig);
        let found = beads.iter().find(|bead| bead.name_any() == name)?;
        (found.spec.closed.is_some() && !convoy::is_withdrawn(found)).then_some(found)
    };
    let (mut found, mut done) = (Vec::new(), 0);
    for (nth, bead) in settings.beads.iter().enumerate() {
        let Some(landed) = over(bead) else { continue };
        let wanted = bead.spec(&landed.spec.rig, Vec::new());
        if text_digest(&wanted) == text_digest(&landed.spec) {
            done += 1;
            continue;
        }
        let path = vec!["spec".into(), "beads".into(), nth.into(), "name".into()];
        found.push(told_of(manifest, path, bead.called, &landed.spec));
    }
    let rig = |name: &str| parsed::<Rig>(stored.object("Rig", name)?);
    let old: Option<ConvoySpec> = stored.object("Convoy", &manifest.name).and_then(|old| parsed(&old["spec"]));
    found.extend(begun::check(&begun::Change { manifest, new: &convoy, old: old.as_ref() }, &beads, rig));
    if is_new && done > 0 {
        found.push(done_before(manifest, done, settings.beads.len(), settings.run));
    }
    Ok(found)
}

fn done_before(manifest: &Manifest, done: usize, all: usize, run: u32) -> Diagnostic {
    let name = manifest::quote(&manifest.name);
    let message = format!("{done} of {all} beads were closed in an earlier convoy {name}: they are not done again");
    let hint = format!("to have all of it done anew, say so: `spec: {{ run: {} }}`", run.saturating_add(1));
    warning("done-before", message, manifest, vec!["metadata".into(), "name".into()]).hint(hint)
}

fn told_of(manifest: &Manifest, path: Vec<Step<'_>>, name: &str, bead: &BeadSpec) -> Diagnostic {
    let how = match bead.closed.as_ref().map(|closed| closed.reason) {
        Some(CloseReason::Merged) => "has landed",
        _ => "is closed",
    };
    let message = format!("{} {how}: its new text is not worked on", manifest::quote(name));
    let hint = "what is to be done on top of it is a bead of its own: give it another name";
    warning("too-late", message, manifest, path).hint(hint)
}
