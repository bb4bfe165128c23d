//! What a source no longer declares: which of it is deleted, and whether that waits for a person.

use gastown_crds::common::ANNOTATION_APPROVE;
use gastown_crds::order::{self, Member};
use gastown_crds::source::{MAX_PRUNE_PERCENT, Source, SourceStatus};
use gastown_crds::{Town, kinds::Registered};
use kube::ResourceExt;

use super::{Names, keeps, kind_at, names, some, source_of};
use crate::plan::Write;
use crate::view::View;
use crate::world::{Declared, Revision};

/// The objects that a tree declares.
pub(super) fn declared_names(declared: &Declared) -> Names {
    declared.objects.iter().map(|object| (object.kind.rank(), object.manifest.name.clone())).collect()
}

/// What pruning deletes, if the source prunes: of the objects in the inventory that are declared no more, those that are still
/// there. Neither what an annotation keeps, nor what has become another's, nor the town, nor the source itself.
pub(super) fn doomed(source: &Source, status: &SourceStatus, declared: &Names, view: &View<'_>) -> Names {
    if !source.spec.prune {
        return Names::new();
    }
    let own = (Source::row().rank(), source.name_any());
    let is_doomed = |it: &(usize, String)| {
        // First what most are.
        if declared.contains(it) || *it == own || it.0 == Town::row().rank() {
            return false;
        }
        let meta = view.objects.metadata(kind_at(it.0), &it.1);
        meta.is_some_and(|meta| source_of(meta) == Some(&own.1) && !keeps(meta))
    };
    names(&status.inventory).into_iter().filter(is_doomed).collect()
}

/// Deletes those that are not being deleted yet, what names others first.
pub(super) fn deletes(doomed: &Names, view: &View<'_>) -> Vec<Write> {
    let member = |(rank, name): &&(usize, String)| {
        let value = view.objects.value(kind_at(*rank), name);
        Member::new(kind_at(*rank), name, value.as_ref().and_then(|value| value.get("spec")))
    };
    let delete = |(rank, name): &(usize, String)| {
        let (kind, meta) = (kind_at(*rank), view.objects.metadata(kind_at(*rank), name)?);
        let uid = meta.uid.clone().filter(|_| meta.deletion_timestamp.is_none())?;
        Some(Write::Delete { kind, name: name.clone(), uid })
    };
    order::sorted(doomed.iter().collect(), member).into_iter().rev().filter_map(delete).collect()
}

/// Why a revision that deletes so much waits for a person; none if it does not.
pub(super) fn held(
    source: &Source,
    revision: &Revision,
    declared: &Names,
    doomed: &Names,
    before: usize,
) -> Option<String> {
    let spec = &source.spec;
    if doomed.is_empty() || source.annotations().get(ANNOTATION_APPROVE) == Some(&revision.name) {
        return None;
    }
    let of = doomed.len();
    if declared.is_empty() && !spec.allow_empty {
        return Some(format!(
            "it declares nothing, and would delete all {of} objects of this source{}",
            listed(doomed)
        ));
    }
    let percent = spec.max_prune_percent.unwrap_or(MAX_PRUNE_PERCENT) as usize;
    let is_much = of > 1 && of * 100 > percent * before;
    is_much.then(|| {
        format!(
            "it would delete {of} of {before} objects, more than maxPrunePercent ({percent}) allows{}",
            listed(doomed)
        )
    })
}

fn listed(doomed: &Names) -> String {
    format!(": {}", some(doomed.iter().map(|(rank, name)| kind_at(*rank).named_object(name))))
}
