//! Lists, whole or in pages.
//!
//! # Design notes
//! Pages go by key order, each read from the present state; all pages answer the resourceVersion of the first. A client
//! that then watches from it gets every change since, so it ends up with the present state, as after a snapshot.
//! Once the changes since the first page are gone that no longer holds, and the next page is answered with 410 Expired.

use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::Server;
use super::kind::Served;
use super::options;
use super::route::{Parameters, revision};
use super::selector;
use super::status::{ApiError, json_response};
use super::store::{PageRequest, Row};

/// The longest token that is read, in bytes: a namespace and a name take less than half of it.
const TOKEN_BYTES_MAX: usize = 1024;

/// The start of a following page.
struct Continue {
    revision: i64,
    after: (String, String),
}

impl Continue {
    fn write(&self) -> String {
        let Self { revision, after: (ns, name) } = self;
        BASE64URL_NOPAD.encode(json!([revision, ns, name]).to_string().as_bytes())
    }

    fn read(token: &str) -> Result<Option<Self>, ApiError> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = Some(token).filter(|it| it.len() <= TOKEN_BYTES_MAX);
        let bytes = bytes.and_then(|it| BASE64URL_NOPAD.decode(it.as_bytes()).ok());
        let parsed = bytes.and_then(|it| serde_json::from_slice::<(i64, String, String)>(&it).ok());
        let Some((revision, ns, name)) = parsed else {
            return Err(ApiError::bad_request("continue key is not valid: use the one that the last page answered"));
        };
        Ok(Some(Self { revision, after: (ns, name) }))
    }
}

/// Answers a list of a kind.
pub(super) fn list(
    server: &Server,
    kind: &Served,
    ns: Option<&str>,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    options::check_list(parameters, false)?;
    let store = &server.inner.store;
    let asked = revision(&parameters.resource_version)?.filter(|it| *it > 0);
    let token = Continue::read(&parameters.continue_token)?;
    if let Some(token) = &token
        && token.revision < store.compacted(&kind.rows)
    {
        let message = "The provided continue parameter is too old to display a consistent list result. \
                       You must start a new list without the continue parameter.";
        return Err(ApiError::expired(message));
    }
    let request = PageRequest {
        kind: kind.rows.clone(),
        ns: ns.map(str::to_owned),
        selector: selector::parse(kind, &parameters.label_selector, &parameters.field_selector)?,
        after: token.as_ref().map(|it| it.after.clone()),
        objects_max: parameters.objects_max(),
    };
    let page = store.page(&request)?;
    if let Some(asked) = asked {
        if asked > page.revision {
            return Err(ApiError::not_there_yet(asked, page.revision));
        }
        if parameters.resource_version_match == "Exact" && asked != page.revision {
            return Err(ApiError::expired("The provided resource version is no longer available."));
        }
    }
    let revision = token.map_or(page.revision, |it| it.revision);
    let last = page.rows.last().filter(|_| page.has_more);
    let next = last.map(|row| Continue { revision, after: (row.key.ns.clone(), row.key.name.clone()) }.write());
    Ok(json_response(StatusCode::OK, body(kind, revision, next, &page.rows)))
}

/// The text of a list; rows of most kinds are stored as the very text that is sent.
pub(super) fn body(kind: &Served, revision: i64, next: Option<String>, rows: &[Row]) -> String {
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if let Some(token) = next {
        metadata["continue"] = Value::from(token);
    }
    let items: Vec<_> = rows.iter().map(|row| kind.shown(&row.object)).collect();
    let (api_version, list_kind) = (json!(kind.api_version), json!(kind.list_kind));
    format!(
        "{{\"apiVersion\":{api_version},\"kind\":{list_kind},\"metadata\":{metadata},\"items\":[{}]}}",
        items.join(",")
    )
}
