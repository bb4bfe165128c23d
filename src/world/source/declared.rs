//! What the files of a source declare: parsed and judged file by file, and remembered by their content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use gastown_controllers::world::{Declared, DeclaredObject};
use gastown_crds::admission;
use gastown_crds::manifest::{self, Diagnostic, Scope, Severity, Skipped, Source, Survey};
use gastown_crds::order::{self, Member};

use super::beside::resolved;
use super::{BYTES_MAX, FILES_MAX, SourceError, is_too_large};
use crate::git::source::File;

/// Mistakes that are shown of one revision: nobody corrects more before trying again.
const MISTAKES_MAX: usize = 20;

/// The files of a source that were read, by path and content.
#[derive(Default)]
pub(crate) struct Files(BTreeMap<(String, String), Arc<Read>>);

/// What one file declares, judged.
struct Read {
    objects: Vec<Arc<DeclaredObject>>,
    mistakes: Vec<Diagnostic>,
    unread: Vec<Skipped>,
}

/// Where the files of a source lie on this machine, if they do, and the town that they are for.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) root: Option<&'a Path>,
    pub(crate) town: &'a str,
}

impl Files {
    /// Reads those that are not known yet; `contents` gives their bytes by the id of their content.
    pub(crate) fn bring(
        &mut self,
        files: &[File],
        of: For<'_>,
        contents: impl FnOnce(&[&File]) -> Result<BTreeMap<String, Vec<u8>>, SourceError>,
    ) -> Result<(), SourceError> {
        let is_known = |file: &&File| self.0.contains_key(&(file.path.clone(), file.content.clone()));
        let wanted: Vec<&File> = files.iter().filter(|file| !is_too_large(file) && !is_known(file)).collect();
        if wanted.is_empty() || is_too_much(files) {
            return Ok(());
        }
        let contents = contents(&wanted)?;
        for file in wanted {
            let Some(bytes) = contents.get(&file.content) else { continue };
            self.0.insert((file.path.clone(), file.content.clone()), Arc::new(Read::of(&file.path, bytes, of)));
        }
        Ok(())
    }

    /// What these files declare; what is known of others is let go of.
    pub(crate) fn declared(&mut self, files: &[File], tree: &str) -> Declared {
        if is_too_much(files) {
            let what = format!("there are more than {FILES_MAX} manifests in it, or {} MiB of them", BYTES_MAX >> 20);
            return Declared { tree: tree.to_owned(), mistakes: what, mistakes_count: 1, ..Declared::default() };
        }
        let mut mistakes = Vec::new();
        let (mut objects, mut unread) = (Vec::new(), Vec::new());
        for file in files {
            if is_too_large(file) {
                let source = Source::new(&file.path, "");
                mistakes.push(Diagnostic::error("too-large", "the file is too large to be a manifest", &source, 0..0));
                continue;
            }
            let Some(read) = self.0.get(&(file.path.clone(), file.content.clone())) else { continue };
            mistakes.extend(read.mistakes.iter().cloned());
            objects.extend(read.objects.iter().cloned());
            unread.extend(read.unread.iter().cloned());
        }
        let wanted: BTreeSet<(&str, &str)> =
            files.iter().map(|file| (file.path.as_str(), file.content.as_str())).collect();
        self.0.retain(|(path, content), _| wanted.contains(&(path.as_str(), content.as_str())));
        let objects = order::sorted(objects, |object: &Arc<DeclaredObject>| Member::of(&object.manifest));
        let mistakes_count = mistakes.len();
        mistakes.truncate(MISTAKES_MAX);
        let mistakes = manifest::render_all(&mistakes, false);
        Declared { tree: tree.to_owned(), objects, mistakes, mistakes_count, unread }
    }
}

impl Read {
    fn of(path: &str, bytes: &[u8], For { root, town }: For<'_>) -> Self {
        let Survey { objects, mut mistakes, mut skipped, lost: _ } = manifest::survey(path, bytes, Scope::Anybodys);
        let mut read = Vec::new();
        // Where its file does not lie on this machine, a relative path goes from the town's folder.
        let folder = root.map(|root| root.join(Path::new(path).parent().unwrap_or(Path::new(""))));
        for object in objects {
            let object = match &folder {
                Some(folder) => resolved(object, folder),
                None => object,
            };
            let manifest = object.packed();
            let hint = "leave `namespace` out, or keep it in the other town's source";
            mistakes.extend(admission::of_another_town(&manifest, town).map(|mistake| mistake.hint(hint)));
            mistakes.extend(admission::admit(&manifest));
            read.extend(DeclaredObject::new(manifest).map(Arc::new));
        }
        // What is only a warning keeps nothing from being applied: `gt validate` tells it.
        mistakes.retain(|mistake| mistake.severity == Severity::Error);
        skipped.retain(|one| one.nobodys_file().is_some());
        Self { objects: read, mistakes, unread: skipped }
    }
}

fn is_too_much(files: &[File]) -> bool {
    files.len() > FILES_MAX || files.iter().map(|file| file.bytes).sum::<u64>() > BYTES_MAX
}
