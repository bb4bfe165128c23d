//! Deletes: the options are read strictly, because what goes by mistake does not come back.

use std::sync::Arc;

use axum::response::Response;
use gastown_crds::schema::{FieldPath, Violation};
use gastown_crds::suggest;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::body;
use super::guard::Verb;
use super::list;
use super::options::{self, unsupported};
use super::route;
use super::selector;
use super::status::{ApiError, json_response};
use super::store::{Change, Op, PageRequest, Propagation, Row};
use super::write::{Request, answer, parsed};

/// Every field of `DeleteOptions`.
const FIELDS: [&str; 8] = [
    "apiVersion",
    "kind",
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "preconditions",
    "propagationPolicy",
];

/// What a delete asks for. A grace period means nothing here: nothing is stopped by the API itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct DeleteOptions {
    uid: Option<String>,
    revision: Option<i64>,
    propagation: Propagation,
    is_dry_run: bool,
}

impl Request<'_> {
    pub(super) async fn delete(&self, name: &str) -> Result<Response, ApiError> {
        let options = self.delete_options()?;
        let (row, old) = self.existing(name)?;
        let (change, object) = self.delete_one(&row, &old, &options).await?;
        if change != Change::Removed {
            return Ok(answer(StatusCode::OK, self.kind.shown(&object).into_owned(), &[]));
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
            kind: kind.rows.clone(),
            ns: Some((*ns).to_owned()),
            selector: selector::parse(kind, &parameters.label_selector, &parameters.field_selector)?,
            after: None,
            objects_max: parameters.objects_max(),
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
        let DeleteOptions { uid, revision, propagation, is_dry_run } = options;
        if *is_dry_run {
            let has_finalizers = old["metadata"]["finalizers"].as_array().is_some_and(|it| !it.is_empty());
            let change = if has_finalizers { Change::Unchanged } else { Change::Removed };
            return Ok((change, row.object.as_str().into()));
        }
        // The guard judged this very object, not a namesake that comes after it.
        let uid = uid.clone().or_else(|| old["metadata"]["uid"].as_str().map(str::to_owned));
        let (revision, propagation) = (*revision, *propagation);
        let op = Op::Delete { key: row.key.clone(), uid, revision, propagation };
        let reply = self.server.inner.store.submit(op).await;
        let outcome = reply.map_err(|refusal| ApiError::refused(self.kind, name, &refusal))?;
        Ok((outcome.change, outcome.object))
    }

    fn delete_options(&self) -> Result<DeleteOptions, ApiError> {
        let body = if self.body.is_empty() { Value::Null } else { body::yaml(&self.body)?.value };
        let fields = match &body {
            Value::Null => Map::new(),
            Value::Object(fields) => fields.clone(),
            _ => return Err(ApiError::bad_request("the body of a delete is DeleteOptions, an object")),
        };
        let wrong_type = |field: &str| ApiError::bad_request(format!("DeleteOptions: `{field}` has the wrong type"));
        if fields.get("kind").is_some_and(|kind| kind != "DeleteOptions") {
            return Err(ApiError::bad_request(format!(
                "the body of a delete is DeleteOptions, not {}",
                fields["kind"]
            )));
        }
        for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
            // A field that is unknown is ignored as elsewhere. One that is nearly `dryRun` was meant to stop the delete.
            if let Some(meant) = suggest::nearest(name, FIELDS) {
                return Err(ApiError::bad_request(format!(
                    "DeleteOptions has no field `{name}`: did you mean `{meant}`?"
                )));
            }
        }
        let dry_run = match fields.get("dryRun") {
            None | Some(Value::Null) => &[][..],
            Some(Value::Array(list)) => list,
            Some(_) => return Err(wrong_type("dryRun")),
        };
        let mut wrong = Vec::new();
        if dry_run.iter().any(|it| it != "All") {
            wrong.push(unsupported("dryRun", &Value::from(dry_run).to_string(), "\"All\""));
        }
        let asked = match fields.get("propagationPolicy") {
            None | Some(Value::Null) => self.parameters.propagation_policy.as_str(),
            Some(Value::String(policy)) => policy,
            Some(_) => return Err(wrong_type("propagationPolicy")),
        };
        let orphan = match fields.get("orphanDependents") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(orphan)) => Some(*orphan),
            Some(_) => return Err(wrong_type("orphanDependents")),
        };
        let propagation = match (asked, orphan) {
            ("", None) => Propagation::Default,
            ("", Some(true)) | ("Orphan", None) => Propagation::Orphan,
            ("", Some(false)) | ("Background", None) => Propagation::Background,
            ("Foreground", None) => Propagation::Foreground,
            (_, Some(_)) => {
                let why = "orphanDependents and deletionPropagation cannot be both set";
                wrong.push(Violation::invalid(FieldPath::of(&["propagationPolicy"]), &Value::from(asked), why));
                Propagation::Default
            }
            _ => {
                let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
                wrong.push(unsupported("propagationPolicy", &format!("{asked:?}"), supported));
                Propagation::Default
            }
        };
        options::check("DeleteOptions", &self.parameters, wrong)?;
        let preconditions = match fields.get("preconditions") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(preconditions)) => preconditions.clone(),
            Some(_) => return Err(wrong_type("preconditions")),
        };
        let text = |field: &str| match preconditions.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong_type(field)),
        };
        let revision = text("resourceVersion")?.as_deref().map(route::revision).transpose()?.flatten();
        let is_dry_run = self.parameters.is_dry_run() || !dry_run.is_empty();
        Ok(DeleteOptions { uid: text("uid")?, revision, propagation, is_dry_run })
    }
}
