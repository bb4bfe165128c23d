//! Repositories that sources are read from: one line of commits each, of which every tree stays readable, as in git.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use gastown_controllers::world::{
    AskDeclared, AskRevision, Declared, Found, Origin, Owner, Revision, Signature, WorldEvent,
};
use gastown_crds::source::revision;
use sha2::{Digest, Sha256};

use super::{SimWorld, State};
use crate::git::source::File;
use crate::source::declared::{Files, For};
use crate::source::may_declare;

/// The town of every simulation.
const TOWN: &str = "town";
/// The branch that each commit is on.
const BRANCH: &str = "main";
/// Hex digits of an id.
const ID_DIGITS: usize = 40;

/// A commit, and the tree that it holds.
pub(super) type Tip = (String, String);

/// A repository that a source is read from.
#[derive(Default)]
pub(super) struct Repository {
    tip: Option<Tip>,
    /// Commits that are signed by a key of whoever asks.
    signed: BTreeSet<String>,
    trees: BTreeMap<String, Vec<(String, String)>>,
    /// The uids of the sources that look at it.
    watched_by: BTreeSet<String>,
}

impl SimWorld {
    /// Somebody commits: from now on the repository at this path holds these files.
    pub fn commit_to_origin(&self, path: &str, files: &[(&str, String)]) {
        self.commit_signed_to_origin(path, files, false);
    }

    /// The same, and signs it if asked to, with a key that every source names.
    pub fn commit_signed_to_origin(&self, path: &str, files: &[(&str, String)], signs: bool) {
        let watched_by = {
            let mut state = self.state();
            let repository = state.origins.entry(path.to_owned()).or_default();
            let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
            let tree = id(&format!("{files:?}"));
            let before = repository.tip.as_ref().map_or("", |(commit, _)| commit);
            let commit = id(&format!("{before} {tree}"));
            if signs {
                repository.signed.insert(commit.clone());
            }
            repository.tip = Some((commit, tree.clone()));
            repository.trees.insert(tree, files);
            repository.watched_by.clone()
        };
        for uid in watched_by {
            self.notify(WorldEvent::Source(uid));
        }
    }
}

impl SimWorld {
    /// The machines that hold the leases of sources in their remotes.
    pub fn holders(&self) -> Vec<String> {
        self.state().leases.values().map(|lease| lease.machine.clone()).collect()
    }

    /// The uids of the objects whose repositories the town has cloned.
    pub fn cloned(&self) -> Vec<String> {
        self.state().clones.keys().cloned().collect()
    }
}

impl State {
    pub(super) fn watch_origin(&mut self, asked: &AskRevision) {
        if let Origin::Path { path, .. } = &asked.origin {
            self.origins.entry(path.clone()).or_default().watched_by.insert(asked.source.uid.clone());
        }
    }

    /// The repository that a source is read from; of one that is cloned, with the commit and tree that were fetched last.
    fn origin(&self, source: &Owner, origin: &Origin) -> Option<(&Repository, Option<&Tip>)> {
        match origin {
            Origin::Path { path, .. } => Some((self.origins.get(path)?, None)),
            Origin::Clone { .. } => {
                let (url, tip) = self.clones.get(&source.uid)?.declared.as_ref()?;
                Some((self.origins.get(url)?, Some(tip)))
            }
            Origin::Directory { .. } => None,
        }
    }

    /// The commit that a repository of declarations is at, if it is one.
    pub(super) fn declared_tip(&self, url: &str) -> Option<Tip> {
        self.origins.get(url)?.tip.clone()
    }

    pub(super) fn revision(&self, asked: &AskRevision) -> Found {
        let at = self.origin(&asked.source, &asked.origin);
        let at = at.and_then(|(repository, fetched)| Some((repository, fetched.or(repository.tip.as_ref())?)));
        let Some((repository, (commit, tree))) = at else {
            return Found::Missing("there is no commit yet".to_owned());
        };
        let signature = match &asked.verify {
            None => Signature::NotAsked,
            Some(_) if repository.signed.contains(commit) => Signature::Good,
            Some(_) => Signature::Refused("it is not signed".to_owned()),
        };
        Found::At(Revision {
            name: revision(BRANCH, commit),
            tree: tree.clone(),
            author: "Kim <kim@example.org>".to_owned(),
            subject: "change".to_owned(),
            signature,
        })
    }

    pub(super) fn declared(&self, asked: &AskDeclared) -> Option<Arc<Declared>> {
        let texts = self.origin(&asked.source, &asked.origin)?.0.trees.get(&asked.tree)?;
        let file =
            |(path, text): &(String, String)| File { path: path.clone(), content: id(text), bytes: text.len() as u64 };
        let files = texts.iter().filter(|(path, _)| may_declare(Path::new(path)));
        let files: Vec<File> = files.map(file).collect();
        let contents = texts.iter().map(|(_, text)| (id(text), text.clone().into_bytes())).collect();
        let mut read = Files::default();
        read.bring(&files, For { root: None, town: TOWN }, |_| Ok(contents)).ok()?;
        Some(Arc::new(read.declared(&files, &asked.tree)))
    }
}

fn id(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text))[..ID_DIGITS].to_owned()
}
