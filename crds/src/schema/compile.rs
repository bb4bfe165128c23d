//! From the JSON form of a schema to the tree that the walkers read, children in order.
//!
//! Regexes and CEL are most of the cost, and an object uses few of them: each is compiled when it is first used, and kept.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube_cel::CompiledSchema;
use regex::Regex;
use serde_json::Value;

use super::path::{FieldPath, Segment};

/// The deepest schema that is compiled; every walker recurses on schema depth, and so is bounded by this.
const DEPTH_MAX: usize = 64;

/// Why a schema cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A `type` that JSON does not have.
    #[error("schema at {path}: unknown type `{name}`")]
    Type {
        /// Where in the schema.
        path: FieldPath,
        /// The type's name.
        name: String,
    },
    /// A `pattern` that is no regular expression.
    #[error("schema at {path}: the pattern does not compile")]
    Pattern {
        /// Where in the schema.
        path: FieldPath,
        /// The reason.
        #[source]
        source: regex::Error,
    },
    /// A CEL rule that does not compile.
    #[error("schema at {path}: {why}")]
    Rule {
        /// Where in the schema.
        path: FieldPath,
        /// The message of the compiler, with the rule.
        why: String,
    },
    /// A keyword that structural schemas do not have, or a shape that they forbid.
    #[error("schema at {path}: {why}")]
    NotStructural {
        /// Where in the schema.
        path: FieldPath,
        /// The construct that is forbidden.
        why: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Type::Object => "object",
            Type::Array => "array",
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [Type::Object, Type::Array, Type::String, Type::Integer, Type::Number, Type::Boolean];
        all.into_iter().find(|it| it.as_str() == name)
    }
}

/// The type of a list: plain, a set of values, or a map by some of its items' fields.
#[derive(Debug)]
pub(crate) enum ListType {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// How an object's undeclared keys are treated.
#[derive(Debug)]
pub(crate) enum Additional {
    None,
    Any,
    Schema(Box<Node>),
}

/// Inclusive limits of one kind, in the unit of the field that holds them.
#[derive(Debug, Default)]
pub(crate) struct Range {
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
}

impl Range {
    fn new(min: Option<i64>, max: Option<i64>) -> Self {
        let size = |n: i64| usize::try_from(n).unwrap_or(0);
        Self { min: min.map(size), max: max.map(size) }
    }
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of the schema language")]
pub(crate) struct Node {
    pub(crate) type_: Option<Type>,
    pub(crate) int_or_string: bool,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) properties: BTreeMap<String, Node>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) required: Vec<String>,
    pub(crate) one_of_values: Vec<Value>,
    pub(crate) chars: Range,
    pub(crate) items_count: Range,
    pub(crate) properties_count: Range,
    pub(crate) minimum: Option<(f64, bool)>,
    pub(crate) maximum: Option<(f64, bool)>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: Option<String>,
    pub(crate) list: ListType,
    /// Whether an object is merged as one piece (`x-kubernetes-map-type: atomic`).
    pub(crate) atomic_map: bool,
    pub(crate) default: Option<Value>,
    pub(crate) all_of: Vec<Node>,
    pub(crate) any_of: Vec<Node>,
    pub(crate) one_of: Vec<Node>,
    pub(crate) not: Option<Box<Node>>,
    /// The rules at this very place; those below are in the children.
    pub(crate) rules: Option<Rules>,
    /// Whether this node or one below has rules, so that a walk can pass by.
    pub(crate) has_rules: bool,
    /// Whether one of those compares with the past, and so may refuse even what did not change.
    pub(crate) has_transition_rules: bool,
}

impl Node {
    /// Compiles a schema on its own.
    pub(crate) fn of(props: &JSONSchemaProps) -> Result<Self, SchemaError> {
        Self::compile(props, &FieldPath::root())
    }

    pub(crate) fn compile(props: &JSONSchemaProps, path: &FieldPath) -> Result<Self, SchemaError> {
        let not_structural =
            |why: &str| SchemaError::NotStructural { path: path.clone(), why: format!("{why} is not allowed") };
        if path.segments().len() > DEPTH_MAX {
            return Err(not_structural(&format!("a depth above {DEPTH_MAX}")));
        }
        for (present, keyword) in [
            (props.ref_path.is_some(), "$ref"),
            (props.definitions.is_some(), "definitions"),
            (props.dependencies.is_some(), "dependencies"),
            (props.pattern_properties.is_some(), "patternProperties"),
            (props.additional_items.is_some(), "additionalItems"),
            (props.unique_items == Some(true), "uniqueItems: true"),
        ] {
            if present {
                return Err(not_structural(keyword));
            }
        }

        let type_ = match props.type_.as_deref() {
            None | Some("") => None,
            Some(name) => {
                Some(Type::parse(name).ok_or_else(|| SchemaError::Type { path: path.clone(), name: name.to_owned() })?)
            }
        };
        let mut properties = BTreeMap::new();
        for (name, child) in props.properties.iter().flatten() {
            properties.insert(name.clone(), Self::compile(child, &path.child(Segment::Field(name.clone())))?);
        }
        let additional = match &props.additional_properties {
            None | Some(JSONSchemaPropsOrBool::Bool(false)) => Additional::None,
            Some(JSONSchemaPropsOrBool::Bool(true)) => Additional::Any,
            Some(JSONSchemaPropsOrBool::Schema(child)) => {
                Additional::Schema(Box::new(Self::compile(child, &path.child(Segment::Key("*".to_owned())))?))
            }
        };
        let items = match &props.items {
            None => None,
            Some(JSONSchemaPropsOrArray::Schema(child)) => {
                Some(Box::new(Self::compile(child, &path.child(Segment::Key("*".to_owned())))?))
            }
            Some(JSONSchemaPropsOrArray::Schemas(_)) => return Err(not_structural("a list of schemas in items")),
        };
        let branches = |list: &Option<Vec<JSONSchemaProps>>, keyword: &str| -> Result<Vec<Node>, SchemaError> {
            let here = path.child(Segment::Key(keyword.to_owned()));
            list.iter().flatten().map(|child| Self::compile(child, &here)).collect()
        };
        let list = match props.x_kubernetes_list_type.as_deref() {
            Some("set") => ListType::Set,
            Some("map") => ListType::Map(props.x_kubernetes_list_map_keys.clone().unwrap_or_default()),
            _ => ListType::Atomic,
        };
        let rules = Rules::of(props);
        let mut node = Self {
            type_,
            int_or_string: props.x_kubernetes_int_or_string == Some(true),
            nullable: props.nullable == Some(true),
            preserve_unknown: props.x_kubernetes_preserve_unknown_fields == Some(true),
            embedded: props.x_kubernetes_embedded_resource == Some(true),
            properties,
            additional,
            items,
            required: props.required.clone().unwrap_or_default(),
            one_of_values: props.enum_.iter().flatten().map(|it| it.0.clone()).collect(),
            chars: Range::new(props.min_length, props.max_length),
            items_count: Range::new(props.min_items, props.max_items),
            properties_count: Range::new(props.min_properties, props.max_properties),
            minimum: props.minimum.map(|n| (n, props.exclusive_minimum == Some(true))),
            maximum: props.maximum.map(|n| (n, props.exclusive_maximum == Some(true))),
            multiple_of: props.multiple_of,
            pattern: props.pattern.as_deref().map(Pattern::new),
            format: props.format.clone(),
            list,
            atomic_map: props.x_kubernetes_map_type.as_deref() == Some("atomic"),
            default: props.default.as_ref().map(|it| it.0.clone()),
            all_of: branches(&props.all_of, "allOf")?,
            any_of: branches(&props.any_of, "anyOf")?,
            one_of: branches(&props.one_of, "oneOf")?,
            not: match &props.not {
                None => None,
                Some(child) => Some(Box::new(Self::compile(child, &path.child(Segment::Key("not".to_owned())))?)),
            },
            has_rules: rules.is_some(),
            has_transition_rules: rules.as_ref().is_some_and(Rules::may_be_transitions),
            rules,
        };
        let has_rules_below = node.children().any(|child| child.has_rules);
        node.has_rules |= has_rules_below;
        let has_transition_rules_below = node.children().any(|child| child.has_transition_rules);
        node.has_transition_rules |= has_transition_rules_below;
        Ok(node)
    }

    /// Compiles all of it now, or says which part cannot be.
    pub(crate) fn check(&self, path: &FieldPath) -> Result<(), SchemaError> {
        if let Some(Err(error)) = self.pattern.as_ref().map(Pattern::regex) {
            return Err(SchemaError::Pattern { path: path.clone(), source: error.clone() });
        }
        if let Some(error) =
            self.rules.as_ref().and_then(|rules| rules.compiled().compilation_errors().first().copied())
        {
            return Err(SchemaError::Rule { path: path.clone(), why: error.to_string() });
        }
        for (name, child) in &self.properties {
            child.check(&path.child(Segment::Field(name.clone())))?;
        }
        self.unnamed()
            .chain(self.not.as_deref())
            .try_for_each(|child| child.check(&path.child(Segment::Key("*".to_owned()))))
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        self.properties.values().chain(self.unnamed())
    }

    /// The schemas of undeclared keys, of items, and of the same value again.
    fn unnamed(&self) -> impl Iterator<Item = &Node> {
        let additional = match &self.additional {
            Additional::Schema(child) => Some(&**child),
            Additional::None | Additional::Any => None,
        };
        let branches = self.all_of.iter().chain(&self.any_of).chain(&self.one_of);
        additional.into_iter().chain(self.items.as_deref()).chain(branches)
    }

    /// The schema of one key of an object: declared, or that of all undeclared ones.
    pub(crate) fn property(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(match &self.additional {
            Additional::Schema(child) => Some(child),
            Additional::None | Additional::Any => None,
        })
    }
}

/// A regular expression, compiled when it is first used.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: String,
    regex: OnceLock<Result<Regex, regex::Error>>,
}

/// Most patterns are one of a few, such as that of a name or a duration: each is compiled once in a process. Its size is
/// bounded by the definitions that are served.
static REGEXES: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);

impl Pattern {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), regex: OnceLock::new() }
    }

    /// The regular expression as it is declared.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a text matches. One that cannot be compiled matches nothing; [`Node::check`] finds it.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex().is_ok_and(|regex| regex.is_match(text))
    }

    fn regex(&self) -> Result<&Regex, &regex::Error> {
        let compile = || {
            let mut known = REGEXES.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(regex) = known.get(&self.text) {
                return Ok(regex.clone());
            }
            let regex = Regex::new(&self.text)?;
            known.insert(self.text.clone(), regex.clone());
            Ok(regex)
        };
        self.regex.get_or_init(compile).as_ref()
    }
}

/// The rules of one place alone, compiled when they are first used.
///
/// The rules below are left to the nodes there, because what `oldSelf` is below a list depends on the list's type:
/// kube-cel pairs items by position, an apiserver by key.
pub(crate) struct Rules {
    props: Box<JSONSchemaProps>,
    compiled: OnceLock<CompiledSchema>,
}

impl Rules {
    fn of(props: &JSONSchemaProps) -> Option<Self> {
        let has_rules = props.x_kubernetes_validations.as_ref().is_some_and(|rules| !rules.is_empty());
        has_rules.then(|| Self { props: Box::new(props.clone()), compiled: OnceLock::new() })
    }

    /// The rules, compiled.
    pub(crate) fn compiled(&self) -> &CompiledSchema {
        self.compiled.get_or_init(|| {
            let mut json = serde_json::to_value(&self.props).unwrap_or_default();
            strip_rules_below(&mut json, true);
            kube_cel::compile_schema(&json)
        })
    }

    /// Whether one of them may compare with the past: it names `oldSelf`.
    fn may_be_transitions(&self) -> bool {
        self.props.x_kubernetes_validations.iter().flatten().any(|rule| rule.rule.contains("oldSelf"))
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rules").field(&self.props.x_kubernetes_validations).finish()
    }
}

fn strip_rules_below(schema: &mut Value, top: bool) {
    let Some(map) = schema.as_object_mut() else { return };
    if !top {
        map.remove("x-kubernetes-validations");
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(keyword) {
            strip_rules_below(child, false);
        }
    }
    for child in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|it| it.values_mut()) {
        strip_rules_below(child, false);
    }
    // Branches of a choice add constraints to the same value; their rules belong to their own nodes.
    for keyword in ["allOf", "anyOf", "oneOf", "not"] {
        map.remove(keyword);
    }
}
