//! Folding: facts that were appended since the last time become one commit.
//!
//! The tree has two halves: `objects/KIND/xx.jsonl` with whole objects, from which a store is made anew elsewhere, and `beads/xx.jsonl`
//! with beads as Beads' own lines, for people and trackers. Each file holds those whose names hash to it, so that a fold writes the
//! files that it touches and no others. A commit says how far it has read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gastown_api::store::{Fact, last_facts, read_facts};
use gastown_base::private;
use gastown_beads::issue::Issue;
use gastown_beads::kept::Kept;
use gastown_beads::line;
use gastown_beads::slim::Slim;
use gastown_crds::{BeadEvent, names};
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, RepositoryInitOptions, Signature, Time, Tree};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The branch of the repository.
pub(crate) const BRANCH: &str = "refs/heads/main";
/// The folder of whole objects.
pub(crate) const OBJECTS: &str = "objects";
/// The folder of Beads' lines.
pub(crate) const BEADS: &str = "beads";
/// The line of a commit's message that says how far it has read: the file's inode, and the bytes of it.
const READ: &str = "Facts-Read: ";

/// A commit takes some milliseconds: a lock of the branch that is so much older is of a process that died at it.
const LOCK_AGE_MAX: SignedDuration = SignedDuration::from_mins(1);

/// The ledger cannot be folded or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// By the system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// By git.
    #[error(transparent)]
    Git(#[from] git2::Error),
    /// What stands in the repository is not what this program writes.
    #[error("{0}")]
    Unreadable(String),
}

/// The repository, and how far it has read the facts.
pub struct Fold {
    repository: Repository,
    facts: PathBuf,
    read: Option<Read>,
}

/// A place in a file of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Read {
    inode: u64,
    bytes: u64,
}

/// What a fold has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// Facts that were new to it.
    pub facts: usize,
    /// The commit; none where nothing changed.
    pub commit: Option<Oid>,
}

/// The lines of a file, by their names.
type Lines = BTreeMap<String, String>;

impl Fold {
    /// Opens the repository beside a file of facts, or makes it.
    pub fn open(facts: &Path) -> Result<Self, LedgerError> {
        let repository = opened(facts)?;
        let read = tip(&repository).and_then(|tip| read_of(tip.message().unwrap_or_default()));
        Ok(Self { repository, facts: facts.to_owned(), read })
    }

    /// Takes in what was appended since the last fold; all of it, where the file is another one.
    pub fn fold(&mut self, now: Timestamp) -> Result<Folded, LedgerError> {
        let metadata = match fs_err::metadata(&self.facts) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Folded { facts: 0, commit: None }),
            Err(error) => return Err(error.into()),
        };
        self.free_stale_lock(now)?;
        let goes_on = self.read.filter(|read| read.inode == metadata.ino() && read.bytes <= metadata.len());
        let from = goes_on.map_or(0, |read| read.bytes);
        let (facts, end) = read_facts(&self.facts, from)?;
        let read = Read { inode: metadata.ino(), bytes: end };
        if facts.is_empty() && goes_on.is_some() {
            return Ok(Folded { facts: 0, commit: None });
        }
        let parent = tip(&self.repository);
        // One that is read from its start says all there is.
        let base = parent.as_ref().filter(|_| goes_on.is_some()).map(git2::Commit::tree).transpose()?;
        let mut files: BTreeMap<String, Lines> = BTreeMap::new();
        for fact in last_facts(&facts) {
            self.take(fact, base.as_ref(), &mut files)?;
        }
        let tree = self.write(base.as_ref(), &files)?;
        self.read = Some(read);
        if parent.as_ref().is_some_and(|parent| parent.tree_id() == tree) {
            return Ok(Folded { facts: facts.len(), commit: None });
        }
        let mut message = format!("{} facts\n\n{READ}{} {}\n", facts.len(), read.inode, read.bytes);
        if let Some(last) = facts.last() {
            let _never_fails = writeln!(message, "Revision: {}", last.revision);
        }
        let at = Time::new(now.as_second(), 0);
        let who = Signature::new("gt", "gt@town.invalid", &at)?;
        let tree = self.repository.find_tree(tree)?;
        let parents: Vec<_> = parent.iter().collect();
        let commit = self.repository.commit(Some(BRANCH), &who, &who, &message, &tree, &parents)?;
        Ok(Folded { facts: facts.len(), commit: Some(commit) })
    }

    /// Removes the lock of one that died while it moved the branch; else nobody could ever move it again.
    fn free_stale_lock(&self, now: Timestamp) -> Result<(), LedgerError> {
        let lock = self.repository.path().join(format!("{BRANCH}.lock"));
        let made = fs_err::metadata(&lock).and_then(|metadata| metadata.modified()).ok();
        let made = made.and_then(|made| Timestamp::try_from(made).ok());
        if made.is_some_and(|made| now.duration_since(made) > LOCK_AGE_MAX) {
            tracing::warn!(lock = %lock.display(), "one that folded the ledger has died at it: its lock is removed");
            match fs_err::remove_file(lock) {
                // Another process has removed it, or its own has ended.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// How many commits there are.
    pub fn commits(&self) -> Result<usize, LedgerError> {
        let mut walk = self.repository.revwalk()?;
        if tip(&self.repository).is_none() {
            return Ok(0);
        }
        walk.push_ref(BRANCH)?;
        Ok(walk.count())
    }

    /// Puts a fact into the files that it belongs to.
    fn take(
        &self,
        fact: &Fact,
        base: Option<&Tree<'_>>,
        files: &mut BTreeMap<String, Lines>,
    ) -> Result<(), LedgerError> {
        let Fact { kind, namespace, name, .. } = fact;
        let key = format!("{namespace}/{name}");
        let lines = self.lines(&path_of(OBJECTS, Some(kind), &key), base, files)?;
        put(lines, &key, kept(fact).map(Value::to_string));
        if is_of_beads(fact) {
            put(self.lines(&path_of(BEADS, None, name), base, files)?, name, bead_line(fact));
        }
        Ok(())
    }

    /// The lines of a file: as they are being changed, else as they are in the tree.
    fn lines<'f>(
        &self,
        path: &str,
        base: Option<&Tree<'_>>,
        files: &'f mut BTreeMap<String, Lines>,
    ) -> Result<&'f mut Lines, LedgerError> {
        if !files.contains_key(path) {
            let lines = base.map(|tree| lines_of(&self.repository, tree, path)).transpose()?.unwrap_or_default();
            files.insert(path.to_owned(), lines);
        }
        Ok(files.entry(path.to_owned()).or_default())
    }

    /// Writes the files that were changed; the tree with them.
    fn write(&self, base: Option<&Tree<'_>>, files: &BTreeMap<String, Lines>) -> Result<Oid, LedgerError> {
        let mut update = TreeUpdateBuilder::new();
        for (path, lines) in files {
            if lines.is_empty() {
                if base.is_some_and(|tree| tree.get_path(Path::new(path)).is_ok()) {
                    update.remove(path);
                }
                continue;
            }
            let text = lines.values().map(String::as_str).collect::<Vec<_>>().join("\n") + "\n";
            update.upsert(path.as_str(), self.repository.blob(text.as_bytes())?, FileMode::Blob);
        }
        let empty = self.repository.treebuilder(None)?.write()?;
        let base = match base {
            Some(tree) => tree.clone(),
            None => self.repository.find_tree(empty)?,
        };
        Ok(update.create_updated(&self.repository, &base)?)
    }
}

/// The repository beside a file of facts.
pub(crate) fn repository_of(facts: &Path) -> PathBuf {
    facts.with_file_name("ledger.git")
}

/// Opens the repository beside a file of facts, or makes it, closed to others.
pub(crate) fn opened(facts: &Path) -> Result<Repository, LedgerError> {
    let path = repository_of(facts);
    if !path.exists() {
        private::create(&path)?;
        let mut options = RepositoryInitOptions::new();
        return Ok(Repository::init_opts(&path, options.bare(true).external_template(false))?);
    }
    Ok(Repository::open_bare(&path)?)
}

/// The newest commit.
pub(crate) fn tip(repository: &Repository) -> Option<git2::Commit<'_>> {
    repository.find_reference(BRANCH).ok()?.peel_to_commit().ok()
}

/// The file of an object, by its folder and its name.
pub(crate) fn path_of(folder: &str, kind: Option<&str>, name: &str) -> String {
    let shard = names::digest(&["shard", name]);
    let shard = shard.get(..2).unwrap_or(&shard);
    match kind {
        Some(kind) => format!("{folder}/{kind}/{shard}.jsonl"),
        None => format!("{folder}/{shard}.jsonl"),
    }
}

/// The lines of a file in a tree, by the names of their objects.
fn lines_of(repository: &Repository, tree: &Tree<'_>, path: &str) -> Result<Lines, LedgerError> {
    let Ok(entry) = tree.get_path(Path::new(path)) else { return Ok(Lines::new()) };
    let blob = repository.find_blob(entry.id())?;
    let text = std::str::from_utf8(blob.content())
        .map_err(|error| LedgerError::Unreadable(format!("{path} is no text: {error}")))?;
    let mut lines = Lines::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line)
            .map_err(|error| LedgerError::Unreadable(format!("{path} holds a line that is no JSON: {error}")))?;
        let name = if let Value::Object(metadata) = &value["metadata"]
            && value.get("apiVersion").is_some()
        {
            let part = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{}/{}", part("namespace"), part("name"))
        } else {
            let id = value["id"].as_str().unwrap_or_default();
            gastown_beads::ids::object_name(id).map(std::borrow::Cow::into_owned).unwrap_or_default()
        };
        lines.insert(name, line.to_owned());
    }
    Ok(lines)
}

/// Every object in the newest commit.
pub(crate) fn objects(repository: &Repository, tree: &Tree<'_>) -> Result<Vec<(String, Value)>, LedgerError> {
    let Ok(folder) = tree.get_path(Path::new(OBJECTS)) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for kind in &repository.find_tree(folder.id())? {
        let name = kind.name().unwrap_or_default().to_owned();
        for file in &repository.find_tree(kind.id())? {
            let blob = repository.find_blob(file.id())?;
            for line in String::from_utf8_lossy(blob.content()).lines() {
                let object = serde_json::from_str(line).map_err(|error| {
                    LedgerError::Unreadable(format!("{name} holds a line that is no JSON: {error}"))
                })?;
                found.push((name.clone(), object));
            }
        }
    }
    Ok(found)
}

fn read_of(message: &str) -> Option<Read> {
    let line = message.lines().find_map(|line| line.strip_prefix(READ))?;
    let (inode, bytes) = line.split_once(' ')?;
    Some(Read { inode: inode.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// The line of an object takes the place of the one before; none: there is none any more.
fn put(lines: &mut Lines, name: &str, line: Option<String>) {
    match line {
        Some(line) => drop(lines.insert(name.to_owned(), line)),
        None => drop(lines.remove(name)),
    }
}

/// The object of a fact, if it is there and no wisp.
fn kept(fact: &Fact) -> Option<&Value> {
    let is_wisp = |object: &Value| object["kind"] == "Bead" && object["spec"]["ephemeral"] == true;
    fact.object.as_ref().filter(|object| !is_wisp(object))
}

/// Whether a fact is about a bead or an event.
fn is_of_beads(fact: &Fact) -> bool {
    fact.kind.starts_with("beads.") || is_of_event(fact)
}

fn is_of_event(fact: &Fact) -> bool {
    fact.kind.starts_with("beadevents.")
}

/// The line of a bead or an event; none for a step, which is a part of its bead's work.
fn bead_line(fact: &Fact) -> Option<String> {
    let object = kept(fact)?;
    if is_of_event(fact) {
        let event = serde_json::from_value::<BeadEvent>(object.clone()).ok()?;
        let kept = Kept::of(&event);
        return Some(line::of(&Issue::of_event(&event), kept.as_ref(), None));
    }
    let slim = serde_json::from_value::<Slim>(object.clone()).ok()?;
    (!slim.is_step()).then(|| line::of(&Issue::of(&slim), slim.metadata.annotations.beads.as_ref(), None))
}

/// All beads and events as Beads' lines, by their ids, straight from the facts.
pub fn export(facts: &Path) -> Result<Vec<String>, LedgerError> {
    let (facts, _) = match read_facts(facts, 0) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let mut lines = Lines::new();
    for fact in last_facts(&facts).into_iter().filter(|fact| is_of_beads(fact)) {
        put(&mut lines, &fact.name, bead_line(fact));
    }
    Ok(lines.into_values().collect())
}
