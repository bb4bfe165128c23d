//! Repositories as git2 reads and writes them: other people's, and what may be read of the town's own.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use git2::{Index, IndexEntry, IndexTime, ObjectType, Repository, Signature, Time, TreeWalkMode, TreeWalkResult};

use super::worlds::{Change, Files, apply};

/// What of a clone keeps commits reachable, beside what was fetched.
const KEEPERS: [&str; 3] = ["heads/", "archive/", "rescue/"];

/// Commits to a branch of a repository that nobody works in.
pub fn commit(repo: &Repository, branch: &str, parent: Option<&Oid>, message: &str, change: Change) {
    let parent = parent.map(|parent| repo.find_commit(git2::Oid::from_str(&parent.0).unwrap()).unwrap());
    let mut index = Index::new().unwrap();
    if let Some(parent) = &parent {
        index.read_tree(&parent.tree().unwrap()).unwrap();
    }
    let mut files = Files::new();
    apply(&mut files, change);
    for (path, text) in files {
        let entry = IndexEntry {
            ctime: IndexTime::new(0, 0),
            mtime: IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repo.blob(text.as_bytes()).unwrap(),
            flags: 0,
            flags_extended: 0,
            path: path.into_bytes(),
        };
        index.add(&entry).unwrap();
    }
    let tree = repo.find_tree(index.write_tree_to(repo).unwrap()).unwrap();
    let somebody = Signature::new("somebody", "somebody@example.org", &Time::new(0, 0)).unwrap();
    let parents: Vec<_> = parent.iter().collect();
    let commit = repo.commit(None, &somebody, &somebody, message, &tree, &parents).unwrap();
    repo.reference(&format!("refs/heads/{branch}"), commit, true, "commit").unwrap();
}

/// What a tree holds; none if it is not there.
pub fn files(repo: &Repository, tree: git2::Oid) -> Option<Files> {
    let mut files = Files::new();
    let tree = repo.find_tree(tree).ok()?;
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob) {
            let text = String::from_utf8(repo.find_blob(entry.id()).unwrap().content().to_vec()).unwrap();
            files.insert(format!("{folder}{}", entry.name().unwrap()), text);
        }
        TreeWalkResult::Ok
    })
    .unwrap();
    Some(files)
}

/// The refs of a clone that keep commits: `heads/…`, `archive/…`, `rescue/…`.
pub fn refs(repo: &Repository) -> BTreeMap<String, Oid> {
    let mut refs = BTreeMap::new();
    for reference in repo.references().unwrap() {
        let reference = reference.unwrap();
        let name = reference.name().unwrap();
        let short = name.strip_prefix("refs/gt/").or_else(|| name.strip_prefix("refs/"));
        let kept = short.filter(|short| KEEPERS.iter().any(|kind| short.starts_with(kind)));
        if let (Some(kept), Some(target)) = (kept, reference.target()) {
            refs.insert(kept.to_owned(), Oid(target.to_string()));
        }
    }
    refs
}
