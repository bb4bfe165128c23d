//! The revision that a repository is at, and whether that is signed: no program is asked where nothing has changed that could
//! say otherwise.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use gastown_controllers::world::{AskRevision, At, Found, Origin, Revision, Signature};

use super::keys::Keys;
use super::stamps::{self, Stamp};
use super::{SourceError, Sources};
use crate::git::source::Repository;

/// Signatures of one source that are kept in memory: those of what branches and keys go back and forth between.
const SIGNATURES_MAX: usize = 8;

/// A revision that was read of a repository, and the stamps of the files that said so.
pub(super) struct Last {
    origin: Origin,
    git_dir: PathBuf,
    common_dir: PathBuf,
    stamps: Vec<Option<Stamp>>,
    link: Option<Stamp>,
    revision: Revision,
    /// The id of the commit or tag that is named.
    named: String,
}

/// What was found of signatures. What is signed has its content for a name, and so have the keys: it does not change.
#[derive(Default)]
pub(super) struct Signatures(Vec<(Checked, Signature)>);

/// What was checked: the id of the commit or tag, the name that a tag is meant by, and a digest of the keys.
type Checked = (String, Option<String>, String);

impl Last {
    fn is_so(&self, dir: &Path, at: &At) -> bool {
        let Self { origin, git_dir, common_dir, stamps, link, revision: _, named: _ } = self;
        let is_clone = matches!(origin, Origin::Clone { .. });
        stamps::of_ref(git_dir, common_dir, at, is_clone).as_ref() == Some(stamps) && stamps::of_link(dir) == *link
    }
}

impl Sources {
    /// The revision that a repository is at: one on this machine, or the town's clone.
    pub(super) fn revision_at(&self, asked: &AskRevision, at: &At, folder: &str) -> Result<Found, SourceError> {
        let (found, named, git_dir) = self.found(asked, at, folder)?;
        match found {
            Found::At(revision) => {
                let signature = self.signature(asked, (&git_dir, named), at)?;
                Ok(Found::At(Revision { signature, ..revision }))
            }
            other => Ok(other),
        }
    }

    /// The same, whoever has signed it, with the id of what is named and the folder of the repository.
    fn found(&self, asked: &AskRevision, at: &At, folder: &str) -> Result<(Found, String, PathBuf), SourceError> {
        let uid = &asked.source.uid;
        let (dir, is_clone) = match &asked.origin {
            Origin::Path { path, .. } | Origin::Directory { path } => (self.town_dir.join(path), false),
            Origin::Clone { .. } => (self.layout.bare_clone(uid), true),
        };
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = lock().get(uid).and_then(|known| known.last.as_ref()).filter(|it| it.origin == asked.origin)
        {
            // Before it is read, here as below: what changes after is an event. Of the town's clone, the job's end is one.
            if !is_clone {
                self.watches.repository(uid, &last.git_dir, &last.common_dir);
            }
            if last.is_so(&dir, at) {
                return Ok((Found::At(last.revision.clone()), last.named.clone(), last.git_dir.clone()));
            }
        }
        let (git_dir, common_dir) = if is_clone {
            if !dir.exists() {
                return Ok((Found::Missing("it is not cloned yet".to_owned()), String::new(), dir));
            }
            (dir.clone(), dir.clone())
        } else {
            let repository = match self.git.source_repository(&dir)? {
                Ok(repository) => repository,
                Err(missing) => {
                    self.watches.appearance(uid, &dir);
                    // It may have come meanwhile.
                    match self.git.source_repository(&dir)? {
                        Ok(repository) => repository,
                        Err(_) => return Ok((Found::Missing(missing), String::new(), dir)),
                    }
                }
            };
            let Repository { git_dir, common_dir, worktree: _ } = repository;
            self.watches.repository(uid, &git_dir, &common_dir);
            (git_dir, common_dir)
        };
        let (stamps, link) = (stamps::of_ref(&git_dir, &common_dir, at, is_clone), stamps::of_link(&dir));
        let (found, named) = self.git.source_revision(&git_dir, at, folder, is_clone)?;
        let last = match (&found, stamps) {
            (Found::At(revision), Some(stamps)) => {
                let (origin, revision, named) = (asked.origin.clone(), revision.clone(), named.clone());
                let (git_dir, common_dir) = (git_dir.clone(), common_dir.clone());
                Some(Last { origin, git_dir, common_dir, stamps, link, revision, named })
            }
            _ => None,
        };
        lock().entry(uid.clone()).or_default().last = last;
        Ok((found, named, git_dir))
    }

    /// Whether what is named is signed as the source wants. The keys are read at each look, and no program is started for
    /// what was checked with the same ones.
    fn signature(
        &self,
        asked: &AskRevision,
        (git_dir, named): (&Path, String),
        at: &At,
    ) -> Result<Signature, SourceError> {
        let keys = match Keys::wanted(&self.town_dir, asked.verify.as_ref()) {
            Ok(keys) => keys,
            Err(unseen) => return Ok(unseen),
        };
        let checked = (named, at.tag().map(str::to_owned), keys.digest.clone());
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = &asked.source.uid;
        let known = |it: &&(Checked, Signature)| it.0 == checked;
        if let Some((_, signature)) = lock().get(uid).and_then(|it| it.signatures.0.iter().find(known)) {
            return Ok(signature.clone());
        }
        let signature = self.git.signature(git_dir, &checked.0, checked.1.as_deref(), &keys)?;
        // What could not be checked may be tomorrow.
        if !matches!(signature, Signature::Unchecked(_)) {
            let mut known = lock();
            let Signatures(all) = &mut known.entry(uid.clone()).or_default().signatures;
            if all.len() >= SIGNATURES_MAX {
                all.remove(0);
            }
            all.push((checked, signature.clone()));
        }
        Ok(signature)
    }
}
