//! What applying a revision would do, before it is there: for whoever judges a push, and for people who ask.

use std::sync::Arc;

use gastown_crds::Source;
use gastown_crds::admission;
use gastown_crds::manifest::{Diagnostic, Severity};
use gastown_crds::reason::Reason;
use gastown_crds::source::SourceStatus;
use kube::ResourceExt;

use super::object::{self, Stands, stands};
use super::{judge, kind_at, prune};
use crate::plan::Write;
use crate::view::{NotSeen, View};
use crate::world::{AskDeclared, Declared, DeclaredObject, Origin, Owner, Revision};

/// What a revision would do, in the order of applying; each object as `convoy/release`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// Objects that it makes.
    pub created: Vec<String>,
    /// Objects that it changes.
    pub configured: Vec<String>,
    /// Objects that it no longer declares, and that are deleted.
    pub pruned: Vec<String>,
    /// Why it would wait for a person, if it would.
    pub held: Option<String>,
    /// What it writes, in order.
    pub writes: Vec<Write>,
}

/// What applying a revision of this source would do; or why nothing of it would be applied, for people.
pub fn preview(
    source: &Source,
    revision: &Revision,
    declared: &Declared,
    view: &View<'_>,
) -> Result<Preview, (Reason, String)> {
    if let Some(unsigned) = judge::unsigned(revision) {
        return Err(unsigned);
    }
    let none = SourceStatus::default();
    let status = source.status.as_ref().unwrap_or(&none);
    let all = prune::declared_names(declared);
    let doomed = prune::doomed(source, status, &all, view);
    // Whoever asks has looked at what can be seen.
    let live = live(source, status, declared, view).unwrap_or_default();
    if let Some(mistakes) = judge::mistakes(source, declared, (&all, &doomed), live, false, view) {
        return Err(mistakes);
    }
    let held = prune::held(source, revision, &all, &doomed, status.objects as usize);
    let mut preview = Preview { held, ..Preview::default() };
    for object in &declared.objects {
        let name = object.named();
        match stands(source, object, view) {
            Stands::AsDeclared => {}
            Stands::Deleting => preview.created.push(name),
            Stands::Absent(write) => {
                preview.created.push(name);
                preview.writes.push(write);
            }
            Stands::Differs(write) => {
                preview.configured.push(name);
                preview.writes.push(write);
            }
        }
    }
    preview.writes.extend(prune::deletes(&doomed, view));
    preview.pruned = doomed.iter().map(|(rank, name)| kind_at(*rank).named_object(name)).collect();
    Ok(preview)
}

/// The objects that a revision declares rightly, and that cannot become so in place: something that may not change differs.
pub fn only_anew(source: &Source, declared: &Declared, view: &View<'_>) -> Vec<String> {
    let name = source.name_any();
    let is_stuck = |object: &&Arc<DeclaredObject>| {
        let live = view.objects.value(object.kind, &object.manifest.name);
        let is_wrong = |found: Vec<Diagnostic>| found.iter().any(|it| it.severity == Severity::Error);
        live.is_some_and(|live| is_wrong(object::mistakes(&name, object, &live, view)))
            && !is_wrong(admission::admit(&object.manifest))
    };
    declared.objects.iter().filter(is_stuck).map(|object| object.named()).collect()
}

/// What is live, where that matters: what cannot be read may have declared something there.
pub(super) fn live<'a>(
    source: &Source,
    status: &SourceStatus,
    declared: &Declared,
    view: &View<'a>,
) -> Result<Option<&'a Declared>, NotSeen> {
    let applied = status.applied.as_ref().filter(|_| !declared.unread.is_empty());
    let asked = applied.and_then(|applied| live_tree(source, &applied.tree));
    asked.map_or(Ok(None), |asked| view.declared(&asked))
}

/// The question for what is live of a source, as [`preview`] asks it.
pub fn live_tree(source: &Source, tree: &str) -> Option<AskDeclared> {
    let origin = Origin::of(&source.spec)?;
    Some(AskDeclared { source: Owner::of(source), origin, tree: tree.to_owned() })
}
