//! `gt get`: objects as a table, as YAML or JSON, or by name; and how they change.

mod rows;

use clap::{Args as ClapArgs, ValueEnum};
use futures::StreamExt;
use gastown_crds::common::API_VERSION;
use gastown_crds::manifest::to_yaml;
use gastown_crds::url;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::kinds::{self, KINDS, Kind};
use super::common::watching;
use crate::text::escaped;

use rows::Columns;

/// List objects, or show them as YAML or JSON.
#[derive(Debug, ClapArgs)]
#[command(after_help = kinds())]
pub struct Args {
    /// KIND, KIND/NAME, or several kinds separated by commas.
    #[arg(value_name = "KIND[/NAME]", add = complete::kinds_or_objects())]
    kind: String,
    /// Names of objects.
    #[arg(value_name = "NAME", add = complete::names())]
    names: Vec<String>,
    /// The form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Keep running, and show each change.
    #[arg(short, long)]
    watch: bool,
    /// Show also who owns which fields, in YAML and JSON.
    #[arg(long)]
    show_managed_fields: bool,
    /// Only those with these labels, such as `gastown.io/convoy=release`.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only those with these fields, such as `status.state=Ready`.
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
}

/// The kinds and their short names, for the help.
fn kinds() -> String {
    let named = |kind: &&Kind| format!("{} ({})", kind.plural, kind.short_names.join(", "));
    let all: Vec<String> = KINDS.iter().map(named).collect();
    format!(
        "Kinds: {}; `all` is every kind.\n`gt get beads` leaves out beads that are steps of other beads; `gt get steps` lists those.",
        all.join(", ")
    )
}

impl Args {
    /// All objects of a kind.
    pub(super) fn all_of(kind: &str, output: Option<Output>) -> Self {
        Self {
            kind: kind.to_owned(),
            names: Vec::new(),
            output,
            watch: false,
            show_managed_fields: false,
            selector: None,
            field_selector: None,
        }
    }
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// The table with whole texts, and the reason for each object's state.
    Wide,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// KIND/NAME, one per line.
    Name,
}

/// What is asked for of one kind.
struct Asked {
    kind: &'static Kind,
    names: Vec<String>,
    params: ListParams,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let asked = asked(args)?;
    let town = gt.town()?;
    if args.watch {
        let [one] = &asked[..] else {
            return Err(CliError::new(Exit::Usage, "one kind at a time can be watched"));
        };
        return watch(args, gt, &town, one).await;
    }
    let found = gt
        .with_api(&town, async |link| {
            let mut found = Vec::new();
            for one in &asked {
                found.push(fetch(link, one).await?);
            }
            Ok(found)
        })
        .await?;
    show(args, gt, &asked, &found)
}

/// Reads what is asked for.
fn asked(args: &Args) -> Result<Vec<Asked>, CliError> {
    let mut params = ListParams::default();
    params.label_selector.clone_from(&args.selector);
    params.field_selector.clone_from(&args.field_selector);
    if let Some((word, name)) = args.kind.split_once('/') {
        let mut names = vec![name.to_owned()];
        for word in &args.names {
            match word.split_once('/') {
                Some((kind, name)) if kinds::find(kind)?.name == find(&args.kind)?.0.name => {
                    names.push(name.to_owned());
                }
                _ => return Err(CliError::new(Exit::Usage, format!("`{}` is of another kind", word.escape_debug()))),
            }
        }
        return Ok(vec![Asked { kind: kinds::find(word)?, names, params }]);
    }
    if args.kind == "all" {
        let kinds = KINDS.iter().copied().filter(|kind| kind.name != "Bead");
        let mut all: Vec<Asked> = kinds.map(|kind| Asked { kind, names: Vec::new(), params: params.clone() }).collect();
        all.insert(all.len() - 1, beads(kinds::find("beads")?, &params, args));
        return Ok(all);
    }
    let words: Vec<&str> = args.kind.split(',').collect();
    if words.len() > 1 && !args.names.is_empty() {
        return Err(CliError::new(Exit::Usage, "names go with one kind").hint("say KIND/NAME KIND/NAME …"));
    }
    words.into_iter().map(|word| one(word, &params, args)).collect()
}

fn one(word: &str, params: &ListParams, args: &Args) -> Result<Asked, CliError> {
    let (kind, steps) = find(word)?;
    let names = args.names.clone();
    if steps {
        let params = with_field(params, "spec.type=Step");
        return Ok(Asked { kind, names, params });
    }
    if kind.name == "Bead" && names.is_empty() {
        return Ok(beads(kind, params, args));
    }
    Ok(Asked { kind, names, params: params.clone() })
}

/// Steps are parts of other beads: they are left out where nothing else is asked for.
fn beads(kind: &'static Kind, params: &ListParams, args: &Args) -> Asked {
    let params = if args.field_selector.is_some() { params.clone() } else { with_field(params, "spec.type!=Step") };
    Asked { kind, names: Vec::new(), params }
}

fn with_field(params: &ListParams, selector: &str) -> ListParams {
    let all: Vec<&str> = params.field_selector.as_deref().into_iter().chain([selector]).collect();
    ListParams { field_selector: Some(all.join(",")), ..params.clone() }
}

/// A kind; and whether its steps are meant.
fn find(word: &str) -> Result<(&'static Kind, bool), CliError> {
    match word.split('/').next().unwrap_or_default().to_lowercase().as_str() {
        "step" | "steps" => Ok((kinds::find("beads")?, true)),
        word => Ok((kinds::find(word)?, false)),
    }
}

async fn fetch(link: &Link, asked: &Asked) -> Result<Vec<DynamicObject>, CliError> {
    let mut found = Vec::new();
    if asked.names.is_empty() {
        found = link.list(asked.kind, &asked.params).await?;
    }
    for name in &asked.names {
        found.push(link.get(asked.kind, name).await?);
    }
    Ok(found.into_iter().map(shown).collect())
}

/// An object as it may be shown.
fn shown(mut object: DynamicObject) -> DynamicObject {
    url::redact_object(&mut object.data);
    object
}

fn show(args: &Args, gt: &Context, asked: &[Asked], found: &[Vec<DynamicObject>]) -> Result<(), CliError> {
    match args.output {
        None | Some(Output::Wide) => return tables(args, gt, asked, found),
        Some(Output::Name) => {
            for (one, objects) in asked.iter().zip(found) {
                for object in objects {
                    let name = object.metadata.name.as_deref().unwrap_or_default();
                    gt.out.data(&one.kind.named_object(name))?;
                }
            }
            return Ok(());
        }
        Some(Output::Yaml | Output::Json) => {}
    }
    let mut values: Vec<Value> = Vec::new();
    for (one, objects) in asked.iter().zip(found) {
        values.extend(objects.iter().map(|object| value(args, one.kind, object)));
    }
    let named = asked.len() == 1 && asked[0].names.len() == 1;
    let value = match values.pop() {
        Some(only) if named => only,
        last => {
            values.extend(last);
            json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": values })
        }
    };
    gt.out.data(&text(args.output, &value)?)
}

fn text(output: Option<Output>, value: &Value) -> Result<String, CliError> {
    if output == Some(Output::Json) {
        return serde_json::to_string_pretty(value)
            .map(escaped)
            .map_err(|error| CliError::new(Exit::Failed, "could not write an object").because(&error));
    }
    Ok(to_yaml(value))
}

/// An object as the API has it, with its kind, which lists leave out.
fn value(args: &Args, kind: &Kind, object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = value["metadata"].as_object_mut().filter(|_| !args.show_managed_fields) {
        metadata.remove("managedFields");
    }
    value["apiVersion"] = API_VERSION.into();
    value["kind"] = kind.name.into();
    value
}

fn tables(args: &Args, gt: &Context, asked: &[Asked], found: &[Vec<DynamicObject>]) -> Result<(), CliError> {
    let several = asked.len() > 1;
    let mut printed = false;
    for (one, objects) in asked.iter().zip(found).filter(|(_, objects)| !objects.is_empty()) {
        if printed {
            gt.out.data("\n")?;
        }
        printed = true;
        let wide = args.output == Some(Output::Wide);
        let columns = Columns::of(one.kind);
        let mut table = columns.table(wide);
        for object in objects {
            table.row(columns.cells(object, wide, several, gt.now()));
        }
        gt.out.data(&table.render(gt.out.width.filter(|_| !wide)))?;
    }
    if !printed {
        let what = if several { "objects" } else { asked[0].kind.plural };
        gt.out.talk(&format!("no {what} found"));
    }
    Ok(())
}

/// Shows what is there, then every change, until it is interrupted.
async fn watch(args: &Args, gt: &Context, town: &crate::town::Town, asked: &Asked) -> Result<(), CliError> {
    let link = watching::link(gt, town, None, async |link: &Link| {
        let objects = fetch(link, asked).await?;
        Ok(Some(objects))
    });
    let (link, before) = link.await?;
    let wide = args.output == Some(Output::Wide);
    let columns = Columns::of(asked.kind);
    let mut table = columns.table(wide);
    let as_table = matches!(args.output, None | Some(Output::Wide));
    let width = gt.out.width.filter(|_| !wide);
    // What stands in the table already is not printed again when the watch begins with it.
    let mut shown = std::collections::BTreeMap::new();
    for object in before {
        shown.insert(object.metadata.name.clone(), object.metadata.resource_version.clone());
        if as_table {
            table.row(columns.cells(&object, wide, false, gt.now()));
        } else {
            print_one(args, gt, asked.kind, &object)?;
        }
    }
    if as_table {
        gt.out.data(&table.render(width))?;
    }
    let mut config = watcher::Config::default();
    config.label_selector.clone_from(&asked.params.label_selector);
    config.field_selector.clone_from(&asked.params.field_selector);
    let mut changes = watching::Watches::new(gt.out).changes(link.api(asked.kind), config);
    while let Some(event) = changes.next().await {
        let (watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object)) =
            event
        else {
            continue;
        };
        let object = self::shown(object);
        let name = object.metadata.name.clone();
        let is_asked = asked.names.is_empty() || name.as_ref().is_some_and(|name| asked.names.contains(name));
        let version = object.metadata.resource_version.clone();
        if !is_asked || shown.insert(name, version.clone()) == Some(version) {
            continue;
        }
        if as_table {
            table.clear();
            table.row(columns.cells(&object, wide, false, gt.now()));
            gt.out.data(&table.render_rows(width))?;
        } else {
            print_one(args, gt, asked.kind, &object)?;
        }
    }
    Ok(())
}

fn print_one(args: &Args, gt: &Context, kind: &Kind, object: &DynamicObject) -> Result<(), CliError> {
    if args.output == Some(Output::Name) {
        return gt.out.data(&kind.named_object(object.metadata.name.as_deref().unwrap_or_default()));
    }
    let document = text(args.output, &value(args, kind, object))?;
    gt.out.data(&if args.output == Some(Output::Yaml) { format!("---\n{document}") } else { document })
}
