//! Collecting what removed owners leave behind, a bounded piece per batch, as Kubernetes' garbage collector does.
//!
//! A dependent goes when none of its owners is left; while it has another one, only the dead reference is taken off. An
//! owner of a kind that is not served here is never thought dead.
//!
//! An owner that is deleted with `Orphan` or `Foreground` stays meanwhile, held by a finalizer of that name: it goes when
//! its dependents have lost their reference, or when none is left that blocks it. The finalizer is in the row, so this
//! survives a restart.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::apply::Batch;
use super::index_entries::OWNER;
use super::{Key, Propagation};

/// Dependents handled per batch. At some 50 µs each a batch stays under 15 ms, which a waiting writer does not notice.
const DEPENDENTS_PER_BATCH_MAX: usize = 256;

/// A removed owner, and how far its dependents have been handled (by row id, ascending).
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) owner: String,
    pub(super) after_id: i64,
    /// Whether it may still be there, waiting for its dependents. Of most owners it is known that they are gone.
    pub(super) may_be_there: bool,
}

/// Sets the finalizer of a policy, in place of another's; answers whether the object waits for its dependents.
pub(super) fn propagate(metadata: &mut Value, propagation: Propagation) -> bool {
    let ours = [Propagation::Foreground, Propagation::Orphan].map(Propagation::finalizer);
    let is_ours = |it: &Value| it.as_str().is_some_and(|name| ours.contains(&Some(name)));
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    if propagation != Propagation::Default {
        finalizers.retain(|it| !is_ours(it));
    }
    finalizers.extend(propagation.finalizer().map(Value::from));
    let waits = finalizers.iter().any(is_ours);
    match metadata.as_object_mut() {
        Some(metadata) if finalizers.is_empty() => drop(metadata.remove("finalizers")),
        Some(metadata) => drop(metadata.insert("finalizers".to_owned(), Value::Array(finalizers))),
        None => {}
    }
    waits
}

/// What is done to the dependents of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// It is gone: they go, unless they have another owner.
    Gone,
    /// It goes last: the same, and it waits.
    Foreground,
    /// They lose the reference.
    Orphan,
}

impl Batch<'_> {
    /// Notes a dependent of an owner that is not there (any more).
    pub(super) fn garbage_if_gone(&mut self, owner: &str, id: i64) -> rusqlite::Result<()> {
        if !self.exists(owner)? {
            self.garbage.push_back(Pending { owner: owner.to_owned(), after_id: id - 1, may_be_there: false });
        }
        Ok(())
    }

    fn exists(&self, uid: &str) -> rusqlite::Result<bool> {
        self.store.tally.statement();
        self.store.db.prepare_cached("SELECT 1 FROM objects WHERE uid = ?1")?.exists([uid])
    }

    /// Handles what is pending, up to the bound; answers whether more is left for the next batch.
    pub(super) fn collect(&mut self, mut has_stored: bool) -> rusqlite::Result<bool> {
        let mut budget = DEPENDENTS_PER_BATCH_MAX;
        while budget > 0 {
            let next = match self.garbage.pop_front() {
                Some(pending) => Some((pending, false)),
                None if has_stored => self.stored()?.map(|pending| (pending, true)),
                None => None,
            };
            let Some((pending, is_stored)) = next else { return Ok(false) };
            let held = if pending.may_be_there { self.held(&pending.owner)? } else { None };
            let policy = held.as_ref().map_or(Policy::Gone, |held| held.1);
            let dependents = self.dependents(&pending, budget)?;
            budget -= dependents.len();
            let is_done = budget > 0;
            let last = dependents.last().map_or(pending.after_id, |it| it.0);
            for (_, key) in dependents {
                self.handle(&key, &pending.owner, policy)?;
            }
            if let Some((key, _)) = held.filter(|_| is_done) {
                self.let_go(&key, &pending.owner, policy)?;
            }
            if is_stored && is_done {
                self.store.run("DELETE FROM garbage WHERE owner = ?1", [&pending.owner])?;
            } else if is_stored {
                self.store.run("UPDATE garbage SET after_id = ?2 WHERE owner = ?1", params![pending.owner, last])?;
            } else if !is_done {
                self.garbage.push_front(Pending { after_id: last, ..pending });
            }
        }
        for Pending { owner, after_id, may_be_there: _ } in std::mem::take(&mut self.garbage) {
            has_stored = true;
            self.store.run(
                "INSERT INTO garbage VALUES (?1, ?2) ON CONFLICT (owner) DO UPDATE SET after_id = min(after_id, ?2)",
                params![owner, after_id],
            )?;
        }
        Ok(has_stored)
    }

    fn stored(&self) -> rusqlite::Result<Option<Pending>> {
        self.store.tally.statement();
        let mut statement =
            self.store.db.prepare_cached("SELECT owner, after_id FROM garbage ORDER BY owner LIMIT 1")?;
        statement
            .query_row([], |row| Ok(Pending { owner: row.get(0)?, after_id: row.get(1)?, may_be_there: true }))
            .optional()
    }

    fn dependents(&self, pending: &Pending, max: usize) -> rusqlite::Result<Vec<(i64, Key)>> {
        self.store.tally.statement();
        let mut statement = self.store.db.prepare_cached(
            "SELECT o.id, o.kind, o.ns, o.name FROM marks m JOIN objects o ON o.id = m.id
             WHERE m.what = ?1 AND m.value = ?2 AND m.id > ?3 ORDER BY m.id LIMIT ?4",
        )?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![OWNER, pending.owner, pending.after_id, max], |row| {
            let kind: String = row.get(1)?;
            Ok((row.get(0)?, Key { kind: kind.into(), ns: row.get(2)?, name: row.get(3)? }))
        })?;
        rows.collect()
    }

    /// The owner's name and its policy, if it is there and waits for its dependents.
    fn held(&self, owner: &str) -> rusqlite::Result<Option<(Key, Policy)>> {
        self.store.tally.statement();
        let mut statement = self.store.db.prepare_cached("SELECT kind, ns, name FROM objects WHERE uid = ?1")?;
        let key = statement.query_row([owner], |row| {
            let kind: String = row.get(0)?;
            Ok(Key { kind: kind.into(), ns: row.get(1)?, name: row.get(2)? })
        });
        let Some(key) = key.optional()? else { return Ok(None) };
        let Some(Ok(current)) = self.store.current(&key)? else { return Ok(None) };
        let Ok(object) = serde_json::from_str::<Value>(&current.object) else { return Ok(None) };
        Ok(policy_of(&object).map(|policy| (key, policy)))
    }

    /// Takes the policy's finalizer off an owner whose dependents are handled; without another one it goes.
    fn let_go(&mut self, key: &Key, owner: &str, policy: Policy) -> rusqlite::Result<()> {
        if policy == Policy::Foreground && self.is_blocked(owner)? {
            return Ok(());
        }
        let Some(Ok(current)) = self.store.current(key)? else { return Ok(()) };
        let Ok(mut object) = serde_json::from_str::<Value>(&current.object) else { return Ok(()) };
        // The finalizer goes, and the policy with it.
        if propagate(&mut object["metadata"], Propagation::Background) {
            return Ok(());
        }
        if object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
            self.remove(key.clone(), current, object)?;
        } else {
            self.update(key.clone(), current, object)?;
        }
        Ok(())
    }

    /// Whether a dependent is left that its owner waits for.
    fn is_blocked(&self, owner: &str) -> rusqlite::Result<bool> {
        let mut after_id = 0;
        loop {
            let pending = Pending { owner: owner.to_owned(), after_id, may_be_there: true };
            let some = self.dependents(&pending, DEPENDENTS_PER_BATCH_MAX)?;
            let Some(last) = some.last().map(|it| it.0) else { return Ok(false) };
            for (_, key) in some {
                let Some(Ok(current)) = self.store.current(&key)? else { continue };
                let object = serde_json::from_str::<Value>(&current.object).unwrap_or_default();
                if blocked_owners(&object).any(|uid| uid == owner) {
                    return Ok(true);
                }
            }
            after_id = last;
        }
    }

    /// Looks again at the owners that may have waited for an object which goes.
    pub(super) fn release_owners(&mut self, object: &Value) {
        if object["metadata"]["deletionTimestamp"].is_null() {
            // It never lingered, so nobody has looked at its owner without it.
            return;
        }
        for owner in blocked_owners(object) {
            self.garbage.push_back(Pending { owner: owner.to_owned(), after_id: i64::MAX, may_be_there: true });
        }
    }

    /// Deletes a dependent whose last owner goes, or takes the reference off.
    fn handle(&mut self, key: &Key, owner: &str, policy: Policy) -> rusqlite::Result<()> {
        // A damaged row is left to whoever reads it.
        let Some(Ok(current)) = self.store.current(key)? else { return Ok(()) };
        let Ok(mut object) = serde_json::from_str::<Value>(&current.object) else { return Ok(()) };
        let Some(references) = object["metadata"]["ownerReferences"].as_array_mut() else { return Ok(()) };
        let mut stays = policy == Policy::Orphan;
        for reference in references.iter().filter(|it| it["uid"] != owner) {
            stays |= match reference["uid"].as_str() {
                Some(uid) if parsed_owner(&current.marks, uid) => self.exists(uid)?,
                // Not a kind of ours: it may well live elsewhere.
                _ => true,
            };
        }
        if stays {
            references.retain(|it| it["uid"] != owner);
            self.update(key.clone(), current, object)?;
        } else {
            let below = if policy == Policy::Foreground { Propagation::Foreground } else { Propagation::Default };
            // A refusal cannot happen without preconditions, short of a row that went meanwhile: that is as wanted.
            let _already_gone = self.delete(key, None, None, below)?;
        }
        Ok(())
    }
}

fn policy_of(object: &Value) -> Option<Policy> {
    let metadata = &object["metadata"];
    let has = |propagation: Propagation| {
        let finalizers = metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
        finalizers.into_iter().any(|it| Some(it) == propagation.finalizer())
    };
    if metadata["deletionTimestamp"].is_null() {
        None
    } else if has(Propagation::Orphan) {
        Some(Policy::Orphan)
    } else {
        has(Propagation::Foreground).then_some(Policy::Foreground)
    }
}

/// The owners that wait for an object.
fn blocked_owners(object: &Value) -> impl Iterator<Item = &str> {
    let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    references.filter(|it| it["blockOwnerDeletion"] == true).filter_map(|it| it["uid"].as_str())
}

fn parsed_owner(marks: &str, uid: &str) -> bool {
    serde_json::from_str::<super::IndexEntries>(marks).is_ok_and(|marks| marks.owners().any(|it| it == uid))
}
