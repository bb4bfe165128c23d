//! Judges files one by one. What an object says of others is remembered, and only files in which that is wrong are read again:
//! memory grows with names and references, not with files.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::admission::{self, Index, MISTAKES_MAX, Place, SetOptions};
use gastown_crds::manifest::{self, Diagnostic, Manifest, Object, Severity, Skipped, Survey};
use git2::Repository;
use serde_json::Value;

use super::inputs::{Input, Refused};
use crate::cli::apply::commands::Work;
use crate::cli::apply::{NOTES_MAX, Stored, commands, read};
use crate::cli::common::error::CliError;
use crate::world::source::resolved;

/// What was found in all files.
#[derive(Default)]
pub struct Judged {
    /// Mistakes and warnings, in the order of files and places.
    pub found: Vec<Diagnostic>,
    /// How many objects there are.
    pub objects: usize,
    /// How many documents are not ours.
    pub skipped: usize,
    /// The first of these.
    pub notes: Vec<Skipped>,
    /// The numbers of the inputs that hold something of ours, or a mistake.
    pub ours: BTreeSet<usize>,
}

/// Takes a closer look at an object of a file: what is wrong with it beside what the rules say.
pub type Look<'a> = dyn FnMut(usize, &Manifest, &Value) -> Result<Vec<Diagnostic>, CliError> + 'a;

/// Judges all of them.
pub fn judge(
    inputs: &[Input],
    repository: Option<&Repository>,
    options: SetOptions,
    look: &mut Look<'_>,
) -> Result<Judged, CliError> {
    let mut judge = Judge {
        repository,
        options,
        index: Index::default(),
        work: BTreeMap::new(),
        towns: Vec::new(),
        spaces: BTreeMap::new(),
        judged: Judged::default(),
    };
    for (nth, input) in inputs.iter().enumerate() {
        judge.file(nth, input, look)?;
    }
    judge.between(inputs)?;
    let Judged { found, .. } = &mut judge.judged;
    found.sort_by_key(|it| (it.file().to_owned(), it.span.start, it.severity == Severity::Warning));
    Ok(judge.judged)
}

struct Judge<'a> {
    repository: Option<&'a Repository>,
    options: SetOptions,
    index: Index,
    /// The files with work, by what decides whether its commands are run.
    work: BTreeMap<Work, Vec<usize>>,
    /// The namespaces of towns.
    towns: Vec<Option<String>>,
    /// The files with objects of a namespace.
    spaces: BTreeMap<String, Vec<usize>>,
    judged: Judged,
}

impl Judge<'_> {
    /// Reads a file for the first time.
    fn file(&mut self, file: usize, input: &Input, look: &mut Look<'_>) -> Result<(), CliError> {
        let bytes = match input.bytes(self.repository) {
            Ok(bytes) => bytes,
            Err(Refused::Failed(error)) => return Err(error),
            Err(Refused::Mistake(mistake)) => {
                self.judged.found.push(*mistake);
                self.judged.ours.insert(file);
                return Ok(());
            }
        };
        let Survey { objects, mistakes: mut found, skipped, lost } = manifest::survey(&input.name, &bytes, input.scope);
        if !objects.is_empty() || !found.is_empty() {
            self.judged.ours.insert(file);
        }
        self.judged.objects += objects.len();
        self.judged.skipped += skipped.len();
        let room = NOTES_MAX.saturating_sub(self.judged.notes.len());
        self.judged.notes.extend(skipped.into_iter().take(room));
        self.index.lose(lost);
        for (nth, object) in objects.into_iter().enumerate() {
            let Object { manifest, value } = resolved(object, &input.folder);
            self.index.add(&manifest, &value, Place { file, nth });
            self.note(file, &manifest, &value);
            found.extend(look(file, &manifest, &value)?);
            found.extend(admission::admit_value(&manifest, value));
        }
        self.judged.found.extend(manifest::lean(found));
        Ok(())
    }

    /// Remembers what only the last file can answer, beyond what the index does.
    fn note(&mut self, file: usize, manifest: &Manifest, value: &Value) {
        fn add<K: Ord>(files: &mut BTreeMap<K, Vec<usize>>, key: K, file: usize) {
            let files = files.entry(key).or_default();
            if files.last() != Some(&file) {
                files.push(file);
            }
        }
        for work in commands::of(&manifest.kind, &value["spec"]) {
            add(&mut self.work, work, file);
        }
        let space = value.pointer("/metadata/namespace").and_then(Value::as_str);
        if manifest.kind == "Town" {
            self.towns.push(space.map(str::to_owned));
        }
        if let Some(space) = space {
            add(&mut self.spaces, space.to_owned(), file);
        }
    }

    /// What is wrong between objects, now that all of them are known.
    fn between(&mut self, inputs: &[Input]) -> Result<(), CliError> {
        let built_in = Stored::without_store(&[]);
        let beside = self.index.beside(&built_in);
        // The town says which namespace is its own, if it is among the files.
        let own = match &self.towns[..] {
            [Some(own)] => Some(own.clone()),
            _ => None,
        };
        let mut suspects = self.index.suspects(&built_in, self.options.allow_missing);
        for (work, files) in &self.work {
            if commands::is_wrong(work, &beside) {
                suspects.extend(files);
            }
        }
        for (_, files) in self.spaces.iter().filter(|(space, _)| own.as_ref().is_some_and(|own| own != *space)) {
            suspects.extend(files);
        }
        let mut between = Between { own: Own::of(&self.judged.found), found: Vec::new(), errors: 0 };
        for clash in self.index.clashes().iter().take(MISTAKES_MAX + 1) {
            let (first, again) = (self.again(inputs, clash.first)?, self.again(inputs, clash.again)?);
            if let (Some(first), Some(again)) = (first, again) {
                between.add(vec![clash.mistake(&first, &again)]);
            }
        }
        for file in suspects {
            if between.is_full() {
                break;
            }
            let manifests = self.manifests(&inputs[file])?;
            let beside = self.index.beside_file(&built_in, file);
            let mut found = admission::admit_file(&manifests, &beside, self.options);
            found.extend(commands::check(&manifests, &beside));
            found.extend(own.iter().flat_map(|own| read::check_namespace(&manifests, own)));
            between.add(found);
        }
        self.judged.found.extend(between.into_found());
        Ok(())
    }

    /// The objects of a file that is read once more.
    fn manifests(&self, input: &Input) -> Result<Vec<Manifest>, CliError> {
        let bytes = match input.bytes(self.repository) {
            Ok(bytes) => bytes,
            Err(Refused::Failed(error)) => return Err(error),
            Err(Refused::Mistake(_)) => Vec::new(),
        };
        let objects = manifest::survey(&input.name, &bytes, input.scope).objects;
        Ok(objects.into_iter().map(|object| resolved(object, &input.folder).packed()).collect())
    }

    fn again(&self, inputs: &[Input], place: Place) -> Result<Option<Manifest>, CliError> {
        Ok(self.manifests(&inputs[place.file])?.into_iter().nth(place.nth))
    }
}

/// What is wrong between objects.
struct Between {
    own: Own,
    found: Vec<Diagnostic>,
    errors: usize,
}

/// Where something is wrong by itself already: by file, the first and the last byte.
struct Own(BTreeMap<String, Vec<(usize, usize)>>);

impl Own {
    fn of<'a>(found: impl IntoIterator<Item = &'a Diagnostic>) -> Self {
        let mut own: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        for it in found {
            own.entry(it.file().to_owned()).or_default().push((it.span.start, it.span.end));
        }
        Self(own)
    }

    fn covers(&self, it: &Diagnostic) -> bool {
        let places = self.0.get(it.file()).map(Vec::as_slice).unwrap_or_default();
        places.iter().any(|(start, end)| *start == it.span.start && *end == it.span.end)
    }
}

impl Between {
    /// Adds what was found in a file, but for what was told of the very place.
    fn add(&mut self, found: Vec<Diagnostic>) {
        let errors = Own::of(found.iter().filter(|it| it.severity == Severity::Error));
        let is_said = |it: &Diagnostic| it.severity == Severity::Warning && errors.covers(it);
        let is_news = |it: &Diagnostic| it.code != admission::CODE_MORE && !self.own.covers(it) && !is_said(it);
        let found: Vec<_> = found.into_iter().filter(is_news).collect();
        self.errors += found.iter().filter(|it| it.severity == Severity::Error).count();
        self.found.extend(manifest::lean(found));
    }

    fn is_full(&self) -> bool {
        self.errors > MISTAKES_MAX
    }

    /// All of it, with a word where there is more.
    fn into_found(mut self) -> Vec<Diagnostic> {
        if !self.is_full() {
            return self.found;
        }
        let mut errors = 0;
        self.found.retain(|it| {
            errors += usize::from(it.severity == Severity::Error);
            it.severity == Severity::Warning || errors <= MISTAKES_MAX
        });
        let last = self.found.iter().rfind(|it| it.severity == Severity::Error);
        let more = last.map(admission::more);
        self.found.extend(more);
        self.found
    }
}
