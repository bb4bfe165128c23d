//! Repositories as git2 reads and writes them: other people's, and what may be read of the town's own.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use git2::{
    Commit, Index, IndexEntry, IndexTime, ObjectType, Repository, Signature, Time, Tree, TreeWalkMode, TreeWalkResult,
};

use super::worlds::{Change, Files, apply};

/// What of a clone keeps commits reachable, beside what was fetched.
const KEEPERS: [&str; 3] = ["heads/", "archive/", "rescue/"];

/// Commits to a branch of a repository that nobody works in.
pub fn commit(repo: &Repository, branch: &str, parent: Option<&Oid>, message: &str, change: Change) {
    let parent = parent.map(|parent| find(repo, parent));
    let mut index = Index::new().unwrap();
    if let Some(parent) = &parent {
        index.read_tree(&parent.tree().unwrap()).unwrap();
    }
    let parents: Vec<_> = parent.iter().collect();
    let tree = edited(repo, index, change);
    let somebody = Signature::new("somebody", "somebody@example.org", &Time::new(0, 0)).unwrap();
    let commit = repo.commit(None, &somebody, &somebody, message, &tree, &parents).unwrap();
    repo.reference(&format!("refs/heads/{branch}"), commit, true, "commit").unwrap();
}

/// Takes a commit over onto `main`, and edits it; without `names` its message is another.
pub fn pick(repo: &Repository, commit: &Oid, names: bool, edit: Change) {
    let picked = find(repo, commit);
    let message = if names { picked.message().unwrap() } else { "picked" };
    onto_main(repo, &picked.parent(0).unwrap(), &picked, &picked.author(), message, edit);
}

/// Merges all that a commit has beyond `main` as one commit, and edits it; with `names` it lists the message of what it merges,
/// as `git merge --squash` does.
pub fn squash(repo: &Repository, commit: &Oid, names: bool, edit: Change) {
    let (squashed, main) = (find(repo, commit), repo.refname_to_id("refs/heads/main").unwrap());
    let from = repo.find_commit(repo.merge_base(squashed.id(), main).unwrap()).unwrap();
    let listed: Vec<_> = squashed.message().unwrap().lines().map(|line| format!("    {line}\n")).collect();
    let message = if names { format!("from outside\n\n{}", listed.concat()) } else { "from outside".to_owned() };
    let somebody = Signature::new("somebody", "somebody@example.org", &Time::new(0, 0)).unwrap();
    onto_main(repo, &from, &squashed, &somebody, &message, edit);
}

fn onto_main(repo: &Repository, from: &Commit, to: &Commit, author: &Signature, message: &str, edit: Change) {
    let main = repo.find_commit(repo.refname_to_id("refs/heads/main").unwrap()).unwrap();
    let (from, ours, theirs) = (from.tree().unwrap(), main.tree().unwrap(), to.tree().unwrap());
    let mut merged = repo.merge_trees(&from, &ours, &theirs, None).unwrap();
    // Somebody who merges by hand ends every conflict somehow: here, by taking what is merged.
    if merged.has_conflicts() {
        merged = Index::new().unwrap();
        merged.read_tree(&theirs).unwrap();
    }
    let merged = repo.find_tree(merged.write_tree_to(repo).unwrap()).unwrap();
    let mut index = Index::new().unwrap();
    index.read_tree(&merged).unwrap();
    let tree = edited(repo, index, edit);
    let somebody = Signature::new("somebody", "somebody@example.org", &Time::new(0, 0)).unwrap();
    let commit = repo.commit(None, author, &somebody, message, &tree, &[&main]).unwrap();
    repo.reference("refs/heads/main", commit, true, "merge").unwrap();
}

fn find<'a>(repo: &'a Repository, commit: &Oid) -> Commit<'a> {
    repo.find_commit(git2::Oid::from_str(&commit.0).unwrap()).unwrap()
}

fn edited<'a>(repo: &'a Repository, mut index: Index, change: Change) -> Tree<'a> {
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
    repo.find_tree(index.write_tree_to(repo).unwrap()).unwrap()
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
