//! Writes: read what is there, decide what it would be, let the store judge the race.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use gastown_crds::apply::{self, Part, Updater};
use gastown_crds::common::whole_second;
use gastown_crds::schema::FieldPath;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};

use super::Server;
use super::admit::{self, Admitted, Half};
use super::body::{self, Decoded};
use super::guard::{ACTOR_BYTES_MAX, ACTOR_HEADER, GuardRequest, Verb};
use super::kind::Served;
use super::options;
use super::route::Parameters;
use super::status::{ApiError, json_response};
use super::store::{Expect, Key, Op, Refusal, Row};

/// The most of a body that is read, in bytes: enough of an object over the bound to name the field that is too large.
const BODY_BYTES_MAX: usize = 4 * admit::OBJECT_BYTES_MAX;
/// The most fields that a `Warning` header names.
const WARNINGS_MAX: usize = 16;

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// By an apply, which has noted its managers itself.
    Applier,
    /// In any other way.
    Updater,
}

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

impl Request<'_> {
    pub(super) async fn create(&self) -> Result<Response, ApiError> {
        options::check("CreateOptions", &self.parameters, Vec::new())?;
        let (object, duplicates) = self.object()?;
        match self.store_new(object, By::Updater, &duplicates).await? {
            Ok(response) => Ok(response),
            Err((name, refusal)) => Err(ApiError::refused(self.kind, &name, &refusal)),
        }
    }

    /// Admits and stores a new object; an inner refusal is the store's judgement of the race.
    pub(super) async fn store_new(
        &self,
        object: Value,
        by: By,
        duplicates: &[String],
    ) -> Result<Result<Response, (String, Refusal)>, ApiError> {
        let Self { server, kind, ns, .. } = self;
        server.inner.check_namespace(ns)?;
        let ids = &server.inner.ids;
        let suffix = || {
            let uid = ids.uid();
            uid.get(uid.len().saturating_sub(5)..).unwrap_or_default().to_owned()
        };
        let Admitted { mut object, unknown } = admit::create(kind, ns, object, suffix)?;
        let warnings = self.warnings(&unknown, duplicates)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if by == By::Updater {
            self.track(Half::Main, None, &mut object);
        }
        self.guard(Verb::Create, &name, None, Some(&object))?;
        admit::check_size(&object, self.body.len())?;
        let key = self.key(&name);
        let mut object = kind.as_stored(object);
        if self.parameters.is_dry_run() {
            // Never stored, but it looks like what would be.
            object["metadata"]["uid"] = json!(ids.uid());
            object["metadata"]["creationTimestamp"] = json!(whole_second(server.inner.clock.now()).to_string());
            if server.inner.store.get(&key)?.is_some() {
                return Ok(Err((name, Refusal::AlreadyExists)));
            }
            return Ok(Ok(self.answer(StatusCode::CREATED, &object.to_string(), &warnings)));
        }
        let outcome = server.inner.store.submit(Op::Put { key, expect: Expect::Absent, object }).await;
        Ok(match outcome {
            Ok(outcome) => Ok(self.answer(StatusCode::CREATED, &outcome.object, &warnings)),
            Err(refusal) => Err((name, refusal)),
        })
    }

    pub(super) async fn replace(&self, name: &str, half: Half) -> Result<Response, ApiError> {
        options::check("UpdateOptions", &self.parameters, Vec::new())?;
        let (new, duplicates) = self.object()?;
        if new["metadata"]["name"].as_str().is_none_or(str::is_empty) {
            let why = "was undeterminable: name must be provided";
            return Err(ApiError::bad_request(format!("the name of the object ({name} based on URL) {why}")));
        }
        let (row, old) = self.existing(name)?;
        let Some(revision) = revision_of(&new)?.filter(|it| *it > 0) else {
            let path = FieldPath::of(&["metadata", "resourceVersion"]);
            let detail = "must be specified for an update";
            let violation = gastown_crds::schema::Violation::invalid(path, &json!(0), detail);
            return Err(ApiError::invalid(self.kind, name, &[violation]));
        };
        if row.revision != revision {
            return Err(ApiError::refused(self.kind, name, &Refusal::Conflict));
        }
        match self.write(name, half, (&row, &old), new, By::Updater, &duplicates).await? {
            Ok(response) => Ok(response),
            Err(refusal) => Err(ApiError::refused(self.kind, name, &refusal)),
        }
    }

    /// Admits and stores one version; an inner refusal is the store's judgement of the race.
    pub(super) async fn write(
        &self,
        name: &str,
        half: Half,
        (row, old): (&Row, &Value),
        new: Value,
        by: By,
        duplicates: &[String],
    ) -> Result<Result<Response, Refusal>, ApiError> {
        let Self { server, kind, .. } = self;
        let key = self.key(name);
        let Admitted { mut object, unknown } = admit::update(kind, &key, half, old, new)?;
        let warnings = self.warnings(&unknown, duplicates)?;
        if by == By::Updater {
            self.track(half, Some(old), &mut object);
        }
        apply::keep_times(old, &mut object);
        let verb = if half == Half::Status { Verb::UpdateStatus } else { Verb::Update };
        self.guard(verb, name, Some(old), Some(&object))?;
        if row.object.len() + self.body.len() > admit::OBJECT_BYTES_MAX {
            admit::check_size(&object, object.to_string().len())?;
        }
        let object = kind.as_stored(object);
        if self.parameters.is_dry_run() {
            return Ok(Ok(self.answer(StatusCode::OK, &object.to_string(), &warnings)));
        }
        let reply = server.inner.store.submit(Op::Put { key, expect: Expect::Revision(row.revision), object }).await;
        Ok(reply.map(|outcome| self.answer(StatusCode::OK, &outcome.object, &warnings)))
    }

    /// Notes who has written what, where the object is tracked.
    fn track(&self, half: Half, old: Option<&Value>, new: &mut Value) {
        let Self { server, kind, parameters, headers, .. } = self;
        if !apply::is_tracked(old, new) {
            return;
        }
        let manager = options::manager(parameters, headers);
        let updater = Updater { manager: &manager, part: self.part(half), now: server.inner.clock.now() };
        apply::track(kind.schema(), old, new, &updater);
    }

    /// The part of an object that a write of this half can change.
    pub(super) fn part(&self, half: Half) -> Part {
        match half {
            Half::Status => Part::Status,
            Half::Main if self.kind.has_status => Part::Main,
            Half::Main => Part::Whole,
        }
    }

    fn key(&self, name: &str) -> Key {
        Key { kind: self.kind.rows.clone(), ns: self.ns.to_owned(), name: name.to_owned() }
    }

    /// The media type of the body, without its parameters; empty if none is given.
    pub(super) fn media_type(&self) -> &str {
        let text = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim()
    }

    fn object(&self) -> Result<(Value, Vec<String>), ApiError> {
        let Decoded { value, duplicates } = match self.media_type() {
            "" | "application/json" => body::json(&self.body)?,
            "application/yaml" => body::yaml(&self.body)?,
            _ => return Err(ApiError::unknown_format("application/json, application/yaml")),
        };
        Ok((value, duplicates))
    }

    pub(super) fn existing(&self, name: &str) -> Result<(Row, Value), ApiError> {
        let row = stored(self.server, self.kind, &self.key(name))?;
        let value = self.kind.as_shown(parsed(&row)?);
        Ok((row, value))
    }

    /// Answers with a stored object.
    fn answer(&self, code: StatusCode, object: &str, warnings: &[String]) -> Response {
        answer(code, self.kind.shown(object).into_owned(), warnings)
    }

    pub(super) fn guard(
        &self,
        verb: Verb,
        name: &str,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> Result<(), ApiError> {
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

    /// The treatment of keys that stand twice and fields that no schema knows: refused, warned of, or ignored.
    fn warnings(&self, unknown: &[FieldPath], duplicates: &[String]) -> Result<Vec<String>, ApiError> {
        let repeated = duplicates.iter().map(|path| format!("duplicate field \"{path}\""));
        let unknown = unknown.iter().map(|path| format!("unknown field \"{path}\""));
        let lines: Vec<_> = repeated.chain(unknown).take(WARNINGS_MAX).collect();
        match self.parameters.field_validation.as_str() {
            "Strict" if !lines.is_empty() => {
                Err(ApiError::bad_request(format!("strict decoding error: {}", lines.join(", "))))
            }
            "Ignore" => Ok(Vec::new()),
            _ => Ok(lines),
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

pub(super) fn parsed(row: &Row) -> Result<Value, ApiError> {
    serde_json::from_str(&row.object).map_err(|_| ApiError::from(Refusal::corrupt(&row.key)))
}

pub(super) fn revision_of(object: &Value) -> Result<Option<i64>, ApiError> {
    match &object["metadata"]["resourceVersion"] {
        Value::Null => Ok(None),
        Value::String(text) => super::route::revision(text),
        _ => Err(ApiError::bad_request("metadata.resourceVersion must be a string")),
    }
}

pub(super) fn answer(code: StatusCode, object: String, warnings: &[String]) -> Response {
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
