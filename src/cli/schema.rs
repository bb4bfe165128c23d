//! `gt schema`: JSON Schema of manifests, for editors that complete and check YAML. It asks no town.

use clap::Args as ClapArgs;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::kinds::{self, KINDS};
use super::common::schema::{json_schema, json_schema_of};

/// Print the JSON Schema of manifests, for editors.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A kind. Default: all of them, each manifest as its `kind` says.
    #[arg(value_name = "KIND", add = complete::kinds())]
    kind: Option<String>,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let schema = match &args.kind {
        Some(word) => json_schema(kinds::find(word)?),
        None => json_schema_of(KINDS),
    };
    let text = serde_json::to_string_pretty(&schema);
    gt.out.data(&text.map_err(|error| CliError::new(Exit::Failed, "could not write the schema").because(&error))?)
}
