//! A kind as it is served: one of the registry, or one that a CustomResourceDefinition declares.

use std::sync::Arc;

use gastown_crds::Kind;
use gastown_crds::common::{CATEGORY, GROUP, VERSION};
use gastown_crds::kinds::Role;
use gastown_crds::schema::Schema;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::store::{KindIndex, OpenError};

/// One version of one kind.
#[derive(Debug)]
pub struct Served {
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
    /// Whether its objects are records, which controllers do not decide by.
    is_record: bool,
    /// Declared selectable fields as selectors write them: `spec.rig`.
    pub(super) selectable: Vec<String>,
    schema: Source,
}

/// The schema of a kind.
#[derive(Debug)]
enum Source {
    /// In the registry, which compiles it when it is first used.
    Registry(&'static Kind),
    /// Held here.
    Own(Box<Schema>),
}

impl Served {
    /// A kind of the registry. Costs nothing: its schema is compiled by the first write.
    pub fn registered(kind: &'static Kind) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            plural: kind.plural.to_owned(),
            singular: kind.singular.to_owned(),
            kind: kind.name.to_owned(),
            list_kind: format!("{}List", kind.name),
            short_names: owned(kind.short_names),
            categories: owned(&[CATEGORY]),
            resource: format!("{}.{GROUP}", kind.plural).into(),
            api_version: format!("{GROUP}/{VERSION}"),
            has_status: true,
            is_record: kind.role == Role::Record,
            selectable: owned(kind.selectable),
            schema: Source::Registry(kind),
        }
    }

    /// Compiles the version that is stored; this server converts between no versions, so only that one is served.
    pub fn defined(definition: &CustomResourceDefinition) -> Result<Self, OpenError> {
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
            is_record: false,
            selectable: selectable.map(|it| it.json_path.trim_start_matches('.').to_owned()).collect(),
            schema: Source::Own(Box::new(schema)),
        })
    }

    /// The schema, compiled.
    pub(super) fn schema(&self) -> &Schema {
        match &self.schema {
            Source::Registry(kind) => kind.schema(),
            Source::Own(schema) => schema,
        }
    }

    pub(super) fn index(&self) -> KindIndex {
        KindIndex {
            kind: self.resource.to_string(),
            group: self.group.clone(),
            object_kind: self.kind.clone(),
            fields: self.selectable.clone(),
            is_record: self.is_record,
        }
    }
}
