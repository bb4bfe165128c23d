//! Text that comes too late: of a bead that has landed, or in a convoy that is on its way out. Told, and applied: it does no
//! harm, and does nothing.

use gastown_controllers::bead::work_digest;
use gastown_controllers::convoy;
use gastown_crds::bead::CloseReason;
use gastown_crds::common::{LABEL_BEAD, LABEL_CONVOY};
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Step};
use gastown_crds::{Bead, BeadSpec, ConvoySpec};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Stored;
use crate::cli::context::{Link, pages};
use crate::cli::error::CliError;

/// What is told of the beads and convoys among these manifests.
pub async fn told(link: &Link, manifests: &[Manifest], stored: &Stored) -> Result<Vec<Diagnostic>, CliError> {
    let mut found = Vec::new();
    for manifest in manifests {
        let Some(old) = stored.object(&manifest.kind, &manifest.name) else { continue };
        if !old["metadata"]["deletionTimestamp"].is_null() {
            found.push(deleted(manifest));
            continue;
        }
        match manifest.kind.as_str() {
            "Bead" => found.extend(of_bead(manifest, old)),
            "Convoy" => found.extend(of_convoy(link, manifest, old).await?),
            _ => {}
        }
    }
    Ok(found)
}

fn warning(code: &'static str, message: String, manifest: &Manifest, path: Vec<Step<'_>>) -> Diagnostic {
    let mut told = Diagnostic::error(code, message, &manifest.source, manifest.value_at(path));
    told.severity = Severity::Warning;
    told
}

fn deleted(manifest: &Manifest) -> Diagnostic {
    let (kind, name) = (manifest.kind.to_lowercase(), &manifest.name);
    let message = format!("{kind} {} is being deleted: what is said of it goes with it", manifest::quote(name));
    let hint = format!("`gt wait {kind}/{name} --for=delete`, then apply this again");
    warning("being-deleted", message, manifest, vec!["metadata".into(), "name".into()]).hint(hint)
}

fn parsed<T: DeserializeOwned>(spec: &Value) -> Option<T> {
    serde_json::from_value(spec.clone()).ok()
}

fn of_bead(manifest: &Manifest, old: &Value) -> Option<Diagnostic> {
    let (was, is): (BeadSpec, BeadSpec) = (parsed(&old["spec"])?, parsed(&manifest.value["spec"])?);
    was.closed.as_ref()?;
    if work_digest(&was) == work_digest(&is) {
        return None;
    }
    Some(told_of(manifest, vec!["metadata".into(), "name".into()], &manifest.name, &was))
}

/// Beads of a convoy whose text differs from what it was when they were closed.
async fn of_convoy(link: &Link, manifest: &Manifest, old: &Value) -> Result<Vec<Diagnostic>, CliError> {
    let specs = parsed(&old["spec"]).zip(parsed(&manifest.value["spec"]));
    let Some((was, is)): Option<(ConvoySpec, ConvoySpec)> = specs else { return Ok(Vec::new()) };
    if was == is || was.run != is.run {
        return Ok(Vec::new());
    }
    let mine = ListParams::default().labels(&format!("{LABEL_CONVOY}={}", manifest.name));
    let beads: Vec<Bead> = pages(&link.typed::<Bead>(), &mine).await?;
    let closed = |bead: &Bead| bead.spec.closed.as_ref().map(|closed| closed.reason);
    // Of several runs, an open one is the one that the text is for.
    let over = |name: &str| {
        let called = beads.iter().filter(|bead| bead.labels().get(LABEL_BEAD).is_some_and(|it| it == name));
        let called: Vec<&Bead> = called.filter(|bead| closed(bead) != Some(CloseReason::Withdrawn)).collect();
        called.iter().all(|bead| closed(bead).is_some()).then(|| called.last().copied()).flatten()
    };
    let mut found = Vec::new();
    for (nth, bead) in is.beads.iter().enumerate() {
        let Some(landed) = over(&bead.name) else { continue };
        let wanted = convoy::bead_spec(&is, bead, &landed.spec.rig, Vec::new());
        if work_digest(&wanted) != work_digest(&landed.spec) {
            let path = vec!["spec".into(), "beads".into(), nth.into(), "name".into()];
            found.push(told_of(manifest, path, &bead.name, &landed.spec));
        }
    }
    Ok(found)
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
