//! Refusals as `metav1.Status` objects, in the shape and with the reasons that Kubernetes clients decide by.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gastown_crds::apply::{Conflict, Conflicts};
use gastown_crds::schema::Violation;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::kind::Served;
use super::store::Refusal;

/// An answer that is not the asked one.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Value,
}

/// The most causes that an answer lists.
const CAUSES_MAX: usize = 32;

impl ApiError {
    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A body of a media type that is not read here.
    pub(super) fn unknown_format(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// A state that is asked for and was never given out; clients decide by the cause whether to ask again.
    pub(super) fn not_there_yet(asked: i64, current: i64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        let details = json!({ "causes": [cause], "retryAfterSeconds": 1 });
        Self { details, ..Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message) }
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(super) fn conflict(kind: &Served, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource);
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name, &[])
    }

    /// Others own what an apply would change.
    pub(super) fn owned(conflicts: &Conflicts) -> Self {
        let cause = |it: &Conflict| {
            json!({
                "reason": "FieldManagerConflict", "message": format!("conflict with {}", it.manager), "field": it.field,
            })
        };
        let causes: Vec<_> = conflicts.iter().take(CAUSES_MAX).map(cause).collect();
        let error = Self::new(StatusCode::CONFLICT, "Conflict", conflicts.to_string());
        Self { details: json!({ "causes": causes }), ..error }
    }

    /// Options that are not valid; `options` is their kind.
    pub(super) fn invalid_options(options: &str, violations: &[Violation]) -> Self {
        let message = format!("{options}.meta.k8s.io \"\" is invalid: {}", sentence(violations));
        let details = json!({ "group": "meta.k8s.io", "kind": options, "causes": causes(violations) });
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message) }
    }

    pub(super) fn not_found(kind: &Served, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource);
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name, &[])
    }

    pub(super) fn no_such_namespace(name: &str) -> Self {
        let error = Self::new(StatusCode::NOT_FOUND, "NotFound", format!("namespaces \"{name}\" not found"));
        Self { details: json!({ "name": name, "kind": "namespaces" }), ..error }
    }

    pub(super) fn forbidden(kind: &Served, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource);
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(kind, name, &[])
    }

    pub(super) fn invalid(kind: &Served, name: &str, violations: &[Violation]) -> Self {
        let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
        let message = format!("{}{group} \"{name}\" is invalid: {}", kind.kind, sentence(violations));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).about(kind, name, violations)
    }

    /// The error for a client whose write to this object the store has refused.
    pub(super) fn refused(kind: &Served, name: &str, refusal: &Refusal) -> Self {
        match refusal {
            Refusal::AlreadyExists => {
                let message = format!("{} \"{name}\" already exists", kind.resource);
                Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(kind, name, &[])
            }
            Refusal::NotFound => Self::not_found(kind, name),
            Refusal::Conflict | Refusal::Precondition(_) => Self::conflict(kind, name, &refusal.to_string()),
            other => Self::from(other),
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.code == StatusCode::NOT_FOUND
    }

    fn about(mut self, kind: &Served, name: &str, violations: &[Violation]) -> Self {
        // As in an apiserver: causes go by the kind, the rest by the resource.
        let named = if violations.is_empty() { &kind.plural } else { &kind.kind };
        self.details = json!({ "name": name, "group": kind.group, "kind": named, "causes": causes(violations) });
        self
    }

    /// The `Status` object.
    pub(super) fn object(&self) -> Value {
        let Self { code, reason, message, details } = self;
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "code": code.as_u16(),
        });
        // An apiserver has no reason for its own failures.
        if !reason.is_empty() {
            status["reason"] = json!(reason);
        }
        if !details.is_null() {
            status["details"] = details.clone();
        }
        status
    }
}

fn sentence(violations: &[Violation]) -> String {
    let lines: Vec<_> = violations.iter().take(CAUSES_MAX).map(ToString::to_string).collect();
    if lines.len() == 1 { lines[0].clone() } else { format!("[{}]", lines.join(", ")) }
}

fn causes(violations: &[Violation]) -> Vec<Value> {
    let cause =
        |it: &Violation| json!({ "reason": it.reason.as_str(), "message": it.message, "field": it.path.to_string() });
    violations.iter().take(CAUSES_MAX).map(cause).collect()
}

impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", refusal.to_string()),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", other.to_string()),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = json_response(self.code, self.object().to_string());
        if let Some(seconds) = self.details["retryAfterSeconds"].as_u64() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A response with a JSON body.
pub(super) fn json_response(code: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
