//! `gt explain`: what a kind's fields mean, from its schema, in the form of `kubectl explain`. It asks no town.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use gastown_crds::common::{GROUP, VERSION};
use gastown_crds::suggest;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::kinds::{self, Kind};
use super::common::schema::{self, Field};

/// How wide descriptions are where standard output is no terminal.
const WIDTH: usize = 80;
/// The blanks before a description.
const INDENT: &str = "    ";

/// Say what the fields of a kind mean.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A kind, or a field of it: `rig`, `rig.spec.merge`.
    #[arg(value_name = "KIND[.FIELD…]", add = complete::kinds())]
    what: String,
    /// All fields below, with their types alone.
    #[arg(long)]
    recursive: bool,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let (word, path) = args.what.split_once('.').unwrap_or((&args.what, ""));
    let kind = kinds::find(word)?;
    // Messages say `spec.beads[].name`.
    let path: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('.').collect() };
    let path: Vec<&str> = path.into_iter().map(|name| name.trim_end_matches("[]")).collect();
    let field = find(kind, &path)?;
    let width = gt.out.width.map_or(WIDTH, usize::from);
    let mut text = format!("GROUP:      {GROUP}\nKIND:       {}\nVERSION:    {VERSION}\n\n", kind.name);
    if !path.is_empty() {
        let _infallible = write!(text, "FIELD: {}\n\n", headline(&field));
    }
    let _infallible = write!(text, "DESCRIPTION:\n{}\n", described(field.schema, INDENT, width));
    let below = schema::fields(field.schema);
    if !below.is_empty() {
        text.push_str("FIELDS:\n");
        if args.recursive {
            names(&below, 1, &mut text);
        } else {
            for field in &below {
                let _infallible = write!(text, "  {}\n{}\n", headline(field), described(field.schema, INDENT, width));
            }
        }
    }
    gt.out.data(text.trim_end())
}

/// The field at the end of a path, as `spec.beads.name`: lists are passed through.
fn find<'a>(kind: &'a Kind, path: &[&'a str]) -> Result<Field<'a>, CliError> {
    let mut at = Field { name: kind.name, schema: kind.props(), is_required: false };
    for (nth, name) in path.iter().enumerate() {
        let below = schema::fields(at.schema);
        let names: Vec<&str> = below.iter().map(|field| field.name).collect();
        let before = std::iter::once(kind.singular).chain(path[..nth].iter().copied()).collect::<Vec<_>>().join(".");
        at = below.into_iter().find(|field| field.name == *name).ok_or_else(|| {
            let message = format!("`{before}` has no field `{}`", name.escape_debug());
            let hint = match suggest::nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{before}.{near}`?"),
                None if names.is_empty() => format!("there is nothing below `{before}`"),
                None => format!("there is {}", names.join(", ")),
            };
            CliError::new(Exit::NotFound, message).hint(hint)
        })?;
    }
    Ok(at)
}

/// Such as `strategy <string> -required-`, with its choices and what it is without.
fn headline(field: &Field<'_>) -> String {
    let mut text = format!("{}\t<{}>", field.name, schema::type_name(field.schema));
    if field.is_required {
        text.push_str(" -required-");
    }
    let choices = schema::choices(field.schema);
    if !choices.is_empty() {
        let _infallible = write!(text, "\n  enum: {}", choices.join(", "));
    }
    text
}

fn described(schema: &JSONSchemaProps, indent: &str, width: usize) -> String {
    let text = schema.description.as_deref().unwrap_or("<no description>");
    let options = textwrap::Options::new(width).initial_indent(indent).subsequent_indent(indent).break_words(false);
    // Within a paragraph, where a line ended in the source means nothing.
    let paragraphs = text.split("\n\n").map(|paragraph| textwrap::fill(&paragraph.replace('\n', " "), &options));
    paragraphs.map(|paragraph| paragraph + "\n").collect()
}

fn names(fields: &[Field<'_>], depth: usize, text: &mut String) {
    for field in fields {
        let required = if field.is_required { " -required-" } else { "" };
        let (indent, type_) = ("  ".repeat(depth), schema::type_name(field.schema));
        let _infallible = writeln!(text, "{indent}{}\t<{type_}>{required}", field.name);
        names(&schema::fields(field.schema), depth + 1, text);
    }
}
