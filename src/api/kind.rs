//! A kind as it is served: what its CustomResourceDefinition says, compiled.

use std::sync::Arc;

use gastown_crds::schema::Schema;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::store::{KindIndex, OpenError};

/// One version of one kind.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    /// `plural.group`, which names the kind in the store and in messages.
    pub(super) resource: Arc<str>,
    pub(super) api_version: String,
    pub(super) has_status: bool,
    /// Declared selectable fields as selectors write them: `spec.rig`.
    pub(super) selectable: Vec<String>,
    pub(super) schema: Schema,
}

impl Served {
    /// Compiles the version that is stored; this server converts between no versions, so only that one is served.
    pub(super) fn new(definition: &CustomResourceDefinition) -> Result<Self, OpenError> {
        let name = definition.metadata.name.clone().unwrap_or_default();
        let unservable = |why| OpenError::Unservable { name: name.clone(), why };
        let spec = &definition.spec;
        if spec.scope != "Namespaced" {
            return Err(unservable("only namespaced kinds are served"));
        }
        let mut versions = spec.versions.iter().filter(|it| it.served && it.storage);
        let version = versions.next().ok_or_else(|| unservable("no version is both served and stored"))?;
        let schema = version.schema.as_ref().and_then(|it| it.open_api_v3_schema.as_ref());
        let schema = schema.ok_or_else(|| unservable("it has no schema"))?;
        let schema = Schema::compile(schema).map_err(|source| OpenError::Definition { name: name.clone(), source })?;
        let names = &spec.names;
        let selectable = version.selectable_fields.iter().flatten();
        Ok(Self {
            group: spec.group.clone(),
            version: version.name.clone(),
            plural: names.plural.clone(),
            singular: names.singular.clone().unwrap_or_else(|| names.kind.to_lowercase()),
            kind: names.kind.clone(),
            list_kind: names.list_kind.clone().unwrap_or_else(|| format!("{}List", names.kind)),
            short_names: names.short_names.clone().unwrap_or_default(),
            categories: names.categories.clone().unwrap_or_default(),
            resource: format!("{}.{}", names.plural, spec.group).into(),
            api_version: format!("{}/{}", spec.group, version.name),
            has_status: version.subresources.as_ref().is_some_and(|it| it.status.is_some()),
            selectable: selectable.map(|it| it.json_path.trim_start_matches('.').to_owned()).collect(),
            schema,
        })
    }

    pub(super) fn index(&self) -> KindIndex {
        KindIndex {
            kind: self.resource.to_string(),
            group: self.group.clone(),
            object_kind: self.kind.clone(),
            fields: self.selectable.clone(),
        }
    }
}
