//! Rigs beside each other: one merge queue per target branch, one owner of a prefix.

use std::collections::BTreeMap;

use super::set::{Set, spec};
use crate::branch;
use crate::manifest::{Diagnostic, Manifest, quote};
use crate::rig::RigSpec;

/// Checks that no two rigs land on one branch, or name their beads alike.
pub(crate) fn check(set: &mut Set<'_>, rigs: &[&Manifest]) {
    let mut targets: BTreeMap<(String, Option<String>), &Manifest> = BTreeMap::new();
    let mut prefixes: BTreeMap<String, &Manifest> = BTreeMap::new();
    for &manifest in rigs {
        let Some(rig) = spec::<RigSpec>(manifest) else { continue };
        if rig.repo.branch.as_deref().is_some_and(branch::has_long_part) {
            set.report(|| long_branch(manifest));
        }
        let target = (normal(&rig.repo.url), rig.repo.branch.clone());
        let first = *targets.entry(target).or_insert(manifest);
        // The same name twice is reported as a duplicate.
        if first.name != manifest.name {
            set.report(|| shared_target(manifest, first, rig.repo.branch.as_deref()));
        }
        let prefix = rig.prefix.unwrap_or_else(|| manifest.name.clone());
        let first = *prefixes.entry(prefix.clone()).or_insert(manifest);
        if first.name != manifest.name {
            set.report(|| shared_prefix(manifest, first, &prefix));
        }
    }
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

fn shared_target(manifest: &Manifest, first: &Manifest, branch: Option<&str>) -> Diagnostic {
    let branch = branch.map_or_else(|| "the default branch".to_owned(), |name| format!("branch {}", quote(name)));
    let message = format!("rigs {} and {} land on {branch} of one remote", quote(&first.name), quote(&manifest.name));
    let at = |manifest: &Manifest| manifest.value_at(["spec".into(), "repo".into(), "url".into()]);
    Diagnostic::error("target-shared", message, &manifest.source, at(manifest))
        .label("again here")
        .related(&first.source, at(first), "first here")
        .hint("a branch has one merge queue: use one rig, or give one of them another `branch`")
}

fn shared_prefix(manifest: &Manifest, first: &Manifest, prefix: &str) -> Diagnostic {
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
