//! Patches: read by their media type, made again while others are quicker, and written as any other version is.

use axum::response::Response;
use gastown_crds::apply::{self, Applier};
use gastown_crds::merge_patch;
use gastown_crds::schema::{FieldPath, Violation};
use http::StatusCode;
use serde_json::{Value, json};

use super::admit::{self, Half};
use super::body;
use super::options;
use super::route::is_true;
use super::status::ApiError;
use super::store::Refusal;
use super::write::{By, Request, revision_of};

/// The most tries of a patch without a resourceVersion when others write the same object.
const PATCH_TRIES_MAX: usize = 16;

/// Merges lists by their items' keys. The built-in kinds here have no lists but in their metadata.
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A patch as it was sent.
enum Patch {
    /// `application/merge-patch+json`; of a built-in kind also `application/strategic-merge-patch+json`.
    Merge(Value),
    /// `application/json-patch+json`.
    Json(json_patch::Patch),
    /// `application/apply-patch+yaml`: what its manager wants of the object.
    Apply { config: Value, force: bool },
}

impl Request<'_> {
    pub(super) async fn patch(&self, name: &str, half: Half) -> Result<Response, ApiError> {
        let (patch, duplicates) = self.read_patch()?;
        let wanted = match &patch {
            Patch::Merge(patch) | Patch::Apply { config: patch, .. } => revision_of(patch)?,
            Patch::Json(_) => None,
        };
        for _ in 0..PATCH_TRIES_MAX {
            let existing = match self.existing(name) {
                Ok(existing) => existing,
                // An apply makes what is not there, but no status of it.
                Err(error) if error.is_not_found() && half == Half::Main => match &patch {
                    Patch::Apply { config, .. } => match self.create_applied(name, config, &duplicates).await? {
                        Ok(response) => return Ok(response),
                        Err(Refusal::AlreadyExists) => continue,
                        Err(refusal) => return Err(ApiError::refused(self.kind, name, &refusal)),
                    },
                    Patch::Merge(_) | Patch::Json(_) => return Err(error),
                },
                Err(error) => return Err(error),
            };
            let (row, old) = existing;
            if wanted.is_some_and(|it| it != row.revision) {
                return Err(ApiError::refused(self.kind, name, &Refusal::Conflict));
            }
            let (new, by) = match &patch {
                Patch::Merge(patch) => {
                    let mut new = old.clone();
                    merge_patch::apply(&mut new, patch);
                    (new, By::Updater)
                }
                Patch::Json(patch) => {
                    let mut new = old.clone();
                    super::json_patch::apply(&mut new, patch)?;
                    if revision_of(&new)?.is_some_and(|it| it != row.revision) {
                        return Err(ApiError::refused(self.kind, name, &Refusal::Conflict));
                    }
                    (new, By::Updater)
                }
                Patch::Apply { config, force } => (self.applied(half, Some(&old), config, *force)?, By::Applier),
            };
            let uid = &new["metadata"]["uid"];
            if !uid.is_null() && *uid != old["metadata"]["uid"] {
                let wrong = Violation::invalid(FieldPath::of(&["metadata", "uid"]), uid, "field is immutable");
                return Err(ApiError::invalid(self.kind, name, &[wrong]));
            }
            match self.write(name, half, (&row, &old), new, by, &duplicates).await? {
                Ok(response) => return Ok(response),
                // Somebody else was quicker: the patch says nothing about what it was made from, so it is made again.
                Err(Refusal::Conflict) if wanted.is_none() => {}
                Err(refusal) => return Err(ApiError::refused(self.kind, name, &refusal)),
            }
        }
        Err(ApiError::refused(self.kind, name, &Refusal::Conflict))
    }

    fn read_patch(&self) -> Result<(Patch, Vec<String>), ApiError> {
        let media_type = self.media_type();
        let is_apply = media_type == "application/apply-patch+yaml";
        let mut wrong = Vec::new();
        if is_apply && self.parameters.field_manager.is_empty() {
            wrong.push(options::required("fieldManager", "is required for apply patch"));
        }
        if !is_apply && self.parameters.force.is_some() {
            wrong.push(Violation::forbidden(FieldPath::of(&["force"]), "may not be specified for non-apply patch"));
        }
        let read = match media_type {
            "application/json-patch+json" | "application/merge-patch+json" => body::json,
            STRATEGIC if self.kind.shape.is_some() => body::json,
            "application/apply-patch+yaml" => body::yaml,
            _ => {
                let accepted =
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(ApiError::unknown_format(accepted));
            }
        };
        options::check("PatchOptions", &self.parameters, wrong)?;
        let body::Decoded { value, duplicates } = read(&self.body)?;
        if media_type == "application/json-patch+json" {
            return Ok((Patch::Json(super::json_patch::read(value)?), duplicates));
        }
        if !value.is_object() {
            return Err(ApiError::bad_request("error decoding patch: it is not an object"));
        }
        if media_type == STRATEGIC && !is_as_merge(&value) {
            let why =
                "only what means the same in application/merge-patch+json is understood of a strategic merge patch";
            return Err(ApiError::bad_request(why));
        }
        let force = is_true(self.parameters.force.as_deref().unwrap_or_default());
        let patch = if is_apply { Patch::Apply { config: value, force } } else { Patch::Merge(value) };
        Ok((patch, duplicates))
    }

    /// The object as it is after an apply, with its managers.
    fn applied(&self, half: Half, live: Option<&Value>, config: &Value, force: bool) -> Result<Value, ApiError> {
        let Self { server, kind, ns, .. } = self;
        if config["apiVersion"] != kind.api_version.as_str() {
            let got = config["apiVersion"].as_str().unwrap_or_default();
            let expected = &kind.api_version;
            return Err(ApiError::bad_request(format!(
                "Incorrect version specified in apply patch. Specified patch version: {got}, expected: {expected}"
            )));
        }
        if config["metadata"].get("managedFields").is_some_and(|it| !it.is_null()) {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let mistakes = apply::check(kind.schema(), config);
        if !mistakes.is_empty() {
            let why =
                if mistakes.len() == 1 { mistakes[0].clone() } else { format!("errors:\n  {}", mistakes.join("\n  ")) };
            let name = config["metadata"]["name"].as_str().unwrap_or_default();
            let what = format!("{ns}/{name}; {}, Kind={}", kind.api_version, kind.kind);
            // An apiserver has no better code for it than this.
            let message = format!("failed to create typed patch object ({what}): {why}");
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", message));
        }
        let applier = Applier { manager: &self.parameters.field_manager, force, now: server.inner.clock.now() };
        apply::apply_part(kind.schema(), self.part(half), live, config, &applier)
            .map_err(|conflicts| ApiError::owned(&conflicts))
    }

    /// Makes the object that an apply describes; an inner refusal is the store's judgement of the race.
    async fn create_applied(
        &self,
        name: &str,
        config: &Value,
        duplicates: &[String],
    ) -> Result<Result<Response, Refusal>, ApiError> {
        let metadata = &config["metadata"];
        if metadata.get("name").is_some_and(|it| it != name) {
            return Err(admit::wrong_name(&metadata["name"], name));
        }
        if let Some(uid) = metadata["uid"].as_str().filter(|uid| !uid.is_empty()) {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(self.kind, name, &why));
        }
        let mut object = self.applied(Half::Main, None, config, false)?;
        object["metadata"]["name"] = json!(name);
        Ok(self.store_new(object, By::Applier, duplicates).await?.map_err(|(_, refusal)| refusal))
    }
}

/// Whether a strategic merge patch means the same as a merge patch: it has no lists, and no directives.
fn is_as_merge(patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => fields.iter().all(|(name, value)| !name.starts_with('$') && is_as_merge(value)),
        Value::Array(_) => false,
        _ => true,
    }
}
