//! Reads manifests from files, folders and standard input, and makes the paths in them absolute.
//!
//! A file that was named holds our objects only. In a folder stand others' files too, such as `kustomization.yaml`: what is
//! not ours there is skipped, and said; but a folder that holds nothing of ours is a mistake.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use gastown_crds::admission;
use gastown_crds::common::GROUP;
use gastown_crds::manifest::{self, Diagnostic, FILE_BYTES_MAX, Manifest, Scope, Skipped, Source, Survey};
use ignore::WalkBuilder;

use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::world::source::resolved;

/// Most manifest files below the folders given.
pub const FILES_MAX: usize = 10_000;
/// Deepest folder looked into.
const DEPTH_MAX: usize = 32;

/// The manifests that were read.
#[derive(Debug, Default)]
pub struct Read {
    /// Every object of the files without a mistake, in the order of the files.
    pub manifests: Vec<Manifest>,
    /// What could not be read.
    pub mistakes: Vec<Diagnostic>,
    /// Names of objects that there may be in what could not be read.
    pub lost: Vec<String>,
    /// What is not ours in the folders.
    pub skipped: Vec<Skipped>,
    /// The folders in which nothing is ours.
    pub foreign: Vec<String>,
    /// The names of all files that were read.
    pub files: Vec<String>,
}

/// What is left out of a folder beside what is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Nothing.
    Nothing,
    /// What git ignores there; and links out of the folder are mistakes.
    ByGit,
}

/// What to do about a link that leads out of a folder.
pub const LINK_HINT: &str = "put the file itself here: another checkout may not have what it leads to";

impl Read {
    /// Notes a mistake about a file as a whole, which was not read.
    fn told_of(&mut self, file: &Path, code: &'static str, message: &str, hint: &str) {
        self.files.push(shown(file));
        let source = Source::new(&shown(file), "");
        self.mistakes.push(Diagnostic::error(code, message, &source, 0..0).hint(hint));
    }
}

/// What is found in a folder.
pub enum Entry {
    /// A file that may be a manifest.
    File(PathBuf),
    /// A link that by its name may be one, to something that is not in the folder.
    LeadsOut(PathBuf),
}

/// Reads all of them.
pub fn all(names: &[String], ignored: Ignored) -> Result<Read, CliError> {
    let mut read = Read::default();
    let mut seen = BTreeSet::new();
    for name in names {
        if name == "-" {
            read.files.push("-".to_owned());
            one("-", Scope::Ours, &stdin()?, &Context::cwd()?, &mut read);
            continue;
        }
        let path = Path::new(name);
        let is_dir = fs_err::metadata(path).map_err(|error| missing(path, &error))?.is_dir();
        let entries = if is_dir { below(path, ignored)? } else { vec![Entry::File(path.to_owned())] };
        let by = if is_dir { Scope::Anybodys } else { Scope::Ours };
        let before = read.manifests.len() + read.mistakes.len();
        let mut repeats = false;
        for entry in entries {
            let file = match entry {
                Entry::File(file) => file,
                Entry::LeadsOut(link) => {
                    // What it leads to is nobody's business here, and is not opened.
                    read.told_of(&link, "link", "this link leads out of the folder, or nowhere", LINK_HINT);
                    continue;
                }
            };
            // Folders overlap, and links lead to what is there already.
            // A pipe of a shell (`<(…)`) has no path.
            let whole = fs_err::canonicalize(&file).unwrap_or_else(|_| file.clone());
            if !seen.insert(whole) {
                repeats = true;
                continue;
            }
            let folder = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let folder = fs_err::canonicalize(folder).map_err(|e| CliError::from_error(Exit::Failed, &e))?;
            match bytes(&file) {
                Ok(bytes) => {
                    read.files.push(shown(&file));
                    one(&shown(&file), by, &bytes, &folder, &mut read);
                }
                // One that cannot be read hides nothing of the others.
                Err(error) if is_dir && ignored == Ignored::ByGit => {
                    read.told_of(
                        &file,
                        "unreadable",
                        &error.render(false),
                        "let whoever checks read it, or take it out",
                    );
                }
                Err(error) => return Err(error),
            }
        }
        if is_dir && !repeats && read.manifests.len() + read.mistakes.len() == before {
            read.foreign.push(name.clone());
        }
    }
    Ok(read)
}

/// Objects of another namespace belong to another town.
pub fn check_namespace(manifests: &[Manifest], town: &str) -> Vec<Diagnostic> {
    let found = manifests.iter().filter_map(|manifest| admission::of_another_town(manifest, town));
    found.map(|mistake| mistake.hint("leave `namespace` out, or apply it in the other town")).collect()
}

fn one(name: &str, by: Scope, bytes: &[u8], folder: &Path, read: &mut Read) {
    let Survey { objects, mistakes, skipped, lost } = manifest::survey(name, bytes, by);
    read.manifests.extend(objects.into_iter().map(|object| resolved(object, folder).packed()));
    read.mistakes.extend(mistakes);
    read.skipped.extend(skipped);
    read.lost.extend(lost);
}

/// All YAML below a folder, and all JSON that speaks of our API group, in the order of names. Hidden files and folders, links
/// to folders, and repositories of their own are left out.
pub fn below(dir: &Path, ignored: Ignored) -> Result<Vec<Entry>, CliError> {
    let mut found = Vec::new();
    let mut walk = WalkBuilder::new(dir);
    walk.standard_filters(false).hidden(true).follow_links(false).max_depth(Some(DEPTH_MAX + 1));
    if ignored == Ignored::ByGit {
        // Of its own repository alone: outside of one, nothing is ignored.
        walk.git_ignore(true).git_exclude(true).git_global(true).parents(true);
    }
    // As they stand in a listing: a folder's own files between those of folders beside them.
    walk.sort_by_file_name(OsStr::cmp);
    walk.filter_entry(|entry| entry.depth() == 0 || !is_repository(entry.path()));
    for entry in walk.build() {
        let entry = entry.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let path = entry.path();
        if ignored == Ignored::ByGit && entry.path_is_symlink() {
            // What one leads to in the folder is found by itself.
            if files::is_yaml(path) && leads_out(path, dir) {
                found.push(Entry::LeadsOut(entry.into_path()));
            }
        } else if path.is_file() && (files::is_yaml(path) || is_our_json(path)) {
            found.push(Entry::File(entry.into_path()));
        }
        if found.len() > FILES_MAX {
            return Err(too_many(dir));
        }
    }
    Ok(found)
}

/// More files than anybody means.
pub fn too_many(dir: &Path) -> CliError {
    let message = format!("there are more than {FILES_MAX} manifests below {}", dir.display());
    CliError::new(Exit::Refused, message).hint("name the folders you mean")
}

/// Whether a link does not lead to something in this folder.
pub fn leads_out(file: &Path, folder: &Path) -> bool {
    let is_below = || Some(fs_err::canonicalize(file).ok()?.starts_with(fs_err::canonicalize(folder).ok()?));
    is_below() != Some(true)
}

/// Whether a file is JSON that may be a manifest. Most JSON is not, and nobody has to be told of each `package.json`, nor of
/// one that cannot be read.
pub fn is_our_json(path: &Path) -> bool {
    is_json(path) && bytes(path).is_ok_and(|bytes| speaks_of_us(&bytes))
}

/// Whether a file is JSON, by its name.
pub fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// Whether a text names our API group.
pub fn speaks_of_us(bytes: &[u8]) -> bool {
    bytes.windows(GROUP.len()).any(|part| part == GROUP.as_bytes())
}

fn is_repository(dir: &Path) -> bool {
    dir.join(".git").exists() || (dir.join("HEAD").is_file() && dir.join("objects").is_dir())
}

/// `./a.yaml` is `a.yaml` to everybody.
pub fn shown(file: &Path) -> String {
    file.strip_prefix("./").unwrap_or(file).display().to_string()
}

pub fn missing(path: &Path, error: &std::io::Error) -> CliError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let missing = CliError::new(Exit::NotFound, format!("there is no file `{}`", path.display()));
        let is_address = path.to_string_lossy().contains("://");
        return missing.maybe_hint(
            is_address.then(|| format!("files are not fetched: curl -fsSL '{}' | gt apply -f -", path.display())),
        );
    }
    CliError::from_error(Exit::Failed, error)
}

/// A file's bytes, as far as they can be a manifest.
pub fn bytes(file: &Path) -> Result<Vec<u8>, CliError> {
    let open = fs_err::File::open(file).map_err(|error| missing(file, &error))?;
    bounded(open, &file.display().to_string())
}

pub fn stdin() -> Result<Vec<u8>, CliError> {
    bounded(std::io::stdin(), "standard input")
}

fn bounded(from: impl std::io::Read, name: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that too much is seen as such.
    let limit = FILE_BYTES_MAX as u64 + 1;
    from.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::new(Exit::Failed, format!("could not read {name}")).because(&error))?;
    Ok(bytes)
}
