//! What a source would apply: a revision of it, or what stands in its working copy and is not committed yet.

use gastown_controllers::objects::{Objects, read};
use gastown_controllers::plan::Write;
use gastown_controllers::source::preview;
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::{Declared, Revision, Signature};
use gastown_crds::Source;
use gastown_crds::manifest::Manifest;
use kube::ResourceExt;
use serde::Serialize;

use super::simulation;
use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::{Kind, find};
use crate::insight::text::short_revisions;
use crate::town::Town;
use crate::world::source::{at_revision, working_copy};

/// Files that are named; `-o json` has all.
const NAMED_MAX: usize = 20;
/// What the name of a revision is while nobody has committed it.
const UNCOMMITTED: &str = "uncommitted";

/// What a source would apply, for the head of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSource {
    /// The source.
    pub source: String,
    /// The revision that it would be at; none while it is not committed.
    pub revision: Option<String>,
    /// The files that are not committed yet; empty for a revision.
    pub pending: Vec<String>,
    /// Why it would wait for `gt source approve`, if it would.
    pub held: Option<String>,
    /// Whether it applies nothing, as somebody has suspended it.
    pub suspended: bool,
}

impl OfSource {
    /// In lines, for people.
    pub fn heads(&self) -> Vec<String> {
        let Self { source, revision, pending, held, suspended } = self;
        let mut lines = match revision {
            Some(revision) => vec![format!("Revision {} of the source `{source}`", short_revisions(revision))],
            None if pending.is_empty() => vec![format!("Committed: what the source `{source}` applies")],
            None => vec![format!("Pending: not committed yet; a commit makes it live, by the source `{source}`")],
        };
        lines.extend(pending.iter().take(NAMED_MAX).map(|file| format!("  {file}")));
        if let Some(more) = pending.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more"));
        }
        if *suspended {
            lines.push(format!("Suspended: the source `{source}` applies nothing now"));
        }
        if let Some(why) = held {
            lines.push(format!("Held: it would wait for `gt source approve {source}`: {why}"));
        }
        lines
    }
}

/// What sources would do.
#[derive(Default)]
pub struct Planned {
    /// Each source.
    pub sources: Vec<OfSource>,
    /// What they declare.
    pub manifests: Vec<Manifest>,
    /// What they write, in order.
    pub writes: Vec<Write>,
}

/// What the sources would apply if somebody committed what stands in their working copies: those that the town's folder is part
/// of. None if there are no such sources.
pub fn pending(gt: &Context, town: &Town, all: &simulation::Objects) -> Result<Option<Planned>, CliError> {
    let objects = known(all);
    let mut planned = Planned::default();
    for source in objects.all::<Source>() {
        let copy = working_copy(town, source).map_err(unreadable)?;
        let Some(copy) = copy else { continue };
        let revision = Revision { name: UNCOMMITTED.to_owned(), tree: copy.declared.tree.clone(), ..nobodys() };
        planned.add(source, &revision, &copy.declared, &objects, gt)?;
        if let Some(last) = planned.sources.last_mut() {
            (last.revision, last.pending) = (None, copy.uncommitted);
        }
    }
    Ok((!planned.sources.is_empty()).then_some(planned))
}

/// What a revision of a source would do; by default the one that its origin is at.
pub async fn revision(
    gt: &Context,
    town: &Town,
    link: &Link,
    all: &simulation::Objects,
    (name, wanted): (&str, Option<&str>),
) -> Result<Planned, CliError> {
    let objects = known(all);
    let Some(source) = objects.get::<Source>(name) else {
        return Err(link.not_found(find("source")?, name).await);
    };
    if wanted.is_some() && source.spec.directory.is_some() {
        let message = format!("the source `{name}` is a folder: it has no revisions");
        return Err(CliError::new(Exit::Usage, message).hint("leave --revision out: the folder is taken as it is"));
    }
    let found = at_revision(town, source, wanted).map_err(unreadable)?;
    let (revision, declared) = found.map_err(|missing| CliError::new(Exit::NotFound, missing))?;
    let mut planned = Planned::default();
    planned.add(source, &revision, &declared, &objects, gt)?;
    Ok(planned)
}

/// The town's objects as controllers have them.
fn known(all: &simulation::Objects) -> Objects {
    let mut objects = Objects::default();
    for ((kind, name), value) in all {
        if let Some(kind) = Kind::named(kind) {
            objects.change(kind, name, read(kind, value.clone()));
        }
    }
    objects
}

impl Planned {
    fn add(
        &mut self,
        source: &Source,
        revision: &Revision,
        declared: &Declared,
        objects: &Objects,
        gt: &Context,
    ) -> Result<(), CliError> {
        let (facts, name) = (Facts::new(), source.name_any());
        let view = View::new(gt.now(), objects, &facts, None);
        let preview = preview(source, revision, declared, &view).map_err(|(_, message)| {
            gt.out.talk(&message);
            CliError::new(
                Exit::Refused,
                format!("the source `{name}` would refuse it, and the town would stay as it is"),
            )
            .hint("correct what is above")
        })?;
        self.sources.push(OfSource {
            source: name,
            revision: Some(revision.name.clone()),
            pending: Vec::new(),
            held: preview.held,
            suspended: source.spec.suspend,
        });
        self.manifests.extend(declared.objects.iter().map(|object| object.manifest.clone()));
        self.writes.extend(preview.writes);
        Ok(())
    }
}

/// A revision that nobody has made.
fn nobodys() -> Revision {
    let (name, tree, author, subject) = Default::default();
    Revision { name, tree, author, subject, signature: Signature::NotAsked }
}

fn unreadable(why: String) -> CliError {
    CliError::new(Exit::Failed, "could not read what the source would apply").because_of(why)
}
