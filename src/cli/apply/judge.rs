//! Judges all that is to be applied: each object beside what is stored of it, and all of them beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::admission::{self, SetOptions};
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Source};
use gastown_crds::order::{self, Member};

use super::plan::Terms;
use super::{Stored, commands, conflict, read, refuse, too_late};
use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::Kind;
use crate::manifests;
use crate::town::Town;

/// What people allow of it.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// References to what does not exist.
    pub missing: bool,
    /// Taking over what others apply.
    pub force_conflicts: bool,
}

/// What is admitted.
pub struct Judged {
    /// What there is already.
    pub stored: Stored,
    /// What is to be applied, in this order, with what every town has.
    pub todo: Vec<Manifest>,
    /// On which terms.
    pub terms: Terms,
    /// Kinds and names of those for which nothing is to be written.
    unchanged: BTreeSet<(String, String)>,
}

impl Judged {
    /// Whether nothing is to be written for an object: most of a large set is as it was.
    pub fn is_unchanged(&self, manifest: &Manifest) -> bool {
        self.unchanged.contains(&(manifest.kind.clone(), manifest.name.clone()))
    }
}

/// Judges it. A mistake refuses all of it, a warning is printed.
pub async fn judged(
    allowed: Allowed,
    gt: &Context,
    town: &Town,
    link: &Link,
    manifests: Vec<Manifest>,
) -> Result<Judged, CliError> {
    let stored = Stored::read(link, &manifests).await?;
    let terms =
        Terms { force_conflicts: allowed.force_conflicts, sources: stored.all("Source").collect(), now: gt.now() };
    let mut found = read::check_namespace(&manifests, &town.name);
    let mut unchanged = BTreeSet::new();
    found.extend(manifests.iter().flat_map(|manifest| of_one(manifest, &stored, &terms, &mut unchanged)));
    let options = SetOptions { allow_missing: allowed.missing, offline: false };
    let mut more = admission::admit_set(&manifests, &stored, options);
    more.extend(commands::check(&manifests, &stored));
    more.extend(too_late::check(link, &manifests, &stored).await?);
    refuse(&with_those_between(found, more, &manifests), gt)?;

    let manifests = order::sorted(manifests, Member::of);
    let mut todo = built_in(&stored, &manifests)?;
    todo.extend(manifests);
    Ok(Judged { stored, todo, terms, unchanged })
}

/// What is wrong with one object, and with what applying it makes of the one that exists.
fn of_one(
    manifest: &Manifest,
    stored: &Stored,
    terms: &Terms,
    unchanged: &mut BTreeSet<(String, String)>,
) -> Vec<Diagnostic> {
    let (Some(kind), Some(old)) = (Kind::named(&manifest.kind), stored.object(&manifest.kind, &manifest.name)) else {
        return admission::admit(manifest);
    };
    match terms.plan(kind, &manifest.value(), Some(old)) {
        Ok(plan) => {
            if plan.config.is_none() {
                unchanged.insert((manifest.kind.clone(), manifest.name.clone()));
            }
            match &plan.outcome {
                Some(outcome) => admission::admit_change(manifest, old, outcome),
                None => admission::admit(manifest),
            }
        }
        Err(conflicts) => conflict::refusals(manifest, &conflicts),
    }
}

/// All mistakes: those of objects by themselves, and those between objects that are right by themselves. One that is wrong is
/// not understood: what it seems to say of others is left for the next try.
pub fn with_those_between(
    mut found: Vec<Diagnostic>,
    mut between: Vec<Diagnostic>,
    manifests: &[Manifest],
) -> Vec<Diagnostic> {
    // Where objects stand matters only if there is something to say of them.
    let places = if found.is_empty() { Places::default() } else { Places::of(manifests) };
    let errors = found.iter().filter(|mistake| mistake.severity == Severity::Error);
    let wrong: BTreeSet<usize> = errors.filter_map(|mistake| places.manifest_of(mistake)).collect();
    between.retain(|mistake| places.manifest_of(mistake).is_none_or(|nth| !wrong.contains(&nth)));
    found.extend(between);
    found
}

/// Where objects stand in their files, to find the one that a mistake is in.
#[derive(Default)]
struct Places(BTreeMap<(*const Source, usize), (usize, usize)>);

impl Places {
    fn of(manifests: &[Manifest]) -> Self {
        let place = |(nth, manifest): (usize, &Manifest)| {
            let Range { start, end } = manifest.spans().value;
            ((Arc::as_ptr(&manifest.source), start), (end, nth))
        };
        Self(manifests.iter().enumerate().map(place).collect())
    }

    /// The number of the object that a mistake is in.
    fn manifest_of(&self, mistake: &Diagnostic) -> Option<usize> {
        let (file, at) = (Arc::as_ptr(&mistake.source), mistake.span.start);
        let (_, (end, nth)) = self.0.range((file, 0)..=(file, at)).next_back()?;
        (at < *end).then_some(*nth)
    }
}

/// What every town has, as far as it is absent from the store and from the files. Of its runtimes, those that need a program of
/// somebody else only where one is named: `gt up` makes the rest.
fn built_in(stored: &Stored, manifests: &[Manifest]) -> Result<Vec<Manifest>, CliError> {
    let members: Vec<Member> = manifests.iter().map(Member::of).collect();
    let mut absent = Vec::new();
    for (file, text) in manifests::built_in() {
        let read = manifest::parse(file, text);
        let read = read.map_err(|_| CliError::new(Exit::Failed, format!("the built-in {file} cannot be read")))?;
        let is_there = |new: &Manifest| {
            stored.has(&new.kind, &new.name) || manifests.iter().any(|m| m.kind == new.kind && m.name == new.name)
        };
        let is_wanted = |new: &Manifest| {
            let is_named = |kind: &Kind| members.iter().any(|by| by.names(kind, &new.name));
            new.kind != "Runtime" || new.name == RUNTIME_DEFAULT || Kind::named(&new.kind).is_some_and(is_named)
        };
        absent.extend(read.into_iter().filter(|new| !is_there(new) && is_wanted(new)));
    }
    Ok(order::sorted(absent, Member::of))
}
