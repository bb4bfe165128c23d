//! Structural schemas as an apiserver runs them: prune, default, validate, and CEL rules, in that order.
//!
//! The embedded API and offline admission both use this, so that they refuse the same object with the same words. A
//! schema is compiled once per version of a kind, and then only read.
//!
//! Invariant: nothing here does I/O, asks for the time, or depends on the order of a hash.

mod cel;
mod compile;
mod default;
mod path;
mod prune;
mod validate;
mod violation;

#[cfg(test)]
mod tests;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

pub use compile::SchemaError;
pub(crate) use compile::{Additional, ListType, Node, Type};
pub use path::{FieldPath, Segment};
pub use violation::{Reason, Violation};

/// A compiled structural schema.
#[derive(Debug)]
pub struct Schema {
    root: compile::Node,
}

impl Schema {
    /// Compiles a schema, or says which part of it cannot be run.
    pub fn compile(props: &JSONSchemaProps) -> Result<Self, SchemaError> {
        let schema = Self::compile_lazily(props)?;
        schema.root.check(&FieldPath::root())?;
        Ok(schema)
    }

    /// The same for a schema that is known to compile: each regex and rule is compiled when it is first used.
    pub fn compile_lazily(props: &JSONSchemaProps) -> Result<Self, SchemaError> {
        Ok(Self { root: compile::Node::compile(props, &FieldPath::root())? })
    }

    /// The tree that the walkers read.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// Drops the fields that the schema does not declare and answers where they were, in order.
    ///
    /// `apiVersion`, `kind` and `metadata` of the object itself always stay.
    pub fn prune(&self, object: &mut Value) -> Vec<FieldPath> {
        prune::prune(&self.root, object)
    }

    /// Fills in declared defaults, and drops a `null` where the schema does not allow one.
    pub fn default(&self, object: &mut Value) {
        default::default(&self.root, object);
    }

    /// Everything about the object that the schema refuses, CEL rules aside.
    pub fn validate(&self, object: &Value) -> Vec<Violation> {
        validate::validate(&self.root, object)
    }

    /// Every CEL rule that the object breaks; rules that name `oldSelf` run only where there is an old value.
    ///
    /// Call it on an object that `validate` accepts, as an apiserver does: rules rely on the declared types.
    pub fn cel(&self, object: &Value, old: Option<&Value>) -> Vec<Violation> {
        cel::cel(&self.root, object, old)
    }

    /// The same for an object of which some fields are refused, missing or misspelled: rules that name one of these are left
    /// out, and all others are run. An apiserver runs none then; a person wants to hear of everything at once.
    pub fn cel_beside(&self, object: &Value, old: Option<&Value>, doubtful: &[FieldPath]) -> Vec<Violation> {
        cel::cel_beside(&self.root, object, old, doubtful)
    }
}
