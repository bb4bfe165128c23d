//! Kubernetes' Events, what happened to an object and why, served as a kube-apiserver does: core `v1` and `events.k8s.io/v1`
//! are two views of the same rows, and what was written in one is read in the other.
//!
//! Rows are stored as core has them. They are records: no controller decides by them, their changes have a watch ring of
//! their own, and they are kept for a time only (see [`RETENTION`]).

mod check;
mod rename;

use std::sync::LazyLock;
use std::time::Duration;

use gastown_crds::schema::Schema;
use k8s_openapi::api::{core, events};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::kind::{Selectable, Served, Shape, Source};
use super::store::Retention;

const ROWS: &str = "events";

/// The field by which events are found without a look at all of them.
const INDEXED: &str = "involvedObject.name";

/// How long events are kept, and how many. A kube-apiserver keeps them for an hour, because a cluster has some thousands an
/// hour; a town has some fifteen a bead, and whoever comes back after a weekend or a short leave wants to know what happened.
const RETENTION: Retention = Retention {
    age_max: Duration::from_hours(7 * 24),
    // The stories of some 600 beads. At 1.5 KB each these are 15 MB of the store.
    objects_max: 10_000,
    // Of objects of one name: one that comes to nothing again and again must not push out what happened to all others.
    alike_max: 200,
    alike: INDEXED,
    is_in_ledger: false,
};

const CORE: Shape = Shape { show: None, store: rename::fill, check: check::of_core };

const NEW: Shape = Shape { show: Some(rename::from_core), store: rename::to_core, check: check::of_new };

/// Fields that selectors may name, in core and in `events.k8s.io`, and where they stand in a row. A kube-apiserver has no
/// selector by what is `related`: `gt events --for` asks by it.
const FIELDS: [(Option<&str>, Option<&str>, &str); 13] = [
    (Some("involvedObject.kind"), Some("regarding.kind"), "involvedObject.kind"),
    (Some("involvedObject.namespace"), Some("regarding.namespace"), "involvedObject.namespace"),
    (Some("involvedObject.name"), Some("regarding.name"), INDEXED),
    (Some("involvedObject.uid"), Some("regarding.uid"), "involvedObject.uid"),
    (Some("involvedObject.apiVersion"), Some("regarding.apiVersion"), "involvedObject.apiVersion"),
    (Some("involvedObject.resourceVersion"), Some("regarding.resourceVersion"), "involvedObject.resourceVersion"),
    (Some("involvedObject.fieldPath"), Some("regarding.fieldPath"), "involvedObject.fieldPath"),
    (Some("reason"), Some("reason"), "reason"),
    (Some("type"), Some("type"), "type"),
    (Some("reportingComponent"), Some("reportingController"), "reportingComponent"),
    // Whoever reports in the new way names no source; it is its controller then.
    (Some("source"), None, "source.component|reportingComponent"),
    (Some("related.kind"), Some("related.kind"), "related.kind"),
    (Some("related.name"), Some("related.name"), "related.name"),
];

/// A schema, compiled and as it is declared.
type Declared = (Schema, JSONSchemaProps);

static CORE_SCHEMA: LazyLock<Declared> = LazyLock::new(schema::<core::v1::Event>);
static NEW_SCHEMA: LazyLock<Declared> = LazyLock::new(schema::<events::v1::Event>);

/// Both views; the rows are of the first.
pub(super) fn served() -> [Served; 2] {
    let in_core = FIELDS.into_iter().filter_map(|(name, _, path)| Some((name?, path)));
    let in_new = FIELDS.into_iter().filter_map(|(_, name, path)| Some((name?, path)));
    [view("", &CORE, &CORE_SCHEMA, in_core), view("events.k8s.io", &NEW, &NEW_SCHEMA, in_new)]
}

fn view(
    group: &str,
    shape: &'static Shape,
    schema: &'static LazyLock<Declared>,
    fields: impl Iterator<Item = (&'static str, &'static str)>,
) -> Served {
    let (resource, api_version) = match group {
        "" => (ROWS.to_owned(), "v1".to_owned()),
        group => (format!("{ROWS}.{group}"), format!("{group}/v1")),
    };
    let selectable = |(name, path): (&str, &str)| {
        let is_indexed = path == INDEXED;
        Selectable { name: name.to_owned(), path: path.to_owned(), is_indexed }
    };
    Served {
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: "events".to_owned(),
        singular: "event".to_owned(),
        kind: "Event".to_owned(),
        list_kind: "EventList".to_owned(),
        short_names: vec!["ev".to_owned()],
        categories: Vec::new(),
        resource: resource.into(),
        rows: ROWS.into(),
        api_version,
        has_status: false,
        is_record: true,
        retention: Some(RETENTION),
        selectable: fields.map(selectable).collect(),
        shape: Some(shape),
        schema: Source::BuiltIn(schema),
    }
}

/// The schema that Kubernetes publishes of the type. What has to be there is checked in words of its own (`check`).
fn schema<K: JsonSchema>() -> Declared {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<K>().to_value();
    let mut props: JSONSchemaProps = serde_json::from_value(schema).expect("the schema of a type of Kubernetes is one");
    props.required = None;
    let metadata = JSONSchemaProps { type_: Some("object".to_owned()), ..JSONSchemaProps::default() };
    props.properties.get_or_insert_default().insert("metadata".to_owned(), metadata);
    let compiled = Schema::compile_lazily(&props).expect("the schema of a type of Kubernetes compiles");
    (compiled, props)
}
