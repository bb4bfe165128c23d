//! `bd formula overlay`: what the town or the rig says otherwise of the steps of formulas, and where these overlays are found.
//!
//! A formula that is cooked by its name has the overlay of that name: `formula-overlays/NAME.toml`, of the checkout around
//! or, if that has none, of the town. One file is used, never both. A formula that is named by its file has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use gastown_agent::context::Answer;
use gastown_agent::error::Error;
use gastown_formula::bounds::TEXT_BYTES_MAX;
use gastown_formula::{Format, Mode, Override, Source, overrides};
use serde_json::json;

use super::filter::shown;
use super::library::{self, FILES_MAX, Folders, SearchArgs};
use super::{many, print};

/// The folder of overlays, in a town, a repository or its `.beads`.
const FOLDER: &str = "formula-overlays";
/// The end of the name of an overlay's file.
const END: &str = ".toml";

/// A folder that may hold overlays.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    is_town: bool,
}

/// The folders of overlays; the first that has one for a formula is the one that counts.
#[derive(Debug, Default)]
pub struct Overlays(Vec<Place>);

/// The file of an overlay.
#[derive(Debug)]
struct Found {
    formula: String,
    path: PathBuf,
    is_town: bool,
    /// It is the one that counts.
    is_used: bool,
}

impl Overlays {
    /// Those of folders from the current one upwards, and then those of the town.
    pub fn of(above: &[&Path], town: Option<&Path>) -> Self {
        let mut seen = BTreeSet::new();
        let all = above.iter().copied().chain(town).filter(|folder| seen.insert(folder.to_path_buf()));
        let places = |root: &Path| {
            let is_town = town == Some(root);
            [root.join(FOLDER), root.join(".beads").join(FOLDER)].map(|folder| Place { folder, is_town })
        };
        Self(all.flat_map(places).collect())
    }

    /// The overlay for a formula, whose name is plain.
    pub fn for_formula(&self, name: &str) -> Result<Option<Source>, Error> {
        self.files(name).find(|it| it.path.is_file()).map(|it| read(&it.path)).transpose()
    }

    /// Where one for a formula may be.
    fn files(&self, name: &str) -> impl Iterator<Item = Found> {
        self.0.iter().map(move |Place { folder, is_town }| Found {
            formula: name.to_owned(),
            path: folder.join(format!("{name}{END}")),
            is_town: *is_town,
            is_used: true,
        })
    }

    /// Every overlay, by the name of its formula; of two for one formula the one that is used first.
    fn all(&self) -> Result<Vec<Found>, Error> {
        let (mut found, mut used, mut files) = (Vec::new(), BTreeSet::new(), 0);
        for Place { folder, is_town } in &self.0 {
            let mut of_folder = Vec::new();
            let Ok(entries) = fs_err::read_dir(folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                files += 1;
                if files > FILES_MAX {
                    let message = format!("there are more than {FILES_MAX} files where overlays are looked for");
                    return Err(Error::refused(message, format!("take some out of {}", folder.display())));
                }
                let file = entry.file_name().to_string_lossy().into_owned();
                let Some(formula) = file.strip_suffix(END).filter(|it| library::is_plain(it)) else { continue };
                if entry.path().is_file() {
                    of_folder.push((formula.to_owned(), entry.path()));
                }
            }
            for (formula, path) in of_folder {
                let is_used = used.insert(formula.clone());
                found.push(Found { formula, path, is_town: *is_town, is_used });
            }
        }
        found.sort_by(|a, b| (&a.formula, !a.is_used).cmp(&(&b.formula, !b.is_used)));
        Ok(found)
    }
}

/// Reads an overlay's file.
fn read(path: &Path) -> Result<Source, Error> {
    let text = many::read(path, TEXT_BYTES_MAX.max).map_err(|error| match error {
        Error::Refused { message, .. } => {
            Error::refused(message, "an overlay says of some steps what is different; the formula says the rest")
        }
        other => other,
    })?;
    Ok(Source { file: library::shown_path(path)?, format: Format::Toml, text })
}

/// What is done with overlays.
#[derive(Debug, Clone, Subcommand)]
pub enum OverlayVerb {
    /// List the overlays of the town and of the repository around
    List {
        #[command(flatten)]
        search: SearchArgs,
    },
    /// Show the overlay that is used for a formula
    Show {
        /// The formula's name
        #[arg(value_name = "FORMULA")]
        name: String,
        #[command(flatten)]
        search: SearchArgs,
    },
}

/// Runs `bd formula overlay`.
pub fn overlay(verb: &OverlayVerb, json: bool, town: Option<&Path>) -> Result<Answer, Error> {
    match verb {
        OverlayVerb::List { search } => list(&Folders::here(search, town)?, json),
        OverlayVerb::Show { name, search } => show(name, &Folders::here(search, town)?, json),
    }
}

fn list(folders: &Folders, json: bool) -> Result<Answer, Error> {
    let (mut rows, mut note) = (Vec::new(), String::new());
    for found in folders.overlays().all()? {
        let read = read(&found.path).and_then(|source| Ok((source.file.clone(), parsed(&source)?)));
        match read {
            Ok((file, overrides)) => {
                if found.is_used {
                    note.push_str(&odd(&found.formula, &file, folders));
                }
                rows.push((found, file, overrides.len()));
            }
            // One that is wrong must not hide the others.
            Err(error) => {
                let _never_fails = writeln!(note, "warning: {}", error.line());
            }
        }
    }
    let scope = |found: &Found| if found.is_town { "town" } else { "rig" };
    if json {
        let row = |(found, file, count): &(Found, String, usize)| {
            json!({
                "formula": found.formula, "scope": scope(found), "path": file, "overrides": count, "used": found.is_used,
            })
        };
        return Ok(Answer { out: print::json(&rows.iter().map(row).collect::<Vec<_>>()), note, code: 0 });
    }
    if rows.is_empty() {
        let out = "no overlays found; one is formula-overlays/FORMULA.toml in the town or in a rig's repository\n";
        return Ok(Answer { out: out.to_owned(), note, code: 0 });
    }
    let width = rows.iter().map(|(found, _, _)| found.formula.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (found, file, count) in &rows {
        let word = if *count == 1 { "override " } else { "overrides" };
        let unused = if found.is_used { "" } else { "  not used: another one is nearer" };
        let _never_fails =
            writeln!(out, "{:<width$}  {:<4}  {count:>3} {word}  {file}{unused}", found.formula, scope(found));
    }
    Ok(Answer { out, note, code: 0 })
}

fn show(name: &str, folders: &Folders, json: bool) -> Result<Answer, Error> {
    let recipe = folders.named(name)?;
    let Some(source) = &recipe.overlay else {
        let out = if json {
            print::object(&json!({ "formula": name, "path": null, "overrides": [] }))
        } else {
            format!(
                "formula `{}` has no overlay; one is formula-overlays/NAME.toml in the town or in the rig\n",
                shown(name)
            )
        };
        return Ok(Answer::out(out));
    };
    let overrides = parsed(source)?;
    let note = odd(name, &source.file, folders);
    if json {
        let one = |it: &Override| json!({ "step_id": it.step, "mode": it.mode.name(), "description": it.description });
        let overrides: Vec<_> = overrides.iter().map(one).collect();
        let out = print::object(&json!({ "formula": name, "path": source.file, "overrides": overrides }));
        return Ok(Answer { out, note, code: 0 });
    }
    let mut out = format!("{}\n", source.file);
    for Override { step, mode, description, .. } in &overrides {
        let _never_fails = writeln!(out, "\n{} {step}", mode.name());
        for line in description.trim_end().lines() {
            let _never_fails = writeln!(out, "  {line}");
        }
    }
    Ok(Answer { out, note, code: 0 })
}

fn parsed(source: &Source) -> Result<Vec<Override>, Error> {
    overrides(source).map_err(|error| library::refused(&error))
}

/// What cooking the formula says of its overlay.
fn odd(formula: &str, file: &str, folders: &Folders) -> String {
    let cooked = folders.named(formula).and_then(|it| folders.cook(&it, Mode::Compile, &BTreeMap::new()));
    match cooked {
        Ok(cooked) => {
            let of_overlay = |it: &&gastown_formula::Warning| it.location.as_ref().is_some_and(|at| at.file == file);
            library::notes(&cooked.warnings.iter().filter(of_overlay).cloned().collect::<Vec<_>>())
        }
        Err(error) => format!("warning: {file}: `{formula}` cannot be cooked: {}\n", error.line()),
    }
}
