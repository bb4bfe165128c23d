//! `gt import`: reads what another tracker or control plane has on disk, and writes the manifests that say the same here.
//!
//! Nothing is written over, and nothing before all of it was checked. What has no counterpart here is said. Beads are not written into a
//! manifest: `bd import` takes them in, as the last lines say.

mod beads;
mod formula;
mod gastown;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::common::API_VERSION;
use gastown_crds::{admission, manifest};
use serde_json::{Map, Value, json};

use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::files;
use crate::insight::text::quoted;

/// The longest file of settings, or formula, in bytes.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;
/// The longest file of beads, in bytes.
const BEADS_BYTES_MAX: u64 = 512 << 20;
/// Rigs, and formulas of one folder, at most.
const ENTRIES_MAX: usize = 500;
/// The longest name of a rig, as its kind says.
const RIG_BYTES_MAX: usize = 40;

/// Read a Gas Town's folder, or a repository with Beads, and write the manifests that say the same.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What is read.
    #[arg(long, value_enum, value_name = "WHAT")]
    from: From,
    /// Its folder.
    path: PathBuf,
    /// The folder to write into. Default: the town's.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Only say what would be written.
    #[arg(long)]
    dry_run: bool,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// A repository with a folder `.beads`.
    Beads,
    /// A Gas Town: rigs, crew, formulas and open beads.
    Gastown,
}

/// What was made of what was read.
#[derive(Debug, Default)]
struct Import {
    /// The files, by their paths in the folder that is written into.
    files: BTreeMap<PathBuf, String>,
    /// What people should know.
    notes: Vec<String>,
    /// What is to be run afterwards, to take the beads in: the file, where it is none of those here, and its rig.
    beads: Vec<(PathBuf, Option<String>)>,
}

impl Import {
    /// Adds a file. Another text for one that is there would replace it.
    fn file(&mut self, path: PathBuf, text: String) -> Result<(), CliError> {
        match self.files.get(&path) {
            Some(there) if *there != text => {
                let message = format!("two different things would be written to {}", path.display());
                Err(CliError::new(Exit::Refused, message)
                    .hint("nothing was written: give one of them another name there"))
            }
            _ => {
                self.files.insert(path, text);
                Ok(())
            }
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Adds a rig.
    fn rig(&mut self, rig: &Rig) -> Result<(), CliError> {
        let yaml = rig.yaml();
        if let Some(why) = refused(&yaml) {
            let message = format!("no manifest can be made of the rig `{}`: {why}", rig.name.escape_debug());
            return Err(CliError::new(Exit::Refused, message).hint("nothing was written: correct it there"));
        }
        if rig.verify.is_empty() {
            self.note(format!(
                "rigs/{0}.yaml: nothing says how {0} is tested: give `verify` a command, or its work lands unchecked",
                rig.name
            ));
        }
        self.file(Path::new("rigs").join(format!("{}.yaml", rig.name)), yaml)
    }
}

/// A rig, as far as it can be known from outside.
#[derive(Debug, Default)]
struct Rig {
    name: String,
    url: String,
    branch: Option<String>,
    prefix: Option<String>,
    polecats: Vec<String>,
    setup: Vec<String>,
    /// What must pass: names and commands.
    verify: Vec<(String, String)>,
    /// Whether work may be pushed to its branch: it reaches nobody else's machine.
    is_local: bool,
    /// Whether that branch is checked out there: its files follow.
    is_checked_out: bool,
}

impl Rig {
    fn yaml(&self) -> String {
        let mut repo = Map::from_iter([("url".to_owned(), json!(self.url))]);
        repo.extend(self.branch.iter().map(|branch| ("branch".to_owned(), json!(branch))));
        let mut merge = Map::from_iter([("strategy".to_owned(), json!(if self.is_local { "Push" } else { "Branch" }))]);
        if self.is_local && self.is_checked_out {
            merge.insert("whenCheckedOut".to_owned(), json!("Update"));
        }
        if self.verify.is_empty() {
            merge.insert("allowUnverified".to_owned(), json!(true));
        } else {
            let checks = self.verify.iter().map(|(name, run)| json!({ "name": name, "run": run }));
            merge.insert("verify".to_owned(), checks.collect());
        }
        let mut spec = json!({ "repo": repo, "merge": merge });
        let prefix = self.prefix.as_ref().filter(|prefix| **prefix != self.name);
        for (key, value) in [
            ("prefix", prefix.map(|prefix| json!(prefix))),
            ("polecats", (!self.polecats.is_empty()).then(|| json!({ "names": self.polecats }))),
            ("workspace", (!self.setup.is_empty()).then(|| json!({ "setup": self.setup }))),
        ] {
            if let Some(value) = value {
                spec[key] = value;
            }
        }
        object("Rig", &self.name, &spec)
    }
}

/// The YAML of an object.
fn object(kind: &str, name: &str, spec: &Value) -> String {
    manifest::to_yaml(&json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec }))
}

/// Why `gt apply` would not take a manifest, in a line; none: it would.
fn refused(yaml: &str) -> Option<String> {
    let found: Vec<_> = match manifest::parse("the manifest", yaml) {
        Ok(manifests) => manifests.iter().flat_map(admission::admit).collect(),
        Err(mistakes) => mistakes,
    };
    found.into_iter().find(|it| it.severity == manifest::Severity::Error).map(|it| it.message)
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let to = match &args.output {
        Some(folder) => folder.clone(),
        None => gt.town().map(|town| town.dir).map_err(|error| {
            CliError::new(Exit::NoTown, "there is no town to write into")
                .hint("say -o DIR, or `gt init` first")
                .caused_by(error)
        })?,
    };
    if !args.path.is_dir() {
        return Err(CliError::new(Exit::NotFound, format!("there is no folder {}", args.path.display())));
    }
    let import = match args.from {
        From::Beads => beads::read(&args.path)?,
        From::Gastown => gastown::read(&args.path)?,
    };
    write(&import, &to, args.dry_run, gt)
}

fn write(import: &Import, to: &Path, dry_run: bool, gt: &Context) -> Result<(), CliError> {
    let mut news = Vec::new();
    let mut others = Vec::new();
    for (path, text) in &import.files {
        match files::read_optional(&to.join(path))? {
            None => news.push((to.join(path), text)),
            Some(old) if old == *text => gt.out.talk(&format!("{} says so already", to.join(path).display())),
            Some(_) => others.push(to.join(path).display().to_string()),
        }
    }
    if !others.is_empty() {
        let message = format!("there already, and say otherwise: {}", others.join(", "));
        return Err(CliError::new(Exit::Refused, message).hint("nothing was written: move them away, or say -o DIR"));
    }
    for (path, text) in &news {
        if !dry_run {
            files::write_new(path, text)?;
        }
        let word = if dry_run { "would write" } else { "wrote" };
        gt.out.data(&format!("{word} {}", path.display()))?;
    }
    for note in &import.notes {
        gt.out.talk(&format!("note: {note}"));
    }
    let folders: Vec<String> = ["rigs", "formulas"]
        .iter()
        .filter(|folder| import.files.keys().any(|path| path.starts_with(folder)))
        .map(|folder| format!("-f {}", quoted(&to.join(folder).display().to_string())))
        .collect();
    if !folders.is_empty() {
        gt.out.talk(&format!("next: gt apply {}", folders.join(" ")));
    }
    for (file, rig) in &import.beads {
        let file = if import.files.contains_key(file) { to.join(file) } else { file.clone() };
        let rig = rig.as_ref().map(|rig| format!(" --rig {rig}")).unwrap_or_default();
        gt.out.talk(&format!("then: bd import {}{rig}", quoted(&file.display().to_string())));
    }
    Ok(())
}

/// The text of a file, up to a bound; none where there is none.
fn read(path: &Path, bytes_max: u64) -> Result<Option<String>, CliError> {
    use std::io::Read as _;
    let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        // Of a file, nothing is below.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > bytes_max {
        let message = format!("{} is longer than {bytes_max} bytes", path.display());
        return Err(CliError::new(Exit::Refused, message).hint("nothing was written"));
    }
    Ok(Some(text))
}

/// A file of settings; none where there is none.
fn settings(path: &Path) -> Result<Option<Value>, CliError> {
    let Some(text) = read(path, SETTINGS_BYTES_MAX)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        CliError::new(Exit::Refused, format!("{}:{line}:{column}: {what}", path.display()))
            .hint("nothing was written: correct it there")
    })
}

/// The names of what is in a folder, sorted; none where there is no such folder.
fn entries(folder: &Path) -> Result<Vec<String>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(Exit::Refused, format!("cannot read {}", folder.display()))
            .because(&error)
            .hint("nothing was written")
    };
    let all = match fs_err::read_dir(folder) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => return Ok(Vec::new()),
        all => all.map_err(unreadable)?,
    };
    let name = |entry: std::io::Result<fs_err::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        all.map(name).take(ENTRIES_MAX + 1).collect::<std::io::Result<_>>().map_err(unreadable)?;
    if names.len() > ENTRIES_MAX {
        let message = format!("{} has more than {ENTRIES_MAX} entries", folder.display());
        return Err(CliError::new(Exit::Refused, message).hint("is it the right folder? nothing was written"));
    }
    names.sort();
    Ok(names)
}

/// The folder of beads of a place: `.beads`, or the one that its redirect names.
fn beads_folder(place: &Path) -> Result<PathBuf, CliError> {
    let own = place.join(".beads");
    match read(&own.join("redirect"), SETTINGS_BYTES_MAX)? {
        Some(to) if !to.trim().is_empty() => Ok(files::absolute(place, to.trim())),
        _ => Ok(own),
    }
}
