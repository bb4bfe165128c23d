//! The options of a write: `fieldManager`, `dryRun` and `fieldValidation`, and what an apiserver says of wrong ones.

use gastown_crds::schema::{FieldPath, Reason, Violation};
use http::{HeaderMap, header};
use serde_json::Value;

use super::route::Parameters;
use super::status::ApiError;

/// The longest name of a field manager, in bytes.
const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// Checks what all writes have in common; `kind` is the kind of the options, such as `CreateOptions`.
pub(super) fn check(kind: &str, parameters: &Parameters, mut found: Vec<Violation>) -> Result<(), ApiError> {
    let Parameters { field_manager, field_validation, dry_run, .. } = parameters;
    let at = |name: &str| FieldPath::of(&[name]);
    if field_manager.len() > FIELD_MANAGER_BYTES_MAX {
        let message = format!("Too long: may not be more than {FIELD_MANAGER_BYTES_MAX} bytes");
        found.push(Violation { path: at("fieldManager"), reason: Reason::TooLong, message });
    }
    if let Some((index, c)) = field_manager.char_indices().find(|(_, c)| c.is_control()) {
        let why = format!("invalid character U+{:04X} (at position {index})", u32::from(c));
        found.push(Violation::invalid(at("fieldManager"), &Value::from(field_manager.as_str()), &why));
    }
    if !matches!(dry_run.as_str(), "" | "All") {
        found.push(unsupported("dryRun", &format!("[{dry_run:?}]"), "\"All\""));
    }
    if !matches!(field_validation.as_str(), "" | "Ignore" | "Warn" | "Strict") {
        let supported = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
        found.push(unsupported("fieldValidation", &format!("{field_validation:?}"), supported));
    }
    if found.is_empty() { Ok(()) } else { Err(ApiError::invalid_options(kind, &found)) }
}

/// Checks the options of a list or a watch that say which state is wanted.
pub(super) fn check_list(parameters: &Parameters, is_watch: bool) -> Result<(), ApiError> {
    let Parameters { resource_version, resource_version_match, send_initial_events, continue_token, .. } = parameters;
    let mut found = Vec::new();
    let mut forbid = |field: &str, why: &str| found.push(Violation::forbidden(FieldPath::of(&[field]), why));
    let has_match = !resource_version_match.is_empty();
    if is_watch {
        if send_initial_events.is_some() && resource_version_match != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            forbid("resourceVersionMatch", why);
        } else if send_initial_events.is_none() && has_match {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            forbid("resourceVersionMatch", why);
        }
    } else {
        if send_initial_events.is_some() {
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        if has_match && resource_version.is_empty() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if has_match && !continue_token.is_empty() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
        }
        if resource_version_match == "Exact" && resource_version == "0" {
            forbid("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if !matches!(resource_version_match.as_str(), "" | "Exact" | "NotOlderThan") {
            let supported = "\"Exact\", \"NotOlderThan\", \"\"";
            found.push(unsupported("resourceVersionMatch", &format!("{resource_version_match:?}"), supported));
        }
    }
    if !found.is_empty() {
        return Err(ApiError::invalid_options("ListOptions", &found));
    }
    if !is_watch && !continue_token.is_empty() && !matches!(resource_version.as_str(), "" | "0") {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(())
}

/// A value that is none of the supported ones.
pub(super) fn unsupported(field: &str, value: &str, supported: &str) -> Violation {
    let message = format!("Unsupported value: {value}: supported values: {supported}");
    Violation { path: FieldPath::of(&[field]), reason: Reason::NotSupported, message }
}

/// An option that an apply must have.
pub(super) fn required(field: &str, why: &str) -> Violation {
    let message = format!("Required value: {why}");
    Violation { path: FieldPath::of(&[field]), reason: Reason::Required, message }
}

/// The manager of a write that is no apply: as it is named, or the program that the user agent begins with.
pub(super) fn manager(parameters: &Parameters, headers: &HeaderMap) -> String {
    if !parameters.field_manager.is_empty() {
        return parameters.field_manager.clone();
    }
    let agent = headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    // What a header holds as text is ASCII, so bytes are characters.
    agent
        .split('/')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(FIELD_MANAGER_BYTES_MAX)
        .collect()
}
