//! Routes: the path and query of a request, parsed.

use std::sync::Arc;

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;

use super::kind::Served;
use super::metadata;
use super::status::ApiError;

/// A path, taken apart. Names are as they stand in the path; nothing that needs an escape is a valid name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`: the versions of the core group.
    Core,
    /// `/api/v1`.
    CoreResources,
    /// `/api/v1/namespaces`.
    Namespaces,
    /// `/api/v1/namespaces/<name>`.
    Namespace(&'a str),
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/api/v1`.
    OpenApiOfCore,
    /// `/openapi/v3/apis/<group>/<version>`.
    OpenApiOf(&'a str, &'a str),
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(&'a str),
    /// `/apis/<group>/<version>`.
    GroupVersion(&'a str, &'a str),
    /// A kind, in all namespaces or in one.
    Collection(Target<'a>),
    /// An object.
    Object(Target<'a>, &'a str),
    /// An object's status.
    Status(Target<'a>, &'a str),
}

/// A kind in a namespace, or in all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) ns: Option<&'a str>,
    pub(super) plural: &'a str,
}

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let target = |group, version, ns, plural| Target { group, version, ns, plural };
        Some(match parts[..] {
            ["version"] => Route::Version,
            ["healthz" | "livez" | "readyz"] => Route::Health,
            ["api"] => Route::Core,
            ["api", "v1"] => Route::CoreResources,
            ["api", "v1", "namespaces"] => Route::Namespaces,
            ["api", "v1", "namespaces", name] => Route::Namespace(name),
            ["openapi", "v3"] => Route::OpenApi,
            ["openapi", "v3", "api", "v1"] => Route::OpenApiOfCore,
            ["openapi", "v3", "apis", group, version] => Route::OpenApiOf(group, version),
            ["api", v, plural] => Route::Collection(target("", v, None, plural)),
            ["api", v, "namespaces", ns, plural] => Route::Collection(target("", v, Some(ns), plural)),
            ["api", v, "namespaces", ns, plural, name] => Route::Object(target("", v, Some(ns), plural), name),
            ["apis"] => Route::Groups,
            ["apis", group] => Route::Group(group),
            ["apis", group, version] => Route::GroupVersion(group, version),
            ["apis", g, v, plural] => Route::Collection(target(g, v, None, plural)),
            ["apis", g, v, "namespaces", ns, plural] => Route::Collection(target(g, v, Some(ns), plural)),
            ["apis", g, v, "namespaces", ns, plural, name] => Route::Object(target(g, v, Some(ns), plural), name),
            ["apis", g, v, "namespaces", ns, plural, name, "status"] => {
                Route::Status(target(g, v, Some(ns), plural), name)
            }
            _ => return None,
        })
    }
}

impl Target<'_> {
    /// The kind meant, if it is served and the namespace can be one.
    pub(super) fn kind<'s>(&self, kinds: &'s [Arc<Served>]) -> Result<&'s Arc<Served>, ApiError> {
        let Self { group, version, ns, plural } = self;
        let found = kinds.iter().find(|it| it.plural == *plural && it.group == *group && it.version == *version);
        let kind = found.ok_or_else(ApiError::no_such_path)?;
        if ns.is_some_and(|ns| !metadata::is_namespace(ns)) {
            let name = ns.unwrap_or_default();
            return Err(ApiError::bad_request(format!(
                "invalid namespace `{name}`: use lower case letters, digits and '-', at most 63"
            )));
        }
        Ok(kind)
    }
}

/// The parameters that we know; others are ignored, as an apiserver does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Parameters {
    pub(super) watch: String,
    pub(super) label_selector: String,
    pub(super) field_selector: String,
    pub(super) limit: Option<i64>,
    #[serde(rename = "continue")]
    pub(super) continue_token: String,
    pub(super) resource_version: String,
    pub(super) resource_version_match: String,
    pub(super) allow_watch_bookmarks: String,
    pub(super) send_initial_events: Option<String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) field_validation: String,
    pub(super) dry_run: String,
    pub(super) propagation_policy: String,
    pub(super) field_manager: String,
    pub(super) force: Option<String>,
}

impl Parameters {
    pub(super) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        // kube writes `?&limit=500`; the empty pair is nothing.
        if uri.query().is_none_or(str::is_empty) {
            return Ok(Self::default());
        }
        // A name that is not known is ignored, as in an apiserver. This one was meant to keep something from being done.
        let names =
            uri.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split('=').next());
        if let Some(name) = names.into_iter().find(|name| *name != "dryRun" && name.eq_ignore_ascii_case("dryRun")) {
            return Err(ApiError::bad_request(format!("there is no parameter `{name}`: did you mean `dryRun`?")));
        }
        let parsed = Query::<Self>::try_from_uri(uri).map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(parsed.0)
    }

    /// The most objects of a page; none where zero or less is asked for.
    pub(super) fn objects_max(&self) -> Option<usize> {
        self.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|max| *max > 0)
    }

    /// Whether nothing is to be stored; any value but `All` is refused with the other options.
    pub(super) fn is_dry_run(&self) -> bool {
        !self.dry_run.is_empty()
    }
}

/// Whether a boolean parameter is set.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1")
}

/// A resourceVersion parameter: none, or a number.
pub(super) fn revision(text: &str) -> Result<Option<i64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<i64>().ok().filter(|it| *it >= 0);
    parsed.map(Some).ok_or_else(|| ApiError::bad_request(format!("Invalid value: \"{text}\": invalid resourceVersion")))
}
