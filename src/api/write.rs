//! Writes: read what is there, decide what it would be, let the store judge the race.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use gastown_crds::merge_patch;
use gastown_crds::schema::FieldPath;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use super::admit::{self, Admitted, Half};
use super::guard::{ACTOR_BYTES_MAX, ACTOR_HEADER, GuardRequest, Verb};
use super::kind::Served;
use super::list;
use super::route::Parameters;
use super::selector;
use super::status::{ApiError, json_response};
use super::store::{Change, Expect, Key, Op, PageRequest, Refusal, Row};

/// The most of a body that is read, in bytes: enough of an object over the bound to name the field that is too large.
const BODY_BYTES_MAX: usize = 4 * admit::OBJECT_BYTES_MAX;
/// The most tries of a patch without a resourceVersion when others write the same object.
const PATCH_TRIES_MAX: usize = 16;
/// The most fields that a `Warning` header names.
const WARNINGS_MAX: usize = 16;

/// A write request: who asks, with which options, about what.
pub(super) struct Request<'a> {
    pub(super) server: &'a Server,
    pub(super) kind: &'a Served,
    pub(super) ns: &'a str,
    pub(super) parameters: Parameters,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads a body, up to the bound.
pub(super) async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(format!("the body has more than {BODY_BYTES_MAX} bytes")))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeleteOptions {
    preconditions: Option<Preconditions>,
    propagation_policy: Option<String>,
    dry_run: Vec<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Request<'_> {
    pub(super) async fn create(&self) -> Result<Response, ApiError> {
        let Self { server, kind, ns, .. } = self;
        let ids = &server.inner.ids;
        let suffix = || {
            let uid = ids.uid();
            uid.get(uid.len().saturating_sub(5)..).unwrap_or_default().to_owned()
        };
        let Admitted { object, unknown } = admit::create(kind, ns, self.object()?, suffix)?;
        let warnings = self.warnings(&unknown)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.guard(Verb::Create, &name, None, Some(&object))?;
        admit::check_size(&object, self.body.len())?;
        let key = self.key(&name);
        if self.parameters.is_dry_run()? {
            if server.inner.store.get(&key)?.is_some() {
                return Err(ApiError::refused(kind, &name, &Refusal::AlreadyExists));
            }
            return Ok(answer(StatusCode::CREATED, object.to_string(), &warnings));
        }
        let outcome = server.inner.store.submit(Op::Put { key, expect: Expect::Absent, object }).await;
        let outcome = outcome.map_err(|refusal| ApiError::refused(kind, &name, &refusal))?;
        Ok(answer(StatusCode::CREATED, outcome.object.to_string(), &warnings))
    }

    pub(super) async fn replace(&self, name: &str, half: Half) -> Result<Response, ApiError> {
        let new = self.object()?;
        let Some(revision) = revision_of(&new)? else {
            let path = FieldPath::of(&["metadata", "resourceVersion"]);
            let detail = "must be specified for an update";
            let violation = gastown_crds::schema::Violation::invalid(path, &json!(0), detail);
            return Err(ApiError::invalid(self.kind, name, &[violation]));
        };
        let (row, old) = self.existing(name)?;
        if row.revision != revision {
            return Err(ApiError::refused(self.kind, name, &Refusal::Conflict));
        }
        match self.write(name, half, &row, &old, new).await? {
            Ok(response) => Ok(response),
            Err(refusal) => Err(ApiError::refused(self.kind, name, &refusal)),
        }
    }

    pub(super) async fn patch(&self, name: &str, half: Half) -> Result<Response, ApiError> {
        let media_type = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        if media_type.split(';').next().map(str::trim) != Some("application/merge-patch+json") {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/merge-patch+json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message));
        }
        let patch = self.object()?;
        let wanted = revision_of(&patch)?;
        for _ in 0..PATCH_TRIES_MAX {
            let (row, old) = self.existing(name)?;
            if wanted.is_some_and(|it| it != row.revision) {
                return Err(ApiError::refused(self.kind, name, &Refusal::Conflict));
            }
            let mut new = old.clone();
            merge_patch::apply(&mut new, &patch);
            match self.write(name, half, &row, &old, new).await? {
                Ok(response) => return Ok(response),
                // Somebody else was quicker: the patch says nothing about what it was made from, so it is made again.
                Err(Refusal::Conflict) if wanted.is_none() => {}
                Err(refusal) => return Err(ApiError::refused(self.kind, name, &refusal)),
            }
        }
        Err(ApiError::refused(self.kind, name, &Refusal::Conflict))
    }

    /// Admits and stores one version; an inner refusal is the store's judgement of the race.
    async fn write(
        &self,
        name: &str,
        half: Half,
        row: &Row,
        old: &Value,
        new: Value,
    ) -> Result<Result<Response, Refusal>, ApiError> {
        let Self { server, kind, .. } = self;
        let key = self.key(name);
        let Admitted { object, unknown } = admit::update(kind, &key, half, old, new)?;
        let warnings = self.warnings(&unknown)?;
        let verb = if half == Half::Status { Verb::UpdateStatus } else { Verb::Update };
        self.guard(verb, name, Some(old), Some(&object))?;
        if row.object.len() + self.body.len() > admit::OBJECT_BYTES_MAX {
            admit::check_size(&object, object.to_string().len())?;
        }
        if self.parameters.is_dry_run()? {
            return Ok(Ok(answer(StatusCode::OK, object.to_string(), &warnings)));
        }
        let reply = server.inner.store.submit(Op::Put { key, expect: Expect::Revision(row.revision), object }).await;
        Ok(reply.map(|outcome| answer(StatusCode::OK, outcome.object.to_string(), &warnings)))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<Response, ApiError> {
        let options = self.delete_options()?;
        let (row, old) = self.existing(name)?;
        let (change, object) = self.delete_one(&row, &old, &options).await?;
        if change != Change::Removed {
            return Ok(answer(StatusCode::OK, object.to_string(), &[]));
        }
        let kind = self.kind;
        let details = json!({ "name": name, "group": kind.group, "kind": kind.plural, "uid": old["metadata"]["uid"] });
        let status =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
        Ok(json_response(StatusCode::OK, status.to_string()))
    }

    pub(super) async fn delete_collection(&self) -> Result<Response, ApiError> {
        let Self { server, kind, ns, parameters, .. } = self;
        let options = self.delete_options()?;
        let request = PageRequest {
            kind: kind.resource.clone(),
            ns: Some((*ns).to_owned()),
            selector: selector::parse(kind, &parameters.label_selector, &parameters.field_selector)?,
            after: None,
            objects_max: parameters.limit.filter(|it| *it > 0),
        };
        let page = server.inner.store.page(&request)?;
        for row in &page.rows {
            let old = parsed(row)?;
            match self.delete_one(row, &old, &options).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(json_response(StatusCode::OK, list::body(kind, page.revision, None, &page.rows)))
    }

    async fn delete_one(
        &self,
        row: &Row,
        old: &Value,
        options: &DeleteOptions,
    ) -> Result<(Change, Arc<str>), ApiError> {
        let name = &row.key.name;
        self.guard(Verb::Delete, name, Some(old), None)?;
        let preconditions = options.preconditions.clone().unwrap_or_default();
        let revision = preconditions.resource_version.as_deref().map(super::route::revision).transpose()?.flatten();
        if self.parameters.is_dry_run()? || options.dry_run.iter().any(|it| it == "All") {
            let has_finalizers = old["metadata"]["finalizers"].as_array().is_some_and(|it| !it.is_empty());
            let change = if has_finalizers { Change::Unchanged } else { Change::Removed };
            return Ok((change, row.object.as_str().into()));
        }
        // The guard judged this very object, not a namesake that comes after it.
        let uid = preconditions.uid.or_else(|| old["metadata"]["uid"].as_str().map(str::to_owned));
        let reply = self.server.inner.store.submit(Op::Delete { key: row.key.clone(), uid, revision }).await;
        let outcome = reply.map_err(|refusal| ApiError::refused(self.kind, name, &refusal))?;
        Ok((outcome.change, outcome.object))
    }

    fn delete_options(&self) -> Result<DeleteOptions, ApiError> {
        let options: DeleteOptions = if self.body.is_empty() {
            DeleteOptions::default()
        } else {
            serde_json::from_slice(&self.body).map_err(|error| ApiError::bad_request(error.to_string()))?
        };
        let policy = options.propagation_policy.as_deref().unwrap_or(&self.parameters.propagation_policy);
        // Foreground differs only in what a reader sees meanwhile: here dependents go with their owner's transaction.
        if !matches!(policy, "" | "Background" | "Foreground") {
            let message = format!("propagationPolicy `{policy}` is not supported: dependents are always collected");
            return Err(ApiError::bad_request(message));
        }
        Ok(options)
    }

    fn key(&self, name: &str) -> Key {
        Key { kind: self.kind.resource.clone(), ns: self.ns.to_owned(), name: name.to_owned() }
    }

    fn object(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("the body is not valid JSON: {error}")))
    }

    fn existing(&self, name: &str) -> Result<(Row, Value), ApiError> {
        let row = stored(self.server, self.kind, &self.key(name))?;
        let value = parsed(&row)?;
        Ok((row, value))
    }

    fn guard(&self, verb: Verb, name: &str, old: Option<&Value>, new: Option<&Value>) -> Result<(), ApiError> {
        let actor = match self.headers.get(ACTOR_HEADER) {
            None => None,
            Some(value) => {
                let text = value.to_str().ok().filter(|it| it.len() <= ACTOR_BYTES_MAX);
                let bad =
                    || ApiError::bad_request(format!("{ACTOR_HEADER} must be text of at most {ACTOR_BYTES_MAX} bytes"));
                Some(text.ok_or_else(bad)?)
            }
        };
        let request = GuardRequest { actor, verb, kind: &self.kind.kind, old, new };
        (self.server.inner.guard)(&request).map_err(|why| ApiError::forbidden(self.kind, name, &why))
    }

    /// The treatment of fields that no schema knows: refused, warned of, or ignored.
    fn warnings(&self, unknown: &[FieldPath]) -> Result<Vec<String>, ApiError> {
        let lines = unknown.iter().take(WARNINGS_MAX).map(|path| format!("unknown field \"{path}\""));
        match self.parameters.field_validation.as_str() {
            "Strict" if !unknown.is_empty() => {
                let lines: Vec<_> = lines.collect();
                Err(ApiError::bad_request(format!("strict decoding error: {}", lines.join(", "))))
            }
            "" | "Warn" | "Strict" => Ok(lines.collect()),
            "Ignore" => Ok(Vec::new()),
            other => {
                let message = format!("fieldValidation must be Ignore, Warn or Strict, not `{other}`");
                Err(ApiError::bad_request(message))
            }
        }
    }
}

/// Reads an object that must be there.
pub(super) fn stored(server: &Server, kind: &Served, key: &Key) -> Result<Row, ApiError> {
    if !gastown_crds::names::is_subdomain(&key.name) {
        return Err(ApiError::not_found(kind, &key.name));
    }
    server.inner.store.get(key)?.ok_or_else(|| ApiError::not_found(kind, &key.name))
}

fn parsed(row: &Row) -> Result<Value, ApiError> {
    serde_json::from_str(&row.object).map_err(|_| {
        let Key { kind, ns, name } = &row.key;
        ApiError::from(Refusal::Corrupt(format!("{kind}/{ns}/{name}")))
    })
}

fn revision_of(object: &Value) -> Result<Option<i64>, ApiError> {
    match &object["metadata"]["resourceVersion"] {
        Value::Null => Ok(None),
        Value::String(text) => super::route::revision(text),
        _ => Err(ApiError::bad_request("metadata.resourceVersion must be a string")),
    }
}

fn answer(code: StatusCode, object: String, warnings: &[String]) -> Response {
    let mut response = json_response(code, object);
    for warning in warnings {
        let quoted = format!("299 - {}", Value::from(warning.as_str()));
        // A field's name may hold bytes that no header can; the field is dropped all the same.
        if let Ok(value) = HeaderValue::from_str(&quoted) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
