//! `gt schema`: JSON Schema of manifests, for editors that complete and check YAML. It asks no town.

use clap::Args as ClapArgs;
use serde_json::Value;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::kinds::{self, KINDS};
use super::common::schema::{json_schema, json_schema_of};

/// The file in a town's folder that editors read.
pub(super) const FILE: &str = ".gt.schema.json";

/// Print the JSON Schema of manifests, for editors.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A kind. Default: all of them, each manifest as its `kind` says.
    #[arg(value_name = "KIND", add = complete::kinds())]
    kind: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    gt.out.data(&match &args.kind {
        Some(word) => text(&json_schema(kinds::find(word)?))?,
        None => of_all()?,
    })
}

/// The schema of all kinds, as text.
pub(super) fn of_all() -> Result<String, CliError> {
    text(&json_schema_of(KINDS))
}

/// The first line of a manifest, for editors: where its schema is, from there.
pub(super) fn line(above: &str) -> String {
    format!("# yaml-language-server: $schema={above}{FILE}\n")
}

fn text(schema: &Value) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(schema);
    text.map_err(|error| CliError::new(Exit::Failed, "could not write the schema").because(&error))
}
