//! A Gas Town's folder: its rigs, the formulas of the town and of each rig, and the beads that are open.

use std::path::{Path, PathBuf};

use gastown_controllers::world::path_of;
use gastown_crds::names;
use serde::Deserialize;
use serde_json::Value;

use super::formula::{self, Shelf};
use super::{BEADS_BYTES_MAX, Import, RIG_BYTES_MAX, Rig, beads_folder, entries, read as read_file, settings};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;

/// The commands of a merge queue there that must pass, with what each is called here.
const CHECKS: [(&str, &str); 4] = [
    ("lint_command", "lint"),
    ("typecheck_command", "typecheck"),
    ("build_command", "build"),
    ("test_command", "test"),
];
/// The longest name of a polecat, as its kind says.
const POLECAT_BYTES_MAX: usize = 20;

/// Reads one.
pub fn read(town: &Path) -> Result<Import, CliError> {
    let registry = town.join("mayor/rigs.json");
    let registered = settings(&registry)?;
    let mut rigs: Vec<String> = registered
        .as_ref()
        .and_then(|all| all["rigs"].as_object())
        .map(|rigs| rigs.keys().cloned().collect())
        .unwrap_or_default();
    // One that was never registered, or no more, is a rig all the same while its folder says so.
    for name in entries(town)? {
        let is_rig = |config: &Value| config["type"] == "rig";
        if !rigs.contains(&name) && settings(&town.join(&name).join("config.json"))?.as_ref().is_some_and(is_rig) {
            rigs.push(name);
        }
    }
    if rigs.is_empty() {
        let message = format!("{} is no Gas Town: it has no rigs", town.display());
        return Err(CliError::new(Exit::NotFound, message).hint("its folder has mayor/rigs.json, or RIG/config.json"));
    }
    let mut import = Import::default();
    let mut shelf = Shelf::default();
    shelf.add(&town.join(".beads/formulas"))?;
    for name in rigs {
        let registered = registered.as_ref().map_or(&Value::Null, |all| &all["rigs"][&name]);
        let folder = town.join(&name);
        let rig = rig(&name, &folder, registered, &mut import)?;
        for place in [folder.join("mayor/rig"), folder.clone()] {
            shelf.add(&place.join(".beads/formulas"))?;
        }
        beads(&rig.name, &folder, &mut import)?;
        import.rig(&rig)?;
    }
    open_beads(&beads_folder(town)?.join("issues.jsonl"), "town", None, &mut import)?;
    formula::put(&shelf, &mut import)?;
    Ok(import)
}

/// A rig, by what its folder says, else what the town has registered of it.
fn rig(called: &str, folder: &Path, registered: &Value, import: &mut Import) -> Result<Rig, CliError> {
    let name = files::label(called, RIG_BYTES_MAX).ok_or_else(|| {
        CliError::new(Exit::Refused, format!("no name can be made of the rig `{}`", called.escape_debug()))
    })?;
    if name != called {
        import.note(format!("the rig `{called}` is called `{name}` here"));
    }
    let config = settings(&folder.join("config.json"))?.unwrap_or_default();
    let more = settings(&folder.join("settings/config.json"))?.unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let said = |pointer: &str| {
        let of = |value: &Value| value.pointer(pointer).and_then(text);
        of(&config).or_else(|| of(registered))
    };
    let Some(url) = said("/git_url") else {
        let message = format!("{}: it names no `git_url`", folder.join("config.json").display());
        return Err(CliError::new(Exit::Refused, message).hint("nothing was written: say there which repository it is"));
    };
    let queue = &more["merge_queue"];
    let verify = CHECKS.iter().filter_map(|(key, name)| Some(((*name).to_owned(), text(&queue[*key])?)));
    let pool = more["namepool"]["names"].as_array().cloned().unwrap_or_default();
    let is_name = |name: &String| names::is_label(name) && name.len() <= POLECAT_BYTES_MAX;
    let (polecats, odd): (Vec<String>, Vec<String>) = pool.iter().filter_map(text).partition(is_name);
    if !odd.is_empty() {
        import.note(format!("{name}: polecats cannot be called so here, and are left out: {}", odd.join(", ")));
    }
    let prefix = said("/beads/prefix").map(|prefix| prefix.trim_end_matches('-').to_owned());
    let crew = entries(&folder.join("crew"))?;
    let crew: Vec<String> = crew.into_iter().filter(|name| folder.join("crew").join(name).is_dir()).collect();
    if !crew.is_empty() {
        import.note(format!(
            "{name}: its crew ({}) are clones that people work in: they stay as they are, and are declared nowhere",
            crew.join(", ")
        ));
    }
    for (key, what) in [("upstream_url", "an upstream"), ("push_url", "another address to push to")] {
        if let Some(url) = said(&format!("/{key}")) {
            import.note(format!("{name}: it has {what}, {url}: that is not taken over"));
        }
    }
    if let Some(formula) = text(&more["workflow"]["default_formula"]) {
        import
            .note(format!("{name}: its beads went by the formula `{formula}`: name one by --formula, or in a Convoy"));
    }
    Ok(Rig {
        is_local: path_of(&url).is_some(),
        branch: text(&config["default_branch"]),
        setup: text(&queue["setup_command"]).into_iter().collect(),
        verify: verify.collect(),
        polecats,
        prefix,
        name,
        url,
        ..Rig::default()
    })
}

/// The open beads of a rig: they are in its clone, or beside it.
fn beads(rig: &str, folder: &Path, import: &mut Import) -> Result<(), CliError> {
    for place in [folder.join("mayor/rig"), folder.to_owned()] {
        let issues = beads_folder(&place)?.join("issues.jsonl");
        if issues.is_file() {
            return open_beads(&issues, rig, Some(rig.to_owned()), import);
        }
    }
    import
        .note(format!("{rig}: it has no .beads/issues.jsonl: Beads' own `bd export -o .beads/issues.jsonl` writes it"));
    Ok(())
}

/// Puts the lines of open beads into a file of their own, as they are.
fn open_beads(issues: &Path, called: &str, rig: Option<String>, import: &mut Import) -> Result<(), CliError> {
    let Some(text) = read_file(issues, BEADS_BYTES_MAX)? else { return Ok(()) };
    // What cannot be read is kept: `bd import` says what is wrong with it.
    let lines: String = text.lines().filter(|line| is_open(line)).flat_map(|line| [line, "\n"]).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let file: PathBuf = Path::new("beads").join(format!("{called}.jsonl"));
    import.note(format!("{} has {} open beads of {}", file.display(), lines.lines().count(), text.lines().count()));
    import.file(file.clone(), lines)?;
    import.beads.push((file, rig));
    Ok(())
}

fn is_open(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        status: String,
    }
    let status = serde_json::from_str::<Line>(line).map(|line| line.status);
    !line.trim().is_empty() && !matches!(status.as_deref(), Ok("closed" | "tombstone"))
}
