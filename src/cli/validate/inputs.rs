//! The files that are judged: what was named, what lies in folders, and what stands on standard input. Only their names are
//! held; each is read when its turn comes.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use gastown_crds::manifest::{self, Diagnostic, FILE_BYTES_MAX, Scope, Source};
use git2::Repository;

use crate::cli::apply::read::{self, Entry, FILES_MAX, Ignored};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;

/// Something to judge.
#[derive(Debug)]
pub struct Input {
    /// Its name, as the user knows it.
    pub name: String,
    /// Whether all of it is meant for us.
    pub scope: Scope,
    /// What paths in it are seen from.
    pub folder: PathBuf,
    /// Where its text is.
    pub text: Text,
}

/// Where a text is.
#[derive(Debug)]
pub enum Text {
    /// In a file.
    File(PathBuf),
    /// In an object database.
    Blob(git2::Oid),
    /// Here: standard input is read once.
    Here(Vec<u8>),
    /// Nowhere: it is not to be read.
    Refused(Box<Diagnostic>),
}

/// All inputs, and the folders among what was named.
#[derive(Debug, Default)]
pub struct Inputs {
    pub all: Vec<Input>,
    /// Each folder with the inputs in it, and whether one of these was named before.
    pub folders: Vec<Folder>,
}

/// A folder that was named.
#[derive(Debug)]
pub struct Folder {
    pub name: String,
    pub inputs: std::ops::Range<usize>,
    pub repeats: bool,
}

/// What to do about a file that cannot be read.
const UNREADABLE_HINT: &str = "let whoever checks read it, or take it out";

impl Inputs {
    /// Finds them.
    pub fn find(names: &[String]) -> Result<Self, CliError> {
        let mut inputs = Self::default();
        let mut seen = BTreeSet::new();
        for name in names {
            if name == "-" {
                let (folder, text) = (Context::cwd()?, Text::Here(read::stdin()?));
                inputs.all.push(Input { name: name.clone(), scope: Scope::Ours, folder, text });
                continue;
            }
            let path = Path::new(name);
            let metadata = fs_err::metadata(path).map_err(|error| read::missing(path, &error))?;
            if !metadata.is_dir() {
                inputs.add(path.to_owned(), Scope::Ours, &mut seen)?;
                continue;
            }
            let before = inputs.all.len();
            let mut repeats = false;
            for entry in entries(path)? {
                match entry {
                    Entry::File(file) => repeats |= !inputs.add(file, Scope::Anybodys, &mut seen)?,
                    // What it leads to is nobody's business here, and is not opened.
                    Entry::LeadsOut(link) => {
                        inputs.refuse(&link, "link", "this link leads out of the folder, or nowhere", read::LINK_HINT);
                    }
                }
            }
            inputs.folders.push(Folder { name: name.clone(), inputs: before..inputs.all.len(), repeats });
        }
        Ok(inputs)
    }

    /// Adds a file; false if it is there already: folders overlap, and links lead to what is there.
    fn add(&mut self, file: PathBuf, scope: Scope, seen: &mut BTreeSet<PathBuf>) -> Result<bool, CliError> {
        // A pipe of a shell (`<(…)`) has no path.
        let whole = fs_err::canonicalize(&file).unwrap_or_else(|_| file.clone());
        if !seen.insert(whole) {
            return Ok(false);
        }
        let folder = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs_err::canonicalize(folder).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        // What can be read once only, such as a pipe, is read now.
        let is_file = fs_err::metadata(&file).is_ok_and(|it| it.is_file());
        let name = read::shown(&file);
        let text = if is_file { Text::File(file) } else { Text::Here(read::bytes(&file)?) };
        self.all.push(Input { name, scope, folder, text });
        Ok(true)
    }

    /// Notes a mistake about a file as a whole, which is not read.
    fn refuse(&mut self, file: &Path, code: &'static str, message: &str, hint: &str) {
        let name = read::shown(file);
        let mistake = Diagnostic::error(code, message, &Source::new(&name, ""), 0..0).hint(hint);
        let text = Text::Refused(Box::new(mistake));
        self.all.push(Input { name, scope: Scope::Ours, folder: PathBuf::new(), text });
    }
}

impl Input {
    /// Its text, or why there is none. A file in a folder that cannot be read hides nothing of the others.
    pub fn bytes(&self, repository: Option<&Repository>) -> Result<Vec<u8>, Refused> {
        match &self.text {
            Text::Here(bytes) => Ok(bytes.clone()),
            Text::Refused(mistake) => Err(Refused::Mistake(mistake.clone())),
            Text::File(file) => read::bytes(file).map_err(|error| match self.scope {
                Scope::Ours => Refused::Failed(error),
                Scope::Anybodys => {
                    let source = Source::new(&self.name, "");
                    let mistake = Diagnostic::error("unreadable", error.render(false), &source, 0..0);
                    Refused::Mistake(Box::new(mistake.hint(UNREADABLE_HINT)))
                }
            }),
            Text::Blob(id) => {
                let Some(repository) = repository else { return Ok(Vec::new()) };
                let failed = |error: git2::Error| Refused::Failed(CliError::from_error(Exit::Failed, &error));
                if !fits(repository, *id).map_err(failed)? {
                    return Err(Refused::Mistake(Box::new(manifest::too_large(&self.name))));
                }
                Ok(repository.find_blob(*id).map_err(failed)?.content().to_vec())
            }
        }
    }
}

/// Whether a blob can be a manifest, by its size: it is not read to find out.
pub fn fits(repository: &Repository, id: git2::Oid) -> Result<bool, git2::Error> {
    let (bytes, _) = repository.odb()?.read_header(id)?;
    Ok(bytes <= FILE_BYTES_MAX)
}

/// Why there is no text.
pub enum Refused {
    /// It is a mistake of whoever wrote the files.
    Mistake(Box<Diagnostic>),
    /// It could not be looked at.
    Failed(CliError),
}

/// What lies in a folder, but for what git ignores; what git tracks is never ignored.
fn entries(dir: &Path) -> Result<Vec<Entry>, CliError> {
    let mut found = read::below(dir, Ignored::ByGit)?;
    let tracked = tracked(dir);
    if tracked.is_empty() {
        return Ok(found);
    }
    let path = |entry: &Entry| match entry {
        Entry::File(path) | Entry::LeadsOut(path) => path.clone(),
    };
    let known: BTreeSet<PathBuf> = found.iter().map(path).collect();
    found.extend(tracked.into_iter().filter(|file| !known.contains(file)).map(Entry::File));
    if found.len() > FILES_MAX {
        return Err(read::too_many(dir));
    }
    found.sort_by_key(path);
    Ok(found)
}

/// The files below a folder that git tracks, and that may be manifests; none outside of a repository.
fn tracked(dir: &Path) -> Vec<PathBuf> {
    let below = || {
        let repository = Repository::discover(dir).ok()?;
        let top = fs_err::canonicalize(repository.workdir()?).ok()?;
        let whole = fs_err::canonicalize(dir).ok()?;
        let inside = whole.strip_prefix(&top).ok()?.to_owned();
        let index = repository.index().ok()?;
        let paths = index.iter().filter(|entry| is_regular(entry.mode)).filter_map(|entry| {
            let path = PathBuf::from(String::from_utf8(entry.path).ok()?);
            Some(dir.join(path.strip_prefix(&inside).ok()?))
        });
        Some(paths.filter(|file| may_be_ours(dir, file)).collect())
    };
    below().unwrap_or_default()
}

/// Whether a mode of git's is that of a file: no link, and no repository inside.
pub fn is_regular(mode: u32) -> bool {
    mode == u32::from(git2::FileMode::Blob) || mode == u32::from(git2::FileMode::BlobExecutable)
}

/// Whether a part of a path says that people do not look there.
pub fn is_hidden(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(name) if name.to_string_lossy().starts_with('.'))
}

fn may_be_ours(dir: &Path, file: &Path) -> bool {
    let is_shown = file.strip_prefix(dir).is_ok_and(|below| !below.components().any(is_hidden));
    is_shown
        && fs_err::symlink_metadata(file).is_ok_and(|it| it.is_file())
        && (files::is_yaml(file) || read::is_our_json(file))
}
