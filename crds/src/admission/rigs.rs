//! Rigs beside each other: one merge queue per target branch, one owner of a prefix.

use std::collections::BTreeMap;

use serde_json::Value;

use super::set::{Set, spec};
use crate::branch;
use crate::manifest::{Diagnostic, Manifest, quote};
use crate::rig::{RigSpec, Strategy};

/// Checks that no two rigs land on one branch, or name their beads alike.
pub(crate) fn check(set: &mut Set<'_>, rigs: &[&Manifest]) {
    let mut targets: BTreeMap<(String, Option<String>), &Manifest> = BTreeMap::new();
    let mut prefixes: BTreeMap<String, &Manifest> = BTreeMap::new();
    for &manifest in rigs {
        let Some(rig) = spec::<RigSpec>(manifest) else { continue };
        if has_long_branch(&rig) {
            set.report(|| long_branch(manifest));
        }
        if let Some(target) = target(&rig) {
            let first = *targets.entry(target).or_insert(manifest);
            // The same name twice is reported as a duplicate.
            if first.name != manifest.name {
                set.report_clash(|| shared_target(manifest, first));
            }
        }
        let prefix = prefix(&rig, &manifest.name);
        let first = *prefixes.entry(prefix.clone()).or_insert(manifest);
        if first.name != manifest.name {
            set.report_clash(|| shared_prefix(manifest, first));
        }
    }
}

/// Whether the name of a rig's branch is longer than git can keep.
pub(super) fn has_long_branch(rig: &RigSpec) -> bool {
    rig.repo.branch.as_deref().is_some_and(branch::has_long_part)
}

/// The branch that a rig lands on: no two rigs may have one. None if people land its work: then nobody else is in its way.
pub(super) fn target(rig: &RigSpec) -> Option<(String, Option<String>)> {
    (rig.merge.strategy == Strategy::Push).then(|| (normal(&rig.repo.url), rig.repo.branch.clone()))
}

/// What the names of a rig's beads begin with: no two rigs may have one.
pub(super) fn prefix(rig: &RigSpec, name: &str) -> String {
    rig.prefix.clone().unwrap_or_else(|| name.to_owned())
}

/// A schema counts characters, and file systems count bytes.
fn long_branch(manifest: &Manifest) -> Diagnostic {
    let at = manifest.value_at(["spec".into(), "repo".into(), "branch".into()]);
    let message = format!("a part of this branch's name has more than {} bytes", branch::PART_BYTES_MAX);
    Diagnostic::error("too-long", message, &manifest.source, at)
        .hint("git keeps each part between two `/` as a file name")
}

/// Spellings of one remote that git takes for the same.
fn normal(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).trim_end_matches('/').to_owned()
}

/// Two rigs of one branch.
pub(super) fn shared_target(manifest: &Manifest, first: &Manifest) -> Diagnostic {
    let value = manifest.value();
    let branch = value.pointer("/spec/repo/branch").and_then(Value::as_str);
    let branch = branch.map_or_else(|| "the default branch".to_owned(), |name| format!("branch {}", quote(name)));
    let message = format!("rigs {} and {} land on {branch} of one remote", quote(&first.name), quote(&manifest.name));
    let at = |manifest: &Manifest| manifest.value_at(["spec".into(), "repo".into(), "url".into()]);
    Diagnostic::error("target-shared", message, &manifest.source, at(manifest))
        .label("again here")
        .related(&first.source, at(first), "first here")
        .hint("only one may push to a branch: use one rig, give one of them another `branch`, or `strategy: Branch`")
}

/// Two rigs of one prefix.
pub(super) fn shared_prefix(manifest: &Manifest, first: &Manifest) -> Diagnostic {
    let value = manifest.value();
    let prefix = value.pointer("/spec/prefix").and_then(Value::as_str).unwrap_or(&manifest.name);
    let message =
        format!("rigs {} and {} have the prefix {}", quote(&first.name), quote(&manifest.name), quote(prefix));
    let at = |manifest: &Manifest| match manifest.spans().nearest(["spec".into(), "prefix".into()]) {
        (spans, true) => spans.of_value(),
        _ => manifest.name_at(),
    };
    Diagnostic::error("prefix-shared", message, &manifest.source, at(manifest))
        .label("again here")
        .related(&first.source, at(first), "first here; a rig without `prefix` has its name for one")
        .hint("give one of them another `prefix`: their beads' names must not clash")
}
