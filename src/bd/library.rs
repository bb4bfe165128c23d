//! Where formulas are found: the folders that are looked through, in order, and the files in them.
//!
//! The first of a name wins: what is nearest to where one works. Files are read as they are asked for, each up to a bound, and what a
//! formula names beside it is read only below its own folder: a formula comes with a repository, and must not read one's keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use gastown_agent::context;
use gastown_agent::error::Error;
use gastown_connect::actor::variable;
use gastown_formula::bounds::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use gastown_formula::{Format, Library, Mode, Problem, Protomolecule, Source, Warning, cook_overlaid};

use super::filter::shown;
use super::many;
use super::overlay::Overlays;

/// Folders above the current one that are looked through.
const ABOVE_MAX: usize = 32;
/// Files of all folders together; the largest public collection has 77.
pub const FILES_MAX: usize = 1024;
/// The ends of the names of formulas' files; the first of them wins in a folder.
const ENDS: [&str; 4] = [".formula.toml", ".formula.json", ".formula.yaml", ".toml"];

/// Where formulas are looked for.
#[derive(Debug, Clone, Default, Args)]
pub struct SearchArgs {
    /// Look here first; may be repeated
    #[arg(long, value_name = "DIR")]
    pub search_path: Vec<PathBuf>,
}

/// The value of a var, as it is given.
#[derive(Debug, Clone, Default, Args)]
pub struct VarArgs {
    /// The value of a var; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    var: Vec<String>,
}

impl VarArgs {
    /// The values by name.
    pub fn read(&self) -> Result<BTreeMap<String, String>, Error> {
        let pair = |text: &String| {
            let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
            let (name, value) = pair.ok_or_else(|| {
                Error::refused(format!("invalid --var `{}`", shown(text)), "write it as --var NAME=VALUE")
            })?;
            Ok((name.trim().to_owned(), value.to_owned()))
        };
        self.var.iter().map(pair).collect()
    }
}

/// The folders in which formulas may be, and those of what is said otherwise of them.
#[derive(Debug)]
pub struct Folders {
    formulas: Vec<PathBuf>,
    overlays: Overlays,
}

/// A formula as it was found, with the overlay that it is cooked with.
#[derive(Debug)]
pub struct Recipe {
    /// Its text.
    pub source: Source,
    /// What the rig or the town says otherwise, if it was found by its name.
    pub overlay: Option<Source>,
}

impl Folders {
    /// The folders, for whoever is in the current one; a town is looked for, and is not necessary.
    pub fn here(args: &SearchArgs, town: Option<&Path>) -> Result<Self, Error> {
        let here = context::current_dir()?;
        let found = context::find_town(town);
        let town = match (found, town) {
            (Ok(found), _) => Some(found.dir),
            (Err(_), None) => None,
            (Err(error), Some(_)) => return Err(error),
        };
        let beads = |folder: &Path| folder.join(".beads").join("formulas");
        let mut all = args.search_path.clone();
        let is_root = |folder: &&Path| folder.join(".git").exists() || town.as_deref() == Some(*folder);
        let above: Vec<&Path> = here.ancestors().take(ABOVE_MAX).collect();
        // Outside of any repository and town, nothing above belongs to the same work.
        let last = above.iter().position(is_root).unwrap_or(0);
        let above: Vec<&Path> = above.into_iter().take(last + 1).collect();
        for folder in &above {
            all.extend([folder.join("formulas"), beads(folder)]);
        }
        let overlays = Overlays::of(&above, town.as_deref());
        if let Some(town) = &town {
            all.extend([town.join("formulas"), beads(town)]);
        }
        all.extend(["HOME", "GT_ROOT"].iter().filter_map(|name| variable(name)).map(|root| beads(Path::new(&root))));
        let mut seen = BTreeSet::new();
        all.retain(|folder| seen.insert(folder.clone()));
        Ok(Self { formulas: all, overlays })
    }

    /// The names by which formulas can be found.
    pub fn all(&self) -> Result<BTreeSet<String>, Error> {
        let mut found = BTreeSet::new();
        let mut files = 0;
        for folder in &self.formulas {
            let Ok(entries) = fs_err::read_dir(folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                files += 1;
                if files > FILES_MAX {
                    let message = format!("there are more than {FILES_MAX} files where formulas are looked for");
                    return Err(Error::refused(message, format!("take some out of {}", folder.display())));
                }
                let file = entry.file_name().to_string_lossy().into_owned();
                let Some((end, name)) = name_of(&file) else { continue };
                if !found.contains(name) && is_formula(&entry.path(), end) {
                    found.insert(name.to_owned());
                }
            }
        }
        Ok(found)
    }

    /// Where overlays are.
    pub fn overlays(&self) -> &Overlays {
        &self.overlays
    }

    /// The formula that a person names: by its name, or by its file, which is cooked as it is.
    pub fn named(&self, name: &str) -> Result<Recipe, Error> {
        let is_path = name.contains('/') || Format::of_file(name).is_some();
        if is_path && Path::new(name).is_file() {
            return Ok(Recipe { source: read(Path::new(name))?, overlay: None });
        }
        if let Some(path) = self.path(name) {
            return Ok(Recipe { source: read(&path)?, overlay: self.overlays.for_formula(name)? });
        }
        let all = self.all()?;
        let near = all.iter().find(|it| it.contains(name) || name.contains(it.as_str()));
        let hint = near.map_or_else(
            || "`bd formula list` shows those that are found; --search-path names another folder".to_owned(),
            |it| format!("did you mean `{it}`? `bd formula list` shows all"),
        );
        Err(Error::refused(format!("there is no formula `{}`", shown(name)), hint))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let is_plain = is_plain(name);
        let files = self.formulas.iter().flat_map(|folder| {
            ENDS.iter().enumerate().map(move |(end, with)| (end, folder.join(format!("{name}{with}"))))
        });
        files.filter(|_| is_plain).find(|(end, path)| is_formula(path, *end)).map(|(_, path)| path)
    }

    /// Cooks a formula.
    pub fn cook(&self, recipe: &Recipe, mode: Mode, values: &BTreeMap<String, String>) -> Result<Protomolecule, Error> {
        let Recipe { source, overlay } = recipe;
        cook_overlaid(source, overlay.as_ref(), self, mode, values).map_err(|error| refused(&error))
    }
}

/// Why a formula or an overlay is refused, for people.
pub fn refused(error: &gastown_formula::Error) -> Error {
    let place = error.location.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
    let where_else = || "`bd formula list` shows those that are found; --search-path names another folder".to_owned();
    let is_missing = matches!(*error.problem, Problem::UnknownFormula { .. });
    let hint = error.hint.clone().or_else(|| is_missing.then(where_else));
    Error::Refused { message: format!("{place}{}", error.problem), hint }
}

/// Whether a formula may be looked for by this name: it leads nowhere but into the folders.
pub fn is_plain(name: &str) -> bool {
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX.max && !name.starts_with('.');
    is_name && name.chars().all(|c| !c.is_control() && c != '/' && c != '\\')
}

impl Library for Folders {
    fn formula(&self, name: &str) -> Option<Source> {
        self.path(name).and_then(|path| read(&path).ok())
    }

    fn text_beside(&self, file: &str, path: &str) -> Option<String> {
        let is_below = Path::new(path).components().all(|it| matches!(it, Component::Normal(_) | Component::CurDir));
        let folder = fs_err::canonicalize(
            Path::new(file).parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )
        .ok()?;
        let whole = fs_err::canonicalize(folder.join(path)).ok()?;
        (is_below && whole.starts_with(&folder) && whole.is_file())
            .then(|| many::read(&whole, TEXT_BYTES_MAX.max).ok())
            .flatten()
    }
}

/// The name in a file's name, and which of the ends it has.
fn name_of(file: &str) -> Option<(usize, &str)> {
    let named = |(at, end): (usize, &&str)| Some((at, file.strip_suffix(end)?));
    ENDS.iter().enumerate().find_map(named).filter(|(_, name)| !name.is_empty() && !name.starts_with('.'))
}

/// Whether a file is there and, where its name does not say so, looks like a formula: a pipe or a device is none.
fn is_formula(path: &Path, end: usize) -> bool {
    let says_so = || {
        let is_key =
            |line: &str| line.trim_start().strip_prefix("formula").is_some_and(|it| it.trim_start().starts_with('='));
        many::read(path, TEXT_BYTES_MAX.max).is_ok_and(|text| text.lines().any(is_key))
    };
    path.is_file() && (end + 1 < ENDS.len() || says_so())
}

/// Reads a formula's file.
pub fn read(path: &Path) -> Result<Source, Error> {
    let text = many::read(path, TEXT_BYTES_MAX.max)?;
    let file = shown_path(path)?;
    let format = Format::of_file(&file).unwrap_or(Format::Toml);
    Ok(Source { file, format, text })
}

/// A path as messages show it: relative to the current folder where it is below it.
pub fn shown_path(path: &Path) -> Result<String, Error> {
    let here = context::current_dir()?;
    Ok(path.strip_prefix(&here).unwrap_or(path).display().to_string())
}

/// Warnings for people.
pub fn notes(warnings: &[Warning]) -> String {
    let mut notes = String::new();
    for warning in warnings {
        let _never_fails = writeln!(notes, "warning: {warning}");
    }
    notes
}
