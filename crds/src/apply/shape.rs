//! A schema as merging sees it: which values are merged field by field, and which are one piece.
//!
//! An object is granular unless it says `x-kubernetes-map-type: atomic`; a list is one piece unless it is a set or a map.
//! Where nothing is declared, the value decides: objects are granular, lists are one piece.
//!
//! Invariant: every value has a shape here, also one that its schema refuses: the merge is total, and validation comes
//! after it. [`super::check`] refuses a configuration that does not fit before it is merged.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::element::{Element, Item};
use crate::schema::{Additional, ListType, Node, Type as JsonType};

/// `metadata` as `ObjectMeta` declares it.
static METADATA: LazyLock<Node> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let map = json!({ "type": "object", "additionalProperties": text });
    let number = json!({ "type": "integer" });
    let owner = json!({
        "type": "object", "x-kubernetes-map-type": "atomic",
        "properties": {
            "apiVersion": text, "kind": text, "name": text, "uid": text,
            "controller": { "type": "boolean" }, "blockOwnerDeletion": { "type": "boolean" },
        },
    });
    let schema = json!({
        "type": "object",
        "properties": {
            "name": text, "generateName": text, "namespace": text, "selfLink": text, "uid": text,
            "resourceVersion": text, "generation": number, "creationTimestamp": text, "deletionTimestamp": text,
            "deletionGracePeriodSeconds": number, "labels": map, "annotations": map,
            "finalizers": { "type": "array", "x-kubernetes-list-type": "set", "items": text },
            "ownerReferences": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
                "items": owner,
            },
            "managedFields": {
                "type": "array",
                "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            },
        },
    });
    serde_json::from_value(schema)
        .ok()
        .and_then(|props| Node::of(&props).ok())
        .expect("it is a constant, and tests read it")
});

/// The type of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type<'a> {
    /// A whole object: what the schema says, and the envelope.
    Object(&'a Node),
    /// As declared.
    Of(&'a Node),
    /// A string that every object has.
    Text,
    /// Nothing is declared.
    Deduced,
}

/// A field of an object.
pub(super) struct Field<'a> {
    pub(super) type_: Type<'a>,
    /// Whether the schema has it by name; a key of a map is not declared.
    pub(super) is_declared: bool,
    /// Whether the schema allows it at all.
    pub(super) is_allowed: bool,
}

/// How a value is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// One piece: a scalar.
    Scalar,
    /// One piece: a list.
    Atomic,
    /// One piece: an object.
    AtomicMap,
    /// An object, field by field.
    Map,
    /// A list, item by item, each by its value.
    Set,
    /// A list, item by item, each by its keys.
    ListMap(&'a [String]),
}

impl<'a> Type<'a> {
    /// The shape in which a value is read. `null` is a value of each.
    pub(super) fn shape(self, value: &Value) -> Shape<'a> {
        let node = match self {
            Self::Text => return Shape::Scalar,
            Self::Deduced => return deduced(value),
            Self::Object(_) => return Shape::Map,
            Self::Of(node) => node,
        };
        let type_ = match node.type_ {
            _ if node.int_or_string => return Shape::Scalar,
            Some(type_) => type_,
            None if !node.properties.is_empty() => JsonType::Object,
            None => return deduced(value),
        };
        match type_ {
            JsonType::Object if node.atomic_map => Shape::AtomicMap,
            JsonType::Object => Shape::Map,
            JsonType::Array => match &node.list {
                ListType::Atomic => Shape::Atomic,
                ListType::Set => Shape::Set,
                ListType::Map(keys) => Shape::ListMap(keys),
            },
            JsonType::String | JsonType::Integer | JsonType::Number | JsonType::Boolean => Shape::Scalar,
        }
    }

    /// Whether it is declared that objects or lists of this type are merged as one piece.
    pub(super) fn is_one_piece(self) -> bool {
        match self {
            Self::Of(node) => match node.type_ {
                Some(JsonType::Object) => node.atomic_map,
                Some(JsonType::Array) => matches!(node.list, ListType::Atomic),
                _ => false,
            },
            Self::Object(_) | Self::Text | Self::Deduced => false,
        }
    }

    /// One field of an object of this type.
    pub(super) fn field(self, name: &str) -> Field<'a> {
        let declared = |type_| Field { type_, is_declared: true, is_allowed: true };
        let undeclared = |type_, is_allowed| Field { type_, is_declared: false, is_allowed };
        let node = match self {
            Self::Object(_) if name == "apiVersion" || name == "kind" => return declared(Type::Text),
            Self::Object(_) if name == "metadata" => return declared(Type::Of(&METADATA)),
            Self::Object(node) | Self::Of(node) => node,
            Self::Text | Self::Deduced => return undeclared(Type::Deduced, true),
        };
        if let Some(child) = node.properties.get(name) {
            return declared(if child.embedded { Type::Object(child) } else { Type::Of(child) });
        }
        match &node.additional {
            Additional::Schema(child) => undeclared(Type::Of(child), true),
            Additional::Any => undeclared(Type::Deduced, true),
            // An object of which nothing is declared holds what it likes; pruning is another matter.
            Additional::None => {
                undeclared(Type::Deduced, node.preserve_unknown || (node.properties.is_empty() && node.type_.is_none()))
            }
        }
    }

    /// The items of a list of this type.
    pub(super) fn item(self) -> Type<'a> {
        match self {
            Self::Object(node) | Self::Of(node) => node.items.as_deref().map_or(Type::Deduced, Type::Of),
            Self::Text | Self::Deduced => Type::Deduced,
        }
    }

    /// The element that names an item of such a list, if it has one: by its keys, with their defaults, or by its value.
    pub(super) fn element(self, shape: Shape<'_>, item: &Value) -> Option<Element> {
        match shape {
            Shape::Set => {
                (!item.is_array() && !item.is_object() && !item.is_null()).then(|| Element::Value(Item(item.clone())))
            }
            Shape::ListMap(keys) => {
                let map = item.as_object()?;
                let default = |key: &str| match self.item() {
                    Type::Of(node) => node.properties.get(key).and_then(|it| it.default.as_ref()),
                    _ => None,
                };
                let value = |key: &String| Some((key.clone(), Item(map.get(key).or_else(|| default(key))?.clone())));
                let mut pairs: Vec<_> = keys.iter().filter_map(value).collect();
                pairs.sort();
                (!pairs.is_empty()).then_some(Element::Key(pairs))
            }
            Shape::Scalar | Shape::Atomic | Shape::AtomicMap | Shape::Map => None,
        }
    }

    /// The items of a list with their elements; none where one of them has none, which makes the list one piece.
    pub(super) fn elements<'v>(self, shape: Shape<'_>, list: &'v [Value]) -> Option<Vec<(Element, &'v Value)>> {
        list.iter().map(|item| Some((self.element(shape, item)?, item))).collect()
    }
}

fn deduced(value: &Value) -> Shape<'static> {
    match value {
        Value::Array(_) => Shape::Atomic,
        Value::Object(_) | Value::Null => Shape::Map,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Shape::Scalar,
    }
}
