//! `Source`: what keeps its revision from being live.

use gastown_crds::Source;
use gastown_crds::common::{Condition, condition, is_true, types};
use gastown_crds::reason::Reason;
use gastown_crds::source::{Entry, Past, SourceStatus};
use gastown_crds::url::redact;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, typed};
use crate::attention::Need;
use crate::related::{Cell, Columns, Section};
use crate::text::{changes, plain, quoted, short_revisions};
use crate::{Snapshot, Subject, conditions};

/// Objects of a kind that are named; `gt get source NAME -o yaml` has all.
const NAMED_MAX: usize = 20;

/// The kind's row.
pub const KIND: KindInsight = KindInsight { name: "Source", read: typed::<Source>, ..ANY };

impl Subject for Source {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn related(&self, _: &Snapshot) -> Vec<Section> {
        let Some(status) = &self.status else { return Vec::new() };
        vec![revisions(status), declared(status)]
    }

    fn related_status(&self) -> &'static [&'static str] {
        &["history", "inventory"]
    }

    fn next_for(&self, reason: Reason, _: &Snapshot) -> Option<String> {
        let name = self.name_any();
        let url = self.spec.git.as_ref().map(|git| redact(&git.url));
        Some(match (reason, url) {
            (Reason::PruneHeld, _) => format!("`gt source approve {name}` lets it, `gt rollback` takes it back"),
            (Reason::InvalidRevision | Reason::RevisionRefused, _) => {
                format!("correct it and commit, or take it back: `gt history {name}`, then `gt rollback REVISION`")
            }
            (Reason::AuthRequired, Some(_)) if self.spec.git.as_ref().is_some_and(|git| git.secret_ref.is_some()) => {
                format!(
                    "put right what `spec.git.secretRef` names: it is tried again by itself, and by `gt source sync {name}`"
                )
            }
            (Reason::CloneFailed | Reason::FetchFailed | Reason::AuthRequired, Some(url)) => {
                format!("see that `git ls-remote {}` works without asking; it is tried again by itself", quoted(&url))
            }
            _ => return None,
        })
    }

    fn next_when_well(&self) -> String {
        match &self.spec.git {
            Some(git) => {
                format!("commit a change in {}: it is live then; `gt history` lists what was", redact(&git.url))
            }
            None => "save a change in its folder: it is live then; `gt history` lists what was".to_owned(),
        }
    }
}

/// The latest revisions, newest first.
fn revisions(status: &SourceStatus) -> Section {
    let row = |past: &Past| {
        let result = past.result.as_str().to_owned();
        vec![
            Cell::from(short_revisions(&past.revision)),
            Cell::Since(past.at),
            Cell::from(result),
            Cell::from(changes(past)),
            Cell::from(plain(&past.subject)),
        ]
    };
    let headings = &["REVISION", "AGE", "RESULT", "CHANGES", "SUBJECT"];
    let columns = Columns { headings, words: &["SUBJECT"], spare: &[] };
    Section { title: "Revisions", columns, rows: status.history.iter().map(row).collect() }
}

/// What it declares, by kind.
fn declared(status: &SourceStatus) -> Section {
    let row = |entry: &Entry| {
        let mut names: Vec<&str> = entry.names.iter().take(NAMED_MAX).map(String::as_str).collect();
        if entry.names.len() > NAMED_MAX {
            names.push("…");
        }
        vec![Cell::from(entry.kind.clone()), Cell::from(entry.names.len().to_string()), Cell::from(names.join(", "))]
    };
    let columns = Columns { headings: &["KIND", "COUNT", "NAMES"], words: &["NAMES"], spare: &[] };
    Section { title: "Declares", columns, rows: status.inventory.iter().map(row).collect() }
}

/// Sources that cannot go on before a person does something, or that have failed for a while.
pub fn in_trouble(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let bad = snapshot.all::<Source>().filter_map(|source| {
        let status = source.status.as_ref()?;
        let ready = condition(&status.conditions, types::READY)?;
        let is_stuck = is_true(&status.conditions, types::STALLED)
            || conditions::keeps_failing(ready, status.consecutive_failures);
        // What it says goes on for many lines; the first is what is wrong.
        let mut ready = ready.clone();
        let first = ready.message.lines().next().unwrap_or_default().trim_end_matches(':');
        ready.message = short_revisions(first);
        is_stuck.then(|| Need::new(format!("source/{}", source.name_any()), conditions::words(&ready)))
    });
    bad.collect()
}
