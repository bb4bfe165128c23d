//! Collecting what removed owners leave behind: Kubernetes' background policy, a bounded piece per batch.
//!
//! A dependent goes when none of its owners is left; while it has another one, only the dead reference is taken off. An
//! owner of a kind that is not served here is never thought dead.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::Key;
use super::apply::Batch;
use super::index_entries::OWNER;

/// Dependents handled per batch. At some 50 µs each a batch stays under 15 ms, which a waiting writer does not notice.
const DEPENDENTS_PER_BATCH_MAX: usize = 256;

/// A removed owner, and how far its dependents have been handled (by row id, ascending).
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) owner: String,
    pub(super) after_id: i64,
}

impl Batch<'_> {
    /// Notes a dependent of an owner that is not there (any more).
    pub(super) fn garbage_if_gone(&mut self, owner: &str, id: i64) -> rusqlite::Result<()> {
        if !self.exists(owner)? {
            self.garbage.push_back(Pending { owner: owner.to_owned(), after_id: id - 1 });
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
            let dependents = self.dependents(&pending, budget)?;
            budget -= dependents.len();
            let is_done = budget > 0;
            let last = dependents.last().map_or(pending.after_id, |it| it.0);
            for (_, key) in dependents {
                self.orphan(&key, &pending.owner)?;
            }
            if is_stored && is_done {
                self.store.run("DELETE FROM garbage WHERE owner = ?1", [&pending.owner])?;
            } else if is_stored {
                self.store.run("UPDATE garbage SET after_id = ?2 WHERE owner = ?1", params![pending.owner, last])?;
            } else if !is_done {
                self.garbage.push_front(Pending { owner: pending.owner, after_id: last });
            }
        }
        for Pending { owner, after_id } in std::mem::take(&mut self.garbage) {
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
        statement.query_row([], |row| Ok(Pending { owner: row.get(0)?, after_id: row.get(1)? })).optional()
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

    /// Deletes a dependent whose last owner went, or takes the dead reference off.
    fn orphan(&mut self, key: &Key, owner: &str) -> rusqlite::Result<()> {
        // A damaged row is left to whoever reads it.
        let Some(Ok(current)) = self.store.current(key)? else { return Ok(()) };
        let Ok(mut object) = serde_json::from_str::<Value>(&current.object) else { return Ok(()) };
        let Some(references) = object["metadata"]["ownerReferences"].as_array_mut() else { return Ok(()) };
        let mut has_other = false;
        for reference in references.iter().filter(|it| it["uid"] != owner) {
            has_other |= match reference["uid"].as_str() {
                Some(uid) if parsed_owner(&current.marks, uid) => self.exists(uid)?,
                // Not a kind of ours: it may well live elsewhere.
                _ => true,
            };
        }
        if has_other {
            references.retain(|it| it["uid"] != owner);
            self.update(key.clone(), current, object)?;
        } else {
            // A refusal cannot happen without preconditions, short of a row that went meanwhile: that is as wanted.
            let _already_gone = self.delete(key, None, None)?;
        }
        Ok(())
    }
}

fn parsed_owner(marks: &str, uid: &str) -> bool {
    serde_json::from_str::<super::IndexEntries>(marks).is_ok_and(|marks| marks.owners().any(|it| it == uid))
}
