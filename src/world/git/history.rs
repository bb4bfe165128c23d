//! Ancestry, also where history is cut off: the clone of a shallow repository is shallow itself, as `shallow` in it says.
//!
//! libgit2 takes that file into account for a commit's parents, but not when it walks: there a parent that was cut off is an
//! error. So a whole repository is walked by libgit2, and a shallow one here. A parent that is missing for any other reason
//! stays an error.

use std::collections::{BTreeSet, BinaryHeap};
use std::io;

use git2::{Error, Oid, Repository, Sort};

/// The ancestry of a repository's commits.
pub struct History<'r> {
    repo: &'r Repository,
    /// The commits whose parents are cut off; none in a whole repository.
    ends: BTreeSet<Oid>,
}

impl<'r> History<'r> {
    /// The ancestry, as far as the repository has it.
    pub fn of(repo: &'r Repository) -> Result<Self, Error> {
        let ends = match fs_err::read_to_string(repo.commondir().join("shallow")) {
            Ok(text) => text.lines().map(Oid::from_str).collect::<Result<_, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(Error::from_str(&error.to_string())),
        };
        Ok(Self { repo, ends })
    }

    fn is_whole(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether one commit is another, or its descendant.
    pub fn reaches(&self, from: Oid, to: Oid) -> Result<bool, Error> {
        if from == to {
            return Ok(true);
        }
        if self.is_whole() {
            return self.repo.graph_descendant_of(from, to);
        }
        Ok(self.reached(&[from])?.contains(&to))
    }

    /// The number of commits that `tip` has and `base` has not.
    pub fn ahead(&self, tip: Oid, base: Oid) -> Result<usize, Error> {
        if self.is_whole() {
            return Ok(self.repo.graph_ahead_behind(tip, base)?.0);
        }
        Ok(self.reached(&[tip])?.difference(&self.reached(&[base])?).count())
    }

    /// The commits that `tip` has and none of `without` has, parents first.
    pub fn between(&self, tip: Oid, without: &[Oid]) -> Result<Vec<Oid>, Error> {
        if self.is_whole() {
            let mut walk = self.repo.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            walk.push(tip)?;
            without.iter().try_for_each(|it| walk.hide(*it))?;
            return walk.collect();
        }
        let mut seen = self.reached(without)?;
        let (mut found, mut todo) = (Vec::new(), vec![(tip, false)]);
        while let Some((id, parents_done)) = todo.pop() {
            if parents_done {
                found.push(id);
            } else if seen.insert(id) {
                todo.push((id, true));
                todo.extend(self.parents(id)?.into_iter().map(|parent| (parent, false)));
            }
        }
        Ok(found)
    }

    /// The newest commits from `tip` on, children before parents; at most so many.
    pub fn newest(&self, tip: Oid, commits_max: usize) -> Result<Vec<Oid>, Error> {
        if self.is_whole() {
            // Unsorted: read as it goes. Any sorting reads the whole history first, and sorting by time confuses commits of
            // the same second.
            let mut walk = self.repo.revwalk()?;
            walk.push(tip)?;
            return walk.take(commits_max).collect();
        }
        let (mut seen, mut found) = (BTreeSet::from([tip]), Vec::new());
        let mut todo = BinaryHeap::from([(self.repo.find_commit(tip)?.time().seconds(), tip)]);
        while let Some((_, id)) = todo.pop().filter(|_| found.len() < commits_max) {
            found.push(id);
            for parent in self.parents(id)?.into_iter().filter(|parent| seen.insert(*parent)) {
                todo.push((self.repo.find_commit(parent)?.time().seconds(), parent));
            }
        }
        Ok(found)
    }

    fn reached(&self, from: &[Oid]) -> Result<BTreeSet<Oid>, Error> {
        let (mut seen, mut todo) = (BTreeSet::new(), from.to_vec());
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.parents(id)?);
            }
        }
        Ok(seen)
    }

    fn parents(&self, id: Oid) -> Result<Vec<Oid>, Error> {
        if self.ends.contains(&id) {
            return Ok(Vec::new());
        }
        Ok(self.repo.find_commit(id)?.parent_ids().collect())
    }
}
