//! `gt events`: what happened in a town, to whom and why; a bead's whole story with `--for`.

use clap::{Args as ClapArgs, ValueEnum};
use futures::StreamExt;
use futures::stream::select_all;
use gastown_crds::manifest::to_yaml;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::{Value, json};

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::events::{self, Asked};
use super::common::kinds::targets;
use super::common::timeout::Timeout;
use super::common::watching;
use crate::text::escaped;

/// List what happened, and why: the newest last.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Only what concerns this object. Of a bead also its sessions and its merge requests.
    #[arg(long = "for", value_name = "KIND/NAME", add = complete::target())]
    about: Option<String>,
    /// Keep running, and show what happens.
    #[arg(short, long)]
    watch: bool,
    /// Only those of this type.
    #[arg(long = "type", value_enum, ignore_case = true)]
    type_: Option<Type>,
    /// Only what happened so long ago at most, such as `30m` or `2h`.
    #[arg(long, value_name = "TIME")]
    since: Option<Timeout>,
    /// The form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// A type of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Type {
    /// It goes as it should.
    Normal,
    /// Something went wrong.
    Warning,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    if args.watch {
        return watch(args, gt, &town).await;
    }
    let found = gt.with_api(&town, async |link| Ok(find(args, gt, link).await?.1)).await?;
    if args.output.is_some() {
        let items: Vec<Value> = found.iter().map(value).collect();
        return gt
            .out
            .data(&text(args, &json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }))?);
    }
    if found.is_empty() {
        gt.out.talk("no events found");
        return Ok(());
    }
    let mut table = events::table();
    for event in &found {
        table.row(events::cells(event, gt.now()));
    }
    gt.out.data(&table.render(gt.out.width))
}

/// What is asked for, and the events that there are.
async fn find(args: &Args, gt: &Context, link: &Link) -> Result<(Asked, Vec<DynamicObject>), CliError> {
    let type_ = args.type_.map(|type_| match type_ {
        Type::Normal => "Normal",
        Type::Warning => "Warning",
    });
    let mut asked = Asked { type_, about: None };
    let mut missing = None;
    if let Some(about) = &args.about {
        let words = [about.clone()];
        let target = targets(&words)?[0];
        // What is gone has left its events.
        let name = match link.get(target.kind, target.name).await {
            Ok(object) => object.metadata.name.unwrap_or_default(),
            Err(error) if error.exit() == Exit::NotFound => {
                missing = Some(error);
                target.name.to_owned()
            }
            Err(error) => return Err(error),
        };
        asked.about = Some((target.kind, name));
    }
    let mut found = asked.list(link).await?;
    if let Some(missing) = missing.filter(|_| found.is_empty()) {
        return Err(missing);
    }
    if let Some(since) = args.since {
        found.retain(|event| events::last_seen(event) + since.0 >= gt.now());
    }
    Ok((asked, found))
}

fn value(event: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    value["apiVersion"] = "v1".into();
    value["kind"] = "Event".into();
    value
}

fn text(args: &Args, value: &Value) -> Result<String, CliError> {
    if args.output == Some(Output::Yaml) {
        return Ok(to_yaml(value));
    }
    serde_json::to_string_pretty(value)
        .map(escaped)
        .map_err(|error| CliError::new(Exit::Failed, "could not write an event").because(&error))
}

/// Shows what there is, then what happens, until it is interrupted.
async fn watch(args: &Args, gt: &Context, town: &crate::town::Town) -> Result<(), CliError> {
    let link = watching::link(gt, town, None, async |link: &Link| Ok(Some(find(args, gt, link).await?)));
    let (link, (asked, before)) = link.await?;
    let mut table = events::table();
    // What stands in the table already is not printed again when the watch begins with it.
    let mut shown = std::collections::BTreeMap::new();
    for event in before {
        shown.insert(event.metadata.name.clone(), event.metadata.resource_version.clone());
        if args.output.is_none() {
            table.row(events::cells(&event, gt.now()));
        } else {
            print_one(args, gt, &event)?;
        }
    }
    if args.output.is_none() {
        gt.out.data(&table.render(gt.out.width))?;
    }
    let watches = watching::Watches::new(gt.out);
    let changes = asked.watches().into_iter().map(|config| watches.changes(events::api(&link), config));
    let mut changes = select_all(changes);
    while let Some(change) = changes.next().await {
        let (watcher::Event::Apply(event) | watcher::Event::InitApply(event)) = change else { continue };
        let version = event.metadata.resource_version.clone();
        let is_old = args.since.is_some_and(|since| events::last_seen(&event) + since.0 < gt.now());
        if is_old || shown.insert(event.metadata.name.clone(), version.clone()) == Some(version) {
            continue;
        }
        if args.output.is_none() {
            table.clear();
            table.row(events::cells(&event, gt.now()));
            gt.out.data(&table.render_rows(gt.out.width))?;
        } else {
            print_one(args, gt, &event)?;
        }
    }
    Ok(())
}

fn print_one(args: &Args, gt: &Context, event: &DynamicObject) -> Result<(), CliError> {
    let document = text(args, &value(event))?;
    gt.out.data(&if args.output == Some(Output::Yaml) { format!("---\n{document}") } else { document })
}
