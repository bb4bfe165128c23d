//! What is kept of records for a time only: the oldest go, as others come.
//!
//! Looked at with every so many new ones, in the transaction that brings them: a store that nobody writes to is left alone,
//! and most batches do nothing for it. So there may be more than the bounds say by as many.

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;
use serde_json::Value;

use super::Key;
use super::apply::Batch;
use super::index_entries::{KindIndex, Retention, field};

/// New records between two looks at which are to go; the first after an opening is one. A look at 10,000 takes some 2 ms.
pub(super) const PRUNE_EVERY: usize = 64;
/// The most that one look removes. More than come between two of them, so that any number is removed in the end.
const REMOVED_MAX: u32 = 256;

impl Batch<'_> {
    /// Removes what is not to be kept, if so many came since the last look; answers how many have come since then.
    pub(super) fn prune_now_and_then(&mut self, unpruned: usize) -> rusqlite::Result<usize> {
        let unpruned = unpruned + self.passing;
        if self.passing == 0 || unpruned < PRUNE_EVERY {
            return Ok(unpruned);
        }
        let store = self.store;
        for kind in &store.kinds {
            if let Some(retention) = &kind.retention {
                self.prune(kind, retention)?;
            }
        }
        Ok(0)
    }

    fn prune(&mut self, kind: &KindIndex, retention: &Retention) -> rusqlite::Result<()> {
        let mut doomed = self.too_old_or_too_many(kind, retention)?;
        for key in self.too_many_alike(kind, retention)? {
            if !doomed.contains(&key) {
                doomed.push(key);
            }
        }
        for key in doomed.into_iter().take(REMOVED_MAX as usize) {
            // A damaged row is left to whoever reads it.
            let Some(Ok(current)) = self.store.current(&key)? else { continue };
            let Ok(object) = serde_json::from_str::<Value>(&current.object) else { continue };
            self.remove(key, current, object)?;
        }
        Ok(())
    }

    fn too_old_or_too_many(&self, kind: &KindIndex, retention: &Retention) -> rusqlite::Result<Vec<Key>> {
        let db = &self.store.db;
        self.store.tally.statement();
        let mut statement = db.prepare_cached("SELECT count(*) FROM objects WHERE kind = ?1")?;
        let count: u32 = statement.query_row([&kind.kind], |row| row.get(0))?;
        let over = count.saturating_sub(retention.objects_max);
        let age_max = SignedDuration::try_from(retention.age_max).unwrap_or(SignedDuration::MAX);
        let is_old = |object: &[u8]| created(object).is_some_and(|at| self.now.duration_since(at) > age_max);
        self.store.tally.statement();
        // In the order of their making. Names are found in the index, and objects are read until one is to stay.
        let mut statement = db.prepare_cached(
            "SELECT ns, name, object FROM objects WHERE id IN
             (SELECT id FROM objects WHERE kind = ?1 ORDER BY id LIMIT ?2) ORDER BY id",
        )?;
        let mut rows = statement.query(params![kind.kind, REMOVED_MAX])?;
        let mut doomed = Vec::new();
        while let Some(row) = rows.next()? {
            if doomed.len() >= over as usize && !is_old(row.get_ref(2)?.as_bytes().unwrap_or_default()) {
                break;
            }
            doomed.push(Key { kind: kind.kind.as_str().into(), ns: row.get(0)?, name: row.get(1)? });
        }
        Ok(doomed)
    }

    fn too_many_alike(&self, kind: &KindIndex, retention: &Retention) -> rusqlite::Result<Vec<Key>> {
        let db = &self.store.db;
        self.store.tally.statement();
        let what = field(retention.alike);
        let mut statement =
            db.prepare_cached("SELECT value, count(*) FROM marks WHERE what = ?1 GROUP BY value HAVING count(*) > ?2")?;
        let over = statement.query_map(params![what, retention.alike_max], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let over: Vec<(String, u32)> = over.collect::<rusqlite::Result<_>>()?;
        let (mut doomed, mut left) = (Vec::new(), REMOVED_MAX);
        for (value, count) in over {
            if left == 0 {
                break;
            }
            self.store.tally.statement();
            let mut statement = db.prepare_cached(
                "SELECT o.ns, o.name FROM marks m JOIN objects o ON o.id = m.id
                 WHERE m.what = ?1 AND m.value = ?2 AND o.kind = ?3 ORDER BY m.id LIMIT ?4",
            )?;
            let many = (count - retention.alike_max).min(left);
            left -= many;
            let oldest = statement.query_map(params![what, value, kind.kind, many], |row| {
                Ok(Key { kind: kind.kind.as_str().into(), ns: row.get(0)?, name: row.get(1)? })
            })?;
            doomed.extend(oldest.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        Ok(doomed)
    }
}

/// When an object was made. The store has written that itself.
fn created(object: &[u8]) -> Option<Timestamp> {
    let object: Value = serde_json::from_slice(object).ok()?;
    object["metadata"]["creationTimestamp"].as_str()?.parse().ok()
}
