//! `gt describe`: one object with everything around it, ending with the next step.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use gastown_crds::common::{ANNOTATION_APPLIED, Condition};
use gastown_crds::manifest::to_yaml;
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, ANNOTATION_OVERRIDES_PAST, Override, Past};
use gastown_crds::url;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::common::age::age;
use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::CliError;
use super::common::events::{self, Asked};
use super::common::kinds::{Kind, Target, targets};
use super::common::table::{Table, plain};
use super::common::terminal::{Color, Terminal};
use crate::insight::related::{Cell, Columns, Section};
use crate::insight::text::short_revisions;
use crate::insight::{self, next};
use crate::text::visible;
use crate::town::Town;
use crate::world::records::Records;

/// Longest text of a condition or field that is shown, in lines; the rest is in a log.
const LINES_MAX: usize = 40;
/// The most events that are shown.
const EVENTS_MAX: usize = 10;

/// Show objects in detail: what they are related to, and the next step.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", required = true, add = complete::targets())]
    objects: Vec<String>,
}

impl Args {
    /// One object, as KIND/NAME.
    pub(super) fn of(object: String) -> Self {
        Self { objects: vec![object] }
    }
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let targets = targets(&args.objects)?;
    let town = gt.town()?;
    let text = gt
        .with_api(&town, async |link| {
            let mut texts = Vec::new();
            for target in &targets {
                texts.push(describe(gt, &town, link, *target).await?);
            }
            Ok(texts.join("\n\n"))
        })
        .await?;
    gt.out.data(&text)
}

async fn describe(gt: &Context, town: &Town, link: &Link, target: Target<'_>) -> Result<String, CliError> {
    let Target { kind, name } = target;
    let mut object = link.get(kind, name).await?;
    url::redact_object(&mut object.data);
    let mut snapshot = link.snapshot(insight::kind(kind.name).reads).await?;
    if let Some(uid) = object.uid() {
        let attempts = Records::of(&town.layout).attempts(&uid);
        snapshot.put_attempts(uid, attempts);
    }
    let subject = insight::subject(kind.name, &object);
    let now = gt.now();
    let mut text = head(kind, &object, now);
    let mut spec = without(subject.related_fields(), &object.data["spec"]);
    shorten_made(&mut spec);
    section(&mut text, gt.out, "Spec", &yaml(&spec));
    section(
        &mut text,
        gt.out,
        "Status",
        &yaml(&without(&[&["conditions"], subject.related_status()].concat(), &object.data["status"])),
    );
    // Sections are indented by two.
    let within = gt.out.width.map(|width| width.saturating_sub(2));
    section(&mut text, gt.out, "Conditions", &conditions(subject.conditions(), now, within));
    for related in subject.related(&snapshot) {
        section(&mut text, gt.out, related.title, &rows(&related, now, within));
    }
    section(&mut text, gt.out, "Events", &told(link, kind, &object, now, within).await?);
    let next = next::step(&*subject, &snapshot);
    let _infallible = write!(text, "\n{} {}", gt.out.paint(Color::Bold, "Next:"), visible(&next));
    Ok(text)
}

/// The last events of an object.
async fn told(
    link: &Link,
    kind: &'static Kind,
    object: &DynamicObject,
    now: Timestamp,
    width: Option<u16>,
) -> Result<String, CliError> {
    let asked = Asked { about: Some((kind, object.name_any())), type_: None };
    let found = asked.list(link).await?;
    let mut table = events::table();
    for event in &found[found.len().saturating_sub(EVENTS_MAX)..] {
        table.row(events::cells(event, now));
    }
    let mut text = if table.is_empty() { String::new() } else { table.render(width) };
    if found.len() > EVENTS_MAX {
        let before = found.len() - EVENTS_MAX;
        let _infallible =
            write!(text, "\n`gt events --for {}` has {before} more", kind.named_object(&object.name_any()));
    }
    Ok(text)
}

fn head(kind: &Kind, object: &DynamicObject, now: Timestamp) -> String {
    let mut text = format!("Name:    {}\nKind:    {}\n", object.name_any(), kind.name);
    if let Some(created) = &object.metadata.creation_timestamp {
        let _infallible = writeln!(text, "Age:     {}", age(now, created.0));
    }
    if object.metadata.deletion_timestamp.is_some() {
        let why = object.finalizers().join(", ");
        let _infallible = writeln!(text, "Deleted: being deleted; waits for {why}");
    }
    if let Some(held) = Override::of(&object.metadata) {
        let _infallible = writeln!(text, "Held:    {}, {} ago", visible(&held.words()), age(now, held.at));
    }
    for Past { was, lifted_by, lifted_at } in Past::of(&object.metadata).iter().rev() {
        let (was, by) = (visible(&was.words()), visible(lifted_by));
        let _infallible = writeln!(text, "Before:  {was}; lifted by {by} {} ago", age(now, *lifted_at));
    }
    // Which labels came from a file is for `gt apply` alone.
    let is_shown = |key: &str| ![ANNOTATION_OVERRIDE, ANNOTATION_OVERRIDES_PAST, ANNOTATION_APPLIED].contains(&key);
    for (title, map) in [("Labels: ", object.labels()), ("Notes:  ", object.annotations())] {
        for (nth, (key, value)) in map.iter().filter(|(key, _)| is_shown(key)).enumerate() {
            let title = if nth == 0 { title } else { "        " };
            let _infallible = writeln!(text, "{title} {key}={}", plain(value));
        }
    }
    text
}

fn section(text: &mut String, out: Terminal, title: &str, body: &str) {
    if body.trim().is_empty() {
        return;
    }
    let _infallible = writeln!(text, "\n{}", out.paint(Color::Bold, &format!("{title}:")));
    for line in visible(body.trim_end()).lines() {
        let line = format!("  {line}");
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
}

fn yaml(value: &Value) -> String {
    let mut value = value.clone();
    drop_empty(&mut value);
    match value.as_object() {
        Some(map) if !map.is_empty() => to_yaml(&value),
        _ => String::new(),
    }
}

/// What is only there because it has a default inside says nothing.
fn drop_empty(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.values_mut().for_each(drop_empty);
        map.retain(|_, value| value.as_object().is_none_or(|inner| !inner.is_empty()));
    }
}

/// A map without the fields that are shown elsewhere.
fn without(fields: &[&str], value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.retain(|field, _| !fields.contains(&&**field));
    }
    value
}

/// Beads that a loop or a list keeps as a text are named, not shown: `gt get -o yaml` has them.
fn shorten_made(spec: &mut Value) {
    for list in ["/flow/repeat/body", "/flow/forEach/body"] {
        let Some(body) = spec.pointer_mut(list) else { continue };
        let made: Option<Vec<Value>> = body.as_str().and_then(|text| serde_json::from_str(text).ok());
        let titles = made.iter().flatten().filter_map(|made| made.pointer("/spec/title")).filter_map(Value::as_str);
        let titles: Vec<&str> = titles.collect();
        if !titles.is_empty() {
            *body = titles.into();
        }
    }
}

/// The rows of a section as a table; nothing where there are none.
fn rows(section: &Section, now: Timestamp, width: Option<u16>) -> String {
    if section.rows.is_empty() {
        return String::new();
    }
    let Columns { headings, words, spare } = section.columns;
    let mut table = Table::new(headings.iter().copied()).fitting(words, spare);
    for row in &section.rows {
        table.row(row.iter().map(|cell| match cell {
            Cell::Text(text) => text.clone(),
            Cell::Since(then) => age(now, *then),
            Cell::Nothing => "-".to_owned(),
        }));
    }
    table.render(width)
}

/// The conditions, and below them what does not fit a line.
fn conditions(conditions: &[Condition], now: Timestamp, width: Option<u16>) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    let shortened =
        |condition: &Condition| Condition { message: short_revisions(&condition.message), ..condition.clone() };
    let conditions: Vec<Condition> = conditions.iter().map(shortened).collect();
    let mut table = Table::new(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"]).fitting(&["MESSAGE"], &[]);
    for condition in &conditions {
        let message = if condition.message.is_empty() { "-" } else { &condition.message };
        table.row([
            condition.type_.as_str(),
            condition.status.as_str(),
            &condition.reason,
            &age(now, condition.last_transition_time),
            message,
        ]);
    }
    let uncut = table.clone().render(None);
    let mut text = table.render(width);
    let is_cut = |nth: usize| uncut.lines().nth(nth + 1) != text.lines().nth(nth + 1);
    let long =
        |(nth, condition): &(usize, &Condition)| condition.message.trim_end().lines().count() > 1 || is_cut(*nth);
    let long: Vec<&Condition> = conditions.iter().enumerate().filter(long).map(|(_, condition)| condition).collect();
    for condition in long {
        let _infallible = write!(text, "\n\n{} says:", condition.type_);
        let lines: Vec<&str> = condition.message.trim_end().lines().collect();
        if lines.len() > LINES_MAX {
            let _infallible = write!(text, "\n  … {} lines before", lines.len() - LINES_MAX);
        }
        for line in &lines[lines.len().saturating_sub(LINES_MAX)..] {
            let _infallible = write!(text, "\n  {}", plain(line));
        }
    }
    text
}
