//! `Kind`: one row of the registry, all that the parts of `gt` need to know of a kind, as data.

use std::cmp::Ordering;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, SelectableField,
};
use kube::core::ApiResource;
use kube::{CustomResourceExt, Resource};

use super::KINDS;
use crate::access::AgentAccess;
use crate::admission::CheckAmong;
use crate::common::{API_VERSION, CATEGORY, GROUP, VERSION};
use crate::schema::Schema;

/// What stands behind a list in a selectable field: `spec.needs[]`, `spec.links[].to`.
pub const EACH: &str = "[]";

/// A kind.
#[derive(Debug)]
pub struct Kind {
    /// Its name, in CamelCase: `MergeRequest`.
    pub name: &'static str,
    /// The name of one object in commands and messages: `mergerequest`.
    pub singular: &'static str,
    /// The name of all of them, as in URLs: `mergerequests`.
    pub plural: &'static str,
    /// Shorter names for commands: `mr`.
    pub short_names: &'static [&'static str],
    /// What people want it for, in a line of the README's table.
    pub purpose: &'static str,
    /// Columns of its table, after the name.
    pub columns: &'static [Column],
    /// Fields that a field selector may name, such as `spec.rig`. `spec.needs[]` is a list of texts, selected by each item, and
    /// `spec.links[].to` one of objects, selected by that field of each; an apiserver has no such selectors, so the definition
    /// leaves them out.
    pub selectable: &'static [&'static str],
    /// Whether controllers decide by its objects.
    pub role: Role,
    /// Types of the conditions that its controller writes. The first says how the object is as a whole.
    pub conditions: &'static [&'static str],
    /// Which fields name objects of which kind.
    pub references: &'static [Reference],
    /// Fields of `spec` that controllers and agents write: a manifest that leaves them out leaves them as they are.
    pub not_declared: &'static [&'static str],
    /// What is checked of its manifests beside each other, beyond their references.
    pub(crate) check_among: CheckAmong,
    /// Who gives its objects their names.
    pub named_by: NamedBy,
    /// Whether a person may stop or pause its objects beside their spec: see [`crate::overrides`].
    pub has_overrides: bool,
    /// What agents may write of it.
    pub agents: AgentAccess,
    /// The definition's YAML, as it is committed.
    pub yaml: &'static str,
    /// The definition and its schema, once somebody has asked for them.
    pub compiled: Compiled,
}

/// A column of a kind's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// `string`, `integer` or `date`; a date is shown as an age.
    pub type_: &'static str,
    /// JSONPath of its value.
    pub path: &'static str,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str, path: &'static str) -> Self {
        Self { name, type_: "string", path }
    }

    /// A column of whole numbers.
    pub const fn number(name: &'static str, path: &'static str) -> Self {
        Self { name, type_: "integer", path }
    }

    /// The age of the object, which every table ends with.
    pub const AGE: Self = Self { name: "Age", type_: "date", path: ".metadata.creationTimestamp" };
}

/// Whether controllers decide by the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They do: the engine watches the kind and holds all of its objects in memory.
    Reconciled,
    /// They do not: objects are written once, may be many, and are for people to read. They stay in the store, and their
    /// changes have a watch ring of their own, so that a burst of them ends no controller's watch.
    Record(Retained),
}

/// How many objects of a kind of records are kept; the oldest go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// The greatest age.
    pub age_max: Duration,
    /// The most objects.
    pub objects_max: u32,
    /// A selectable field.
    pub alike: &'static str,
    /// The most objects that have the same value in that field.
    pub alike_max: u32,
}

/// A field that names an object of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// The field, below `spec`, as `merge.rig`; `beads[].rig` is that field of each item of a list.
    pub field: &'static str,
    /// The kind that it names.
    pub kind: &'static str,
}

/// Who gives the objects of a kind their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// People: a DNS label.
    People,
    /// `gt`, by rule: labels joined by dots.
    Gt,
}

/// The definition and its schema: read and compiled when first used, then kept for the life of the process.
#[derive(Default)]
pub struct Compiled {
    definition: OnceLock<CustomResourceDefinition>,
    schema: OnceLock<Schema>,
}

impl Compiled {
    /// Nothing is compiled yet.
    pub const fn new() -> Self {
        Self { definition: OnceLock::new(), schema: OnceLock::new() }
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

impl Kind {
    /// The kind of exactly this name, such as `Convoy`.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().copied().find(|kind| kind.name == name)
    }

    /// The kind that a person calls so: its singular, plural or a short name, in lower case.
    pub fn called(word: &str) -> Option<&'static Self> {
        let is_it = |kind: &&Self| word == kind.singular || word == kind.plural || kind.short_names.contains(&word);
        KINDS.iter().copied().find(is_it)
    }

    /// `convoy/release`, as messages name an object.
    pub fn named_object(&self, name: &str) -> String {
        format!("{}/{name}", self.singular)
    }

    /// Where it stands in the order in which objects are applied.
    pub fn rank(&self) -> usize {
        KINDS.iter().position(|kind| kind.name == self.name).unwrap_or(KINDS.len())
    }

    /// How an API is asked for it.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            api_version: API_VERSION.to_owned(),
            kind: self.name.to_owned(),
            plural: self.plural.to_owned(),
        }
    }

    /// The definition that is committed as YAML.
    pub fn definition(&self) -> &CustomResourceDefinition {
        self.compiled
            .definition
            .get_or_init(|| serde_saphyr::from_str(self.yaml).expect("the YAML is generated, and a test reads each"))
    }

    /// What the schema says, as it is declared.
    pub fn props(&self) -> &JSONSchemaProps {
        let version = self.definition().spec.versions.first();
        let schema = version.and_then(|version| version.schema.as_ref());
        schema.and_then(|it| it.open_api_v3_schema.as_ref()).expect("every kind is generated with a schema")
    }

    /// The schema, compiled.
    pub fn schema(&self) -> &Schema {
        let compile =
            || Schema::compile_lazily(self.props()).expect("the schemas are constants, and a test compiles each");
        self.compiled.schema.get_or_init(compile)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        if std::ptr::eq(self, other) { Ordering::Equal } else { self.name.cmp(other.name) }
    }
}

/// A type of the registry.
pub trait Registered: Resource<DynamicType = ()> {
    /// Its row.
    fn row() -> &'static Kind;
}

/// A kind's definition: the schema from the type, the rest from the row.
pub(super) fn generated<K: Registered + CustomResourceExt>() -> CustomResourceDefinition {
    let kind = K::row();
    let mut crd = K::crd();
    crd.spec.names.short_names = (!kind.short_names.is_empty()).then(|| owned(kind.short_names));
    crd.spec.names.categories = Some(owned(&[CATEGORY]));
    for version in &mut crd.spec.versions {
        let columns = kind.columns.iter().map(|column| CustomResourceColumnDefinition {
            name: column.name.to_owned(),
            type_: column.type_.to_owned(),
            json_path: column.path.to_owned(),
            ..CustomResourceColumnDefinition::default()
        });
        version.additional_printer_columns = Some(columns.collect());
        let selectable = kind.selectable.iter().filter(|path| !path.contains(EACH));
        let selectable: Vec<_> = selectable.map(|path| SelectableField { json_path: format!(".{path}") }).collect();
        version.selectable_fields = (!selectable.is_empty()).then_some(selectable);
        if let Some(props) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            name_formats_as_kubernetes_does(props);
        }
    }
    crd
}

/// Kubernetes has no unsigned formats: what is one here has a `minimum` of 0, and fits the next larger signed one.
fn name_formats_as_kubernetes_does(props: &mut JSONSchemaProps) {
    if props.format.as_deref() == Some("uint32") {
        props.format = Some("int64".to_owned());
    }
    for child in props.properties.iter_mut().flat_map(|all| all.values_mut()) {
        name_formats_as_kubernetes_does(child);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut props.items {
        name_formats_as_kubernetes_does(items);
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
