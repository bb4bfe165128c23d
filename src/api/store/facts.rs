//! The facts: what the store holds, appended to a file apart from it, one JSON object a line, before a write is answered. From it a
//! store that was lost, damaged or put back to an earlier day is made anew.
//!
//! Invariants: a line is written after its commit, so what is in the file was so; the store is the truth as long as it can be read and
//! is not older than the file. Nothing is synced: the file guards against loss of the store, and not of power, after which it is
//! written anew from the store.
//!
//! # Design notes
//! A write costs one appended line (some microseconds beside a commit's sync). The file is written anew from the store once it is a few
//! times as long as what is live, so its length is bounded. Objects that are kept for a time only, such as Events, are not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gastown_base::private;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::db::sound;
use super::{Event, Key, KindIndex, Verb};

/// How often as long as what is live the file may become before it is written anew.
const REWRITE_RATIO: u64 = 4;

/// The file is not written anew before it has so many bytes.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

/// How much of the end is read to find the last whole line, in bytes: an object has 256 KiB at most, escaped some more.
const END_BYTES: u64 = 2 << 20;

/// The facts of a store.
#[derive(Debug)]
pub(super) struct Facts {
    path: PathBuf,
    /// None until it is first written.
    file: Option<File>,
    /// The newest revision that it holds; none where it holds nothing.
    revision: Option<i64>,
    bytes: u64,
    /// How long it was when it was last written anew.
    bytes_live: u64,
    /// Commits to wait for before it is written anew, because it lacks something: it could not be written.
    behind: Option<Behind>,
}

/// That the file lacks what was committed.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// The commits that are waited for.
    wait: u32,
    /// How often it could not be written in a row.
    failures: u32,
}

/// The most commits between two tries to write a file anew that could not be written: a full disk takes long to say so.
const WAIT_MAX: u32 = 1024;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    revision: i64,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    key: Option<[std::borrow::Cow<'a, str>; 3]>,
    /// None where it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    object: Option<&'a RawValue>,
}

impl Facts {
    /// Opens the file, which may not be there yet.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let mut facts = Self { path, file: None, revision: None, bytes: 0, bytes_live: 0, behind: None };
        match fs_err::OpenOptions::new().read(true).append(true).open(&facts.path) {
            Ok(file) => {
                let mut file = File::from(file);
                facts.bytes = file.metadata()?.len();
                facts.bytes_live = facts.bytes;
                facts.revision = last_revision(&mut file, facts.bytes)?;
                facts.file = Some(file);
                Ok(facts)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(facts),
            Err(error) => Err(error),
        }
    }

    /// The newest revision that it holds; none where it holds nothing, or its end is cut off.
    pub fn revision(&self) -> Option<i64> {
        self.revision
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds all that was committed.
    pub fn is_whole(&self) -> bool {
        self.behind.is_none()
    }

    /// Whether the file in the folder is still the one that is written to, and no shorter.
    pub fn stands(&self) -> bool {
        let Some(ours) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return false };
        let there = fs_err::metadata(&self.path);
        there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()) && there.len() >= self.bytes)
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Follows a commit of the store, which is at this revision now. What goes wrong is said, and made up for later: the store stands.
    pub fn follow(&mut self, events: &[Event], db: &Connection, kinds: &[KindIndex], revision: i64) {
        match &mut self.behind {
            Some(Behind { wait: wait @ 1.., .. }) => {
                *wait -= 1;
                return;
            }
            Some(_) => {}
            None => match self.append(events, kinds, revision) {
                Ok(()) if !self.is_long() => return,
                Ok(()) => {}
                Err(error) => self.warn(&error),
            },
        }
        self.make_up(db, kinds, revision);
    }

    /// Keeps it as it is under another name, before it is written anew from a store that has gone on without it: should that be the
    /// wrong one, what it held is not lost.
    pub fn keep(&self) {
        let kept = self.path.with_extension("before");
        let _none_is_fine = fs_err::remove_file(&kept);
        let _none_is_fine = fs_err::hard_link(&self.path, &kept);
    }

    /// Writes it anew from the store, now or, where that fails, a few commits later.
    pub fn make_up(&mut self, db: &Connection, kinds: &[KindIndex], revision: i64) {
        if let Err(error) = self.rewrite(db, kinds, revision) {
            self.warn(&error);
            let failures = self.behind.map_or(1, |behind| behind.failures.saturating_add(1));
            self.behind =
                Some(Behind { wait: 1_u32.checked_shl(failures).map_or(WAIT_MAX, |it| it.min(WAIT_MAX)), failures });
        }
    }

    fn warn(&self, error: &dyn std::error::Error) {
        tracing::warn!(%error, path = %self.path.display(), "the ledger lacks what was written just now; it is made up for");
    }

    /// Appends what a commit has changed. `revision` is that of the commit.
    fn append(&mut self, events: &[Event], kinds: &[KindIndex], revision: i64) -> io::Result<()> {
        let mut text = String::new();
        for event in events.iter().filter(|event| is_kept(&event.key.kind, kinds)) {
            let object = RawValue::from_string(event.object.to_string())?;
            let object = Some(&*object).filter(|_| event.verb != Verb::Deleted);
            text.push_str(&line(event.revision, &event.key, object)?);
        }
        if text.is_empty() {
            return Ok(());
        }
        if !self.stands() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file is gone, or cut off"));
        }
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        self.revision = Some(revision);
        Ok(())
    }

    /// Whether it has become much longer than what is live.
    fn is_long(&self) -> bool {
        self.bytes > REWRITE_BYTES_MIN.max(self.bytes_live.saturating_mul(REWRITE_RATIO))
    }

    /// Says that it holds all of a store that is at this revision, before that is closed: not each commit changes what is kept here.
    pub fn settle(&mut self, revision: i64) {
        let Some(file) = self.file.as_mut().filter(|_| self.behind.is_none() && self.revision != Some(revision)) else {
            return;
        };
        match last_line(revision).and_then(|line| file.write_all(line.as_bytes())) {
            Ok(()) => self.revision = Some(revision),
            // It is written anew at the next opening.
            Err(error) => self.warn(&error),
        }
    }

    /// Writes it anew from the store, which is at this revision: beside it, and then in its place.
    fn rewrite(&mut self, db: &Connection, kinds: &[KindIndex], revision: i64) -> Result<(), FactsError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        private::create(folder)?;
        let beside = self.path.with_extension("new");
        let _none_is_fine = fs_err::remove_file(&beside);
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let mut out = BufWriter::new(File::from(fs_err::OpenOptions::from_options(options).open(&beside)?));
        let (mut bytes, mut damaged) = (0, BTreeSet::new());
        let mut put = |text: String| {
            bytes += text.len() as u64;
            out.write_all(text.as_bytes())
        };
        let mut statement = db.prepare("SELECT kind, ns, name, revision, checksum, object FROM objects ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(0)?;
            if !is_kept(&kind, kinds) {
                continue;
            }
            let key = Key { kind: kind.into(), ns: row.get(1)?, name: row.get(2)? };
            let object = |(at, text): (i64, &str)| Some((at, RawValue::from_string(text.to_owned()).ok()?));
            match sound(&key, row, [3, 4, 5]).and_then(object) {
                Some((at, object)) => put(line(at, &key, Some(&object))?)?,
                // A damaged row is reported whenever it is read; it is no fact, and what is known of it stays known.
                None => drop(damaged.insert(key)),
            }
        }
        if !damaged.is_empty() && !self.is_empty() {
            for (key, object) in self.objects()?.into_iter().filter(|(key, _)| damaged.contains(key)) {
                let at = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
                let object = RawValue::from_string(object.to_string()).map_err(io::Error::from)?;
                put(line(at, &key, Some(&object))?)?;
            }
        }
        // Lines are in the order of their objects; the last says how new all of them are.
        put(last_line(revision)?)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs_err::rename(&beside, &self.path)?;
        (self.file, self.revision, self.bytes, self.bytes_live) = (Some(file), Some(revision), bytes, bytes);
        self.behind = None;
        Ok(())
    }

    /// The last that it holds of each object that was not removed, in the order in which they came.
    pub fn objects(&self) -> io::Result<Vec<(Key, Value)>> {
        let mut found: BTreeMap<Key, (usize, Value)> = BTreeMap::new();
        let mut unread = 0_usize;
        let mut reader = BufReader::new(File::from(fs_err::File::open(&self.path)?));
        let mut bytes = Vec::new();
        for nth in 0.. {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let Ok(line) = serde_json::from_slice::<Line<'_>>(&bytes) else {
                unread += 1;
                continue;
            };
            let Some([kind, ns, name]) = line.key else { continue };
            let key = Key { kind: (*kind).into(), ns: ns.into_owned(), name: name.into_owned() };
            match line.object.map(|object| serde_json::from_str(object.get())).transpose() {
                Ok(Some(object)) => found.entry(key).or_insert((nth, Value::Null)).1 = object,
                Ok(None) => drop(found.remove(&key)),
                Err(_) => unread += 1,
            }
        }
        if unread > 0 {
            tracing::warn!(unread, path = %self.path.display(), "lines of the ledger cannot be read and are left out");
        }
        let mut all: Vec<_> = found.into_iter().collect();
        all.sort_by_key(|(_, (nth, _))| *nth);
        Ok(all.into_iter().map(|(key, (_, object))| (key, object)).collect())
    }
}

/// One fact, for whoever reads the file beside the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The revision of the commit.
    pub revision: i64,
    /// `plural.group`, such as `beads.gastown.io`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The object as it was then; none where it was removed.
    pub object: Option<Value>,
}

/// The facts from a place in a file on, and the place behind the last whole line. Lines that cannot be read are left out.
pub fn read_facts(path: &Path, from: u64) -> io::Result<(Vec<Fact>, u64)> {
    let mut file = File::from(fs_err::File::open(path)?);
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut facts, mut end, mut bytes) = (Vec::new(), from, Vec::new());
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes)?;
        if read == 0 || !bytes.ends_with(b"\n") {
            return Ok((facts, end));
        }
        end += read as u64;
        let Ok(Line { revision, key: Some([kind, namespace, name]), object }) = serde_json::from_slice(&bytes) else {
            continue;
        };
        let Ok(object) = object.map(|object: &RawValue| serde_json::from_str(object.get())).transpose() else {
            continue;
        };
        let (kind, namespace, name) = (kind.into_owned(), namespace.into_owned(), name.into_owned());
        facts.push(Fact { revision, kind, namespace, name, object });
    }
}

/// The last fact of each object, in their order.
pub fn last_facts(facts: &[Fact]) -> Vec<&Fact> {
    let mut seen = BTreeSet::new();
    let mut last: Vec<&Fact> =
        facts.iter().rev().filter(|fact| seen.insert((&fact.kind, &fact.namespace, &fact.name))).collect();
    last.reverse();
    last
}

/// A line of such a file: of an object by its kind, namespace and name, or the last one, which says how new all of them are.
pub fn fact_line(revision: i64, key: Option<(&str, &str, &str)>, object: Option<&Value>) -> io::Result<String> {
    let object = object.map(|object| RawValue::from_string(object.to_string())).transpose()?;
    let key = key.map(|(kind, namespace, name)| [kind, namespace, name].map(Into::into));
    Ok(serde_json::to_string(&Line { revision, key, object: object.as_deref() })? + "\n")
}

/// Store and facts could not be brought in line.
#[derive(Debug, thiserror::Error)]
pub(super) enum FactsError {
    /// By the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store could not be read.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Whether the objects of a kind are in the file.
pub(super) fn is_kept(kind: &str, kinds: &[KindIndex]) -> bool {
    kinds.iter().any(|it| it.kind == kind && it.retention.is_none_or(|retention| retention.is_in_ledger))
}

fn line(revision: i64, key: &Key, object: Option<&RawValue>) -> io::Result<String> {
    let key = Some([&*key.kind, &key.ns, &key.name].map(Into::into));
    Ok(serde_json::to_string(&Line { revision, key, object })? + "\n")
}

/// The line that says how new all lines are.
fn last_line(revision: i64) -> io::Result<String> {
    Ok(serde_json::to_string(&Line { revision, key: None, object: None })? + "\n")
}

/// The revision of the last line, if that is whole.
fn last_revision(file: &mut File, bytes: u64) -> io::Result<Option<i64>> {
    file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
    let mut end = Vec::new();
    file.take(END_BYTES).read_to_end(&mut end)?;
    let Some(whole) = end.strip_suffix(b"\n") else { return Ok(None) };
    let last = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(serde_json::from_slice::<Line<'_>>(last).ok().map(|line| line.revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_object_the_last_fact_is_found_in_the_order_of_the_file() {
        let fact = |revision: i64, kind: &str, name: &str| Fact {
            revision,
            kind: kind.to_owned(),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            object: (revision != 4).then_some(Value::Null),
        };
        let facts = [fact(1, "beads", "a"), fact(2, "beads", "b"), fact(3, "rigs", "a"), fact(4, "beads", "a")];
        let last: Vec<i64> = last_facts(&facts).iter().map(|fact| fact.revision).collect();
        assert_eq!(last, [2, 3, 4]);
    }
}
