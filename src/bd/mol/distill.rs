//! `bd mol distill`: a formula from an epic or molecule and its parts, which cooks back to parts of the same shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use gastown_agent::context::{Answer, Context, connected};
use gastown_agent::error::Error;
use gastown_base::whole_file::{Survives, WholeFile};
use gastown_beads::slim::Slim;
use gastown_beads::words;
use gastown_crds::bead::{BeadType, ChildrenGate, Gate, WAITS_FOR};
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;

use super::beads::{STEP_KEY, slug};
use super::parts::Parts;

/// Print a formula that is made of an epic or molecule
#[derive(Debug, Clone, Args)]
pub struct DistillArgs {
    /// The epic or molecule
    epic: String,
    /// The formula's name; default: by the epic's title
    name: Option<String>,
    /// Into this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only print it
    #[arg(long)]
    dry_run: bool,
}

/// Runs `bd mol distill`. The file is written once the store is let go of, and whole.
pub fn distill(args: &DistillArgs, json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let answer = connected(town, actor, async |context| text(args, context).await)?;
    let Some(path) = args.output.as_ref().filter(|_| !args.dry_run) else {
        return Ok(if json {
            Answer { out: crate::print::object(&serde_json::json!({ "formula": answer.out })), ..answer }
        } else {
            answer
        });
    };
    let failed = |source| Error::Io { what: "write the formula", source };
    WholeFile::at(path).mode(0o644).survives(Survives::Contents).write(answer.out.as_bytes()).map_err(failed)?;
    let line = format!("✓ Wrote {}: `bd mol pour {}` files it\n", path.display(), path.display());
    let out = if json { crate::print::object(&serde_json::json!({ "path": path })) } else { line };
    Ok(Answer { out, ..answer })
}

async fn text(args: &DistillArgs, context: &Context) -> Result<Answer, Error> {
    let parts = Parts::of(&args.epic, context).await?;
    if parts.all.len() == 1 {
        let message = format!("{} has no parts, so there is nothing to make steps of", parts.root().id());
        return Err(Error::refused(message, "`bd create \"TITLE\" --parent ID` files a part"));
    }
    let (mut commands, mut gates) = (BTreeMap::new(), BTreeMap::new());
    for parent in parts.parents() {
        let those = ListParams::default().fields(&format!("spec.parent={parent}"));
        let beads = context.beads().list(&those).await.map_err(Error::api(format!("list the parts of `{parent}`")))?;
        for bead in beads {
            let name = bead.name_any();
            commands.extend(bead.spec.command.map(|command| (name.clone(), command)));
            gates.extend(bead.spec.gate.map(|gate| (name, gate)));
        }
    }
    let mut below: BTreeMap<&str, Vec<&Slim>> = BTreeMap::new();
    for step in parts.steps() {
        below.entry(step.spec.parent.as_deref().unwrap_or_default()).or_default().push(step);
    }
    let name = args.name.clone().unwrap_or_else(|| slug(&parts.root().spec.title, &mut BTreeSet::new()));
    let writer = Writer { ids: ids(&parts), below, commands, gates };
    let mut out = format!("formula = {}\n", quoted(&name));
    let root = parts.root();
    field(&mut out, "description", root.spec.description.as_deref().unwrap_or(&root.spec.title));
    out.push_str("version = 1\n");
    writer.steps(&mut out, &root.metadata.name, "steps", 0);
    Ok(Answer::out(out))
}

/// Ids of the steps by the beads' names: as they were poured, else the end of the bead's id, else its title.
fn ids(parts: &Parts) -> BTreeMap<String, String> {
    let mut used = BTreeSet::new();
    let mut ids = BTreeMap::new();
    let own = format!("{}.", parts.root().metadata.name);
    for part in parts.all.iter().skip(1) {
        let metadata: Value =
            part.spec.metadata.as_deref().and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        let poured = metadata.get(STEP_KEY).and_then(Value::as_str).map(str::to_owned);
        let named = part.metadata.name.strip_prefix(&own).filter(|end| end.parse::<u32>().is_err());
        let id = match poured.or_else(|| named.map(str::to_owned)).filter(|id| !used.contains(id)) {
            Some(id) => id,
            None => slug(&part.spec.title, &mut used),
        };
        used.insert(id.clone());
        ids.insert(part.metadata.name.clone(), id);
    }
    ids
}

/// What is written of each bead, by its name.
struct Writer<'a> {
    ids: BTreeMap<String, String>,
    /// The steps below it.
    below: BTreeMap<&'a str, Vec<&'a Slim>>,
    commands: BTreeMap<String, String>,
    gates: BTreeMap<String, Gate>,
}

impl Writer<'_> {
    /// The steps below a bead, as tables of this name.
    fn steps(&self, out: &mut String, parent: &str, table: &str, depth: usize) {
        for step in self.below.get(parent).into_iter().flatten() {
            let _never_fails = write!(out, "\n[[{table}]]\n");
            self.step(out, step, table);
            if depth < DEPTH_MAX {
                self.steps(out, &step.metadata.name, &format!("{table}.children"), depth + 1);
            }
        }
    }

    fn step(&self, out: &mut String, step: &Slim, table: &str) {
        let spec = &step.spec;
        let id = |name: &String| self.ids.get(name).filter(|_| !self.gates.contains_key(name));
        let _never_fails =
            writeln!(out, "id = {}\ntitle = {}", quoted(&self.ids[&step.metadata.name]), quoted(&spec.title));
        if matches!(spec.type_, BeadType::Bug | BeadType::Feature | BeadType::Chore | BeadType::Epic) {
            let _never_fails = writeln!(out, "type = {}", quoted(words::type_name(spec.type_, None)));
        }
        if spec.priority != 2 {
            let _never_fails = writeln!(out, "priority = {}", spec.priority);
        }
        let needs: Vec<String> = spec.needs.iter().filter_map(id).map(|id| quoted(id)).collect();
        if !needs.is_empty() {
            let _never_fails = writeln!(out, "needs = [{}]", needs.join(", "));
        }
        let labels: Vec<String> = spec.labels.iter().map(|label| quoted(label)).collect();
        if !labels.is_empty() {
            let _never_fails = writeln!(out, "labels = [{}]", labels.join(", "));
        }
        let waits_for =
            spec.links.iter().filter(|link| link.type_ == WAITS_FOR).find_map(|link| Some((id(&link.to)?, link.gate)));
        if let Some((spawner, gate)) = waits_for {
            let is_first = spec.needs.iter().find_map(id) == Some(spawner);
            let word = match gate.unwrap_or_default() {
                ChildrenGate::AnyChildren if is_first => "any-children".to_owned(),
                ChildrenGate::AllChildren if is_first => "all-children".to_owned(),
                _ => format!("children-of({spawner})"),
            };
            let _never_fails = writeln!(out, "waits_for = {}", quoted(&word));
        }
        let texts =
            [("description", &spec.description), ("acceptance", &spec.acceptance_criteria), ("notes", &spec.notes)];
        for (name, text) in texts {
            field(out, name, text.as_deref().unwrap_or_default());
        }
        if let Some(command) = self.commands.get(&step.metadata.name) {
            field(out, "run", command);
        }
        if let Some(gate) = spec.needs.iter().find_map(|need| self.gates.get(need)) {
            let kind = words::gate_name(gate.type_);
            let _never_fails = writeln!(out, "\n[{table}.gate]\ntype = {}", quoted(kind));
            field(out, "run", gate.run.as_deref().unwrap_or_default());
            field(out, "await_id", gate.await_id.as_deref().unwrap_or_default());
            field(out, "target", gate.target.as_deref().unwrap_or_default());
            if let Some(timeout) = &gate.timeout {
                let text = serde_json::to_value(timeout).ok().and_then(|it| it.as_str().map(str::to_owned));
                field(out, "timeout", &text.unwrap_or_default());
            }
        }
    }
}

/// Steps within steps that are written; a formula is read with 48 levels, of which each takes two. What is deeper is left out.
const DEPTH_MAX: usize = 20;

/// A text behind its key; nothing for an empty one. One of several lines is written as such.
fn field(out: &mut String, key: &str, text: &str) {
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let is_plain = text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control());
    let value = if text.contains('\n') && is_plain {
        let inner = text.replace('\\', "\\\\").replace("\"\"\"", "\\\"\\\"\\\"");
        format!("\"\"\"\n{inner}\n\"\"\"")
    } else {
        quoted(text)
    };
    let _never_fails = writeln!(out, "{key} = {value}");
}

/// A text in quotes, as TOML has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _never_fails = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
