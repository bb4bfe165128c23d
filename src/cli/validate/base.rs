//! `gt validate --base REV`: what was wrong at that revision of git is left out, and what may not change since then is told.
//!
//! The revision is read from the object database; nothing is checked out. An object is the same if it has the same kind and
//! name, whatever its file is called.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gastown_crds::admission::{self, SetOptions};
use gastown_crds::manifest::{self, Diagnostic, Manifest, Object, Scope, Source, quote};
use git2::{ErrorCode, ObjectType, Repository, Tree, TreeWalkMode, TreeWalkResult};
use serde_json::Value;

use super::inputs::{Input, Refused, Text, fits, is_hidden, is_regular};
use super::judge::{self, Judged};
use crate::cli::apply::read;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::world::source::resolved;

/// The files of a revision.
pub struct Base {
    revision: String,
    repository: Repository,
    inputs: Vec<Input>,
    /// Where each object of it is: the number of its file.
    objects: BTreeMap<(String, String), usize>,
    /// How often each mistake was there.
    known: BTreeMap<Mistake, usize>,
    /// The objects of the file that was asked for last: those of one file are mostly asked for one after another.
    last: Option<(usize, Vec<Object>)>,
}

/// What makes a mistake the same, wherever it stands now: its sort, its words without numbers of items, the object or else
/// the file that it is in, and what is underlined.
type Mistake = (&'static str, String, String, String);

impl Base {
    /// Reads and judges the same paths at a revision.
    pub fn read(revision: &str, paths: &[String], options: SetOptions) -> Result<Self, CliError> {
        let first = paths.iter().find(|path| *path != "-").ok_or_else(without_files)?;
        if paths.iter().any(|path| path == "-") {
            return Err(without_files());
        }
        let repository = Repository::discover(first).map_err(|error| {
            let message = format!("`{first}` is in no git repository, so it has no base");
            CliError::new(Exit::Failed, message).because(&error)
        })?;
        let mut inputs = Vec::new();
        {
            let tree = tree(&repository, revision)?;
            let top = top(&repository)?;
            for path in paths {
                add(&repository, &tree, &top, Path::new(path), &mut inputs)?;
            }
        }
        let mut seen = BTreeSet::new();
        inputs.retain(|input: &Input| seen.insert(input.name.clone()));
        let mut objects = BTreeMap::new();
        let Judged { found, .. } = judge::judge(&inputs, Some(&repository), options, &mut |file, manifest, _| {
            objects.entry((manifest.kind.clone(), manifest.name.clone())).or_insert(file);
            Ok(Vec::new())
        })?;
        let mut known = BTreeMap::new();
        for mistake in identities(&found) {
            *known.entry(mistake).or_default() += 1;
        }
        Ok(Self { revision: revision.to_owned(), repository, inputs, objects, known, last: None })
    }

    /// What may not change of an object since then.
    pub fn changes(&mut self, manifest: &Manifest, value: &Value) -> Result<Vec<Diagnostic>, CliError> {
        let Some(&file) = self.objects.get(&(manifest.kind.clone(), manifest.name.clone())) else {
            return Ok(Vec::new());
        };
        if self.last.as_ref().is_none_or(|(last, _)| *last != file) {
            self.last = Some((file, self.objects_of(file)?));
        }
        let objects = self.last.as_ref().map(|(_, objects)| objects.as_slice()).unwrap_or_default();
        let is_it = |it: &&Object| it.manifest.kind == manifest.kind && it.manifest.name == manifest.name;
        let Some(old) = objects.iter().find(is_it) else { return Ok(Vec::new()) };
        let found = admission::forbidden_changes(manifest, value, &old.value);
        let hint = || format!("keep it as it is at {}, or give the new object another name", quote(&self.revision));
        Ok(found.into_iter().map(|mistake| Diagnostic { code: "immutable", ..mistake }.hint(hint())).collect())
    }

    /// What was not wrong then.
    pub fn news(mut self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut is_new = |mistake: &Mistake| match self.known.get_mut(mistake) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        let identities = identities(&found);
        let found = found.into_iter().zip(&identities);
        found.filter(|(_, identity)| is_new(identity)).map(|(mistake, _)| mistake).collect()
    }

    fn objects_of(&self, file: usize) -> Result<Vec<Object>, CliError> {
        let input = &self.inputs[file];
        match input.bytes(Some(&self.repository)) {
            Ok(bytes) => {
                let objects = manifest::survey(&input.name, &bytes, input.scope).objects;
                Ok(objects.into_iter().map(|object| resolved(object, &input.folder)).collect())
            }
            Err(Refused::Failed(error)) => Err(error),
            Err(Refused::Mistake(_)) => Ok(Vec::new()),
        }
    }
}

fn without_files() -> CliError {
    CliError::new(Exit::Usage, "standard input has no base").hint("name files or folders of a git repository")
}

fn tree<'r>(repository: &'r Repository, revision: &str) -> Result<Tree<'r>, CliError> {
    let found = repository.revparse_single(revision).and_then(|object| object.peel_to_tree());
    found.map_err(|error| {
        let message = format!("there is no revision {} in this repository", quote(revision));
        let error = match error.code() {
            ErrorCode::NotFound => CliError::new(Exit::NotFound, message),
            _ => CliError::new(Exit::NotFound, message).because(&error),
        };
        if repository.is_shallow() {
            error.hint("this clone is shallow: fetch it first, such as by `git fetch --depth=1 origin REV`, or check out all of the history (`fetch-depth: 0`)")
        } else {
            error.hint("fetch it first, such as by `git fetch origin`; `git log` shows what is here")
        }
    })
}

fn top(repository: &Repository) -> Result<PathBuf, CliError> {
    let top =
        repository.workdir().ok_or_else(|| CliError::new(Exit::Failed, "a bare repository has no files to judge"))?;
    fs_err::canonicalize(top).map_err(|error| CliError::from_error(Exit::Failed, &error))
}

/// Adds the files below a path, as they are named today.
fn add(
    repository: &Repository,
    tree: &Tree<'_>,
    top: &Path,
    path: &Path,
    inputs: &mut Vec<Input>,
) -> Result<(), CliError> {
    let whole = fs_err::canonicalize(path).map_err(|error| read::missing(path, &error))?;
    let Ok(inside) = whole.strip_prefix(top) else {
        let message = format!("`{}` is not in the repository of the other paths", path.display());
        return Err(CliError::new(Exit::Usage, message).hint("check each repository by itself"));
    };
    let failed = |error: git2::Error| CliError::from_error(Exit::Failed, &error);
    let whole_tree;
    let below = if inside.as_os_str().is_empty() {
        whole_tree = tree.clone();
        &whole_tree
    } else {
        let Ok(entry) = tree.get_path(inside) else { return Ok(()) };
        match entry.kind() {
            Some(ObjectType::Tree) => {
                whole_tree = repository.find_tree(entry.id()).map_err(failed)?;
                &whole_tree
            }
            Some(ObjectType::Blob) => {
                inputs.push(input(path, &whole, Scope::Ours, entry.id()));
                return Ok(());
            }
            _ => return Ok(()),
        }
    };
    let mut too_many = false;
    let walked = below.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let Ok(name) = entry.name() else { return TreeWalkResult::Skip };
        let file = Path::new(folder).join(name);
        if file.components().any(is_hidden) {
            return TreeWalkResult::Skip;
        }
        let is_ours = || is_regular(entry.filemode().cast_unsigned()) && may_be_ours(repository, &file, entry.id());
        if entry.kind() == Some(ObjectType::Blob) && is_ours() {
            inputs.push(input(&path.join(&file), &whole.join(&file), Scope::Anybodys, entry.id()));
            too_many = inputs.len() > read::FILES_MAX;
        }
        if too_many { TreeWalkResult::Abort } else { TreeWalkResult::Ok }
    });
    if too_many {
        return Err(read::too_many(path));
    }
    walked.map_err(failed)
}

fn input(file: &Path, whole: &Path, scope: Scope, id: git2::Oid) -> Input {
    let folder = whole.parent().unwrap_or(whole).to_owned();
    Input { name: read::shown(file), scope, folder, text: Text::Blob(id) }
}

fn may_be_ours(repository: &Repository, file: &Path, id: git2::Oid) -> bool {
    let speaks_of_us = || {
        fits(repository, id).is_ok_and(|fits| fits)
            && repository.find_blob(id).is_ok_and(|blob| read::speaks_of_us(blob.content()))
    };
    files::is_yaml(file) || (read::is_json(file) && speaks_of_us())
}

/// What each of them is.
fn identities(found: &[Diagnostic]) -> Vec<Mistake> {
    let mut outlines: BTreeMap<*const Source, Vec<(Range<usize>, String)>> = BTreeMap::new();
    let mut identities = Vec::with_capacity(found.len());
    for it in found {
        let objects = outlines.entry(Arc::as_ptr(&it.source)).or_insert_with(|| manifest::outline(&it.source));
        let object = objects.iter().find(|(span, _)| span.start <= it.span.start && it.span.start <= span.end);
        let place = match object {
            Some((_, object)) => object.clone(),
            None if it.source.text().is_empty() => it.file().to_owned(),
            // Of what cannot be read, the line: it may have moved to another file.
            None => it.source.line_at(it.span.start).to_owned(),
        };
        let underlined = it.source.text().get(it.span.clone()).unwrap_or_default();
        identities.push((it.code, without_numbers(&it.message), place, underlined.to_owned()));
    }
    identities
}

/// `spec.beads[2].title` is the same field after a bead was added before it.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split('[');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push('[');
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}
