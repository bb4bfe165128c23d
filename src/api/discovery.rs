//! Discovery: the groups, versions and kinds, which clients ask for before anything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::kind::Served;
use super::namespaces;
use super::status::ApiError;

/// The verbs of every kind.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// `/version`: the Kubernetes version whose semantics are kept, with our own as the build.
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": concat!("v1.36.0+gt-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// `/api`: the core group, of which namespaces and events are served.
pub(super) fn core() -> Value {
    json!({ "kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

fn groups_of(kinds: &[Arc<Served>]) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // The core group is not among them: it has a path of its own.
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(&kind.group).or_default();
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    groups
}

fn group_object(name: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let all: Vec<_> = versions.iter().map(entry).collect();
    json!({ "name": name, "versions": all, "preferredVersion": all[0] })
}

/// `/apis`.
pub(super) fn groups(kinds: &[Arc<Served>]) -> Value {
    let groups: Vec<_> = groups_of(kinds).iter().map(|(name, versions)| group_object(name, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/<group>`.
pub(super) fn group(kinds: &[Arc<Served>], name: &str) -> Result<Value, ApiError> {
    let groups = groups_of(kinds);
    let mut object = group_object(name, groups.get(name).ok_or_else(ApiError::no_such_path)?);
    object["kind"] = json!("APIGroup");
    object["apiVersion"] = json!("v1");
    Ok(object)
}

/// `/api/v1`.
pub(super) fn core_resources(kinds: &[Arc<Served>]) -> Value {
    let mut resources = vec![namespaces::resource()];
    resources.extend(resources_of(kinds, "", "v1"));
    json!({ "kind": "APIResourceList", "groupVersion": "v1", "resources": resources })
}

/// `/apis/<group>/<version>`.
pub(super) fn resources(kinds: &[Arc<Served>], group: &str, version: &str) -> Result<Value, ApiError> {
    let resources = resources_of(kinds, group, version);
    if resources.is_empty() {
        return Err(ApiError::no_such_path());
    }
    let group_version = format!("{group}/{version}");
    Ok(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }))
}

fn resources_of(kinds: &[Arc<Served>], group: &str, version: &str) -> Vec<Value> {
    let mut resources = Vec::new();
    for kind in kinds.iter().filter(|it| it.group == group && it.version == version) {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": true, "kind": kind.kind,
            "verbs": VERBS, "shortNames": kind.short_names, "categories": kind.categories,
        }));
        if kind.has_status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": true,
                "kind": kind.kind, "verbs": ["get", "patch", "update"],
            }));
        }
    }
    resources
}
