//! `bd update`: changes what a bead says; each bead in one conditional write.

use std::fmt::Write as _;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::Issue;
use gastown_beads::words;
use gastown_crds::Bead;
use gastown_crds::bead::BeadSpec;
use gastown_crds::common::whole_second;
use kube::ResourceExt as _;
use serde_json::{Map, Value, json};

use super::act;
use super::claim::{self, IN_PROGRESS};
use super::create::time_to_come;
use super::custom;
use super::fields::{Fields, json_object};
use super::filter::{bad_type, shown};
use super::print;
use super::town_rigs::Rigs;

/// Change beads
#[derive(Debug, Clone, Default, Args)]
pub struct UpdateArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Its status: open, in_progress, blocked, deferred, pinned, or a word of your own; `bd close` closes
    #[arg(short, long)]
    status: Option<String>,
    /// What is to be done, in a line
    #[arg(long)]
    title: Option<String>,
    /// What sort of work it is
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<String>,
    /// 0 or P0 (first) to 4 (last)
    #[arg(short, long, value_parser = words::priority)]
    priority: Option<u32>,
    #[command(flatten)]
    fields: Fields,
    /// Added to the notes, on a line of its own
    #[arg(long, value_name = "TEXT", conflicts_with = "notes")]
    append_notes: Option<String>,
    /// Add labels, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    add_label: Vec<String>,
    /// Take labels away
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    remove_label: Vec<String>,
    /// Have these labels and no others
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    set_labels: Option<Vec<String>>,
    /// Take it up: fails if somebody else has it
    #[arg(long)]
    claim: bool,
    /// What it is a part of; empty: nothing
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The rig it is for, if it has none so far
    #[arg(long)]
    rig: Option<String>,
    /// How long it should take, in minutes
    #[arg(short, long, value_name = "MINUTES")]
    estimate: Option<u32>,
    /// When it should be done; empty: no time
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// It is not to be taken up before; empty: it may be
    #[arg(long, value_name = "TIME")]
    defer: Option<String>,
    /// Entries of its metadata, as a JSON object or @FILE; others stay
    #[arg(long, value_name = "JSON", conflicts_with_all = ["set_metadata", "unset_metadata"])]
    metadata: Option<String>,
    /// An entry of its metadata
    #[arg(long, value_name = "KEY=VALUE")]
    set_metadata: Vec<String>,
    /// An entry to take out of its metadata
    #[arg(long, value_name = "KEY")]
    unset_metadata: Vec<String>,
    /// The specification that it comes from
    #[arg(long, value_name = "ID")]
    spec_id: Option<String>,
    /// Shell text that does it, for the runtime `script`; empty: none; not for agents
    #[arg(long, value_name = "SHELL")]
    command: Option<String>,
    /// A wisp from now on: of no use once it is closed
    #[arg(long)]
    ephemeral: bool,
    /// No wisp any more: it is kept
    #[arg(long, conflicts_with = "ephemeral")]
    persistent: bool,
}

impl UpdateArgs {
    /// Only the status of some beads, and until when.
    pub fn deferred(ids: Vec<String>, until: Option<String>) -> Self {
        Self { ids, status: Some("deferred".to_owned()), defer: until, ..Self::default() }
    }

    /// Beads that are not deferred any more.
    pub fn undeferred(ids: Vec<String>) -> Self {
        Self { ids, status: Some("open".to_owned()), defer: Some(String::new()), ..Self::default() }
    }

    /// Beads that are to be kept.
    pub fn promoted(ids: Vec<String>) -> Self {
        Self { ids, persistent: true, ..Self::default() }
    }

    /// Whether the beads are to be closed.
    pub fn closes(&self) -> bool {
        self.status.as_deref() == Some("closed")
    }

    /// The beads.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    fn says_nothing(&self) -> bool {
        let UpdateArgs {
            ids: _,
            status,
            title,
            type_,
            priority,
            fields,
            append_notes,
            add_label,
            remove_label,
            set_labels,
            claim,
            parent,
            rig,
            estimate,
            due,
            defer,
            metadata,
            set_metadata,
            unset_metadata,
            spec_id,
            command,
            ephemeral,
            persistent,
        } = self;
        let Fields { description, body_file, stdin, design, design_file, acceptance, notes, assignee, external_ref } =
            fields;
        let texts = [
            status,
            title,
            type_,
            append_notes,
            parent,
            rig,
            due,
            defer,
            metadata,
            spec_id,
            command,
            description,
            design,
            acceptance,
            notes,
            assignee,
            external_ref,
        ];
        texts.iter().all(|it| it.is_none())
            && body_file.is_none()
            && design_file.is_none()
            && ![*stdin, *claim, *ephemeral, *persistent].contains(&true)
            && priority.is_none()
            && estimate.is_none()
            && set_labels.is_none()
            && [add_label, remove_label, set_metadata, unset_metadata].iter().all(|it| it.is_empty())
    }
}

/// What an update says, read and checked before the store is opened.
#[derive(Debug, Clone)]
pub struct Update {
    args: UpdateArgs,
    fields: Fields,
    metadata: Option<Map<String, Value>>,
}

impl Update {
    /// Reads the files that are named, and checks what can be checked alone.
    pub fn read(args: &UpdateArgs) -> Result<Self, Error> {
        if let Some(status) = args.status.as_deref().filter(|status| !words::is_status(status)) {
            let known = words::STATUSES.join(", ");
            let message = format!("invalid status \"{}\" (built-in: {known})", shown(status));
            return Err(Error::refused(message, "a word of your own has lower-case letters, digits, - and _"));
        }
        let object = args.metadata.as_deref().map(json_object).transpose()?;
        let mut metadata: Map<String, Value> =
            object.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        for pair in &args.set_metadata {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(Error::refused(
                    format!("invalid --set-metadata `{}`", shown(pair)),
                    "write it as KEY=VALUE",
                ));
            };
            // A number, true, false and null are what they are in JSON; anything else is a text.
            let value = serde_json::from_str::<Value>(value).ok().filter(|it| !it.is_object() && !it.is_array());
            let text = || pair.split_once('=').map(|(_, text)| text.to_owned()).unwrap_or_default();
            metadata.insert(key.to_owned(), value.unwrap_or_else(|| text().into()));
        }
        Ok(Self {
            args: args.clone(),
            fields: args.fields.read()?,
            metadata: (!metadata.is_empty() || !args.unset_metadata.is_empty()).then_some(metadata),
        })
    }

    /// What is written of a bead; nothing where it says all of it already.
    fn patch(&self, bead: &Bead, parent: Option<&str>, actor: &str) -> Result<Option<Value>, Error> {
        let args = &self.args;
        if let (Some(closed), Some(status)) = (&bead.spec.closed, &args.status) {
            let message =
                format!("`{}` is closed ({}): its status cannot be {}", bead.name_any(), closed.reason, shown(status));
            return Err(Error::refused(message, "`bd reopen` opens what was closed by hand"));
        }
        let mut spec = bead.spec.clone();
        if args.claim
            && let Some(claimed) = claim::patch(bead, actor)?
        {
            spec.held = Some(IN_PROGRESS.to_owned());
            spec.assigned_to = Some(actor.to_owned());
            spec.started_at = claimed["startedAt"].as_str().and_then(|at| at.parse().ok());
        }
        self.fields.put(&mut spec)?;
        if let Some(title) = &args.title {
            title.trim().clone_into(&mut spec.title);
            if spec.title.is_empty() {
                return Err(Error::refused("title cannot be empty", "say what is to be done, in a line"));
            }
        }
        if let Some(word) = &args.type_ {
            (spec.type_, spec.custom_type) = words::type_of(word).ok_or_else(|| bad_type(word))?;
        }
        if let Some(status) = &args.status {
            set_status(&mut spec, status);
        }
        if let Some(text) = &args.append_notes {
            let notes = spec.notes.take().filter(|notes| !notes.is_empty());
            spec.notes = Some(notes.map_or_else(|| text.clone(), |notes| format!("{notes}\n{text}")));
        }
        if let Some(parent) = parent {
            spec.parent = Some(parent.to_owned()).filter(|parent| !parent.is_empty());
        }
        if let Some(labels) = &args.set_labels {
            spec.labels.clone_from(labels);
        }
        spec.labels.extend(args.add_label.iter().cloned());
        let mut seen = std::collections::BTreeSet::new();
        spec.labels
            .retain(|label| !label.is_empty() && !args.remove_label.contains(label) && seen.insert(label.clone()));
        spec.priority = args.priority.unwrap_or(spec.priority);
        spec.estimated_minutes = args.estimate.or(spec.estimated_minutes);
        spec.spec_id = args.spec_id.clone().or(spec.spec_id);
        if let Some(command) = &args.command {
            spec.command = Some(command.clone()).filter(|command| !command.trim().is_empty());
        }
        if args.ephemeral || args.persistent {
            spec.ephemeral = args.ephemeral;
            spec.wisp_type = spec.wisp_type.filter(|_| args.ephemeral);
        }
        let time = |text: &String| if text.is_empty() { Ok(None) } else { time_to_come(text).map(Some) };
        if let Some(due) = &args.due {
            spec.due = time(due)?;
        }
        if let Some(defer) = &args.defer {
            spec.defer_until = time(defer)?;
            if args.status.is_none() {
                // As in Beads: what is deferred says so.
                let deferred = spec.defer_until.is_some_and(|until| until > SystemClock.now());
                set_status(&mut spec, if deferred { "deferred" } else { "open" });
            }
        }
        if let Some(changes) = &self.metadata {
            let mut metadata: Map<String, Value> =
                spec.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            metadata.extend(changes.clone());
            metadata.retain(|key, _| !args.unset_metadata.contains(key));
            spec.metadata = (!metadata.is_empty()).then(|| Value::from(metadata).to_string());
        }
        if let Some(rig) = &args.rig {
            spec.rig.clone_from(rig);
        }
        Ok(difference(&bead.spec, &spec))
    }
}

/// Writes the status that people want, in Beads' words; that of what is open again is what is observed.
fn set_status(spec: &mut BeadSpec, status: &str) {
    match status {
        "open" => spec.held = None,
        // Its polecat is at work on it.
        IN_PROGRESS if spec.assignee.is_some() => spec.held = None,
        status => spec.held = Some(status.to_owned()),
    }
    if spec.held.as_deref() == Some(IN_PROGRESS) && spec.started_at.is_none() {
        spec.started_at = Some(whole_second(SystemClock.now()));
    }
}

/// The merge patch from one spec to another; none where they are the same.
pub fn difference(old: &BeadSpec, new: &BeadSpec) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (json!(old), json!(new)) else { return None };
    let mut patch = Map::new();
    for (key, value) in &new {
        if old.get(key) != Some(value) {
            patch.insert(key.clone(), value.clone());
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Runs `bd update`.
pub async fn update(update: &Update, json: bool, context: &Context) -> Result<Answer, Error> {
    if update.args.says_nothing() {
        return Ok(Answer::out("No updates specified\n"));
    }
    if let Some(status) = &update.args.status {
        custom::check_status(status, context).await?;
    }
    let type_ = update.args.type_.as_deref().and_then(words::type_of);
    custom::check_types(type_.and_then(|(_, custom)| custom).as_deref(), context).await?;
    if let Some(rig) = &update.args.rig {
        Rigs::read(context).await?.named(rig)?;
    }
    let parent = match update.args.parent.as_deref() {
        None => None,
        Some("") => Some(String::new()),
        Some(parent) => Some(act::find(parent, context).await?.name_any()),
    };
    let (mut out, mut note, mut changed) = (String::new(), String::new(), Vec::new());
    for id in &update.args.ids {
        let what = format!("update `{}`", shown(id));
        let done = async {
            if let Some(parent) = parent.as_deref().filter(|parent| !parent.is_empty()) {
                check_not_below(&act::find(id, context).await?.name_any(), parent, context).await?;
            }
            act::change(id, &what, context, |bead| update.patch(bead, parent.as_deref(), &context.actor)).await
        };
        match done.await {
            Ok(bead) => {
                let slim = act::slim(&bead)?;
                let _never_fails = writeln!(out, "✓ Updated issue: {} — {}", slim.id(), slim.spec.title);
                changed.push(Issue::of(&slim));
            }
            Err(error) if error.is_lost() => return Err(error),
            Err(error) if json => note.push_str(&print::error(&error)),
            Err(error) => note.push_str(&error.text()),
        }
    }
    if json {
        // As in Beads: nothing changed, nothing printed.
        out = if changed.is_empty() { String::new() } else { print::json(&changed) };
    }
    Ok(Answer { out, code: u8::from(!note.is_empty()), note })
}

/// Refuses that a bead becomes a part of what is below it.
pub async fn check_not_below(name: &str, parent: &str, context: &Context) -> Result<(), Error> {
    let mut path = vec![name.to_owned()];
    let mut above = Some(parent.to_owned());
    while let Some(next) = above.take() {
        let is_circle = next == name;
        path.push(next.clone());
        if is_circle {
            path.reverse();
            let message = format!("a bead would be a part of itself: {}", path.join(" → "));
            return Err(Error::refused(message, "choose another parent"));
        }
        if path.len() > 32 {
            return Err(Error::refused("the parents go deeper than 32", "choose another parent"));
        }
        above = super::show::get(context, &next).await?.and_then(|bead| bead.spec.parent);
    }
    Ok(())
}
