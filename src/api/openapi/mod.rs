//! OpenAPI v3: what clients ask before they write, explain or edit: fields, their descriptions, and which options a verb has.
//!
//! Only v3: clients that know v2 alone (kubectl before 1.27) want it as protobuf, and write with `--validate=false`.

mod paths;
mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use data_encoding::HEXUPPER;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::kind::Served;
use super::status::{ApiError, json_response};

/// The documents of all group versions, by `group/version`; written once, when somebody first asks.
#[derive(Debug)]
pub(super) struct Documents(BTreeMap<String, Document>);

#[derive(Debug)]
struct Document {
    text: String,
    /// Changes with the document, so that clients can keep it.
    hash: String,
}

impl Documents {
    pub(super) fn of(kinds: &[Arc<Served>]) -> Self {
        let mut groups: BTreeMap<String, Vec<&Served>> = BTreeMap::new();
        for kind in kinds {
            groups.entry(kind.api_version.clone()).or_default().push(kind);
        }
        let document = |(group_version, kinds): (String, Vec<&Served>)| {
            let text = document(&kinds).to_string();
            let hash = HEXUPPER.encode(&Sha256::digest(&text));
            (group_version, Document { text, hash })
        };
        Self(groups.into_iter().map(document).collect())
    }

    /// `/openapi/v3`: where each group version's document is, with its hash.
    pub(super) fn index(&self) -> Value {
        let entry = |(group_version, document): (&String, &Document)| {
            let path = root(group_version);
            let url = format!("/openapi/v3{path}?hash={}", document.hash);
            (path.trim_start_matches('/').to_owned(), json!({ "serverRelativeURL": url }))
        };
        json!({ "paths": self.0.iter().map(entry).collect::<Map<_, _>>() })
    }

    /// `/openapi/v3/apis/<group>/<version>`, or `/openapi/v3/api/<version>` of the core group.
    pub(super) fn answer(&self, group: &str, version: &str) -> Result<Response, ApiError> {
        let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let document = self.0.get(&group_version).ok_or_else(ApiError::no_such_path)?;
        let mut response = json_response(StatusCode::OK, document.text.clone());
        let tag = HeaderValue::from_str(&format!("\"{}\"", document.hash)).expect("a hash is of letters and digits");
        response.headers_mut().insert(header::ETAG, tag);
        Ok(response)
    }
}

fn document(kinds: &[&Served]) -> Value {
    let (mut all_paths, mut schemas) = (Map::new(), schemas::metadata());
    for kind in kinds {
        all_paths.extend(paths::of(kind));
        schemas.extend(schemas::of(kind));
    }
    json!({
        "openapi": "3.0.0",
        "info": { "title": "gt", "version": env!("CARGO_PKG_VERSION") },
        "paths": all_paths,
        "components": { "schemas": schemas },
    })
}

/// The name of a kind's schema: the group backwards, as in `io.gastown.v1alpha1.Bead`.
fn schema_name(kind: &Served, suffix: &str) -> String {
    // As Kubernetes names its own: io.k8s.api.core.v1.Event.
    let group = if kind.group.is_empty() { "core.api.k8s.io" } else { &kind.group };
    let group: Vec<_> = group.rsplit('.').collect();
    format!("{}.{}.{}{suffix}", group.join("."), kind.version, kind.kind)
}

/// The path below which the kinds of a group version are. The core group, which has no name, has one of its own.
fn root(group_version: &str) -> String {
    if group_version.contains('/') { format!("/apis/{group_version}") } else { format!("/api/{group_version}") }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The kind as a document names it.
fn group_version_kind(kind: &Served) -> Value {
    json!({ "group": kind.group, "version": kind.version, "kind": kind.kind })
}
