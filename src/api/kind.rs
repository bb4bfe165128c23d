//! A kind as it is served: one of the registry, or one that a CustomResourceDefinition declares.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use gastown_crds::Kind;
use gastown_crds::common::{CATEGORY, GROUP, VERSION};
use gastown_crds::kinds::{Retained, Role};
use gastown_crds::schema::{Schema, Violation};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};

use serde_json::Value;

use super::store::{KindIndex, OpenError, Retention, field, row_field};

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
    /// `plural.group`, which names the kind in messages.
    pub(super) resource: Arc<str>,
    /// The name of its rows in the store: as in messages, but for a second view of the same rows.
    pub(super) rows: Arc<str>,
    pub(super) api_version: String,
    pub(super) has_status: bool,
    /// Whether its objects are records, which controllers do not decide by.
    pub(super) is_record: bool,
    /// How much is kept of them; none: all.
    pub(super) retention: Option<Retention>,
    pub(super) selectable: Vec<Selectable>,
    /// What its schema does not say; none of a kind that is defined by that alone.
    pub(super) shape: Option<&'static Shape>,
    pub(super) schema: Source,
}

/// A field that a selector may name.
#[derive(Debug)]
pub(super) struct Selectable {
    /// Its name in selectors: `spec.rig`.
    pub(super) name: String,
    /// Its path in the stored object; where there are several, parted by `|`, the first that is not empty counts.
    pub(super) path: String,
    /// Whether objects are found by it without a look at all of the kind.
    pub(super) is_indexed: bool,
}

impl Selectable {
    fn declared(path: &str) -> Self {
        Self { name: path.to_owned(), path: path.to_owned(), is_indexed: true }
    }

    /// The question that index entries answer.
    pub(super) fn question(&self) -> String {
        if self.is_indexed { field(&self.path) } else { row_field(&self.path) }
    }
}

/// What a built-in kind has beyond its schema.
#[derive(Debug)]
pub(super) struct Shape {
    /// Turns a stored object into one as this version of the kind has it; none: they are the same.
    pub(super) show: Option<fn(&mut Value)>,
    /// Turns an object of this version into one as it is stored.
    pub(super) store: fn(&mut Value),
    /// What is wrong with an object of this version, made new or in the place of an old one.
    pub(super) check: fn(new: &Value, old: Option<&Value>) -> Vec<Violation>,
}

/// The schema of a kind.
#[derive(Debug)]
pub(super) enum Source {
    /// In the registry, which compiles it when it is first used.
    Registry(&'static Kind),
    /// Held here, compiled and as it is declared.
    Own(Box<(Schema, JSONSchemaProps)>),
    /// Built in, and compiled when it is first used.
    BuiltIn(&'static LazyLock<(Schema, JSONSchemaProps)>),
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
            rows: format!("{}.{GROUP}", kind.plural).into(),
            api_version: format!("{GROUP}/{VERSION}"),
            has_status: kind.role == Role::Reconciled,
            is_record: kind.role != Role::Reconciled,
            retention: match kind.role {
                Role::Reconciled => None,
                Role::Record(Retained { age_max, objects_max, alike, alike_max }) => {
                    Some(Retention { age_max, objects_max, alike_max, alike, is_in_ledger: true })
                }
            },
            selectable: kind.selectable.iter().map(|path| Selectable::declared(path)).collect(),
            shape: None,
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
        let compiled =
            Schema::compile(schema).map_err(|source| OpenError::Definition { name: name.clone(), source })?;
        let schema = Box::new((compiled, schema.clone()));
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
            rows: format!("{}.{}", names.plural, spec.group).into(),
            api_version: format!("{}/{}", spec.group, version.name),
            has_status: version.subresources.as_ref().is_some_and(|it| it.status.is_some()),
            is_record: false,
            retention: None,
            selectable: selectable.map(|it| Selectable::declared(it.json_path.trim_start_matches('.'))).collect(),
            shape: None,
            schema: Source::Own(schema),
        })
    }

    /// The schema, compiled.
    pub(super) fn schema(&self) -> &Schema {
        match &self.schema {
            Source::Registry(kind) => kind.schema(),
            Source::Own(schema) => &schema.0,
            Source::BuiltIn(schema) => &schema.0,
        }
    }

    /// The schema as it is declared.
    pub(super) fn props(&self) -> &JSONSchemaProps {
        match &self.schema {
            Source::Registry(kind) => kind.props(),
            Source::Own(schema) => &schema.1,
            Source::BuiltIn(schema) => &schema.1,
        }
    }

    pub(super) fn index(&self) -> KindIndex {
        let fields = |is_indexed: bool| {
            let those = self.selectable.iter().filter(move |it| it.is_indexed == is_indexed);
            those.map(|it| it.path.clone()).collect()
        };
        KindIndex {
            kind: self.rows.to_string(),
            group: self.group.clone(),
            object_kind: self.kind.clone(),
            fields: fields(true),
            row_fields: fields(false),
            is_record: self.is_record,
            retention: self.retention,
        }
    }

    /// The text of a row as this version of the kind has it.
    pub(super) fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(show) = self.shape.and_then(|shape| shape.show) else { return Cow::Borrowed(text) };
        let Ok(mut object) = serde_json::from_str::<Value>(text) else { return Cow::Borrowed(text) };
        show(&mut object);
        Cow::Owned(object.to_string())
    }

    /// A stored object as this version of the kind has it.
    pub(super) fn as_shown(&self, mut object: Value) -> Value {
        if let Some(show) = self.shape.and_then(|shape| shape.show) {
            show(&mut object);
        }
        object
    }

    /// An object of this version as it is stored.
    pub(super) fn as_stored(&self, mut object: Value) -> Value {
        if let Some(shape) = self.shape {
            (shape.store)(&mut object);
        }
        object
    }
}
